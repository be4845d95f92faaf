"""Attacks with raw frames over real sockets: the connection ends, and memory stays bounded."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable

import pytest

from mainstay.net.exchange import Exchange
from mainstay.wire.http2_frames import frame
from tests.net.http2_world import Sockets, codes, serving
from tests.wire.http2_world import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    GET,
    HEADERS,
    PING,
    POST,
    SETTINGS,
    FramePeer,
    hello,
    reset,
    window,
)

pytestmark = pytest.mark.real_loop

MEMORY = 8 << 20
"""Bytes that no flood may make the server hold."""

CALM = 11


def ignore(exchange: Exchange) -> None:
    """Never answer."""


def rapid_reset(peer: FramePeer) -> bytes:
    """Requests that are taken back at once."""
    pairs = (peer.head(stream, GET) + reset(stream) for stream in range(1, 4001, 2))
    return hello() + b"".join(pairs)


def provoked_resets(peer: FramePeer) -> bytes:
    """Requests on which the server is made to reset."""
    pairs = (peer.head(n, GET) + window(n, 2**31 - 1) for n in range(1, 4001, 2))
    return hello() + b"".join(pairs)


def continuations(peer: FramePeer) -> bytes:
    """A header block that never ends."""
    part = b"\x00\x01a" + bytes([0x7F, 0x81, 0x7D]) + b"x" * 16_000
    return hello() + frame(HEADERS, 0, 1, part) + frame(CONTINUATION, 0, 1, part) * 1000


def empty_continuations(peer: FramePeer) -> bytes:
    """The same, of nothing."""
    return hello() + frame(HEADERS, 0, 1, b"\x82") + frame(CONTINUATION, 0, 1, b"") * 100_000


def bomb(peer: FramePeer) -> bytes:
    """One entry of the compression table, named a thousand times in each request."""
    first = peer.head(1, (*GET, (b"x", b"a" * 4000)))
    again = b"\xbe" * 16_000
    return (
        hello()
        + first
        + b"".join(frame(HEADERS, END_HEADERS | 1, stream, again) for stream in range(3, 401, 2))
    )


def settings(peer: FramePeer) -> bytes:
    """Each to be acknowledged."""
    return hello() + frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff") * 100_000


def pings(peer: FramePeer) -> bytes:
    """Each to be answered."""
    return hello() + frame(PING, 0, 0, bytes(8)) * 200_000


def empty_data(peer: FramePeer) -> bytes:
    """DATA that brings nothing and ends nothing."""
    return hello() + peer.head(1, POST, ended=False) + frame(DATA, 0, 1, b"") * 200_000


def priorities(peer: FramePeer) -> bytes:
    """Trees that are to be rebuilt."""
    return hello() + frame(2, 0, 1, bytes(5)) * 200_000


def unknown(peer: FramePeer) -> bytes:
    """Frames of no known kind."""
    return hello() + frame(0x99, 0, 0, bytes(100)) * 50_000


@pytest.mark.parametrize(
    "flood",
    [
        rapid_reset,
        provoked_resets,
        continuations,
        empty_continuations,
        bomb,
        settings,
        pings,
        empty_data,
        priorities,
        unknown,
    ],
    ids=lambda flood: flood.__name__,
)
async def test_a_flood_ends_its_connection(flood: Callable[[FramePeer], bytes]) -> None:
    """With ENHANCE_YOUR_CALM where the peer listens, in little memory, and others are served."""
    peer = FramePeer()
    sent = flood(peer)
    async with serving(ignore) as server:
        peak = await _peak(server, sent, peer)
        assert peak < MEMORY
        assert not server.port.connections
        assert server.port.in_flight == 0
        await _answers(server)


async def _peak(server: Sockets, sent: bytes, peer: FramePeer) -> int:
    reader, writer = await server.connect()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        # In pieces, and not as fast as memory: what asyncio's own client buffers is not ours.
        out = b""
        try:
            for at in range(0, len(sent), 1 << 16):
                writer.write(sent[at : at + (1 << 16)])
                await writer.drain()
            out = await reader.read()
        except ConnectionError:
            pass  # GOAWAY was lost to the reset of a socket with unread bytes
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        writer.close()
    if out:
        assert codes(peer.read(out))[-1] == CALM
    await server.port.wait_empty()
    return peak - before


async def _answers(server: Sockets) -> None:
    """Another peer gets its reply."""
    server.program.answer = lambda exchange: exchange.respond(204, None, (), b"")
    reader, writer = await server.connect()
    peer = FramePeer()
    writer.write(hello() + peer.head(1, GET))
    heads: list[object] = []
    while not heads:
        heads = [p for kind, _, _, p in peer.read(await reader.read(9999)) if kind == HEADERS]
    writer.close()


async def test_a_peer_that_asks_and_does_not_read_costs_little() -> None:
    """What waits to be written stays bounded, however much could be sent for."""
    big = bytes(100_000)
    async with serving(
        lambda exchange: exchange.respond(200, None, (), big), control_frames=10**9
    ) as server:
        reader, writer = await server.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        peer = FramePeer()
        writer.write(hello((4, 2**31 - 1)) + window(0, 2**31 - 1 - 65_535))
        writer.write(b"".join(peer.head(stream, GET) for stream in range(1, 401, 2)))
        writer.write(frame(PING, 0, 0, bytes(8)) * 100_000)
        [connection] = await _connected(server)
        transport = connection.transport  # type: ignore[attr-defined]
        held = 0
        while transport.is_reading():
            await asyncio.sleep(0)
            held = max(held, transport.get_write_buffer_size())
        # Twice the bound, and the answers to what one read may bring.
        assert held < 2 * server.port.limits.write_buffer + (1 << 18) + 9999
        writer.transport.abort()
        assert reader.at_eof() is False


async def _connected(server: Sockets) -> set[object]:
    while not server.port.connections:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    return set(server.port.connections)


async def test_frames_of_one_byte_cost_little() -> None:
    """A window full of them is no more than its bytes."""
    async with serving(ignore) as server:
        peer = FramePeer()
        reader, writer = await server.connect()
        heads = b"".join(peer.head(stream, POST, ended=False) for stream in (1, 3))
        writer.write(hello() + heads)
        while len(server.program.begun) < 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        gc.collect()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for stream in (1, 3):
                for _ in range(6):
                    writer.write(frame(DATA, 0, stream, b"x") * 10_000)
                    await writer.drain()
            exchange = server.program.begun[-1]
            while exchange.inbox.buffered < 60_000:  # type: ignore[attr-defined]  # noqa: ASYNC110
                await asyncio.sleep(0)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert after - before < MEMORY // 8
        writer.close()
        assert not reader.at_eof()
