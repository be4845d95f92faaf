"""Writing, waiting and closing, whatever is spoken."""

import asyncio

import pytest

from mainstay.errors import PeerGone
from mainstay.net.exchange import Exchange
from mainstay.net.line import Line
from mainstay.net.port import Port
from mainstay.testing.memory import WIRE, connect_in_memory
from tests.net.memory_port import Peer, make_port

SETTLED = 0.01


class Waiting(Line):
    """A line that notes when its peer has kept it waiting."""

    def __init__(self, port: Port, transport: asyncio.Transport) -> None:
        super().__init__(port, transport)
        self.overdue_at: list[float] = []
        self.got = b""

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed()

    def overdue(self) -> None:
        self.overdue_at.append(asyncio.get_running_loop().time())


class Place(asyncio.Protocol):
    """Makes the line when it is connected."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.line: Waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.line = Waiting(self.port, transport)
        transport.set_protocol(self.line)
        transport.set_write_buffer_limits(high=self.port.limits.write_buffer)


def ignore(exchange: Exchange) -> None:
    """Answers nobody."""


def connect(**limits: float) -> tuple[Waiting, Peer]:
    peer, place = Peer(), Place(make_port(ignore, **limits))
    connect_in_memory(peer, place)
    return place.line, peer


async def test_what_is_corked_leaves_in_one_write() -> None:
    """When the loop comes around, or earlier if it becomes too much."""
    line, peer = connect()
    line.write(b"a")
    line.cork()
    line.cork()
    line.write(b"b")
    line.write(b"c")
    line.flush_above(10)
    await asyncio.sleep(SETTLED)
    assert peer.data == b"abc"
    line.cork()
    line.write(b"d" * 20)
    line.flush_above(10)
    line.write(b"e")
    line.flush()
    await asyncio.sleep(SETTLED)
    assert peer.data == b"abc" + b"d" * 20 + b"e"


async def test_a_sender_waits_for_room() -> None:
    """And goes on when the peer has read."""
    line, peer = connect(write_buffer=1000)
    await line.wait_writable()
    peer.transport.pause_reading()
    line.write(b"x" * (WIRE + 2000))
    waiting = asyncio.create_task(line.wait_writable())
    await asyncio.sleep(1)
    assert not waiting.done()
    peer.transport.resume_reading()
    await waiting
    assert line.write_due == float("inf")


async def test_a_sender_is_told_when_nobody_is_left() -> None:
    """Whether it waited then, or asks later; writing goes nowhere."""
    line, peer = connect(write_buffer=1000)
    peer.transport.pause_reading()
    line.write(b"x" * (WIRE + 2000))
    waiting = asyncio.create_task(line.wait_writable())
    await asyncio.sleep(1)
    peer.transport.abort()
    with pytest.raises(PeerGone):
        await waiting
    with pytest.raises(PeerGone):
        await line.wait_writable()
    line.write(b"y")
    line.cork()
    line.write(b"z")
    line.flush()


async def test_a_peer_that_takes_nothing_is_cut_off() -> None:
    """After the write timeout; one that takes a little each time is not."""
    line, peer = connect(write_buffer=1000, write_timeout=5.0)
    peer.transport.pause_reading()
    line.write(b"x" * (10 * WIRE))
    for _ in range(2):
        await asyncio.sleep(4)
        peer.transport.resume_reading()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        peer.transport.pause_reading()
        assert not line.transport.is_closing()
    await asyncio.sleep(12)
    assert line.transport.is_closing()
    assert peer.ended == "reset"


async def test_a_peer_that_reads_nothing_cannot_hold_a_closing_line() -> None:
    """`close` sends what was written, within the write timeout."""
    line, peer = connect(write_timeout=5.0)
    peer.transport.pause_reading()
    line.write(b"x" * (2 * WIRE))
    line.close()
    assert line.closing
    await asyncio.sleep(4)
    assert peer.ended == ""
    await asyncio.sleep(3)
    assert peer.ended == "reset"


async def test_a_close_sends_what_is_corked() -> None:
    """Nothing that was said is lost."""
    line, peer = connect()
    line.cork()
    line.write(b"last words")
    line.close()
    await asyncio.sleep(SETTLED)
    assert (peer.data, peer.ended) == (b"last words", "closed")


async def test_reading_stops_and_goes_on() -> None:
    """Twice is as once, and a closing transport is left alone."""
    line, peer = connect()
    line.pause_reading()
    line.pause_reading()
    peer.transport.write(b"in")
    await asyncio.sleep(SETTLED)
    assert line.got == b""
    line.resume_reading()
    line.resume_reading()
    await asyncio.sleep(SETTLED)
    assert line.got == b"in"
    line.pause_reading()
    line.close()
    line.resume_reading()


async def test_who_waits_for_a_body_is_told_when_it_is_overdue() -> None:
    """Once, at the body timeout; and never after the end of the line."""
    line, _ = connect(body_timeout=3.0, keep_alive=10.0)
    line.arm_body()
    await asyncio.sleep(30)
    assert len(line.overdue_at) == 1
    assert 3.0 <= line.overdue_at[0] < 3.2
    line.arm_body()
    line.transport.abort()
    await asyncio.sleep(30)
    assert len(line.overdue_at) == 1


async def test_a_line_that_is_disarmed_is_not_looked_at() -> None:
    """Its timer is withdrawn, until it is armed again."""
    line, _ = connect()
    line.due = line.port.monotonic() + 1
    line.arm(line.due)
    line.disarm()
    assert len(line.port.wheel) == 0
    await asyncio.sleep(2)
    assert line.overdue_at == []
    line.due = line.port.monotonic() + 1
    line.arm(line.due)
    await asyncio.sleep(2)
    assert len(line.overdue_at) == 1


def test_what_overdue_means_is_for_the_protocol_to_say() -> None:
    """The line itself knows none."""

    async def main() -> None:
        line, _ = connect()
        with pytest.raises(NotImplementedError):
            Line.overdue(line)

    asyncio.run(main())


async def test_a_transport_is_closed_once() -> None:
    """That of asyncio for TLS has nothing left after a second time, and cannot say what is unsent."""
    closed = 0

    def close() -> None:
        nonlocal closed
        closed += 1
        end()

    line, _ = connect()
    end = line.transport.close
    line.transport.close = close  # type: ignore[method-assign]
    line.close()
    line.close()
    await asyncio.sleep(SETTLED)
    line.close()
    assert closed == 1
