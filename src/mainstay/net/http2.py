"""A connection that speaks HTTP/2: many requests at once, each an `Exchange` on a stream.

The engine (`wire/http2.py`) knows the protocol; here are its bytes, its time and its bounds:

* What is written during one `data_received`, or one turn of the loop, leaves in one write.
* A handler reads its body as fast as it likes: bytes are credited to the peer when they are read,
  so at most `Limits.read_buffer` of a body wait here.
* A reply that a window or the transport holds back waits in its exchange; exchanges that wait take
  turns. While the transport is full, bodies wait, and when answers to control frames pile up
  nevertheless, the connection is not read: a peer that asks and does not listen costs a bounded
  amount of memory.
* The guard (`wire/http2_guard.py`) counts floods before the engine sees them.
* One timer a connection, on the wheel; when it fires, it looks at all that may be overdue.
* A drain says GOAWAY twice (RFC 9113 §6.8): requests on their way are taken until the peer has
  acknowledged the first, or `_FAREWELL` is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import Any, Final

from mainstay.core.metadata import Peer
from mainstay.core.wheel import Timer
from mainstay.errors import InvalidRequest, PeerGone, PeerTooSlow
from mainstay.net.http2_exchange import Http2Exchange
from mainstay.net.port import Port
from mainstay.wire.http2 import (
    Broken,
    Data,
    ErrorCode,
    Event,
    Goaway,
    Http2Engine,
    Http2Settings,
    RequestHead,
    Reset,
    Trailers,
    Writable,
)
from mainstay.wire.http2_engines import http2_engine
from mainstay.wire.http2_guard import FRAME, FrameGuard, Violation

__all__ = ["Http2Connection", "settings_of"]

_log = logging.getLogger(__name__)

_WINDOWS: Final = 16
"""Windows of streams that the window of a connection has room for."""

_DEFAULT_WINDOW: Final = 65_535
"""Bytes; what every peer may send before it has read our settings."""

_LARGEST_WINDOW: Final = 2**31 - 1
"""Bytes (RFC 9113 §6.9.1)."""

_FAREWELL: Final = 1.0
"""Seconds that a peer has to acknowledge the first GOAWAY."""

_TURN: Final = 32 * 1024
"""Bytes read at once after which other connections have a turn: libuv would read on."""

_PAYLOAD: Final = b"mainstay"

_new: Final = Http2Exchange.__new__


def settings_of(port: Port) -> Http2Settings:
    """What the limits of `port` allow a peer over HTTP/2."""
    limits = port.limits
    window = min(max(_DEFAULT_WINDOW, limits.read_buffer), _LARGEST_WINDOW)
    return Http2Settings(
        streams=limits.streams,
        stream_window=window,
        connection_window=min(window * _WINDOWS, _LARGEST_WINDOW),
        head_size=limits.head_size,
        header_count=limits.header_count,
        together=True,
    )


class Http2Connection(asyncio.Protocol):
    """One connection; `begin` starts it on a transport that is connected already.

    Args:
        port: of the server.
        transport: connected.
        peer: who is at the other end.
        scheme: ``http`` or ``https``.
        on_lost: called once, when the connection is gone.
        engine: of a server; the best there is unless given.
    """

    __slots__ = (
        "_armed",
        "_blocked",
        "_body_limit",
        "_closing",
        "_corked",
        "_drain_due",
        "_draining",
        "_exchanges",
        "_gathered",
        "_grown",
        "_guard",
        "_head_due",
        "_heard",
        "_idle_due",
        "_on_lost",
        "_pinged",
        "_reading",
        "_ready",
        "_served",
        "_timer",
        "_unsent",
        "_waiting",
        "_write_buffer",
        "_write_due",
        "engine",
        "peer",
        "port",
        "scheme",
        "transport",
        "writable",
    )

    def __init__(
        self,
        port: Port,
        transport: asyncio.Transport,
        peer: Peer,
        scheme: str,
        on_lost: Callable[[], None],
        engine: Http2Engine | None = None,
    ) -> None:
        limits = port.limits
        self.port = port
        self.transport = transport
        self.peer = peer
        self.scheme = scheme
        self.engine = engine or http2_engine(client=False, settings=settings_of(port))
        self.writable = True
        self._on_lost = on_lost
        self._guard = FrameGuard(
            server=True,
            resets=limits.resets,
            control_frames=limits.control_frames,
            window=limits.flood_window,
            block=2 * limits.head_size,
            known=self.engine.known,
        )
        if self.engine.known is not None:
            self.engine.known.bound(limits.body_size)
        self._exchanges: dict[int, Http2Exchange] = {}
        self._body_limit = limits.body_size
        self._blocked: dict[int, Http2Exchange] = {}
        self._ready: dict[int, Http2Exchange] = {}
        self._waiting: dict[int, Http2Exchange] = {}
        self._write_buffer = limits.write_buffer
        self._closing = False
        self._corked = False
        self._grown = False  # the window of all streams, by what is being read
        self._reading = True
        self._served = 0
        self._unsent = 0
        self._gathered = 0
        self._heard = 0.0
        self._pinged = False
        self._timer: Timer | None = None
        self._armed = inf
        self._head_due = inf
        self._idle_due = inf
        self._write_due = inf
        self._draining = False
        self._drain_due = inf

    # --- its life -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Join the port, and send the settings."""
        port = self.port
        port.joined(self)
        self.transport.set_write_buffer_limits(high=port.limits.write_buffer)
        now = port.monotonic()
        self._heard = now
        self._head_due = now + port.limits.header_timeout
        self._idle_due = now + port.limits.keep_alive
        self.engine.begin()
        if port.draining:
            self.drain()
        self._flush()
        self._look()

    @property
    def busy(self) -> bool:
        """See `Connection`."""
        return bool(self._exchanges)

    def drain(self) -> None:
        """See `Connection`."""
        if self._draining or self._closing:
            return
        self._draining = True
        self.engine.drain()
        self._drain_due = self.port.monotonic() + _FAREWELL
        self._arm(self._drain_due)
        self.flush_soon()

    def abort(self) -> None:
        """See `Connection`."""
        self._closing = True
        self.transport.abort()
        self._lose("the server closed the connection")

    def eof_received(self) -> bool:
        """The peer has ended its side, so nobody is there any more to credit or acknowledge."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self._closing = True
        self._lose("the peer closed the connection" if exc is None else str(exc))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.port.closed(self)
        self._on_lost()

    def _lose(self, reason: str) -> None:
        exchanges, self._exchanges = self._exchanges, {}
        self._blocked.clear()
        self._ready.clear()
        self._waiting.clear()
        for exchange in exchanges.values():
            self.port.ended(exchange)
            exchange.lose(PeerGone(reason))

    def _break(self, message: str) -> None:
        """End the connection for what the peer did; the engine has said GOAWAY."""
        _log.debug("%s: closed: %s", self.peer.address, message)
        self._close()
        self._lose(f"the peer broke the protocol: {message}")

    def _close(self) -> None:
        """Send what is there, then close, within `write_timeout`."""
        if self._closing:
            return
        self._closing = True
        out = self.engine.take()
        if out:
            self.transport.write(out)
        if not self.transport.is_closing():  # asyncio's TLS does not survive being closed twice
            self.transport.close()
        if self.transport.get_write_buffer_size():
            # `close` waits for the peer to take it all, and that may be never.
            self._unsent = self.transport.get_write_buffer_size()
            self._write_due = self.port.monotonic() + self.port.limits.write_timeout
            self._arm(self._write_due)

    # --- reading --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer."""
        if self._closing:
            return
        port = self.port
        self._heard = now = port.monotonic()
        self._pinged = False
        self._corked = True
        begun: list[Http2Exchange] = []
        if not self._understood(data, now, begun):
            return
        if self._guard.in_head:
            if self._head_due == inf:
                self._head_due = now + port.limits.header_timeout
                self._arm(self._head_due)
        else:
            self._head_due = inf
        if begun:
            self._start(begun)
        self._corked = False
        self._flush()
        if len(data) > _TURN and self._reading and not self._closing:
            self.transport.pause_reading()
            port.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._reading and not self._closing:
            self.transport.resume_reading()

    def _understood(self, data: bytes, now: float, begun: list[Http2Exchange]) -> bool:
        """Take in what came, and gather what begins; False if the connection is over for it."""
        event: Any  # its class decides, which the checker cannot see
        try:
            found = self._guard.feed(data, now)
            engine = self.engine
            for event in (
                engine.receive(data) if found is None else engine.receive_known(data, found)
            ):
                kind = type(event)
                if kind is tuple:
                    stream, head, body, _, _, _, _ = event
                    made = _new(Http2Exchange)
                    made.begin_known(self, stream, head, body, self._body_limit)
                    self._exchanges[stream] = made
                    begun.append(made)
                    self.port.in_flight += 1
                elif kind is Data:
                    exchange = self._exchanges.get(event.stream)
                    if exchange is not None:
                        exchange.arrived(event.data, event.ended)
                elif kind is RequestHead:
                    exchange = self._exchanges[event.stream] = Http2Exchange(self, event)
                    begun.append(exchange)
                    self.port.in_flight += 1
                else:
                    self._told(event, now)
            if self._grown:
                self._grown = False
                self._ready.update(self._blocked)
        except Violation as violation:
            self.engine.fail(violation.code)
            self._break(violation.message)
        return not self._closing

    def _start(self, begun: list[Http2Exchange]) -> None:
        """Let them be answered, but for those that the peer took back in the same breath."""
        port = self.port
        begin = port.application.begin
        target_size = port.limits.target_size
        requests_limit = port.requests_limit
        for exchange in begun:
            if exchange.stream not in self._exchanges:
                continue
            if not exchange.gathered:
                exchange.gather()
            if exchange.oversize or len(exchange.target) > target_size:
                status = 431 if exchange.oversize else 414
                exchange.respond(status, b"text/plain", (), b"too long\n")
            else:
                port.requests += 1
                begin(exchange)
            if requests_limit is not None:
                self._served += 1
                if self._served >= requests_limit:
                    self.drain()

    def _told(self, event: Event, now: float) -> None:
        """What is not a request, nor its body."""
        if isinstance(event, Reset):
            if event.ours:
                self._provoked(event.code, now)
            self._drop(event)
        elif isinstance(event, Trailers):
            exchange = self._exchanges.get(event.stream)
            if exchange is not None:
                exchange.trailed(event.fields)
        elif isinstance(event, Broken):
            self._break(event.message)
        elif isinstance(event, Writable):
            if not event.stream:
                self._grown = True
            elif event.stream in self._blocked:
                self._ready[event.stream] = self._blocked[event.stream]
        elif isinstance(event, Goaway):
            self.drain()

    def _provoked(self, code: int, now: float) -> None:
        """The peer made us reset a stream: to be counted, unless it can not have known."""
        if code == ErrorCode.REFUSED_STREAM:
            self._guard.count_refused(self.port.limits.streams, now)
        elif code != ErrorCode.STREAM_CLOSED:  # for which it may not have read our reset yet
            self._guard.count_reset(now)

    def _drop(self, reset: Reset) -> None:
        exchange = self._exchanges.get(reset.stream)
        if exchange is not None:
            self._forget(exchange)
            if reset.ours:
                exchange.lose(InvalidRequest("the request is malformed"))
            else:
                exchange.lose(PeerGone("the peer reset the request"))

    # --- what exchanges ask for -----------------------------------------------------------------

    def finished(self, exchange: Http2Exchange) -> None:
        """See `Carrier`."""
        exchanges = self._exchanges
        if exchanges.pop(exchange.stream, None) is not None:
            if self._blocked or self._ready or self._waiting:
                self._unlist(exchange.stream)
            port = self.port
            port.in_flight -= 1
            if exchange.long:
                port.long -= 1
            if not exchanges:
                self._idle_due = port.monotonic() + port.keep_alive
        exchange.complete()
        if not self._corked:
            self._corked = True
            self.port.loop.call_soon(self._uncork)

    def _forget(self, exchange: Http2Exchange) -> None:
        """As `finished`, for one that was not."""
        if self._exchanges.pop(exchange.stream, None) is None:
            return
        self._unlist(exchange.stream)
        self.port.ended(exchange)
        if not self._exchanges:
            self._idle_due = self.port.monotonic() + self.port.keep_alive

    def _unlist(self, stream: int) -> None:
        self._blocked.pop(stream, None)
        self._ready.pop(stream, None)
        self._waiting.pop(stream, None)

    def block(self, exchange: Http2Exchange) -> None:
        """See `Carrier`."""
        if exchange.stream not in self._blocked:
            exchange.since = self.port.monotonic()
            self._blocked[exchange.stream] = exchange
            self._arm(exchange.since + self.port.limits.write_timeout)
        self._ready[exchange.stream] = exchange

    def wait_for_body(self, exchange: Http2Exchange) -> None:
        """See `Carrier`."""
        exchange.since = self.port.monotonic()
        self._waiting[exchange.stream] = exchange
        self._arm(exchange.since + self.port.limits.body_timeout)

    def body_came(self, exchange: Http2Exchange) -> None:
        """See `Carrier`."""
        self._waiting.pop(exchange.stream, None)

    def flush_soon(self) -> None:
        """See `Carrier`."""
        if not self._corked:
            self._corked = True
            self.port.loop.call_soon(self._uncork)

    def has_room(self, size: int) -> bool:
        """See `Carrier`."""
        self._guard.owed += 3 + (size >> FRAME)  # as `FrameGuard.wrote`
        self._gathered = gathered = self._gathered + size
        if gathered > self._write_buffer:
            self._write()  # else nobody would see that the transport is full
            self._gathered = size
        return self.writable

    def _uncork(self) -> None:
        self._corked = False
        self._flush()

    # --- writing --------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Write what there is, and as much of what waits as there is room for."""
        if self._closing:
            return
        self._write()
        if self._ready and self.writable:
            self._take_turns()
        if not self.writable:
            self._hold_back()
        if self._draining and not self._exchanges and self.engine.drained:
            self._close()

    def _write(self) -> bool:
        """Write what the engine has; whether there was anything."""
        self._gathered = 0
        out = self.engine.take()
        if out:
            self.transport.write(out)
        return bool(out)

    def _take_turns(self) -> None:
        """Let exchanges that wait send, until none gets on or the transport is full.

        Who had a turn goes to the end, so that the next one is another's, whenever that is. Who has
        no window waits for it apart: looking at each again and again would cost the more the less
        the peer takes. Whose turn it is among those that only the engine holds back, it decides.
        """
        ready = self._ready
        engine = self.engine
        bound = self.port.limits.write_buffer
        went = True
        while went and ready and self.writable:
            went = False
            for stream, exchange in tuple(ready.items()):
                if exchange.waits and not engine.window(0):
                    return
                sent = exchange.push()
                ready.pop(stream, None)
                if not exchange.waits:
                    self._blocked.pop(stream, None)
                elif engine.window(stream):
                    ready[stream] = exchange
                if sent:
                    went = True
                    exchange.since = self._heard
                    self._gathered += sent
                    if self._gathered > bound and not self._has_room_yet():
                        return
            if self._write():
                went = True

    def _has_room_yet(self) -> bool:
        self._write()
        return self.writable

    def _hold_back(self) -> None:
        """Read nothing while too much waits to be written: it would make more."""
        held = self.transport.get_write_buffer_size()
        if self._reading and held > 2 * self.port.limits.write_buffer:
            self._reading = False
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self.writable = False
        self._unsent = self.transport.get_write_buffer_size()
        self._write_due = self.port.monotonic() + self.port.limits.write_timeout
        self._arm(self._write_due)

    def resume_writing(self) -> None:
        """The transport has room."""
        self.writable = True
        if self._closing:
            return
        self._write_due = inf
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        self._flush()

    # --- time -----------------------------------------------------------------------------------

    def _arm(self, when: float) -> None:
        if when < self._armed:
            if self._timer is not None:
                self._timer.cancel()
            self._armed = when
            self._timer = self.port.wheel.at(when, self._look)

    def _look(self) -> None:
        """Something may be overdue; find out, and when to look again."""
        self._timer = None
        self._armed = inf
        now = self.port.monotonic()
        self._look_at_transport(now)
        if not self._closing:
            self._look_at_streams(now)
            self._look_at_peer(now)
            self._flush()
        if not self._closing:
            self._arm(self._next())
        elif self._write_due < inf:
            self._arm(self._write_due)

    def _next(self) -> float:
        limits = self.port.limits
        due = min(self._write_due, self._head_due, self._drain_due)
        if not self._exchanges:
            due = min(due, self._idle_due)
        if limits.ping_interval is not None:
            silence = limits.ping_timeout if self._pinged else 0.0
            due = min(due, self._heard + limits.ping_interval + silence)
        if self._waiting:
            oldest = min(exchange.since for exchange in self._waiting.values())
            due = min(due, oldest + limits.body_timeout)
        for exchange in self._blocked.values():
            if not exchange.long:
                due = min(due, exchange.since + limits.write_timeout)
        # Exchanges at work set no time; what comes after them sets its own.
        return due if due < inf else self.port.monotonic() + limits.keep_alive

    def _look_at_transport(self, now: float) -> None:
        if now < self._write_due:
            return
        left = self.transport.get_write_buffer_size()
        if left >= self._unsent:
            self._write_due = inf
            self.abort()
            return
        self._unsent = left
        self._write_due = now + self.port.limits.write_timeout

    def _look_at_streams(self, now: float) -> None:
        limits = self.port.limits
        for exchange in tuple(self._waiting.values()):
            if now >= exchange.since + limits.body_timeout and exchange.inbox is not None:
                exchange.inbox.fail(PeerTooSlow("the rest of the body did not come in time"))
                self._waiting.pop(exchange.stream, None)
        if not self.writable:
            return  # the transport has its own time
        for exchange in tuple(self._blocked.values()):
            if now >= exchange.since + limits.write_timeout and not exchange.long:
                self.engine.reset(exchange.stream, ErrorCode.CANCEL)
                self._forget(exchange)
                exchange.lose(PeerGone("the peer gave no window for the reply in time"))

    def _look_at_peer(self, now: float) -> None:
        limits = self.port.limits
        if now >= self._head_due:
            self.engine.fail(ErrorCode.ENHANCE_YOUR_CALM)
            self._break("a head did not come in time")
            return
        if not self._exchanges and now >= self._idle_due:
            self.drain()
            self._idle_due = inf
        if now >= self._drain_due and not self.engine.drained:
            self.engine.drain_now()
            self._drain_due = inf
        self._ping(now, limits.ping_interval, limits.ping_timeout)

    def _ping(self, now: float, interval: float | None, timeout: float) -> None:
        if interval is None or now < self._heard + interval:
            return
        if not self._pinged:
            self._pinged = True
            self.engine.ping(_PAYLOAD)
        elif now >= self._heard + interval + timeout:
            self.abort()
