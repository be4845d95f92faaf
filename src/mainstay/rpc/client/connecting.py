"""The connections of a channel: when to dial, whom to let wait, when to give up.

The rules, after grpc/grpc, doc/connectivity-semantics-and-api.md, doc/connection-backoff.md and
doc/wait-for-ready.md:

* Nothing is dialled before the first call. Every call takes a place on the first connection that
  has one; when none has, it waits, and another connection is dialled if there may be more.
* When dialling fails and no connection is left, the calls that wait fail with UNAVAILABLE, but for
  those that said ``wait_for_ready``. For the time of the backoff, which grows with every failure in
  a row and is counted from the start of the attempt, new ones fail at once with the same words.
* A connection that failed after it was ready does not count: the next call dials at once.
* A connection on which nothing was called for `ChannelLimits.idle` seconds is closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from mainstay.core.backoff import Backoff
from mainstay.core.effects import Effects
from mainstay.errors import BrokenError, BugError, BusyError, ClosedError, Error, UsageError
from mainstay.net.client_streams import StreamConnection
from mainstay.net.origin import Origin
from mainstay.net.outgoing import ConnectionOwner, Shared
from mainstay.rpc.client.limits import ChannelLimits

__all__ = ["BACKOFF", "ChannelStatistics", "Connector", "Starter", "StreamDialer"]

BACKOFF: Final = Backoff(initial=1.0, factor=1.6, maximum=120.0, jitter=0.2)
"""gRPC's numbers (doc/connection-backoff.md)."""


_LOOK: Final = 0.02
"""Seconds between two looks at what is left, when a channel closes."""


class StreamDialer(Protocol):
    """Who opens the connections of one channel."""

    async def dial(self, origin: Origin, owner: ConnectionOwner) -> object:
        """Open a connection to `origin`. Raises: BrokenError when it cannot be had, in time."""


class Starter(Protocol):
    """A call, or what stands for it here."""

    over: bool
    """Whether it waits no more."""
    wait_for_ready: bool
    """Whether it waits for a connection when dialling failed."""

    def start(self, connection: StreamConnection) -> bool:
        """Begin on this connection; False when it has no place."""

    def on_lost(self, error: Error, *, untouched: bool) -> None:
        """There will be no connection."""


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """A moment's numbers of a channel.

    Attributes:
        connections: open, or not closed to the end.
        dialling: about to be.
        streams: calls under way on them.
        waiting: calls that wait for one.
        failures: to dial, in a row.
    """

    connections: int
    dialling: int
    streams: int
    waiting: int
    failures: int


