"""A line protocol: the smallest transport that keeps every promise of a `Server`.

What the lines mean: `examples.lines.grammar`. Answers come in the order of the requests, one call at a time on a connection. A client that closes
its side has left, and its call is cancelled.

How it works, step by step: docs/howto/write-a-transport.md.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any, Final, cast

from examples.lines.grammar import (
    INTERNAL,
    LINE_LIMIT,
    Request,
    encode,
    failure,
    request_of,
    take_line,
)
from mainstay.core.call import Call, Handler
from mainstay.core.metadata import EMPTY, Metadata, Peer
from mainstay.core.scope import Scope
from mainstay.errors import (
    Cancelled,
    ClosedError,
    EndOfStream,
    Error,
    Fault,
    InvalidRequest,
    PeerGone,
    ShuttingDown,
)
from mainstay.interfaces.server import ServerStatistics
from mainstay.net.address import Address
from mainstay.net.listener import Listener

__all__ = ["FLUSH_TIMEOUT", "IDLE_TIMEOUT", "LineServer"]

FLUSH_TIMEOUT: Final = 5.0
"""Seconds that a client has to take what was written once its connection is to end."""

IDLE_TIMEOUT: Final = 60.0
"""Seconds that a connection may go without a whole line while no call is under way.

A client that goes on taking a long answer is not idle.
"""

_CLOSING: Final = 1.0  # seconds that cancelled calls have to end before `aclose` gives up on them
_log = logging.getLogger(__name__)


class LineServer:
    """A `mainstay.interfaces.server.Server` for lines of text.

    Args:
        addresses: where to listen, in the forms of `mainstay.net.address`.
        idle_timeout: see `IDLE_TIMEOUT`.
        flush_timeout: see `FLUSH_TIMEOUT`.
    """

    def __init__(
        self,
        *addresses: str,
        idle_timeout: float = IDLE_TIMEOUT,
        flush_timeout: float = FLUSH_TIMEOUT,
    ) -> None:
        self.idle_timeout = idle_timeout
        self.flush_timeout = flush_timeout
        self.connections: set[_Connection] = set()
        self.calls: set[asyncio.Task[None]] = set()
        self._addresses = [Address.from_text(each) for each in addresses]
        self._listeners: list[Listener] = []

    async def open(self, handler: Handler, scope: Scope) -> list[str]:
        """See `Server.open`."""
        self.handler, self.scope = handler, scope
        self._listeners = [Listener(each) for each in self._addresses]
        try:
            return [str(await each.bind()) for each in self._listeners]
        except BaseException:
            await self.aclose()
            raise

    def accept(self) -> None:
        """See `Server.accept`."""
        for listener in self._listeners:
            listener.accept(functools.partial(_Connection, self, listener))

    async def stop_accepting(self) -> None:
        """See `Server.stop_accepting`."""
        await asyncio.gather(*(each.stop() for each in self._listeners))

    async def drain(self) -> None:
        """See `Server.drain`."""
        for connection in list(self.connections):
            connection.drain()
        while work := self._work():
            await asyncio.wait(work)

    async def aclose(self) -> None:
        """See `Server.aclose`."""
        for listener in self._listeners:
            await listener.aclose()
        for connection in list(self.connections):
            connection.abort()
        if work := self._work():
            await asyncio.wait(work, timeout=_CLOSING)

    def statistics(self) -> ServerStatistics:
        """See `Server.statistics`."""
        return ServerStatistics(len(self.connections), len(self.calls))

    def _work(self) -> list[asyncio.Future[None]]:
        return [*(each.lost for each in self.connections), *self.calls]

    def __repr__(self) -> str:
        where = " ".join(str(each.address) for each in self._listeners) or "not open"
        return f"<LineServer {where} connections={len(self.connections)} calls={len(self.calls)}>"


class _Connection(asyncio.Protocol):
    """One client: cuts bytes into lines, and answers one line after the other."""

    def __init__(self, server: LineServer, listener: Listener) -> None:
        self._server = server
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._busy = False
        self._scope: Scope | None = None  # of the call under way, once it has begun
        self._leaving = False
        self._idle: asyncio.TimerHandle | None = None
        self._unread = 0  # bytes that the client had still to take when it became idle
        self._flush: asyncio.TimerHandle | None = None
        self.lost = self._loop.create_future()
        self.writable = asyncio.Event()
        self.writable.set()

    # --- what the event loop tells us -----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour only
        name = transport.get_extra_info("peername")
        self._peer = Peer(f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "unix")
        self._server.connections.add(self)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._busy and self.writable.is_set():
            self._next()
        elif len(self._buffer) > LINE_LIMIT:
            self._transport.pause_reading()  # let the client wait, rather than our memory grow

    def pause_writing(self) -> None:
        self.writable.clear()
        if self._leaving:
            self._bound_flush()

    def resume_writing(self) -> None:
        self.writable.set()
        if self._transport.is_closing():
            return
        self._stop_flushing()
        if not self._busy:
            self._stop_idling()  # only now can the client know that we listen again
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_idling()
        self._stop_flushing()
        self._listener.release()
        self._server.connections.discard(self)
        self.lost.set_result(None)
        if self._scope is not None:
            self._scope.cancel(PeerGone("the client disconnected"))

    # --- what the server tells us ---------------------------------------------------------------

    def drain(self) -> None:
        """Leave when the call under way, if any, has been answered."""
        self._leaving = True
        if not self._busy:
            self._leave("# bye")
            return
        if not self.writable.is_set():
            self._bound_flush()
        if self._scope is not None:
            self._scope.drain()

    def abort(self) -> None:
        """Leave now."""
        if self._scope is not None:
            self._scope.cancel(ShuttingDown("the server is closing"))
        self._transport.abort()

    # --- one call after the other ---------------------------------------------------------------

    def _next(self) -> None:
        """Begin the next call if its line is there; otherwise wait for it, but not for ever."""
        if self._transport.is_closing():
            return
        if self._leaving:
            self._leave("# bye")
            return
        try:
            request = self._take_request()
        except InvalidRequest as error:
            self._leave(failure(error))
            return
        if request is not None:
            self._begin(request)
            return
        self._begin_idling()
        if self.writable.is_set():
            self._transport.resume_reading()

    def _take_request(self) -> Request | None:
        """The next request; None if no line is whole, or the client has answers to read first."""
        while self.writable.is_set() and (line := take_line(self._buffer)) is not None:
            self._stop_idling()
            request = request_of(line)
            if request is not None:
                return request
        return None

    def _begin(self, request: Request) -> None:
        self._busy = True
        task = self._loop.create_task(self._answer(request), name=f"lines {request.method}")
        self._server.calls.add(task)
        task.add_done_callback(self._server.calls.discard)

    async def _answer(self, request: Request) -> None:
        """Answer one request; every way to end gives exactly one last line."""
        last = INTERNAL
        try:
            last = await self._call(request)
        except asyncio.CancelledError:
            cause = None if self._scope is None else self._scope.cause
            last = failure(cause if isinstance(cause, Error) else Cancelled("given up"))
            raise
        except Error as error:
            # What is wrong with our program is for our log, not for the peer.
            if error.fault in (Fault.PROGRAM, Fault.MAINSTAY):
                _log.exception("a call from %s failed", self._peer.address)
            else:
                last = failure(error)
        except Exception:
            _log.exception("a call from %s failed", self._peer.address)
        finally:
            self._scope = None
            self._busy = False
            self.write(last)
            self._next()

    async def _call(self, request: Request) -> str:
        server = self._server
        scope = Scope(request.method, timeout=request.timeout, parent=server.scope, peer=self._peer)
        with scope:
            if self.lost.done():
                raise PeerGone("the client disconnected before its call began")
            self._scope = scope
            if self._leaving:
                scope.drain()
            stream = _LineStream(self)
            call = Call("lines", request.method, scope, request.text, stream)
            reply = await server.handler(call)
        return "=" if reply is None else f"= {reply}"

    # --- writing --------------------------------------------------------------------------------

    def write(self, line: str) -> None:
        """Send one line, if anybody is left to read it."""
        if not self._transport.is_closing():
            self._transport.write(encode(line))

    def _leave(self, line: str) -> None:
        if not self._transport.is_closing():
            self._stop_idling()
            self.write(line)
            self._bound_flush()
            self._transport.close()

    # --- patience, and its end ------------------------------------------------------------------

    def _begin_idling(self) -> None:
        # Pieces of a line do not begin it anew: whoever sends them slowly would stay for ever.
        if self._idle is None:
            self._unread = self._transport.get_write_buffer_size()
            self._idle = self._loop.call_later(self._server.idle_timeout, self._end_idling)

    def _end_idling(self) -> None:
        self._idle = None
        if self._transport.get_write_buffer_size() < self._unread:
            self._begin_idling()  # the client is not idle: it reads a long answer
        else:
            self._leave(f"# nothing came for {self._server.idle_timeout:g} s; bye")

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _bound_flush(self) -> None:
        """Abort unless the client soon takes what was written: it must not hold up our end."""
        if self._flush is None:
            seconds = self._server.flush_timeout
            self._flush = self._loop.call_later(seconds, self._transport.abort)

    def _stop_flushing(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None


class _LineStream:
    """The `Stream` of a call: many messages one way. The other way there was one, the request."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._closed = False

    async def open(self, metadata: Metadata = EMPTY) -> None:
        """Lines have no head."""

    async def receive(self) -> Any:
        raise EndOfStream("the request is all that the client sends")

    async def send(self, message: Any) -> None:
        if self._closed:
            raise ClosedError("the stream is closed; nothing can be sent after its end")
        if self._connection.lost.done():
            raise PeerGone("the client disconnected")
        self._connection.write(f"+ {message}")
        # A stream that never waits for anything else must not keep the loop for itself.
        await asyncio.sleep(0)
        await self._connection.writable.wait()

    async def close(self, metadata: Metadata = EMPTY) -> None:
        """The last line of the answer says it, when the handler returns."""
        self._closed = True
