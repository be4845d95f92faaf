"""A connection that speaks HTTP/2, on a transport in memory or on a socket, and a peer of frames."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from mainstay.core.metadata import Peer
from mainstay.core.wheel import Wheel
from mainstay.net.exchange import Exchange
from mainstay.net.http2 import Http2Connection
from mainstay.net.limits import Limits
from mainstay.net.port import Port
from tests.wire.http2_world import GOAWAY, RST, FramePeer, hello

Answer = Callable[[Exchange], Awaitable[None] | None]


class Program:
    """Answers each exchange with `answer`; coroutines run as tasks."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.begun: list[Exchange] = []
        self.errors: list[Exception] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, exchange: Exchange) -> None:
        """See `Application`."""
        self.begun.append(exchange)
        waiting = self.answer(exchange)
        if waiting is not None:
            task = asyncio.ensure_future(self._run(waiting))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, waiting: Awaitable[None]) -> None:
        try:
            await waiting
        except Exception as error:
            self.errors.append(error)


class MemoryTransport(asyncio.Transport):
    """Keeps what is written; `taking` says whether the peer takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Http2Connection | None = None
        self.taken = bytearray()
        self.taking = True
        self.waiting = bytearray()
        self.reading = True
        self.pauses = 0
        self.closed = False
        self.writes = 0
        self._high = 1 << 16
        self._paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high or 0

    def get_write_buffer_size(self) -> int:
        return len(self.waiting)

    def write(self, data: Any) -> None:
        assert not self.closed
        self.writes += 1
        self.waiting += data
        self.let()

    def let(self) -> None:
        """Let the peer take what waits, if it does."""
        assert self.protocol is not None
        if self.taking:
            self.taken += self.waiting
            self.waiting.clear()
        full = len(self.waiting) > self._high
        if full and not self._paused:
            self._paused = True
            self.protocol.pause_writing()
        elif self._paused and not self.waiting:
            self._paused = False
            self.protocol.resume_writing()

    def pause_reading(self) -> None:
        self.reading = False
        self.pauses += 1

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            if not self.waiting:
                self._lost()

    def abort(self) -> None:
        self.closed = True
        self.waiting.clear()
        self._lost()

    def _lost(self) -> None:
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            asyncio.get_running_loop().call_soon(protocol.connection_lost, None)


class Wire:
    """A connection on a transport in memory, with a peer that has greeted."""

    def __init__(self, answer: Answer, *settings: tuple[int, int], **limits: Any) -> None:
        loop = asyncio.get_running_loop()
        self.program = Program(answer)
        self.port = Port(
            self.program, Limits(**limits), Wheel(loop, loop.time), loop.time, lambda: 0.0
        )
        self.transport = MemoryTransport()
        self.lost = 0
        self.peer = FramePeer()
        self.connection = Http2Connection(
            self.port, self.transport, Peer("10.0.0.7:5"), "http", self._count
        )
        self.transport.protocol = self.connection
        self.connection.begin()
        self.connection.data_received(hello(*settings))
        self.heard()

    def _count(self) -> None:
        self.lost += 1

    def say(self, data: bytes) -> Self:
        """The peer sends."""
        self.connection.data_received(data)
        return self

    def heard(self) -> list[tuple[int, int, int, Any]]:
        """The frames that were written and not yet looked at."""
        out = bytes(self.transport.taken)
        self.transport.taken.clear()
        return self.peer.read(out)

    async def settled(self) -> list[tuple[int, int, int, Any]]:
        """The same, after every task has gone as far as it can without time passing."""
        for _ in range(20):
            await asyncio.sleep(0)
        return self.heard()

    def body(self, frames: list[tuple[int, int, int, Any]], stream: int = 1) -> bytes:
        """What DATA of a stream holds."""
        return b"".join(p for kind, _, number, p in frames if (kind, number) == (0, stream))


def codes(frames: list[tuple[int, int, int, Any]]) -> list[int]:
    """The error codes of RST_STREAM and GOAWAY."""
    at = {RST: 0, GOAWAY: 4}
    return [
        int.from_bytes(payload[at[kind] : at[kind] + 4], "big")
        for kind, _, _, payload in frames
        if kind in at
    ]


class Sockets:
    """A server on a real socket."""

    def __init__(self, port: Port, program: Program, address: tuple[str, int]) -> None:
        self.port = port
        self.program = program
        self.address = address

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A peer that has said nothing yet."""
        return await asyncio.open_connection(*self.address)


@asynccontextmanager
async def serving(answer: Answer, **limits: Any) -> AsyncIterator[Sockets]:
    """A server whose connections all speak HTTP/2."""
    loop = asyncio.get_running_loop()
    program = Program(answer)
    port = Port(program, Limits(**limits), Wheel(loop, loop.time), loop.time, lambda: 0.0)

    class Accept(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            made = Http2Connection(port, transport, Peer("peer"), "http", lambda: None)
            transport.set_protocol(made)
            made.begin()

    server = await loop.create_server(Accept, "127.0.0.1", 0)
    try:
        yield Sockets(port, program, server.sockets[0].getsockname()[:2])
    finally:
        server.close()
        port.abort()
        await port.wait_empty()
