"""What the connections of one server share: the application, the limits, the counts, the drain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from typing import Protocol

from mainstay.core.call import Handler
from mainstay.core.scope import Scope
from mainstay.core.wheel import Timer, Wheel
from mainstay.net.exchange import Application, Exchange
from mainstay.net.limits import Limits

__all__ = ["Connection", "Port", "PortApplication"]


class Connection(Protocol):
    """One open connection, as its server sees it; each version of HTTP has a class of its own."""

    def drain(self) -> None:
        """Tell the peer to leave (``connection: close``, GOAWAY) and close when no work is left.

        Requests that the peer had sent before it could know are answered. Idempotent.
        """

    def abort(self) -> None:
        """Close at once; calls under way are told that the peer is gone. Idempotent."""

    @property
    def busy(self) -> bool:
        """Whether an exchange is not finished."""


class PortApplication(Application, Protocol):
    """An application that is opened with its port, before the first exchange."""

    def open(self, port: Port, calls: Scope, handler: Handler) -> None:
        """Begin to answer; every call gets a scope below `calls`.

        Args:
            port: shared by the connections.
            calls: above the scope of every call.
            handler: of the service, for what has no handler of its own.
        """


class Port:
    """Shared by every connection of one server, on one loop.

    Args:
        application: answers the exchanges.
        limits: hold for each connection.
        wheel: its timers are those of the deadlines, coarse and cheap.
        monotonic: the clock of the wheel, seconds.
        time: seconds since the epoch, for ``date``.
        random: from 0 to 1, for the ages of connections.

    Attributes:
        application, limits, wheel, monotonic: as given.
        loop: the running one.
        connections: open ones that speak a protocol by now; see `joined` and `closed`.
        in_flight: exchanges begun and not finished; connections count.
        long: of those, streams that may last; see `Exchange.lasts`.
        requests: exchanges begun since the start.
        draining: whether new connections and streams should be refused.
        now: seconds of `monotonic` at the last reply; near enough for an idle timeout.
        keep_alive, requests_limit: those of the limits, at hand.
    """

    __slots__ = (
        "_ages",
        "_date",
        "_date_until",
        "_idle",
        "_random",
        "_time",
        "application",
        "connections",
        "draining",
        "in_flight",
        "keep_alive",
        "limits",
        "long",
        "loop",
        "monotonic",
        "now",
        "requests",
        "requests_limit",
        "wheel",
    )

    def __init__(
        self,
        application: Application,
        limits: Limits,
        wheel: Wheel,
        monotonic: Callable[[], float],
        time: Callable[[], float],
        random: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.application = application
        self.limits = limits
        self.wheel = wheel
        self.monotonic = monotonic
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.in_flight = 0
        self.long = 0
        self.requests = 0
        self.draining = False
        self.now = monotonic()
        self.keep_alive = limits.keep_alive
        self.requests_limit = limits.requests
        self._time = time
        self._random = random
        self._ages: dict[Connection, Timer] = {}
        self._date = b""
        self._date_until = 0.0
        self._idle: asyncio.Future[None] | None = None

    def date(self) -> bytes:
        """The value of the ``date`` field, made once a second (RFC 9110 §5.6.7)."""
        self.now = now = self.monotonic()
        if now >= self._date_until:
            # Until the next full second, so that it is never a second late.
            time = self._time()
            self._date = formatdate(int(time), usegmt=True).encode()
            self._date_until = now + 1.0 - time % 1.0
        return self._date

    def drain(self) -> None:
        """Tell every peer to leave; from now on every reply says so. Idempotent."""
        self.draining = True
        for connection in tuple(self.connections):
            connection.drain()

    def abort(self) -> None:
        """Close every connection at once."""
        for connection in tuple(self.connections):
            connection.abort()

    def is_full(self) -> bool:
        """Whether there are more calls at work than there may be."""
        limit = self.limits.in_flight
        return limit is not None and self.in_flight - self.long > limit

    def ended(self, exchange: Exchange) -> None:
        """An exchange is over; for connections."""
        self.in_flight -= 1
        if exchange.long:
            self.long -= 1

    def joined(self, connection: Connection) -> None:
        """A connection is open; for connections."""
        self.connections.add(connection)
        age = self.limits.connection_age
        if age is not None:
            when = self.monotonic() + age * (0.9 + 0.2 * self._random())
            self._ages[connection] = self.wheel.at(when, partial(self._aged, connection, when))

    def _aged(self, connection: Connection, now: float) -> None:
        connection.drain()
        grace = self.limits.age_grace
        if connection in self.connections and grace is not None:
            self._ages[connection] = self.wheel.at(now + grace, connection.abort)

    def closed(self, connection: Connection) -> None:
        """A connection is closed; for connections."""
        self.connections.discard(connection)
        timer = self._ages.pop(connection, None)
        if timer is not None:
            timer.cancel()
        if not self.connections and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def wait_empty(self) -> None:
        """Wait until no connection is open."""
        while self.connections:
            if self._idle is None or self._idle.done():
                self._idle = self.loop.create_future()
            # Not `await self._idle`: one waiter that is cancelled would cancel it for the others.
            await asyncio.wait([self._idle])
