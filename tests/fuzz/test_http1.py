"""Whatever bytes come, HTTP/1.1 answers or refuses them, and how they are cut makes no difference.

The cases are rows of the conformance corpus, bent at a few places by a seeded generator, so that a
failure repeats. FUZZ_FACTOR in the environment multiplies their number; `make fuzz` sets it.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Sequence
from typing import Any

import pytest

from mainstay.core.metadata import Peer
from mainstay.core.wheel import Wheel
from mainstay.errors import PeerError, PeerGone
from mainstay.net.exchange import Exchange
from mainstay.net.http1 import Http1Connection
from mainstay.net.limits import Limits
from mainstay.net.port import Port
from mainstay.wire.errors import WireError
from mainstay.wire.http1 import ChunkedReader, HeadParser
from tests.conformance.http1_bad import BAD
from tests.conformance.http1_client import parse_replies
from tests.conformance.http1_good import GOOD

PARTS = 5 * int(os.environ.get("FUZZ_FACTOR", "1"))
"""Tests for each fact, so that none takes longer than a test may, however many cases there are."""
ROUNDS = 300
"""Cases of each."""

LIMITS = Limits(head_size=2_000, header_count=20, target_size=500, body_size=3_000)
ROWS = [
    data for data in (*(row.data for row in BAD), *(row.data for row in GOOD)) if len(data) < 1_500
]
SPICE = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\r\n",
    b"\x00",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
]
SPICE += [
    b"0",
    b"1",
    b"5",
    b"f",
    b"+",
    b"-",
    b"0x",
    b"99999999999999999999",
    b"\xff",
    b"\x7f",
    b"#",
]
SPICE += [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b"chunked"]
SPICE += [b"0\r\n\r\n", b"3\r\nabc\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"]
SPICE += [
    b"Upgrade: websocket\r\n",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"GET / HTTP/1.1\r\n",
    b"%",
    b"//",
    b"a" * 300,
]

NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
VALUE = re.compile(rb"[^\x00\r\n]*")
TARGET = re.compile(rb"[\x21-\x22\x24-\x7e\x80-\xff]+")


def bent(dice: random.Random) -> bytes:
    """A row, or several, with a few changes."""
    data = bytearray(b"".join(dice.choices(ROWS, k=dice.choice([1, 1, 1, 2, 3]))))
    for _ in range(dice.choice([0, 1, 1, 2, 4])):
        at = dice.randrange(len(data) + 1)
        change = dice.randrange(4)
        if change == 0:
            data[at : at + dice.choice([0, 0, 1, 2])] = dice.choice(SPICE)
        elif change == 1:
            del data[at : at + dice.choice([1, 2, 10])]
        elif change == 2:
            data[at:at] = data[at : at + dice.randrange(30)]
        else:
            data[at : at + 1] = dice.randbytes(1)
    return bytes(data)


def cut(dice: random.Random, data: bytes) -> list[bytes]:
    """The same bytes in parts of any length."""
    if dice.random() < 0.1:
        return [data[at : at + 1] for at in range(len(data))]
    places = sorted(dice.choices(range(len(data) + 1), k=dice.randrange(8)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.paused = False
        self.open = asyncio.Event()

    def write(self, data: Any) -> None:
        assert not self.closing
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
        self.open.set()

    async def wait_open(self) -> None:
        self.open.clear()
        await asyncio.wait_for(self.open.wait(), 1)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True
        self.open.set()

    def abort(self) -> None:
        self.close()


class Echo:
    """Reads every body to its end, and keeps what it got."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes, bytes]] = []
        self.heads: list[bool] = []
        self.tasks: list[asyncio.Task[None]] = []

    def begin(self, exchange: Exchange) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(self.answer(exchange)))

    async def answer(self, exchange: Exchange) -> None:
        assert TARGET.fullmatch(exchange.target), exchange.target
        for name, value in exchange.fields:
            assert NAME.fullmatch(name), name
            assert VALUE.fullmatch(value), value
        parts = []
        try:
            while part := await exchange.receive():
                parts.append(part)
        except PeerGone:
            return
        except PeerError as error:
            exchange.respond(413 if error.reason == "TOO_LARGE" else 400, None, (), b"")
            return
        body = b"".join(parts)
        assert exchange.length in (None, len(body))
        self.requests.append((exchange.method, exchange.target, body))
        exchange.respond(200, None, (), body)


def parser() -> HeadParser:
    """A new one, which has seen nothing."""
    return HeadParser(
        head_size=LIMITS.head_size,
        header_count=LIMITS.header_count,
        target_size=LIMITS.target_size,
    )


async def played(
    parts: Sequence[bytes], dice: random.Random, parser: HeadParser
) -> tuple[Any, ...]:
    """What a connection makes of them: the requests, and the statuses of its replies."""
    loop = asyncio.get_running_loop()
    echo, wire = Echo(), Wire()
    port = Port(echo, LIMITS, Wheel(loop, loop.time), loop.time, lambda: 0.0)
    connection = Http1Connection(port, parser, wire, Peer("test"), "http", lambda: None)
    connection.begin()
    for part in parts:
        if wire.closing:
            break
        connection.data_received(part)
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        if wire.paused:
            await wire.wait_open()
    seen = -1
    while len(wire.written) > seen:  # until nothing happens any more
        seen = len(wire.written)
        for _ in range(20):
            await asyncio.sleep(0)
    connection.connection_lost(None)
    await asyncio.wait_for(asyncio.gather(*echo.tasks), 1)
    assert port.in_flight == 0
    assert not port.connections
    heads = [method == "HEAD" for method, _, _ in echo.requests]
    replies, rest = parse_replies(wire.written, [*heads, False], ended=True)
    assert not rest
    return echo.requests, [reply.status for reply in replies]


@pytest.mark.parametrize("seed", range(PARTS))
async def test_any_request_is_answered_or_refused_however_it_is_cut(seed: int) -> None:
    """Nothing but a reply comes of bytes, the same for every way in which they arrive, and whatever
    the parser has seen on other connections."""
    dice = random.Random(seed)
    experienced = parser()
    for _ in range(ROUNDS):
        data = bent(dice)
        whole = await played([data], dice, parser())
        parts = cut(dice, data)
        assert await played(parts, dice, experienced) == whole, (data, parts)
        assert await played([data], dice, experienced) == whole, data


@pytest.mark.parametrize("seed", range(2 * PARTS))
def test_a_body_in_chunks_is_the_same_however_it_is_cut(seed: int) -> None:
    """What the reader takes, and where it says that the body ends, depends on the bytes alone."""
    dice = random.Random(seed)
    bodies = [row.partition(b"\r\n\r\n")[2] for row in ROWS if b"chunked\r\n\r\n" in row]

    def read(parts: Sequence[bytes]) -> tuple[bytes, bytes] | str | None:
        reader = ChunkedReader()
        taken, fed = b"", 0
        try:
            for part in parts:
                fed += len(part)
                taken += reader.feed(part)
                if reader.done:
                    return taken, reader.rest + b"".join(parts)[fed:]
        except WireError as error:
            return f"refused: {error.status}"
        return None

    for _ in range(ROUNDS):
        data = bytearray(dice.choice(bodies))
        for _ in range(dice.randrange(3)):
            at = dice.randrange(len(data) + 1)
            data[at : at + dice.choice([0, 1])] = dice.choice(SPICE)
        whole = read([bytes(data)])
        parts = cut(dice, bytes(data))
        assert read(parts) == whole, parts
