"""A client's connection whose streams go both ways: what RPC needs of HTTP/2.

`client_http2` asks once and reads one reply. Here a stream sends and receives at the same time, and
tells what comes by callbacks, so that a call costs one future and not a task. The rules:

* A stream is a `ClientStream`; what arrives is told to its ``on_…`` methods, within
  `data_received`. They must not raise, and nothing is told after the end.
* Bytes of a reply count against the windows until `credit` returns them.
* What a window or the transport holds back waits in its stream; `write` says so, and `on_room` is
  called once it has gone. Who writes on regardless is not stopped.
* What is written within one turn of the loop leaves in one write. A stream that is alone, and was
  the time before, does not wait.
* The connection is ready once the server has sent its SETTINGS: it speaks HTTP/2, and says how many
  streams it allows.
* While the server takes nothing of what we send, windows that grow change nothing, and what it makes
  us answer is bounded: we read no further then.
* After GOAWAY it takes no more streams and closes after the last. Those that the server did not look
  at end with REFUSED_STREAM (RFC 9113 §6.8).
* How it begins, fails and closes is in `client_engine`.

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

from mainstay.errors import BrokenError, ClosedError, Error
from mainstay.net.client_engine import EngineConnection
from mainstay.net.outgoing import Shared
from mainstay.wire.http2 import (
    Broken,
    Data,
    ErrorCode,
    Event,
    Fields,
    Goaway,
    Http2Engine,
    Reset,
    ResponseHead,
    Trailers,
    Writable,
)

__all__ = ["ClientStream", "StreamConnection", "StreamOwner"]

# More generous than a server is: an overloaded one may refuse all that we send it.
_MOST_RESETS: Final = 20_000
_MOST_CONTROL_FRAMES: Final = 20_000
_LAST: Final = (1 << 31) - 1
"""The highest number of a stream (RFC 9113 §5.1.1)."""

_NONE: Final = 1 << 32
"""Above every number of a stream."""

_FOUND: Final = 200

_PING: Final = b"mainstay"


class ClientStream:
    """One request and its reply. A subclass overrides what it wants to hear.

    Attributes:
        connection: that it runs on; None before it is opened, and after its end.
        number: on the connection.
        sent: whether our side has ended.
    """

    __slots__ = ("at", "connection", "last", "number", "pending", "sent")

    def __init__(self) -> None:
        self.connection: StreamConnection | None = None
        self.number = 0
        self.pending: bytes | None = None
        self.at = 0
        self.last = False
        self.sent = False

    def on_head(self, event: ResponseHead) -> None:
        """The head came; the stream is over if it `ended`."""

    def on_data(self, data: bytes, ended: bool) -> None:
        """Bytes came, to be credited when they are read; the stream is over if it `ended`."""

    def on_trailers(self, fields: list[tuple[bytes, bytes]]) -> None:
        """The reply ended with these, and the stream is over."""

    def on_reply(
        self, head: list[tuple[bytes, bytes]], data: bytes, end: list[tuple[bytes, bytes]]
    ) -> None:
        """All of that at once, with status 200 and bytes that are credited; the stream is over. The
        lists are those of other replies as well, if these are alike."""
        self.on_head(ResponseHead(self.number, _FOUND, head, False))
        self.on_data(data, False)
        self.on_trailers(end)

    def on_reset(self, code: int) -> None:
        """The server ended it with this `ErrorCode`, or broke the protocol."""

    def on_lost(self, error: Error, *, untouched: bool) -> None:
        """The connection is gone; `untouched`: before anything of the request had left."""

    def on_room(self) -> None:
        """What was written has gone, and there is room for more."""


class StreamOwner(Protocol):
    """Who keeps a connection."""

    def freed(self, connection: Any) -> None:
        """It has one place more."""

    def gone(self, connection: Any) -> None:
        """It takes no more streams: it is closed, or the server wants to close it."""


class StreamConnection(EngineConnection):
    """One connection of HTTP/2.

    Args:
        shared: of the client; the limit `streams` is how many are open at once at most.
        where: the server, for messages.
        owner: told when a place is free, and when it is over.
        engine: of a client; the best there is unless given.

    Attributes:
        ready: done when the server has sent its SETTINGS; raises BrokenError if it did not.
        idle_since: loop time when the last stream ended.
        closed: done when nothing of it is left.
        told_calm: whether the server left because of our pings.
    """

    def __init__(
        self,
        shared: Shared,
        where: str,
        owner: StreamOwner,
        engine: Http2Engine | None = None,
    ) -> None:
        super().__init__(
            shared,
            where,
            engine,
            resets=_MOST_RESETS,
            control_frames=_MOST_CONTROL_FRAMES,
            together=True,
        )
        self.ready: asyncio.Future[None] = shared.loop.create_future()
        self.told_calm = False
        self._owner = owner
        self._most = shared.limits.streams
        self._streams: dict[int, ClientStream] = {}
        self._blocked: dict[int, ClientStream] = {}
        self._crowded: dict[int, ClientStream] = {}
        self._told = False
        self._corked = False
        self._scheduled = False
        self._lone = True
        self._reading = True
        self._held = 0
        self._unflushed = _NONE
        self._heard = 0.0
        self._keepalive: tuple[float, float, bool] | None = None
        self._pinged: float | None = None

    # --- streams --------------------------------------------------------------------------------

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._streams)

    @property
    def writable(self) -> bool:
        """Whether the server takes what we send."""
        return self._writable

    @property
    def over(self) -> bool:
        """Whether it takes no more of them."""
        return self._over

    def open(
        self,
        stream: ClientStream,
        scheme: str,
        authority: str,
        path: str,
        fields: Fields,
        data: bytes,
        ended: bool,
    ) -> bool:
        """Send a POST with the first bytes of its body; False when there is no place now.

        Raises: ValueError for fields that cannot be sent.
        """
        streams = self._streams
        if self._over or len(streams) >= self._most:
            return False
        begun = self._engine.request_whole("POST", scheme, authority, path, fields, data, ended)
        if begun is None:
            return False
        number, sent = begun
        stream.connection = self
        stream.number = number
        if self._unflushed == _NONE:  # numbers grow: those that follow are not below
            self._unflushed = number
        streams[number] = stream
        if number >= _LAST:
            self._retire()
        if data or ended:
            self._guard.wrote(len(data))
            if sent < len(data):
                self._block(stream, data, sent, ended)
            elif ended:
                stream.sent = True
        if not self._scheduled and not self._corked:
            if self._lone and len(streams) == 1:
                self._flush()
            else:
                self._scheduled = True
                self._loop.call_soon(self._flush)
        return True

    def write(self, stream: ClientStream, data: bytes, ended: bool) -> bool:
        """Send more of the body; whether there is room for more. Nothing if the stream is over."""
        number = stream.number
        if number not in self._streams:
            return True
        if stream.pending is not None:
            stream.pending = stream.pending[stream.at :] + data
            stream.at, stream.last = 0, ended
        elif data or ended:
            sent = self._engine.send(number, data, 0, ended)
            self._guard.wrote(len(data))
            if sent < len(data):
                self._block(stream, data, sent, ended)
            elif ended:
                stream.sent = True
        self._soon()
        if stream.pending is not None:
            return False
        if not self._writable:
            self._crowded[number] = stream
            return False
        return True

    def tell_room(self, stream: ClientStream) -> None:
        """Call `on_room` of `stream` once the server takes what we send again."""
        if self._writable:
            stream.on_room()
        elif stream.number in self._streams:
            self._crowded[stream.number] = stream

    def credit(self, stream: ClientStream, size: int) -> None:
        """`size` bytes of the reply were read."""
        if self._transport is not None:
            self._engine.credit(stream.number, size)
            if not self._corked:
                self._soon()

    def cancel(self, stream: ClientStream, code: int = ErrorCode.CANCEL) -> None:
        """Break it off. It hears nothing more. Bytes not yet read are to be credited before."""
        if stream.number in self._streams:
            self._engine.reset(stream.number, code)
            self._end(stream)
            self._soon()

    def _block(self, stream: ClientStream, data: bytes, sent: int, ended: bool) -> None:
        stream.pending, stream.at, stream.last = data, sent, ended
        self._blocked[stream.number] = stream

    def _soon(self) -> None:
        if not self._scheduled and not self._corked:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what the engine has; pieces that waited for their turn follow, while there is
        room."""
        self._scheduled = False
        self._lone = len(self._streams) <= 1
        transport = self._transport
        if transport is None:
            return
        self._unflushed = _NONE
        while data := self._engine.take():
            transport.write(data)
            if not self._blocked or not self._writable:
                return
            self._pump_all()

    def _write(self) -> int:
        size = super()._write()
        if size:
            self._unflushed = _NONE
        return size

    def _pump_all(self) -> None:
        for stream in tuple(self._blocked.values()):
            self._pump(stream)

    def _pump(self, stream: ClientStream) -> None:
        """Send what waits in a stream, as far as its windows go."""
        data = stream.pending
        if data is None:
            return
        stream.at += self._engine.send(stream.number, data, stream.at, stream.last)
        if stream.at < len(data):
            return
        stream.pending = None
        stream.sent = stream.last
        del self._blocked[stream.number]
        if self._writable:
            stream.on_room()
        else:
            self._crowded[stream.number] = stream

    def pause_writing(self) -> None:
        """The server does not take what we send as fast."""
        self._writable = False

    def resume_writing(self) -> None:
        """It has."""
        self._writable = True
        self._held = 0
        if not self._reading and not self._closing and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()
        self._pump_all()
        self._flush()
        crowded, self._crowded = self._crowded, {}
        for stream in crowded.values():
            if stream.pending is None:
                stream.on_room()

    # --- what comes -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Frames."""
        self._corked = True
        self._heard = now = self._loop.time()
        cut = False
        if not self._writable:
            self._write()
        try:
            guard = self._guard
            streams = self._streams
            crowded = self._crowded
            told = guard.look(data, now)
            receive: Any = self._engine.receive  # with what was found, where a guard finds it
            cut = bool(guard.found)
            events = receive(told, guard.found) if cut else receive(told)
            if not self._writable:
                self._hold_back()
            for event in events:
                kind = type(event)
                if kind is tuple:  # a `Reply`
                    number, head, body, end = event
                    stream = streams.get(number)
                    if stream is not None:
                        if stream.sent and not crowded:
                            del streams[number]
                        else:
                            self._end(stream)
                        stream.on_reply(head, body, end)
                elif kind is Trailers:
                    stream = streams.get(event.stream)
                    if stream is not None:
                        self._end(stream)
                        stream.on_trailers(event.fields)
                elif kind is Data:
                    stream = streams.get(event.stream)
                    if stream is not None:
                        ended = event.ended
                        if ended:
                            self._end(stream)
                        stream.on_data(event.data, ended)
                    elif event.data:
                        self._engine.credit(event.stream, len(event.data))
                elif kind is ResponseHead:
                    stream = streams.get(event.stream)
                    if stream is not None:
                        if event.ended:
                            self._end(stream)
                        stream.on_head(event)
                else:
                    self._take(event)
            if cut:
                if not streams:
                    self.idle_since = now
                if not self._over:
                    self._owner.freed(self)
        except Exception as error:
            self._give_up(error)
        finally:
            self._corked = False
        if cut and not self._over:
            self._soon()  # after those who waited for the replies, who may call again
        else:
            lone = self._lone  # what has just ended says nothing about what begins
            self._flush()
            self._lone = lone
        if self._over and not self._streams:
            self._close()

    def _hold_back(self) -> None:
        """Write what was just answered, and read no more when that is too much.

        Only answers count. Requests and bodies do not: a server may wait with reading until its
        replies are read, and then two would wait for each other.
        """
        self._held += self._write()
        transport = self._transport
        if transport is None or self._closing or not self._reading:
            return
        if self._held > self._shared.limits.write_buffer:
            self._reading = False
            transport.pause_reading()

    def _take(self, event: Event) -> None:
        if isinstance(event, Writable):
            if event.stream:
                stream = self._blocked.get(event.stream)
                if stream is not None and self._writable:
                    self._pump(stream)
                return
            if not self.ready.done():
                self.ready.set_result(None)
            if self._writable:
                self._pump_all()
            if not self._over:
                self._owner.freed(self)  # SETTINGS may allow more streams
        elif isinstance(event, Reset):
            stream = self._streams.get(event.stream)
            if stream is not None:
                stream.sent = True  # nothing is left to be reset
                self._end(stream)
                stream.on_reset(ErrorCode.PROTOCOL_ERROR if event.ours else event.code)
        elif isinstance(event, Goaway):
            self.told_calm = event.code == ErrorCode.ENHANCE_YOUR_CALM
            self._retire()
        elif isinstance(event, Broken):
            error = BrokenError(f"{self._where}: {event.message}", retryable=False)
            self._never_ready(error)
            self._retire()
            self._fail_all(error)

    def eof_received(self) -> None:
        """The server ends the connection."""
        self._retire()
        self._close()

    def _lose(self, why: str) -> None:
        why = why or "the connection was closed"
        self._never_ready(BrokenError(f"{self._where}: {why}"))
        self._retire()
        self._fail_all(BrokenError(f"{self._where}: {why}"))

    def _never_ready(self, error: BrokenError) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # seen: nobody waits if the caller has left

    def _end(self, stream: ClientStream) -> None:
        """Forget a stream. If our side of it goes on, nobody will read that."""
        number = stream.number
        streams = self._streams
        del streams[number]
        if not stream.sent:
            stream.sent = True
            self._engine.reset(number, ErrorCode.CANCEL)
        if stream.pending is not None:
            stream.pending = None
            self._blocked.pop(number, None)
        if self._crowded:
            self._crowded.pop(number, None)
        if not streams:
            self.idle_since = self._loop.time()
        if not self._over:
            self._owner.freed(self)
        elif not streams and not self._corked:
            self._close()

    # --- its life -------------------------------------------------------------------------------

    def keep_alive(self, time: float, timeout: float, *, always: bool) -> None:
        """From now on, ask for a sign of life after `time` seconds without one, and give the
        connection up when none comes in `timeout`. Without streams only if `always`."""
        self._keepalive = (time, timeout, always)
        self._heard = self._loop.time()
        self._look_again(self._heard + time)

    def _look_again(self, when: float) -> None:
        self._timer = self._shared.wheel.at(when, self._look)

    def _look(self) -> None:
        assert self._keepalive is not None
        time, timeout, always = self._keepalive
        now = self._loop.time()
        if self._transport is None or self._closing:
            return
        if self._pinged is not None and self._heard < self._pinged:
            message = f"{self._where} gave no sign of life for {time + timeout:g} s"
            self._retire()
            self._fail_all(BrokenError(message))
            self._transport.abort()
            return
        self._pinged = None
        if not self._streams and not always:
            self._look_again(now + time)
        elif now - self._heard < time:
            self._look_again(self._heard + time)
        else:
            self._pinged = now
            self._engine.ping(_PING)
            self._flush()
            self._look_again(now + timeout)

    def retire(self) -> None:
        """Take no more streams, and close after the last."""
        self._retire()
        if not self._streams:
            self._close()

    async def aclose(self) -> None:
        """Close it, end what goes on on it with ClosedError, and wait until it is closed."""
        self._retire()
        if self._transport is not None:
            for number in self._streams:
                self._engine.reset(number, ErrorCode.CANCEL)
        self._fail_all(ClosedError("the channel was closed"))
        if self._transport is not None:
            self._engine.fail(ErrorCode.NO_ERROR)
            self._flush()
        self._close()
        await self._wait_closed()

    def _retire(self) -> None:
        self._over = True
        if not self._told:
            self._told = True
            self._owner.gone(self)

    def _fail_all(self, error: Error) -> None:
        untouched = self._unflushed
        streams, self._streams = self._streams, {}
        self._blocked.clear()
        self._crowded.clear()
        for number, stream in streams.items():
            stream.pending = None
            try:
                stream.on_lost(error, untouched=number >= untouched)
            except Exception as fault:
                self._report(fault)  # the others have to hear of it

    def __repr__(self) -> str:
        state = "closing" if self._over else "open"
        return f"<StreamConnection {self._where} {state} streams={len(self._streams)}>"