class Connector:
    """Keeps the connections of one channel.

    Args:
        origin: the server.
        shared: made from the same limits.
        dialer: opens them.
        limits: of the channel.
        effects: for the jitter.
        backoff: between attempts that fail.
        most: connections at once.
    """

    def __init__(
        self,
        origin: Origin,
        shared: Shared,
        dialer: StreamDialer,
        limits: ChannelLimits,
        effects: Effects,
        backoff: Backoff,
        most: int,
    ) -> None:
        self._origin = origin
        self._shared = shared
        self._dialer = dialer
        self._limits = limits
        self._random = effects.random
        self._backoff = backoff
        self._most = most
        self._connections: list[StreamConnection] = []
        self._leaving: set[StreamConnection] = set()
        self._waiting: deque[Starter] = deque()
        self._dialling: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._failed_by: Error | None = None
        self._not_before = 0.0
        self._again: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._keepalive = limits.keepalive_time
        self._closed = False
        self._watchers: list[asyncio.Future[None]] = []

    # --- calls ----------------------------------------------------------------------------------

    def begin(self, call: Starter) -> None:
        """Let `call` start, now or when there is a place; `Starter.on_lost` says that there is
        none. Raises: what `Starter.start` does."""
        if not self._waiting:
            for connection in self._connections:
                if call.start(connection):
                    return
        self._wait(call)

    def _wait(self, call: Starter) -> None:
        if self._closed:
            call.on_lost(ClosedError("the channel was closed"), untouched=False)
            return
        if len(self._waiting) >= self._limits.waiting:
            self._sweep()
        if len(self._waiting) >= self._limits.waiting:
            message = f"{len(self._waiting)} calls wait for {self._origin} (ChannelLimits.waiting)"
            call.on_lost(BusyError(message), untouched=False)
            return
        backing_off = self._backing_off()
        if backing_off and not call.wait_for_ready and not self._connections:
            assert self._failed_by is not None
            call.on_lost(self._failed_by, untouched=False)
            return
        self._waiting.append(call)
        self._dial_if_wanted()

    def _sweep(self) -> None:
        self._waiting = deque(each for each in self._waiting if not each.over)

    def _backing_off(self) -> bool:
        return self._failures > 0 and self._shared.loop.time() < self._not_before

    def _pump(self) -> None:
        """Start who waits, in order, while there are places."""
        waiting = self._waiting
        while waiting:
            call = waiting[0]
            if not call.over:
                for connection in self._connections:
                    if self._started(call, connection):
                        break
                else:
                    break
            # Starting it may have changed the queue, when it failed at once.
            if waiting and waiting[0] is call:
                waiting.popleft()
        if waiting:
            self._dial_if_wanted()

    def _started(self, call: Starter, connection: StreamConnection) -> bool:
        try:
            return call.start(connection)
        except ValueError as error:
            message = f"the call to {self._origin} cannot be sent: {error}"
            call.on_lost(UsageError(message), untouched=False)
            return True

    # --- dialling -------------------------------------------------------------------------------

    async def wait_ready(self) -> None:
        """Wait until there is a connection, and dial if there is none.

        Raises: ClosedError.
        """
        while not any(not each.over for each in self._connections):
            if self._closed:
                raise ClosedError("the channel was closed")
            watcher = self._shared.loop.create_future()
            self._watchers.append(watcher)
            self._dial_if_wanted(anyway=True)
            try:
                await watcher
            finally:
                if watcher in self._watchers:
                    self._watchers.remove(watcher)

    def _dial_if_wanted(self, *, anyway: bool = False) -> None:
        if self._closed or self._dialling or len(self._connections) >= self._most:
            return
        if not anyway and not self._waiting:
            return
        if self._backing_off():
            if self._again is None:
                self._again = self._shared.loop.call_at(self._not_before, self._dial_again)
            return
        task = self._shared.start(self._dial(), f"connect to {self._origin}")
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    def _dial_again(self) -> None:
        self._again = None
        self._sweep()
        self._dial_if_wanted(anyway=bool(self._watchers))

    async def _dial(self) -> None:
        loop = self._shared.loop
        begun = loop.time()
        try:
            connection = await self._connect(begun + self._limits.connect_timeout)
        except Exception as error:
            self._dialling.clear()
            self._fail(self._understood(error), begun)
            return
        self._dialling.clear()
        if connection.over:  # it came, said its settings, and left
            self._fail(BrokenError(f"{self._origin} closed the connection at once"), begun)
            return
        self._failures = 0
        if self._keepalive is not None:
            timeout = self._limits.keepalive_timeout
            connection.keep_alive(self._keepalive, timeout, always=False)
        self._connections.append(connection)
        self._watch_idle()
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)
        self._pump()

    async def _connect(self, end: float) -> StreamConnection:
        made = await self._dialer.dial(self._origin, self)
        if not isinstance(made, StreamConnection):
            close: Any = made
            await close.aclose()
            raise BrokenError(f"{self._origin} does not speak HTTP/2, which gRPC needs")
        try:
            async with asyncio.timeout_at(end):
                await made.ready
        except TimeoutError:
            await made.aclose()
            limit = self._limits.connect_timeout
            raise BrokenError(f"{self._origin} said nothing within {limit:g} s") from None
        except BrokenError as error:
            await made.aclose()
            wants = "" if self._origin.scheme == "https" else ", or wants TLS (tls=True)"
            raise BrokenError(
                f"{error.message}, before anything was said in HTTP/2: perhaps this is no gRPC "
                f"server{wants}"
            ) from None
        except BaseException:
            await made.aclose()
            raise
        return made

    def _understood(self, error: Exception) -> Error:
        """The same as an error of ours: nobody who waits may be forgotten for any of them."""
        if isinstance(error, Error):
            return error
        if isinstance(error, ValueError):  # no name of a host, for the resolver or for TLS
            return UsageError(f"{self._origin} is no server that can be connected to: {error}")
        context = {"message": f"connecting to {self._origin} failed", "exception": error}
        self._shared.loop.call_exception_handler(context)
        return BugError(f"connecting to {self._origin} failed: {type(error).__name__}")

    def _fail(self, error: Error, begun: float) -> None:
        self._failures += 1
        # Kept without what raised it, which knows us: a cycle that the collector would have to find.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        self._failed_by = error
        self._not_before = begun + self._backoff.delay(self._failures, self._random)
        if not self._connections:
            waiting, self._waiting = self._waiting, deque()
            for call in waiting:
                if call.wait_for_ready and not isinstance(error, UsageError | BugError):
                    self._waiting.append(call)
                elif not call.over:
                    call.on_lost(error, untouched=False)
        self._dial_if_wanted(anyway=bool(self._watchers))

    # --- what connections tell ------------------------------------------------------------------

    def freed(self, connection: object) -> None:
        """See `StreamOwner`."""
        if self._waiting:
            self._pump()

    def gone(self, connection: Any) -> None:
        """See `StreamOwner`."""
        if connection in self._connections:
            self._connections.remove(connection)
        if not connection.closed.done() and connection not in self._leaving:
            self._leaving.add(connection)
            connection.closed.add_done_callback(partial(self._forget, connection))
        if connection.told_calm and self._keepalive is not None:
            self._keepalive *= 2  # as gRPC does (gRFC A8)
        if self._waiting:
            self._dial_if_wanted()

    def _forget(self, connection: StreamConnection, closed: object) -> None:
        self._leaving.discard(connection)

    def _watch_idle(self) -> None:
        if self._idle is None and self._connections:
            loop = self._shared.loop
            end = min(each.idle_since for each in self._connections) + self._limits.idle
            self._idle = loop.call_at(max(end, loop.time() + 0.01), self._close_idle)

    def _close_idle(self) -> None:
        self._idle = None
        now = self._shared.loop.time()
        for each in tuple(self._connections):
            if each.streams:
                each.idle_since = now
            elif now - each.idle_since >= self._limits.idle:
                each.retire()
        self._watch_idle()

    # --- the end --------------------------------------------------------------------------------

    def statistics(self) -> ChannelStatistics:
        """A moment's numbers."""
        every = [*self._connections, *self._leaving]
        return ChannelStatistics(
            connections=len(every),
            dialling=len(self._dialling),
            streams=sum(each.streams for each in every),
            waiting=sum(not each.over for each in self._waiting),
            failures=self._failures,
        )

    async def wait_idle(self, limit: float) -> None:
        """Wait until no call is under way or waits, for `limit` seconds at most."""
        loop = self._shared.loop
        end = loop.time() + limit
        while loop.time() < end:
            numbers = self.statistics()
            if not numbers.streams and not numbers.waiting:
                return
            await asyncio.sleep(min(_LOOK, max(end - loop.time(), 0)))

    async def aclose(self) -> None:
        """Close every connection; calls under way end with ClosedError. Idempotent."""
        self._closed = True
        for handle in (self._again, self._idle):
            if handle is not None:
                handle.cancel()
        waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            if not call.over:
                call.on_lost(ClosedError("the channel was closed"), untouched=False)
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)
        for task in tuple(self._dialling):
            task.cancel()
        every = [*self._connections, *self._leaving]
        await asyncio.gather(*(each.aclose() for each in every))
        if self._shared.tasks:
            await asyncio.wait(self._shared.tasks)
