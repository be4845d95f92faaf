"""A client's connection that speaks HTTP/2: many exchanges at once, each on a stream.

The engine (`wire/http2.py`) knows the protocol; here are its bytes and its time:

* What is written during one `data_received` leaves in one write.
* Bytes of a reply are credited to the server when they are read, so at most
  `ClientLimits.read_buffer` of a body wait here.
* A body that a window or the transport holds back waits in its stream; an iterated one is asked for
  its next part when the one before has gone.
* After GOAWAY the connection takes no more exchanges, finishes those that the server took, and
  closes. Those it did not take are `Lost` untouched, and so is a stream that was refused.
* How it begins, fails and closes is in `client_engine`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable
from functools import partial

from mainstay.errors import BrokenError, ClosedError, UsageError
from mainstay.net.client_engine import EngineConnection
from mainstay.net.outgoing import ConnectionOwner, Incoming, Lost, Outgoing, Shared
from mainstay.net.uploading import Upload
from mainstay.wire.http2 import (
    CONNECTION_FIELDS,
    Broken,
    Data,
    ErrorCode,
    Event,
    Goaway,
    Http2Engine,
    Reset,
    ResponseHead,
    Trailers,
    Writable,
)

__all__ = ["Http2Connection"]

# More generous than a server is: an overloaded one may refuse all that we send it.
_MOST_RESETS = 2000
_MOST_CONTROL_FRAMES = 1000
_DROPPED = frozenset({b"host", *CONNECTION_FIELDS})


class Http2Connection(EngineConnection):
    """See `ClientConnection`.

    Args:
        shared: of the client.
        where: the server, for messages.
        owner: told when a place is free, and when it is over.
        engine: of a client; the best there is unless given.
    """

    shares = True

    def __init__(
        self,
        shared: Shared,
        where: str,
        owner: ConnectionOwner,
        engine: Http2Engine | None = None,
    ) -> None:
        super().__init__(
            shared, where, engine, resets=_MOST_RESETS, control_frames=_MOST_CONTROL_FRAMES
        )
        self._owner = owner
        self._streams: dict[int, _Stream] = {}
        self._queue: deque[asyncio.Future[None]] = deque()
        self._taken = 0
        self._served = 0
        self._corked = False

    # --- for the pool ---------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """See `ClientConnection.busy`."""
        return self._taken > 0

    def reserve(self) -> bool:
        """See `ClientConnection.reserve`."""
        if self._over or self._taken >= self._shared.limits.streams:
            return False
        self._taken += 1
        return True

    def release(self) -> None:
        """See `ClientConnection.release`."""
        self._taken -= 1
        self.idle_since = self._loop.time()
        while self._queue:
            # Somebody whose stream the server did not allow yet.
            waiting = self._queue.popleft()
            if not waiting.done():
                waiting.set_result(None)
                break
        if not self._over:
            self._owner.freed(self)
        elif not self._taken:
            self._close()

    async def exchange(self, outgoing: Outgoing) -> Incoming:
        """See `ClientConnection.exchange`."""
        stream: _Stream | None = None
        try:
            stream = await self._begin(outgoing)
            self._start_body(stream, outgoing)
            await stream.head
        except BaseException:
            if stream is None:
                self.release()
            else:
                self._abandon(stream)
            raise
        return stream.reply

    async def aclose(self) -> None:
        """See `ClientConnection.aclose`."""
        self._fail_all(ClosedError("the client was closed"))
        if self._transport is not None and not self._over:
            self._engine.fail(ErrorCode.NO_ERROR)
            self._flush()
        self._close()
        await self._wait_closed()

    # --- requests -------------------------------------------------------------------------------

    async def _begin(self, outgoing: Outgoing) -> _Stream:
        fields = [each for each in outgoing.fields if each[0] not in _DROPPED]
        if outgoing.length is not None:
            fields.append((b"content-length", b"%d" % outgoing.length))
        ended = not outgoing.body and not isinstance(outgoing.body, AsyncIterable)
        while True:
            if self._over or self._transport is None or self._transport.is_closing():
                raise Lost(f"{self._where} closed the connection", untouched=True)
            try:
                number = self._engine.request(
                    outgoing.method,
                    outgoing.scheme,
                    outgoing.authority,
                    outgoing.target,
                    fields,
                    ended,
                )
            except ValueError as error:
                message = f"the request to {self._where} cannot be sent: {error}"
                raise UsageError(message) from None
            if number is not None:
                break
            waiting = self._loop.create_future()
            self._queue.append(waiting)
            await waiting
        stream = self._streams[number] = _Stream(self, number, self._shared, self._where)
        stream.sent = ended
        self._flush()
        return stream

    def _start_body(self, stream: _Stream, outgoing: Outgoing) -> None:
        body = outgoing.body
        if isinstance(body, bytes):
            if body:
                stream.put(body, ended=True)
                self._pump(stream)
        elif body is not None:
            outgoing.begun = True
            upload = stream.upload = Upload(self._shared, self._where, outgoing.length)
            upload.start(
                body,
                partial(self._put, stream, ended=False),
                partial(self._put, stream, b"", ended=True),
                partial(self._fail, stream),
            )
        self._flush()

    def _put(self, stream: _Stream, data: bytes, *, ended: bool) -> None:
        if stream.number in self._streams:
            stream.put(data, ended=ended)
            self._pump(stream)
            self._flush()
            if stream.pending is not None and stream.upload is not None:
                stream.upload.pause()

    def _pump(self, stream: _Stream) -> None:
        """Send what waits in a stream, as far as its windows go."""
        data = stream.pending
        if data is None:
            return
        sent = self._engine.send(stream.number, data, stream.at, stream.last)
        stream.at += sent
        self._guard.wrote(sent)
        if stream.at < len(data):
            return
        stream.pending = None
        stream.sent = stream.last
        if stream.upload is not None and self._writable:
            stream.upload.resume()

    def pause_writing(self) -> None:
        """The server does not take what we send as fast."""
        self._writable = False
        for stream in self._streams.values():
            if stream.upload is not None:
                stream.upload.pause()

    def resume_writing(self) -> None:
        """It has."""
        self._writable = True
        self._flush()
        for stream in tuple(self._streams.values()):
            if stream.upload is not None and stream.pending is None:
                stream.upload.resume()

    def _flush(self) -> None:
        """Write what the engine has; pieces that waited for their turn follow, while there is
        room."""
        if self._corked or self._transport is None:
            return
        while data := self._engine.take():
            self._transport.write(data)
            if not self._writable:
                return
            for stream in tuple(self._streams.values()):
                self._pump(stream)

    # --- replies --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Frames."""
        self._corked = True
        try:
            self._guard.feed(data, self._loop.time())
            for event in self._engine.receive(data):
                self._take(event)
        except Exception as error:
            self._give_up(error)
        finally:
            self._corked = False
        self._flush()
        if self._over and not self._taken:
            self._close()

    def eof_received(self) -> None:
        """The server ends the connection."""
        self._close()

    def _lose(self, why: str) -> None:
        self._over = True
        why = why or "the connection was closed before the reply was whole"
        self._fail_all(BrokenError(f"{self._where}: {why}"))
        self._owner.gone(self)

    def _take(self, event: Event) -> None:
        if isinstance(event, Data | ResponseHead | Trailers | Reset):
            stream = self._streams.get(event.stream)
            if stream is None:
                if isinstance(event, Data) and event.data:
                    self._engine.credit(event.stream, len(event.data))
            elif isinstance(event, Data):
                stream.reply.inbox.add(event.data)
                if event.ended:
                    self._finish(stream)
            elif isinstance(event, ResponseHead):
                self._take_head(stream, event)
            elif isinstance(event, Trailers):
                stream.reply.trailers = event.fields
                self._finish(stream)
            else:
                self._take_reset(stream, event)
        elif isinstance(event, Writable):
            for stream in self._woken(event.stream):
                self._pump(stream)
            if not event.stream:
                self._wake_queue()
        elif isinstance(event, Goaway):
            self._over = True
            self._wake_queue()
        elif isinstance(event, Broken):
            self._fail_all(BrokenError(f"{self._where}: {event.message}", retryable=False))
            self._over = True

    def _woken(self, number: int) -> list[_Stream]:
        if not number:
            return list(self._streams.values())
        stream = self._streams.get(number)
        return [] if stream is None else [stream]

    def _wake_queue(self) -> None:
        """The server may allow more streams by now; or none any more."""
        waiting, self._queue = self._queue, deque()
        for each in waiting:
            if not each.done():
                each.set_result(None)

    def _take_head(self, stream: _Stream, event: ResponseHead) -> None:
        if event.oversize:
            limit = self._shared.limits
            message = (
                f"{self._where}: the head of its reply is longer than {limit.head_size} bytes, or "
                f"has more than {limit.header_count} fields"
            )
            self._fail(stream, BrokenError(message, retryable=False))
            return
        reply = stream.reply
        reply.status, reply.fields, reply.version = event.status, event.fields, "2"
        if not stream.head.done():
            stream.head.set_result(None)
        if event.ended:
            self._finish(stream)

    def _take_reset(self, stream: _Stream, event: Reset) -> None:
        name = ErrorCode(event.code).name if event.code in _CODES else str(event.code)
        message = f"{self._where} reset the request: {name}"
        if event.ours:
            message = f"{self._where} broke the protocol: {name}"
        if stream.head.done():
            error: BrokenError = BrokenError(message)
        else:
            error = Lost(message, untouched=event.code == ErrorCode.REFUSED_STREAM)
        self._end(stream)
        stream.fail(error)

    def _finish(self, stream: _Stream) -> None:
        self._served += 1
        stream.reply.inbox.end()
        if not stream.sent:
            # It answered without the rest of the body, and will read it no further.
            self._engine.reset(stream.number, ErrorCode.NO_ERROR)
        self._end(stream)

    # --- the end --------------------------------------------------------------------------------

    def read(self, stream: _Stream, size: int) -> None:
        """Somebody read `size` bytes of a reply; for streams."""
        if self._transport is not None:
            self._engine.credit(stream.number, size)
            self._flush()

    def _abandon(self, stream: _Stream) -> None:
        if stream.number not in self._streams:
            return
        unread = stream.reply.inbox.buffered
        if unread:
            self._engine.credit(stream.number, unread)
        self._engine.reset(stream.number, ErrorCode.CANCEL)
        self._flush()
        self._end(stream)

    def _fail(self, stream: _Stream, error: Exception) -> None:
        self._abandon(stream)
        stream.fail(error)

    def _fail_all(self, error: BrokenError | ClosedError) -> None:
        for stream in tuple(self._streams.values()):
            self._abandon(stream)
            lost = isinstance(error, BrokenError) and not stream.head.done()
            stream.fail(Lost(error.message, stale=self._served > 0) if lost else error)
        self._wake_queue()

    def _end(self, stream: _Stream) -> None:
        if self._streams.pop(stream.number, None) is not None:
            if stream.upload is not None and not stream.sent:
                stream.upload.stop()
            self.release()

    def __repr__(self) -> str:
        state = "closing" if self._over else "open"
        return f"<Http2Connection {self._where} {state} streams={len(self._streams)}>"


class _Stream:
    """One exchange, with the part of its body that could not be sent yet."""

    __slots__ = ("at", "head", "last", "number", "pending", "reply", "sent", "upload")

    def __init__(
        self, connection: Http2Connection, number: int, shared: Shared, where: str
    ) -> None:
        self.number = number
        self.head: asyncio.Future[None] = shared.loop.create_future()
        self.reply = Incoming(
            shared,
            where,
            lambda size: connection.read(self, size),
            lambda: connection._abandon(self),
        )
        self.upload: Upload | None = None
        self.pending: bytes | None = None
        self.at = 0
        self.last = False
        self.sent = False

    def put(self, data: bytes, *, ended: bool) -> None:
        """The next part of the body; the one before has gone, unless only its end is new."""
        left = b"" if self.pending is None else self.pending[self.at :]
        self.pending, self.at, self.last = left + data, 0, ended

    def fail(self, error: Exception) -> None:
        """It is over."""
        if not self.head.done():
            self.head.set_exception(error)
            self.head.exception()  # seen: nobody waits for it if the caller has left
        self.reply.inbox.fail(error)


_CODES = frozenset(ErrorCode)
