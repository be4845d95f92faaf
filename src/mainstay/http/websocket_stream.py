"""The messages of one WebSocket call: the `Stream` between a connection's bytes and a handler.

Rules this file keeps:

* **Accepted late.** Nothing is answered before `open`, which the first `send` or `receive` implies;
  until then an error is a plain HTTP answer.
* **Backpressure both ways.** What the handler has not received counts, and from
  `Limits.read_buffer` on the peer has to wait; so do answers to pings that it does not take.
  `send` returns when there is room.
* **Others have their turns.** After `_TURN` frames the loop does something else before it goes on,
  and `Limits.control_frames` that bring nothing within `Limits.flood_window` end it with 1008.
* **The peer's end is told once.** When it has said goodbye or is gone, messages that came before
  are still received; then `receive` raises, and so does `send`, and the handler ends in its own
  way. One that asks for neither is cancelled: at once if it never received and nothing waits for
  it, otherwise after `WebSocketOptions.close_timeout`.
* **Silence is tested.** After `Limits.ping_interval` without a byte the peer is pinged, and given up
  after `Limits.ping_timeout`; not while we do not listen to it.
* **A drain says 1001, or 1012** (see `websocket_farewell`) when the handler has done what it had: as soon as it waits for a message and
  there is none, though not before `WebSocketOptions.farewell`. One that never receives is given
  `FAREWELL` seconds.
* **Nobody waits for a goodbye.** After the handler the close frame is sent and the call is over;
  the answer, or the end of the patience with it, closes the connection.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from mainstay.core.metadata import EMPTY, Metadata
from mainstay.core.wheel import Timer
from mainstay.errors import EndOfStream, PeerGone, UsageError
from mainstay.http.call import HttpCall
from mainstay.http.websocket_codec import Decode, Encode
from mainstay.http.websocket_farewell import farewell_of
from mainstay.http.websocket_options import NO_MESSAGES, NORMAL, WebSocketOptions
from mainstay.net.exchange import Tunnel
from mainstay.net.limits import Limits
from mainstay.wire.websocket import Closed, Pong, WebSocketWire
from mainstay.wire.websocket_handshake import (
    agree_on_deflate,
    choose_subprotocol,
    values_of,
    verify_request,
)

__all__ = ["FAREWELL", "WebSocketStream"]

FAREWELL: Final = 1.0
"""Seconds that a handler which never receives has for last words when the service drains."""

_ABNORMAL: Final = 1006
_POLICY: Final = 1008
_TURN: Final = 64
"""Frames that are parsed before other connections have a turn."""
_EACH: Final = 64
"""Bytes that a waiting message counts beside its own: one without content costs something, too."""


class WebSocketStream:
    """See `mainstay.core.call.Stream`; messages are values of the handler's types.

    Args:
        call: whose exchange asked for a WebSocket.
        options: of the route.
        limits: of the server.
        decode: see `websocket_codec`.
        encode: see `websocket_codec`.
        deaf: whether a message of the peer is a mistake, because nobody will receive it.

    Raises: HttpError 426, InvalidRequest, PermissionDenied for a request that cannot be accepted.

    Attributes:
        subprotocol: what was agreed upon, or None.
        draining: whether the service is stopping, so that the peer will be told to leave.
        closed: how the peer has ended; None before.
    """

    __slots__ = (
        "_accept",
        "_asked",
        "_breath",
        "_call",
        "_deaf",
        "_decode",
        "_encode",
        "_finished",
        "_flooded",
        "_granted",
        "_heard",
        "_held",
        "_idle",
        "_idle_since",
        "_inbox",
        "_leaving",
        "_limits",
        "_loop",
        "_lost",
        "_options",
        "_patience",
        "_paused",
        "_pinged",
        "_room",
        "_said_goodbye",
        "_timer",
        "_tired",
        "_tunnel",
        "_unread",
        "_waiter",
        "_wire",
        "closed",
        "draining",
        "subprotocol",
    )

    def __init__(
        self,
        call: HttpCall,
        options: WebSocketOptions,
        limits: Limits,
        decode: Decode,
        encode: Encode,
        *,
        deaf: bool = False,
    ) -> None:
        exchange = call.exchange
        fields = exchange.fields
        self._accept = verify_request(fields, exchange.version)
        origins = [value.decode("latin-1") for value in values_of(fields, b"origin")]
        options.verify_origin(origins, exchange.authority)
        self.subprotocol = choose_subprotocol(fields, options.subprotocols)
        granted, extension = agree_on_deflate(fields) if options.compress else (None, None)
        self._granted = granted
        self.draining = False
        self._leaving = False  # whether the peer is told to leave once the handler waits for it
        self.closed: Closed | None = None
        self._call = call
        self._options = options
        self._limits = limits
        self._decode = decode
        self._encode = encode
        self._deaf = deaf
        self._wire = WebSocketWire(max_size=options.max_size, extension=extension)
        self._loop = asyncio.get_running_loop()
        self._tunnel: Tunnel | None = None
        # A list, though it is taken from the front: `Limits.read_buffer` keeps it short, and an
        # empty deque takes ten times as much.
        self._inbox: list[str | bytes] = []
        self._held = 0  # what is in it, counted
        self._paused = False
        self._breath = 0  # bytes sent without letting others work
        self._unread = 0  # bytes of answers to pings since there was room last
        self._tired = False  # whether the rest is parsed in the next turn of the loop
        self._flooded = False  # whether nothing more is parsed
        self._idle = 0  # frames that brought nothing
        self._idle_since = 0.0
        self._asked = False  # whether the handler has ever wanted to receive
        self._waiter: asyncio.Future[None] | None = None
        self._said_goodbye = False
        self._finished = False  # whether the handler has ended
        self._lost = ""  # why the peer is gone, when it left without a word
        self._heard = 0.0
        self._pinged: float | None = None
        self._timer: Timer | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._room: asyncio.Task[None] | None = None  # waits until answers to pings are taken

    # --- the stream -----------------------------------------------------------------------------

    @property
    def opened(self) -> bool:
        """Whether the WebSocket was accepted, so that an error can no longer be an HTTP answer."""
        return self._tunnel is not None

    async def open(self, metadata: Metadata = EMPTY) -> None:
        """Accept; `metadata` are more fields of the answer. See `Stream.open`.

        Raises: PeerGone; UsageError when it was accepted before.
        """
        if self._tunnel is not None:
            raise UsageError("the WebSocket was accepted before")
        fields = [(name.encode(), value.encode()) for name, value in metadata]
        request = self._call._request
        if request is not None and request._reply_headers is not None:
            fields += request._reply_headers.fields()
        if self._accept is not None:
            fields.append((b"sec-websocket-accept", self._accept))
        if self.subprotocol is not None:
            fields.append((b"sec-websocket-protocol", self.subprotocol.encode()))
        if self._granted is not None:
            fields.append((b"sec-websocket-extensions", self._granted))
        self._tunnel = tunnel = self._call.exchange.upgrade(fields)
        self._call.begun = True
        self._heard = self._loop.time()
        interval = self._limits.ping_interval
        if interval is not None:
            self._arm(interval)
        self._call.lasts()
        self._call.scope.when_draining(self._drained)
        tunnel.listen(self._arrived)

    async def receive(self) -> Any:
        """See `Stream.receive`.

        Raises: EndOfStream after the peer's goodbye, PeerGone if it left without one;
        InvalidRequest for a message that is not of the handler's type, after which the next can be
        received; UsageError when another task receives.
        """
        if self._tunnel is None:
            await self.open()
        self._asked = True
        while not self._inbox:
            if self.closed is not None:
                self._tell()
            if self._leaving:
                self._goodbye(*farewell_of(self._call.scope))
            if self._waiter is not None:
                raise UsageError("two tasks receive from one WebSocket; let one do it")
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._patience is not None:  # it goes on asking: the time counts from here
            self._forget_patience()
            self._lose_patience()
        message = self._inbox.pop(0)
        self._held -= len(message) + _EACH
        if self._paused and not self._tired and self._held * 2 <= self._limits.read_buffer:
            self._parse()
        return self._decode(message)

    async def send(self, message: Any) -> None:
        """See `Stream.send`.

        Raises: PeerGone once the peer has closed or left, and when it takes nothing for
        `Limits.write_timeout`; ClosedError after our goodbye; UsageError for a message that cannot
        be said.
        """
        if self._tunnel is None:
            await self.open()
        assert self._tunnel is not None
        self._say(self._tunnel, message)
        if self._breath > self._limits.write_buffer:
            # A connection may gather what is written until its callback returns, and while there is
            # room nothing else makes a sender stop: let it be written, and others work.
            self._breath = 0
            await asyncio.sleep(0)
        await self._tunnel.wait_writable()
        self._unread = 0

    def send_nowait(self, message: Any) -> bool:
        """Send if there is room and it is nobody else's turn; otherwise nothing happens, and the
        answer is False: `send` it then.

        Raises: as `send`.
        """
        tunnel = self._tunnel
        if tunnel is None or self._breath > self._limits.write_buffer or not tunnel.writable:
            return False
        self._say(tunnel, message)
        self._unread = 0
        return True

    def _say(self, tunnel: Tunnel, message: Any) -> None:
        data = self._encode(message)
        if self.closed is not None:
            self._forget_patience()
            raise PeerGone(self._how_it_ended())
        self._wire.send(data)
        tunnel.write(self._wire.data_to_send())
        self._breath += len(data) + _EACH

    async def close(self, metadata: Metadata = EMPTY) -> None:
        """Say goodbye, with the ``code`` and ``reason`` in `metadata`; 1000 without.

        What the peer sent before it heard can still be received. Idempotent.

        Raises: UsageError for a code that may not be sent.
        """
        if self._tunnel is None:
            await self.open()
        code = metadata.get("code")
        self._goodbye(NORMAL if code is None else int(code), metadata.get("reason", ""))

    # --- the end --------------------------------------------------------------------------------

    def end(self, code: int, reason: str = "") -> None:
        """The handler has ended: say goodbye unless that was said, and see the connection closed."""
        self._finished = True
        self._forget_patience()
        if self._room is not None:
            self._room.cancel()
        self._inbox.clear()
        self._held = 0
        if self._tunnel is None:
            return
        self._goodbye(code, reason)
        if self._paused:
            self._parse()

    def _goodbye(self, code: int, reason: str | None) -> None:
        tunnel = self._tunnel
        assert tunnel is not None
        if self._wire.closing:
            return
        self._wire.close(code, reason or "")
        self._said_goodbye = True
        tunnel.write(self._wire.data_to_send())
        self._arm(self._options.close_timeout)

    def _tell(self) -> None:
        """The handler asks, and learns that the peer has ended."""
        self._forget_patience()
        if self._lost and not self._said_goodbye:
            raise PeerGone(self._lost)
        raise EndOfStream(self._how_it_ended())

    def _how_it_ended(self) -> str:
        closed = self.closed
        assert closed is not None
        if self._lost:
            return self._lost
        return (
            f"the peer closed the WebSocket ({closed.code}{closed.reason and ' '}{closed.reason})"
        )

    def _ended(self, closed: Closed, lost: str = "") -> None:
        """The peer sends nothing more."""
        if self.closed is not None:
            return
        self.closed = closed
        self._lost = lost
        # From here on it is ours to decide when the call is cancelled.
        self._call.exchange.gone = None
        self._stop_timer()
        if self._waiter is not None and not self._inbox:
            self._wake()
        elif not self._finished:
            self._lose_patience()

    def _lose_patience(self) -> None:
        """Cancel the call, unless the handler asks in time."""
        route = self._call.route
        if self._patience is not None or (route is not None and route.detached):
            return
        idle = not self._asked and not self._inbox
        delay = 0.0 if idle else self._options.close_timeout
        self._patience = self._loop.call_later(delay, self._cancel)

    def _cancel(self) -> None:
        reason = self._how_it_ended() if self.closed else "the peer left"
        self._call.scope.cancel(PeerGone(reason))

    def _forget_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    # --- what arrives ---------------------------------------------------------------------------

    def _arrived(self, data: bytes) -> None:
        self._heard = self._loop.time()
        self._pinged = None
        if self._flooded:
            return
        self._wire.receive_data(data)
        if not data:
            self._call.exchange.gone = None
            if self._full() and not self._finished:
                self._lose_patience()  # the end is behind messages that wait for the handler
        self._parse()

    def _full(self) -> bool:
        return self._held >= self._limits.read_buffer

    def _parse(self) -> None:
        """Take events until there are none, the handler has enough, or others have a turn."""
        tunnel = self._tunnel
        assert tunnel is not None
        if self._tired or self._flooded:
            return
        wire = self._wire
        wire.frames_left = _TURN
        while not self._full():
            event = wire.next_event()
            if event is None:
                self._tired = wire.unparsed
                break
            if isinstance(event, Closed):
                self._closed_by(event)
            elif not isinstance(event, Pong):
                self._take(event)
        if wire.idle and self._floods():
            return
        answers = wire.pending
        if answers:
            tunnel.write(wire.data_to_send())
            self._unread += answers
        if wire.ended:
            self._stop_timer()
            tunnel.close()
        if self._tired:
            self._loop.call_soon(self._go_on)
        crowded = self._unread > self._limits.write_buffer
        if crowded and (self._room is None or self._room.done()):
            self._room = self._loop.create_task(self._wait_for_room(), name="room")
        self._pause(self._tired or self._full() or crowded)

    def _go_on(self) -> None:
        self._tired = False
        self._parse()

    def _floods(self) -> bool:
        """Count frames that brought nothing; True if they were too many, and this has ended it."""
        limits = self._limits
        if self._heard - self._idle_since > limits.flood_window:
            self._idle_since = self._heard
            self._idle = 0
        self._idle += self._wire.idle
        self._wire.idle = 0
        if self._idle <= limits.control_frames:
            return False
        tunnel = self._tunnel
        assert tunnel is not None
        self._flooded = True
        self._tired = False
        reason = "too many frames that bring nothing"
        self._wire.close(_POLICY, reason)
        tunnel.write(self._wire.data_to_send())
        tunnel.close()
        closed = Closed(_POLICY, reason, clean=False)
        self._ended(closed, f"the peer broke the protocol ({_POLICY} {reason})")
        self._stop_timer()
        return True

    def _take(self, message: str | bytes) -> None:
        if self._finished:
            return
        if self._deaf:
            self._goodbye(NO_MESSAGES, "this endpoint takes no messages")
            return
        self._inbox.append(message)
        self._held += len(message) + _EACH
        self._wake()

    def _closed_by(self, event: Closed) -> None:
        if event.clean:
            self._ended(event)
        elif event.code == _ABNORMAL:
            self._ended(event, "the peer left without a goodbye")
        else:
            self._ended(event, f"the peer broke the protocol ({event.code} {event.reason})")

    def _pause(self, pause: bool) -> None:
        tunnel = self._tunnel
        assert tunnel is not None
        if pause is self._paused:
            return
        self._paused = pause
        if pause:
            tunnel.pause()
        else:
            self._heard = self._loop.time()
            tunnel.resume()

    async def _wait_for_room(self) -> None:
        """The peer pings and does not take the answers: listen again when it has."""
        assert self._tunnel is not None
        try:
            await self._tunnel.wait_writable()
        except PeerGone as error:
            self._ended(Closed(_ABNORMAL, "", clean=False), str(error))
            return
        self._unread = 0
        self._loop.call_soon(self._parse)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- time -----------------------------------------------------------------------------------

    def _arm(self, delay: float) -> None:
        self._stop_timer()
        self._timer = self._call.scope.call_later(delay, self._tick)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        interval = self._limits.ping_interval
        now = self._loop.time()
        if self._wire.closing:
            self._give_up("the peer did not answer our goodbye")
        elif interval is None:
            return
        elif self._paused:
            self._arm(interval)
        elif self._pinged is not None:
            self._give_up(f"the peer did not answer a ping in {self._limits.ping_timeout:g} s")
        elif now - self._heard < interval:
            self._arm(interval - (now - self._heard))
        else:
            assert self._tunnel is not None
            self._wire.ping()
            self._tunnel.write(self._wire.data_to_send())
            self._pinged = now
            self._arm(self._limits.ping_timeout)

    def _give_up(self, why: str) -> None:
        assert self._tunnel is not None
        self._tunnel.close()
        self._ended(Closed(_ABNORMAL, "", clean=False), why)

    def _drained(self) -> None:
        self.draining = True
        farewell = self._options.farewell
        self._leaving = not farewell
        if not self._asked:
            farewell = max(farewell, FAREWELL)
        if farewell:
            self._loop.call_later(farewell, self._leave)
        else:
            self._leave()

    def _leave(self) -> None:
        self._leaving = True
        if self._finished or (self._asked and (self._waiter is None or self._inbox)):
            return  # it has ended, or is at work, and will ask
        self._goodbye(*farewell_of(self._call.scope))

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open" if self.opened else "waiting"
        return f"<WebSocketStream {state} {self._call.method}>"
