"""Whatever a peer sends, an HTTP/2 connection ends well: no engine raises, and none aborts.

The frames are valid ones that were bent: bytes changed, cut, doubled, swapped; and frames of any
kind and content. A failure of the fast engine could end the process, so this runs in one of its own.
"""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from mainstay.net.exchange import Exchange
from mainstay.wire.http2_frames import frame
from tests.net.http2_world import Wire
from tests.wire.http2_world import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENGINES,
    GET,
    HEADERS,
    PADDED,
    POST,
    FramePeer,
    reset,
    server,
    window,
)

ROUNDS = 400 * int(os.environ.get("FUZZ_FACTOR", "1"))


def good(peer: FramePeer, draw: random.Random, stream: int) -> bytes:
    """A valid frame, or a few."""
    other = draw.randrange(1, stream + 2, 2)
    makers: list[Callable[[], bytes]] = [
        lambda: peer.head(stream, GET),
        lambda: peer.head(stream, (*POST, (b"content-length", b"3")), ended=False),
        lambda: peer.head(other, [(b"x-sum", b"1")]),
        lambda: frame(DATA, draw.choice([0, END_STREAM]), other, draw.randbytes(3)),
        lambda: frame(DATA, PADDED, other, b"\x05" + draw.randbytes(draw.randrange(9))),
        lambda: (
            frame(HEADERS, 0, stream, b"\x82\x86")
            + frame(CONTINUATION, END_HEADERS, stream, b"\x84\x41\x01a")
        ),
        lambda: reset(other),
        lambda: window(draw.choice([0, other]), draw.randrange(2**31)),
        lambda: frame(4, 0, 0, draw.choice([b"", b"\0\4" + draw.randbytes(4)])),
        lambda: frame(6, draw.choice([0, 1]), 0, draw.choice([bytes(8), b"SHUTDOWN"])),
        lambda: frame(7, 0, 0, draw.randbytes(8)),
    ]
    return draw.choice(makers)()


def bent(data: bytes, draw: random.Random) -> bytes:
    """The same, changed at a place or two, or something else altogether."""
    out = bytearray(data)
    for _ in range(draw.randrange(3)):
        at = draw.randrange(len(out) + 1)
        change: Any = draw.randrange(5)
        if change == 0 and at < len(out):
            out[at] ^= 1 << draw.randrange(8)
        elif change == 1:
            del out[at : at + draw.randrange(4)]
        elif change == 2:
            out[at:at] = draw.randbytes(draw.randrange(4))
        elif change == 3:
            out += out[at:]
        else:
            out = bytearray(
                frame(draw.randrange(12), draw.randrange(256), draw.randrange(9), draw.randbytes(9))
            )
    return bytes(out)


def traffic(seed: int) -> list[bytes]:
    """Forty pieces of it, the same for a seed."""
    draw = random.Random(seed)
    peer = FramePeer()
    sent = b""
    for step in range(20):
        piece = good(peer, draw, 2 * step + 1)
        sent += bent(piece, draw) if draw.random() < 0.2 else piece
    cuts = sorted(draw.randrange(len(sent) + 1) for _ in range(40))
    return [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]


def run_engine(kind: str, seed: int) -> None:
    """It only ever tells events, and what it is asked for in return never fails."""
    engine = server(kind)
    for data in traffic(seed):
        for event in engine.receive(data):
            stream = getattr(event, "stream", 0)
            name = type(event).__name__
            if name == "Broken":
                engine.take()
                return
            if name == "RequestHead":
                engine.inform(stream, 103, [(b"a", b"b")])
                engine.respond(stream, 200, [(b"a", b"b")], False)
                engine.send(stream, bytes(40_000), 0, stream % 4 == 1)
            elif name == "Data":
                engine.credit(stream, len(event.data))  # type: ignore[union-attr]
            elif name == "Trailers":
                engine.send_trailers(stream, [(b"a", b"b")])
        engine.take()


async def run_connection(seed: int) -> None:
    """It answers or closes, and counts right."""

    def answer(exchange: Exchange) -> None:
        if exchange.body is not None:
            exchange.respond(200, None, (), bytes(40_000))

    wire = Wire(answer)
    for data in traffic(seed):
        wire.connection.data_received(data)
        await asyncio.sleep(0)
    wire.connection.abort()
    await wire.settled()
    assert wire.port.in_flight == 0
    assert wire.lost == 1


def main(kind: str) -> None:
    """All rounds of a kind."""
    for seed in range(ROUNDS):
        try:
            if kind == "connection":
                asyncio.run(run_connection(seed))
            else:
                run_engine(kind, seed)
        except BaseException:
            sys.stderr.write(f"seed {seed}\n")
            raise


@pytest.mark.parametrize("kind", [*ENGINES, "connection"])
def test_nothing_that_a_peer_sends_breaks_us(kind: str) -> None:
    """Bent traffic is told as events, or ends the connection."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.test_http2", kind],
        check=False,
        capture_output=True,
        text=True,
        timeout=100 + ROUNDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]


if __name__ == "__main__":
    main(sys.argv[1])
