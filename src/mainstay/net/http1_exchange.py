"""One request on a connection that speaks HTTP/1.1, and its reply.

A part of the hot path; see `http1`.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import Final

from mainstay.core.metadata import Peer
from mainstay.errors import PeerGone, TooLarge, UsageError
from mainstay.net.exchange import Exchange, Fields, Tunnel
from mainstay.net.inbox import Inbox
from mainstay.net.line import Line
from mainstay.wire.http1 import BodyReader, HeaderMap, PackedFields, RequestHead, fields_of
from mainstay.wire.http1_reply import (
    CLOSE,
    CONTINUE,
    HEADS,
    KEEP_ALIVE,
    LAST_CHUNK,
    chunk,
    fields_block,
    head_of,
)

__all__ = ["Http1Exchange", "RequestLine"]

_BREATH: Final = 32
"""Parts of a reply after which a producer that never waits lets others have a turn."""

_NO_BODY: Final = frozenset({204, 304})


class RequestLine(Line):
    """What an exchange needs of its connection.

    Attributes:
        peer: who is at the other end.
        scheme: ``http`` or ``https``.
        served: requests begun on it.
        body: reads the body of the request; None without one.
    """

    __slots__ = ("body", "peer", "scheme", "served")

    peer: Peer
    scheme: str
    served: int
    body: BodyReader | None

    def go_on_reading(self) -> None:
        """There is room again, unless too much of the next requests waits."""
        raise NotImplementedError

    def finished(self, exchange: Http1Exchange, last: bool) -> None:
        """The reply of `exchange` is written; `last` if the peer was told that we close."""
        raise NotImplementedError

    def become_tunnel(self, exchange: Http1Exchange) -> Tunnel:
        """The exchange is over, and the bytes belong to the tunnel."""
        raise NotImplementedError

    def abort(self) -> None:
        """Close at once."""
        raise NotImplementedError


class Http1Exchange(Exchange):
    """One request on an `http1.Http1Connection`."""

    __slots__ = (
        "_breath",
        "_connection",
        "_framing",
        "_headers",
        "_left",
        "inbox",
        "keep_alive",
        "received",
        "upgrades",
        "waits_for_go",
    )

    _connection: RequestLine | None
    _headers: HeaderMap | PackedFields
    keep_alive: bool
    received: int
    """Bytes of the body that were read; set when there is one."""
    waits_for_go: bool
    """Whether the peer sends its body only after a 100."""

    def __init__(self, connection: RequestLine, head: RequestHead) -> None:
        (
            self.method,
            self.target,
            self.authority,
            self.version,
            self.length,
            self.keep_alive,
            self.waits_for_go,
            self.upgrades,
            headers,
        ) = head
        self._headers = headers
        self._connection = connection
        self.scheme = connection.scheme
        self.peer = connection.peer
        self.body = None
        self.body_limit = connection.port.limits.body_size
        self.gone = None
        self.long = False
        self.patient = False
        self._framing = _NOT_OPEN
        self.inbox: Inbox | None = None
        self.protocol = "" if not self.upgrades else self._wanted_protocol(headers)

    @property
    def fields(self) -> Fields:  # type: ignore[override]
        """See `Exchange`."""
        return fields_of(self._headers)

    def _wanted_protocol(self, headers: HeaderMap) -> str:
        upgrade = headers.get("upgrade")
        if self.method != "GET" or upgrade is None or upgrade.lower() != b"websocket":
            return ""
        # Without the option it is a field that some proxy has forgotten (RFC 9110 §7.8).
        options = b",".join(headers.get_all("connection")).lower().split(b",")
        return "websocket" if b"upgrade" in map(bytes.strip, options) else ""

    # --- the body -------------------------------------------------------------------------------

    def lose(self, reason: str) -> None:
        """The peer has left; for the connection."""
        self._connection = None
        if self.inbox is not None:
            self.inbox.fail(PeerGone(f"{reason} before the end of its body"))
        gone, self.gone = self.gone, None
        if gone is not None:
            gone(reason)

    async def receive(self) -> bytes:
        """See `Exchange`."""
        if self.body is not None:
            part, self.body = self.body, b""
            return part
        inbox = self.inbox
        assert inbox is not None
        while (part := inbox.take()) is None:  # type: ignore[assignment]
            connection = self._connection
            assert connection is not None
            self._counted(b"")
            if self.waits_for_go:
                self.waits_for_go = False
                connection.write(CONTINUE)
            connection.go_on_reading()
            if not self.patient:
                connection.arm_body()
            await inbox.wait()
            connection.due = inf
        if self._connection is not None:
            self._connection.go_on_reading()
        return self._counted(part)

    def _counted(self, part: bytes) -> bytes:
        limit = self.body_limit
        self.received += len(part)
        if limit is not None and max(self.received, self.length or 0) > limit:
            raise TooLarge(f"the body is longer than the {limit} bytes that are allowed here")
        return part

    def lasts(self) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is not None and not self.long:
            self.long = True
            connection.port.long += 1

    def trailers(self) -> Fields:
        """See `Exchange`."""
        body = None if self._connection is None else self._connection.body
        return () if body is None or not body.done else body.trailers()

    # --- the reply ------------------------------------------------------------------------------

    def inform(self, status: int, fields: Fields = ()) -> None:
        """See `Exchange`."""
        if self._connection is not None and self.version != "1.0":
            self._connection.write(head_of(status) + fields_block(fields) + b"\r\n")

    def respond(self, status: int, content_type: bytes | None, fields: Fields, body: bytes) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is None:
            return
        if self._framing is not _NOT_OPEN:
            self._refuse_twice()
        extra = fields_block(fields) if fields else b""
        head = HEADS.get((status, content_type)) or head_of(status, content_type)
        self._framing = _DONE  # from here on nothing is refused
        port = connection.port
        body_reader = connection.body
        if (
            self.keep_alive
            and self.version == "1.1"
            and not port.draining
            and not connection.closing
            and port.requests_limit is None
            and (body_reader is None or body_reader.done)
        ):
            last = False  # nearly always, so it is asked in one place
        else:
            last = self._is_last(connection)
            extra += CLOSE if last else KEEP_ALIVE if self.version == "1.0" else b""
        if status in _NO_BODY or self.method == "HEAD":
            length = b"" if status in _NO_BODY else b"content-length: %d\r\n" % len(body)
            data = b"%b%b%bdate: %b\r\n\r\n" % (
                head,
                length,
                extra,
                port.date(),
            )
        else:
            data = b"%b%bcontent-length: %d\r\ndate: %b\r\n\r\n%b" % (
                head,
                extra,
                len(body),
                port.date(),
                body,
            )
        out = connection._out
        if out is not None:
            out.append(data)
        elif not connection.transport.is_closing():
            connection.transport.write(data)
        connection.finished(self, last)

    def open(
        self, status: int, fields: Fields, length: int | None = None, *, dated: bool = True
    ) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is None:
            return
        self._refuse_twice()
        block = fields_block(fields)
        self._left = length or 0
        self._breath = 0
        if status in _NO_BODY or self.method == "HEAD":
            self._framing = _NOTHING
            if length is not None and status not in _NO_BODY:
                block += b"content-length: %d\r\n" % length
        elif length is not None:
            self._framing = _LENGTH
            block += b"content-length: %d\r\n" % length
        elif self.version == "1.0":
            self._framing = _TO_THE_END
            self.keep_alive = False
        else:
            self._framing = _CHUNKED
            block += b"transfer-encoding: chunked\r\n"
        if self._is_last(connection):
            block += CLOSE
            self.keep_alive = False
        elif self.version == "1.0":
            block += KEEP_ALIVE
        connection.cork()
        date = connection.port.date()
        connection.write(b"%b%bdate: %b\r\n\r\n" % (head_of(status), block, date))

    def respond_with_trailers(
        self, status: int, fields: Fields, body: bytes, trailers: Fields
    ) -> None:
        """See `Exchange`."""
        self.open(status, fields)
        if body:
            self.write(body)
        self.finish(trailers)

    def write(self, data: bytes) -> bool:
        """See `Exchange`."""
        connection = self._connection
        if connection is None or connection.transport.is_closing():
            return False
        framing = self._framing
        if not data or framing is _NOTHING:
            return True
        if framing is _LENGTH:
            self._left -= len(data)
            if self._left < 0:
                raise UsageError("the body is longer than its declared length")
        elif framing is _CHUNKED:
            data = chunk(data)
        elif framing is not _TO_THE_END:
            raise UsageError("`send` comes after `open`, and before `finish`")
        connection.cork()
        connection.write(data)
        connection.flush_above(connection.port.limits.write_buffer)
        return connection._writable is None

    async def wait_writable(self) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is None or connection.transport.is_closing():
            raise PeerGone(_GONE)
        if connection._writable is not None:
            await connection.wait_writable()

    async def send(self, data: bytes) -> None:
        """See `Exchange`.

        Raises: also UsageError when it is more than the length that was given to `open`.
        """
        connection = self._connection
        if connection is None or connection.transport.is_closing():
            raise PeerGone(_GONE)
        if not self.write(data):
            await connection.wait_writable()
            self._breath = 0
        self._breath += 1
        if self._breath >= _BREATH:
            self._breath = 0
            await asyncio.sleep(0)

    def finish(self, trailers: Fields = ()) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is None:
            return
        framing = self._framing
        if framing is _LENGTH and self._left > 0:
            # The peer has to see that it is not whole.
            self.reset()
            return
        self._framing = _DONE
        if framing is _CHUNKED:
            if trailers:
                connection.write(b"0\r\n%b\r\n" % fields_block(trailers))
            else:
                connection.write(LAST_CHUNK)
        connection.port.date()  # which also tells the time, for the idle timeout
        connection.finished(self, not self.keep_alive)

    def close_after(self) -> None:
        """See `Exchange`."""
        self.keep_alive = False

    def reset(self) -> None:
        """See `Exchange`."""
        connection = self._connection
        if connection is not None and self._framing is not _DONE:
            self.gone = None
            connection.flush()
            connection.abort()

    def upgrade(self, fields: Fields = ()) -> Tunnel:
        """See `Exchange`."""
        connection = self._connection
        if connection is None:
            raise PeerGone("the peer left before the connection was upgraded")
        if self.protocol != "websocket":
            raise UsageError("the peer did not ask for a WebSocket")
        self._refuse_twice()
        self._framing = _DONE
        connection.write(
            head_of(101)
            + b"connection: upgrade\r\nupgrade: websocket\r\n"
            + fields_block(fields)
            + b"\r\n"
        )
        # It may stay for days: not as the parser has made them, which takes kilobytes.
        self._headers = PackedFields(fields_of(self._headers))
        return connection.become_tunnel(self)

    def _refuse_twice(self) -> None:
        if self._framing is not _NOT_OPEN:
            raise UsageError("this request was answered already")

    def _is_last(self, connection: RequestLine) -> bool:
        """Whether the connection closes after this reply."""
        port = connection.port
        if not self.keep_alive or port.draining or connection.closing:
            return True
        limit = port.limits.requests
        if limit is not None and connection.served >= limit:
            return True
        body = connection.body
        # What is left of a body that nobody reads, a client would have to send for nothing.
        return body is not None and not body.done


_GONE: Final = "the peer is gone; nobody takes the rest of the reply"
_NOT_OPEN: Final = "not open"
_NOTHING: Final = "nothing"
_LENGTH: Final = "length"
_CHUNKED: Final = "chunked"
_TO_THE_END: Final = "to the end"
_DONE: Final = "done"
