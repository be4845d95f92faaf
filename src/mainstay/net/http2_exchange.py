"""One request and its reply on a stream of HTTP/2.

This file is in the hot path (see `bench/http` and `bench/grpc`): what is done for every exchange is
written out where it is done, and a body that came whole with its head goes no detours.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from mainstay.core.metadata import Peer
from mainstay.errors import PeerGone, TooLarge, UsageError
from mainstay.net.exchange import Exchange, Fields
from mainstay.net.http2_tunnel import Http2Tunnel
from mainstay.net.inbox import Inbox
from mainstay.net.port import Port
from mainstay.wire.http2 import ErrorCode, Http2Engine, RequestHead
from mainstay.wire.http2_heads import check_fields
from mainstay.wire.http2_known import KnownHead

__all__ = ["Carrier", "Http2Exchange"]

_BREATH: Final = 32
"""Parts of a reply after which a producer that never waits lets others have a turn."""

_NO_BODY: Final = frozenset({204, 304})
_GONE: Final = "the peer is gone; nobody takes the rest of the reply"


class Carrier(Protocol):
    """What an exchange needs of its connection."""

    @property
    def port(self) -> Port:
        """Of the server."""

    @property
    def engine(self) -> Http2Engine:
        """Which has the streams."""

    @property
    def peer(self) -> Peer:
        """At the other end."""

    @property
    def scheme(self) -> str:
        """Which it has: ``http`` or ``https``."""

    @property
    def writable(self) -> bool:
        """Whether the transport has room."""

    def flush_soon(self) -> None:
        """Write what the engine has, with whatever else comes up in this turn of the loop."""

    def has_room(self, size: int) -> bool:
        """Whether `size` bytes of a body may be given to the engine now; counts them."""

    def finished(self, exchange: Http2Exchange) -> None:
        """The reply is complete, or broken off; as `flush_soon`, too."""

    def block(self, exchange: Http2Exchange) -> None:
        """What it sends has to wait; its `push` is called when there may be room."""

    def wait_for_body(self, exchange: Http2Exchange) -> None:
        """A handler waits for the body from now on."""

    def body_came(self, exchange: Http2Exchange) -> None:
        """It does not wait any more."""


class Http2Exchange(Exchange):
    """See `Exchange`; made by `Http2Connection`.

    Attributes:
        stream: its number.
        oversize: whether its head was too long, and is not here.
        gathered: whether it is settled if the body is whole or a stream; see `gather`.
        inbox: what came of the body and was not read; None when there is none.
        since: when it went on last, for an exchange that waits: for its body, or for a window.
    """

    __slots__ = (
        "_breath",
        "_connection",
        "_end",
        "_headless",
        "_left",
        "_opened",
        "_out",
        "_out_at",
        "_received",
        "_request_trailers",
        "_room",
        "_trailers",
        "_tunnel",
        "gathered",
        "inbox",
        "known",
        "oversize",
        "since",
        "stream",
    )

    version = "2"
    since: float
    _connection: Carrier | None
    _breath: int
    _left: int | None

    def __init__(self, connection: Carrier, head: RequestHead) -> None:
        self.known = None
        self.stream = head.stream
        self.oversize = head.oversize
        self.method = head.method
        self.target = head.target
        self.fields = head.fields
        self.scheme = connection.scheme  # what the peer says does not make it secure
        self.authority = head.authority
        self.protocol = head.protocol
        self.peer = connection.peer
        self.body_limit = connection.port.limits.body_size
        self.gone = None
        self.long = False
        self.patient = False
        self._connection = connection
        self._opened = False
        self._end = False
        self._room: asyncio.Future[None] | None = None
        self._out = b""
        self._out_at = 0  # where what is left of it begins: cutting it would copy it each time
        self.inbox: Inbox | None = None
        self._request_trailers: Fields = ()
        if head.ended:
            self.length = 0
            self.body = b""
            self.gathered = True
            return
        body, limit = head.body, self.body_limit
        if body is not None and not self.protocol and (limit is None or len(body) <= limit):
            self.length = len(body)
            self.body = body
            self.gathered = True
            return
        self.length = head.length
        self.body = None
        self.gathered = False
        self._received = 0
        self._tunnel: Http2Tunnel | None = None
        if body is not None:
            self.arrived(body, True)

    def begin_known(
        self, connection: Carrier, stream: int, head: KnownHead, body: bytes, limit: int | None
    ) -> None:
        """In the place of `__init__`: a request whose head is known, with its whole body."""
        self.known = head
        self.stream = stream
        self.oversize = False
        self.method = head.method
        self.target = head.target
        self.fields = list(head.fields)
        self.scheme = connection.scheme
        self.authority = head.authority
        self.protocol = ""
        self.peer = connection.peer
        self.body_limit = limit
        self.gone = None
        self.long = False
        self.patient = False
        self._connection = connection
        self._opened = False
        self._end = False
        self._room = None
        self._out = b""
        self._out_at = 0
        self.inbox = None
        self._request_trailers = ()
        self.length = len(body)
        self.body = body
        self.gathered = True

    # --- what the connection tells --------------------------------------------------------------

    def arrived(self, data: bytes, ended: bool) -> None:
        """Bytes of the body came."""
        if not self.gathered:
            if self.inbox is None:
                if ended and not self.protocol:
                    limit = self.body_limit
                    if limit is None or len(data) <= limit:
                        self._take_whole(data)
                        return
                self.inbox = Inbox(self._loop())
        elif self._tunnel is not None:
            self._tunnel.arrived(data, ended)
            return
        inbox = self.inbox
        if inbox is None:
            return
        inbox.add(data)
        if ended:
            inbox.end()

    def _take_whole(self, data: bytes) -> None:
        """The body came with its head, and is no stream."""
        self.gathered = True
        self.body = data
        self._received = len(data)
        if self.length is None and not self._request_trailers:
            self.length = len(data)

    def _loop(self) -> asyncio.AbstractEventLoop:
        assert self._connection is not None  # `lose` and `complete` end what arrives
        return self._connection.port.loop

    def trailed(self, fields: Fields) -> None:
        """The body ended with these."""
        self._request_trailers = fields
        self.arrived(b"", True)

    def gather(self) -> None:
        """All that came with the head is here: if it is the whole body, it is no stream."""
        if self.gathered:
            return
        self.gathered = True
        inbox, limit = self.inbox, self.body_limit
        if inbox is None:
            self.inbox = Inbox(self._loop())
            return
        if not inbox.ended or self.protocol or (limit is not None and inbox.buffered > limit):
            return  # `receive` says so, if it is too long
        self.inbox = None
        self._take_whole(inbox.take() or b"")

    def lose(self, error: Exception) -> None:
        """The stream is over before its time: the peer has left or reset it."""
        self._connection = None
        if self.inbox is not None:
            self.inbox.fail(error)
            tunnel = self._tunnel
            if tunnel is not None:
                tunnel.lose()
        self._wake()
        gone, self.gone = self.gone, None
        if gone is not None:
            gone(str(error))

    def _wake(self) -> None:
        room = self._room
        if room is not None and not room.done():
            room.set_result(None)

    # --- the body -------------------------------------------------------------------------------

    async def receive(self) -> bytes:
        """See `Exchange`."""
        if self.body is not None:
            part, self.body = self.body, b""
            return part
        inbox = self.inbox
        if inbox is None:
            return b""
        if self._received == 0 and self.length is not None:
            self._refuse_above(self.length)
        while (waiting := inbox.take()) is None:
            connection = self._connection
            if connection is None:
                raise PeerGone("the reply is complete, and nothing more is read of the request")
            if self._received == 0 and (b"expect", b"100-continue") in self.fields:
                self.inform(100)
            if self.patient:
                await inbox.wait()
                continue
            connection.wait_for_body(self)
            try:
                await inbox.wait()
            finally:
                connection.body_came(self)
        if waiting:
            self._received += len(waiting)
            self._credit(len(waiting))
            self._refuse_above(self._received)
        return waiting

    def _credit(self, size: int) -> None:
        connection = self._connection
        if connection is not None:
            connection.engine.credit(self.stream, size)
            connection.flush_soon()

    def _refuse_above(self, size: int) -> None:
        limit = self.body_limit
        if limit is not None and size > limit:
            raise TooLarge(f"the body is longer than the {limit} bytes that are allowed here")

    def lasts(self) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is not None and not self.long:
            self.long = True
            connection.port.long += 1

    def trailers(self) -> Fields:
        """See `Exchange`."""
        inbox = self.inbox
        if inbox is not None and (inbox.buffered or not inbox.ended):
            return ()
        return self._request_trailers

    # --- the reply ------------------------------------------------------------------------------

    def inform(self, status: int, fields: Fields = ()) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is None or self._opened:
            return
        try:
            connection.engine.inform(self.stream, status, fields)
        except ValueError as error:
            raise _unsendable(error) from None
        connection.flush_soon()

    def respond(self, status: int, content_type: bytes | None, fields: Fields, body: bytes) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is None:
            return
        if self._opened:
            raise UsageError("a reply was begun already; one request has one reply")
        reply = [] if content_type is None else [(b"content-type", content_type)]
        empty = not body
        if status in _NO_BODY:
            empty = True
        else:
            reply.append((b"content-length", b"%d" % len(body)))
            if self.method == "HEAD":
                empty = True
        reply.append((b"date", connection.port.date()))
        if fields:
            reply += fields
        engine = connection.engine
        stream = self.stream
        try:
            engine.respond(stream, status, reply, empty)
        except ValueError as error:
            raise _unsendable(error) from None
        self._opened = True
        if not empty:
            sent = engine.send(stream, body, 0, True) if connection.has_room(len(body)) else 0
            if sent < len(body):
                self._out = body
                self._out_at = sent
                self._end = True
                self._trailers: Fields = ()
                connection.block(self)
                connection.flush_soon()
                return
        connection.finished(self)

    def respond_with_trailers(
        self, status: int, fields: Fields, body: bytes, trailers: Fields
    ) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is None:
            return
        if self._opened:
            raise UsageError("a reply was begun already; one request has one reply")
        engine = connection.engine
        stream = self.stream
        try:
            if not body and not trailers:
                engine.respond(stream, status, fields, True)
                self._opened = True
                connection.finished(self)
                return
            size = len(body)
            if connection.has_room(size):
                sent = engine.respond_whole(stream, status, fields, body, trailers)
            else:
                check_fields(trailers)
                engine.respond(stream, status, fields, False)
                sent = -1
            self._opened = True
            if sent < size:
                self._out = body
                self._out_at = max(sent, 0)
                self._end = True
                self._trailers = trailers
                connection.block(self)
                connection.flush_soon()
                return
        except ValueError as error:
            if self._opened:
                self.reset()
            raise _unsendable(error) from None
        connection.finished(self)

    def open(
        self, status: int, fields: Fields, length: int | None = None, *, dated: bool = True
    ) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is None:
            return
        if self._opened:
            raise UsageError("a reply was begun already; one request has one reply")
        self._headless = status in _NO_BODY or self.method == "HEAD"
        reply = list(fields)
        if dated:
            reply.append((b"date", connection.port.date()))
        if length is not None and status not in _NO_BODY:
            reply.append((b"content-length", b"%d" % length))
        try:
            connection.engine.respond(self.stream, status, reply, False)
        except ValueError as error:
            raise _unsendable(error) from None
        self._opened = True
        self._left = length
        self._breath = 0
        self._trailers = ()
        connection.flush_soon()

    async def send(self, data: bytes) -> None:
        """See `Exchange`.

        Raises: also UsageError when it is more than the length that was given to `open`.
        """
        connection = self._connection
        if connection is None:
            raise PeerGone(_GONE)
        if not data:
            return
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise UsageError("the body is longer than its declared length")
        if self._headless:
            return
        self.write(data)
        if self._out or not connection.writable:
            await self.wait_writable()
        else:
            self._breath += 1
            if self._breath >= _BREATH:
                self._breath = 0
                await asyncio.sleep(0)

    def write(self, data: bytes) -> bool:
        """See `Exchange`: now what the windows take, and the rest in its turn."""
        connection = self._connection
        if connection is None:
            return False
        if self._out:
            self._out = self._out[self._out_at :] + data
            self._out_at = 0
        elif not connection.has_room(len(data)):
            self._out = data
            self._out_at = 0
        else:
            sent = connection.engine.send(self.stream, data, 0, False)
            connection.flush_soon()
            if sent == len(data):
                return connection.writable
            self._out = data
            self._out_at = sent
        connection.block(self)
        return False

    @property
    def writable(self) -> bool:
        """Whether everything written is on its way, and there is room for more."""
        connection = self._connection
        return connection is not None and not self._out and connection.writable

    async def wait_writable(self) -> None:
        """See `Exchange`: until everything written is on its way."""
        while True:
            connection = self._connection
            if connection is None:
                raise PeerGone(_GONE)
            if not self._out and connection.writable:
                return
            connection.block(self)
            if self._room is None or self._room.done():
                self._room = connection.port.loop.create_future()
            await asyncio.wait([self._room])

    def push(self) -> int:
        """Try again to send what waits; how many bytes went. For the connection."""
        connection = self._connection
        if connection is None:
            return 0
        out = self._out
        went = 0
        if out:
            last = self._end and not self._trailers
            went = connection.engine.send(self.stream, out, self._out_at, last)
            self._out_at += went
            if self._out_at >= len(out):
                self._out = b""
                self._out_at = 0
        if self._out:
            return went
        if not self._end:
            self._wake()
            return went
        if self._trailers:
            connection.engine.send_trailers(self.stream, self._trailers)
        connection.finished(self)
        return went

    @property
    def waits(self) -> bool:
        """Whether something is left to send."""
        return bool(self._out) and self._connection is not None

    def finish(self, trailers: Fields = ()) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is None:
            return
        if not self._opened:
            raise UsageError("a reply cannot end before it was opened")
        if self._left and not self._headless:
            self.reset()
            raise UsageError(f"the body is {self._left} bytes shorter than its declared length")
        if self._end:
            return
        self._end = True
        if trailers and not self._headless:
            try:
                if self._out:
                    check_fields(trailers)
                    self._trailers = trailers
                else:
                    connection.engine.send_trailers(self.stream, trailers)
            except ValueError as error:
                self.reset()
                raise _unsendable(error) from None
        elif not self._out:
            connection.engine.send(self.stream, b"", 0, True)
        if self._out:
            connection.flush_soon()
        else:
            connection.finished(self)

    def reset(self) -> None:
        """See `Exchange`."""
        self.break_off(ErrorCode.INTERNAL_ERROR)

    def break_off(self, code: ErrorCode) -> None:
        """Reset the stream for this reason."""
        connection = self._connection
        if connection is not None:
            connection.engine.reset(self.stream, code)
            connection.finished(self)

    def complete(self) -> None:
        """The reply is over; for the connection. What is left of the request is not read."""
        self._connection = None
        self._out = b""
        if self.inbox is not None:
            self.inbox.fail(PeerGone("the reply is complete: nothing more is read of the request"))
        if self._room is not None:
            self._wake()

    # --- tunnels --------------------------------------------------------------------------------

    def upgrade(self, fields: Fields = ()) -> Http2Tunnel:
        """See `Exchange`."""
        if not self.protocol or self.inbox is None:
            raise UsageError("the peer did not ask for a WebSocket")
        connection = self._connection
        if connection is None:
            raise PeerGone(_GONE)
        self.open(200, fields)
        self._tunnel = tunnel = Http2Tunnel(self, self._credit)
        waiting = self.inbox.take()
        if waiting:
            tunnel.arrived(waiting, False)
        if self.inbox.ended:
            tunnel.arrived(b"", True)
        return tunnel


def _unsendable(error: ValueError) -> UsageError:
    return UsageError(f"a field of the reply cannot be sent: {error}")
