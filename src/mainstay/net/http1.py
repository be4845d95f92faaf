"""A connection that speaks HTTP/1.1: requests one after the other, each an `Exchange`.

This file is the hot path of the server, so it trades some beauty for speed: attributes instead of
properties, no timer and no task a request, and one write a reply (`bench/http` shows the gain).

* Requests are answered in their order. What a peer sends ahead (pipelining) waits in `_ahead`, and
  the connection is not read while more than `Limits.read_buffer` waits.
* Replies that are written during one `data_received` leave in one write; so do the parts of a
  streamed reply that are sent without waiting.
* One timer a connection, on the wheel, is set for a time at which something may be overdue; when it
  fires, it looks at what the connection waits for now.
* A body that the handler has not read is read and dropped up to `_DISCARD`, so that the peer gets
  the reply; beyond that the connection is closed.
* A peer that closes its side while a call is at work has left, and the call is cancelled, as in Go
  and nginx: TCP cannot tell a half-close from a close.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import Final

from mainstay.core.metadata import Peer
from mainstay.errors import InvalidRequest, PeerTooSlow
from mainstay.net.http1_exchange import Http1Exchange, RequestLine
from mainstay.net.http1_tunnel import Http1Tunnel
from mainstay.net.inbox import Inbox
from mainstay.net.port import Port
from mainstay.wire.errors import WireError
from mainstay.wire.http1 import (
    BodyReader,
    BytesReader,
    ChunkedReader,
    HeadParser,
    RequestHead,
)
from mainstay.wire.http1_reply import (
    head_of,
)

__all__ = ["Http1Connection"]

_log = logging.getLogger(__name__)

_DISCARD: Final = 256 * 1024
"""Bytes of an unread body that are dropped for the sake of the connection, or of the reply."""

_LINGER: Final = 2.0
"""Seconds for which a peer may go on sending what nobody reads, before the connection is closed."""

_TURN: Final = 64
"""Requests sent ahead that are answered in one callback, before other connections have a turn."""

_TUNNEL_TURN: Final = 32 * 1024
"""Bytes of a tunnel read at once, after which other connections have a turn: libuv would read on."""


class Http1Connection(RequestLine):
    """One connection; `begin` starts it on a transport that is connected already.

    Args:
        port: of the server.
        parser: of heads; one for all connections of the server.
        transport: connected.
        peer: who is at the other end.
        scheme: ``http`` or ``https``.
        on_lost: called once, when the connection is gone.
    """

    __slots__ = (
        "_advancing",
        "_ahead",
        "_dropped",
        "_exchange",
        "_leaving",
        "_on_lost",
        "_parser",
        "_seen",
        "_tunnel",
    )

    def __init__(
        self,
        port: Port,
        parser: HeadParser,
        transport: asyncio.Transport,
        peer: Peer,
        scheme: str,
        on_lost: Callable[[], None],
    ) -> None:
        super().__init__(port, transport)
        self.peer = peer
        self.scheme = scheme
        self._parser = parser
        self._on_lost = on_lost
        self._seen = b""
        self._ahead = b""
        self._exchange: Http1Exchange | None = None
        self.body: BodyReader | None = None
        self._tunnel: Http1Tunnel | None = None
        self._advancing = False
        self._leaving = False
        self.served = 0
        self._dropped = 0

    # --- its life -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Join the port and wait for a request."""
        port = self.port
        port.joined(self)
        self.transport.set_write_buffer_limits(high=port.limits.write_buffer)
        self.due = port.monotonic() + port.limits.header_timeout
        self.arm(self.due)

    @property
    def busy(self) -> bool:
        """See `Connection`."""
        return self._exchange is not None or self._tunnel is not None

    def drain(self) -> None:
        """See `Connection`; a peer in the middle of a head has `header_timeout` to finish it."""
        self._leaving = True
        if self._exchange is not None:
            self._exchange.close_after()
        if not self.busy and not self._seen and not self._ahead and not self.closing:
            # Not at once: a request may be on its way, and deserves an answer that says goodbye.
            self.due = self.port.monotonic() + self.port.limits.lame_duck
            self.arm(self.due)

    def abort(self) -> None:
        """See `Connection`."""
        self.closing = True
        self.transport.abort()
        self._lost("the server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self._lost("the peer closed the connection" if exc is None else f"{exc}")
        self.closed()
        self._parser = None  # type: ignore[assignment]  # a cycle less
        self.port.closed(self)
        self._on_lost()

    def eof_received(self) -> bool:
        """The peer has ended its side; see the module."""
        self.closing = True
        return False

    def _lost(self, reason: str) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self.port.ended(exchange)
            exchange.lose(reason)
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            tunnel.lose(reason)

    # --- reading --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer."""
        if self._exchange is not None:
            self._arrived(data)
        elif self._tunnel is not None:
            self._tunnel.arrived(data)
            if len(data) > _TUNNEL_TURN and self._reading and not self.transport.is_closing():
                self.transport.pause_reading()
                self.port.loop.call_soon(self._read_on)
        elif self.closing:
            if self.body is not None:
                self._drop(data)
        elif self._ahead or self._writable is not None:
            # What came before has not had its turn, or the peer does not take its replies.
            self._ahead += data
            if len(self._ahead) > self.port.limits.read_buffer or self._writable is not None:
                self.pause_reading()
        else:
            self._advance(data)

    def _read_on(self) -> None:
        if self._reading and not self.transport.is_closing():
            self.transport.resume_reading()

    def _advance(self, data: bytes) -> None:
        """Begin the exchanges of all requests in `data`, as far as each is answered at once."""
        self._advancing = True
        left = _TURN
        try:
            while True:
                head, data = self._parser.feed(self._seen, data)
                if head is None:
                    self._wait_for_head(data)
                    break
                self._seen = b""
                if data and self._out is None:
                    self.cork()  # more than one reply may leave in one write
                data = self._start(head, data)
                if not data or self._is_closing():
                    break
                self.flush_above(self.port.limits.write_buffer)
                left -= 1
                if self._writable is not None or not left:
                    # A peer that does not read its replies gets no more of them made; one that
                    # asks for many lets others have a turn.
                    self._ahead = data
                    self.pause_reading()
                    if self._writable is None:
                        self.port.loop.call_soon(self._go_on)
                    break
        except WireError as error:
            self._refuse(error)
        finally:
            self._advancing = False

    # Asked anew: a type checker believes that nothing has changed what it has seen.

    def _is_free(self) -> bool:
        return self._exchange is None and self._tunnel is None

    def _is_closing(self) -> bool:
        return self.closing

    def _wait_for_head(self, seen: bytes) -> None:
        if seen and not self._seen:
            self.due = self.port.monotonic() + self.port.limits.header_timeout
            self.arm(self.due)
        self._seen = seen

    def _start(self, head: RequestHead, rest: bytes) -> bytes:
        """Begin one exchange; return what follows it, if it was answered at once."""
        port = self.port
        exchange = Http1Exchange(self, head)
        if self._leaving:
            exchange.keep_alive = False
        length = exchange.length
        if length == 0:
            exchange.body = b""
            self.body = None
        else:
            if length is None:
                body: BodyReader = ChunkedReader()
            else:
                body = BytesReader(length)
            self.body = body
            rest = self._first_bytes(exchange, body, rest)
        self.due = inf
        self._exchange = exchange
        port.in_flight += 1
        port.requests += 1
        self.served += 1
        self._ahead = rest
        port.application.begin(exchange)
        if self._is_free():
            rest, self._ahead = self._ahead, b""
            return rest
        if rest and len(rest) > port.limits.read_buffer:
            self.pause_reading()
        return b""

    def _first_bytes(self, exchange: Http1Exchange, body: BodyReader, rest: bytes) -> bytes:
        part = body.feed(rest) if rest else b""
        limit = exchange.body_limit
        if body.done and (limit is None or len(part) <= limit):
            exchange.body = part
            return body.rest
        exchange.received = 0
        exchange.inbox = inbox = Inbox(self.port.loop)
        inbox.add(part)
        if body.done:
            inbox.end()  # too long; `receive` says so
            return body.rest
        return b""

    def _arrived(self, data: bytes) -> None:
        """Bytes while an exchange is not finished: of its body, or of the next request."""
        exchange = self._exchange
        assert exchange is not None
        body = self.body
        inbox = exchange.inbox
        waiting = 0
        if body is not None and not body.done:
            assert inbox is not None
            try:
                part = body.feed(data)
            except WireError as error:
                inbox.fail(InvalidRequest(f"the body is malformed: {error.message}"))
                self.closing = True
                return
            inbox.add(part)
            if _is_whole(body):
                inbox.end()
            data = body.rest
            waiting = inbox.buffered
        if data:
            self._ahead += data
        if waiting + len(self._ahead) > self.port.limits.read_buffer:
            self.pause_reading()

    def go_on_reading(self) -> None:
        """There is room again, unless too much of the next requests waits."""
        if len(self._ahead) <= self.port.limits.read_buffer:
            self.resume_reading()

    def resume_writing(self) -> None:
        """See `Line`."""
        super().resume_writing()
        if self._exchange is None and self._tunnel is None and not self.closing:
            if self._ahead:
                self.port.loop.call_soon(self._go_on)
            else:
                self.resume_reading()

    # --- between two exchanges ------------------------------------------------------------------

    def finished(self, exchange: Http1Exchange, last: bool) -> None:
        """The reply of `exchange` is written; `last` if the peer was told that we close."""
        if self._exchange is not exchange:
            return
        self._exchange = None
        port = self.port
        port.in_flight -= 1
        if exchange.long:
            port.long -= 1
        body = self.body
        unread = body is not None and not body.done
        if last or unread:
            self._end(body if unread else None)
            return
        self.body = None
        self.due = due = port.now + (port.limits.lame_duck if port.draining else port.keep_alive)
        if due < self._armed:
            self.arm(due)
        if not self._reading:
            self.go_on_reading()
        if self._ahead and not self._advancing:
            # From a callback of its own, where calls can be started eagerly.
            port.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        free = self._exchange is None and self._writable is None
        if free and self._ahead and not self.closing:
            data, self._ahead = self._ahead, b""
            self._advance(data)
            if not self._ahead and self._exchange is None:
                self.resume_reading()

    def _end(self, unread: BodyReader | None) -> None:
        """Close after the reply; first drop what the peer still sends, or it would lose the reply
        to the reset that unread bytes provoke (RFC 9112 §9.6)."""
        self.closing = True
        self.body = unread
        self.flush()
        if unread is None or self.transport.is_closing():
            self.close()
            return
        self.resume_reading()
        if self.transport.can_write_eof():
            try:
                self.transport.write_eof()
            except OSError:  # asyncio's own loop says here that the peer has reset it
                self.close()
                return
        self._dropped = 0
        self.due = self.port.monotonic() + _LINGER
        self.arm(self.due)

    def _drop(self, data: bytes) -> None:
        self._dropped += len(data)
        body = self.body
        assert body is not None
        try:
            body.feed(data)
        except WireError:
            self.close()
            return
        if body.done or self._dropped > _DISCARD:
            self.close()

    def _refuse(self, error: WireError) -> None:
        """Answer what cannot be parsed, and close: nobody knows where the next request begins."""
        _log.debug("%s: refused: %s", self.peer.address, error.message)
        text = f"{error.message}\n".encode()
        self.write(
            b"%bcontent-length: %d\r\ndate: %b\r\nconnection: close\r\n\r\n%b"
            % (head_of(error.status, b"text/plain"), len(text), self.port.date(), text)
        )
        self.body = BytesReader(_DISCARD)
        self._end(self.body)

    def overdue(self) -> None:
        """See `Line`."""
        exchange = self._exchange
        if exchange is not None:
            if exchange.inbox is not None:
                exchange.inbox.fail(PeerTooSlow("the rest of the body did not come in time"))
            self.closing = True
        elif self._tunnel is not None:
            return
        elif self._seen and not self.closing:
            self._refuse(WireError(408, "the rest of the head did not come in time"))
        else:
            self.close()

    # --- tunnels --------------------------------------------------------------------------------

    def become_tunnel(self, exchange: Http1Exchange) -> Http1Tunnel:
        """The exchange is over, and the bytes belong to the tunnel."""
        self._exchange = None
        self.port.ended(exchange)
        if self.write_due == inf:
            self.disarm()
        bound = self.port.limits.read_buffer
        self._tunnel = tunnel = Http1Tunnel(self, bound, exchange)
        ahead, self._ahead = self._ahead, b""
        if ahead:
            tunnel.arrived(ahead)
        return tunnel


def _is_whole(body: BodyReader) -> bool:
    # Read anew: a type checker believes that `feed` changes nothing.
    return body.done
