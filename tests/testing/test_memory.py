"""Connections in memory show protocols what sockets would."""

import asyncio
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from mainstay.testing.memory import WIRE, MemoryTransport, connect_in_memory

SETTLED = 0.001
WHERE: ContextVar[str] = ContextVar("WHERE", default="nowhere")


class Seen(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self, *, half_open: bool = False) -> None:
        self.half_open = half_open
        self.events: list[Any] = []
        self.data = b""
        self.transport: MemoryTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, MemoryTransport)
        self.transport = transport
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.events.append("eof")
        return self.half_open

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost" if exc is None else type(exc).__name__)


def pair(**options: bool) -> tuple[Seen, Seen]:
    client, server = Seen(**options), Seen(**options)
    connect_in_memory(client, server)
    return client, server


async def test_bytes_arrive_in_order_and_later() -> None:
    """Nothing is delivered within `write`; what was written in pieces arrives as one."""
    client, server = pair()
    client.transport.write(b"one ")
    client.transport.writelines([b"two ", b"three"])
    assert server.data == b""
    await asyncio.sleep(SETTLED)
    assert server.data == b"one two three"
    server.transport.write(b"back")
    await asyncio.sleep(SETTLED)
    assert client.data == b"back"


async def test_a_peer_that_does_not_read_makes_the_sender_wait() -> None:
    """A wire full of bytes, then the sender's buffer, then `pause_writing`; and the way back."""
    client, server = pair()
    server.transport.pause_reading()
    client.transport.set_write_buffer_limits(high=1000)
    client.transport.write(b"x" * WIRE)
    assert client.transport.get_write_buffer_size() == 0
    client.transport.write(b"y" * 1001)
    await asyncio.sleep(SETTLED)
    assert client.transport.get_write_buffer_size() == 1001
    assert client.events == ["made", "pause"]
    assert server.data == b""
    server.transport.resume_reading()
    await asyncio.sleep(SETTLED)
    assert client.events == ["made", "pause", "resume"]
    assert server.data == b"x" * WIRE + b"y" * 1001


async def test_a_close_sends_what_was_written() -> None:
    """Both ends are told, after the last byte."""
    client, server = pair()
    client.transport.write(b"z" * (WIRE + 10))
    client.transport.close()
    assert client.transport.is_closing()
    await asyncio.sleep(SETTLED)
    assert len(server.data) == WIRE + 10
    assert client.events == ["made", "lost"]
    assert server.events == ["made", "eof", "lost"]


async def test_half_a_connection_goes_on() -> None:
    """After an end of file the other direction works, if the protocol wants it so."""
    client, server = pair(half_open=True)
    client.transport.write(b"all")
    client.transport.write_eof()
    await asyncio.sleep(SETTLED)
    assert (server.data, server.events) == (b"all", ["made", "eof"])
    server.transport.write(b"thanks")
    server.transport.close()
    await asyncio.sleep(SETTLED)
    assert client.data == b"thanks"
    with pytest.raises(RuntimeError, match="write_eof"):
        client.transport.write(b"more")


async def test_an_abort_resets_the_peer() -> None:
    """What was under way is lost, and the peer is told that it is."""
    client, server = pair()
    client.transport.write(b"never seen")
    client.transport.abort()
    await asyncio.sleep(SETTLED)
    assert server.data == b""
    assert client.events == ["made", "lost"]
    assert server.events == ["made", "ConnectionResetError"]


async def test_writing_to_who_has_closed_is_refused() -> None:
    """As a socket does, the second side learns of it when it writes."""
    client, server = pair(half_open=True)
    server.transport.close()
    await asyncio.sleep(SETTLED)
    assert client.events == ["made", "eof"]
    client.transport.write(b"anybody?")
    await asyncio.sleep(SETTLED)
    assert client.events == ["made", "eof", "ConnectionResetError"]


async def test_each_side_lives_in_its_own_context() -> None:
    """What the client has in context variables is not seen by the server."""
    seen = []

    class Server(Seen):
        def data_received(self, data: bytes) -> None:
            seen.append(WHERE.get())

    WHERE.set("at the server")
    context = copy_context()
    WHERE.set("at the client")
    client = Seen()
    connect_in_memory(client, Server(), server_context=context)
    client.transport.write(b"hello")
    await asyncio.sleep(SETTLED)
    assert seen == ["at the server"]


async def test_a_protocol_that_fails_loses_its_connection() -> None:
    """The loop is told of the error, and both ends of the end."""

    class Bad(Seen):
        def data_received(self, data: bytes) -> None:
            raise ValueError("no")

    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    client, bad = Seen(), Bad()
    connect_in_memory(client, bad)
    client.transport.write(b"hello")
    await asyncio.sleep(SETTLED)
    assert isinstance(told[0]["exception"], ValueError)
    assert bad.events == ["made", "lost"]
    assert client.events == ["made", "ConnectionResetError"]


async def test_a_protocol_can_be_replaced() -> None:
    """What follows goes to the new one."""
    client, server = pair()
    other = Seen()
    server.transport.set_protocol(other)
    assert server.transport.get_protocol() is other
    client.transport.write(b"for the other")
    await asyncio.sleep(SETTLED)
    assert (server.data, other.data) == (b"", b"for the other")


def test_limits_that_cannot_be_are_refused() -> None:
    """The low mark is never above the high one."""

    async def main() -> None:
        client, _ = pair()
        client.transport.set_write_buffer_limits(high=100)
        assert client.transport.get_write_buffer_limits() == (25, 100)
        with pytest.raises(ValueError, match="must be >= low"):
            client.transport.set_write_buffer_limits(high=1, low=2)

    asyncio.run(main())
