"""The connections of one client: kept by origin, shared out, given up.

Who needs a connection takes, in this order: a place on one that is open, the one used last first,
so that those beyond the need grow old and go; a new one, within the limits; the room of an idle one
to another origin; and else waits. Waiters are served in the order they came, whatever they wait
for, so none starves.

While the first connection to a server is being made that may turn out to be HTTP/2, the others wait
for it: a hundred requests at a cold start need one connection, not a hundred.

A request that met a connection which the server was closing is sent once more, on a new
connection, if that is certain to be harmless: the server did nothing with it, or not a byte of a
reply came, the connection had been used before and the method may be repeated (RFC 9110 §9.2.2,
RFC 9112 §9.3.1). A body that is iterated is never sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Final, TypeAlias

from mainstay.errors import BrokenError, ClosedError
from mainstay.net.origin import Origin
from mainstay.net.outgoing import (
    ClientConnection,
    ConnectionOwner,
    Incoming,
    Lost,
    Outgoing,
    Shared,
)

__all__ = ["Dial", "Pool", "PoolStatistics"]

Dial: TypeAlias = "Callable[[Origin, ConnectionOwner], Awaitable[ClientConnection]]"

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_HAIR: Final = 0.001


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """A moment's numbers.

    Attributes:
        connections: open or being opened.
        busy: of those, with an exchange under way.
        waiting: requests without a connection.
        opened: connections opened since the start.
        reused: exchanges on a connection that had served before.
    """

    connections: int
    busy: int
    waiting: int
    opened: int
    reused: int


class _Host:
    """The connections to one origin; also their owner."""

    __slots__ = ("dialing", "open", "origin", "pool", "ready", "shares")

    def __init__(self, pool: Pool, origin: Origin, shares: bool | None) -> None:
        self.pool = pool
        self.origin = origin
        self.ready: dict[ClientConnection, None] = {}
        """With a place free, the one used last at the end."""
        self.open: set[ClientConnection] = set()
        self.dialing = 0
        self.shares = shares
        """Whether its connections have more than one place; None until that is known."""

    @property
    def size(self) -> int:
        return len(self.open) + self.dialing

    def freed(self, connection: ClientConnection) -> None:
        if connection in self.open:
            self.ready.pop(connection, None)
            self.ready[connection] = None
            self.pool.freed()

    def gone(self, connection: ClientConnection) -> None:
        if self.forget(connection):
            self.pool.gone(self)

    def forget(self, connection: ClientConnection) -> bool:
        self.ready.pop(connection, None)
        known = connection in self.open
        self.open.discard(connection)
        return known

    def take(self) -> ClientConnection | None:
        """A place on an open connection."""
        while self.ready:
            connection = next(reversed(self.ready))
            if connection.reserve():
                return connection
            del self.ready[connection]
        return None

    def idle(self) -> ClientConnection | None:
        """The connection idle for longest."""
        return next((each for each in self.ready if not each.busy), None)


class _Waiter:
    """Somebody who needs a connection; gets one with a place taken, or None: room for a new one,
    claimed already."""

    __slots__ = ("future", "host")

    def __init__(self, host: _Host, future: asyncio.Future[ClientConnection | None]) -> None:
        self.host = host
        self.future = future


class Pool:
    """See the top of the file. Use it on one loop.

    Args:
        shared: of the client, with the limits.
        dial: opens a connection.
        may_share: whether connections to an origin may turn out to be HTTP/2.
    """

    def __init__(self, shared: Shared, dial: Dial, may_share: Callable[[Origin], bool]) -> None:
        self._shared = shared
        self._limits = shared.limits
        self._dial = dial
        self._may_share = may_share
        self._hosts: dict[Origin, _Host] = {}
        self._waiters: dict[_Waiter, None] = {}
        self._size = 0
        self._opened = 0
        self._reused = 0
        self._closed = False
        self._sweeper: asyncio.TimerHandle | None = None
        self._dials: set[asyncio.Task[ClientConnection]] = set()

    async def exchange(self, origin: Origin, outgoing: Outgoing) -> Incoming:
        """Send a request to `origin`, and wait for the head of the reply.

        Raises: BrokenError when it fails; ClosedError after `aclose`.
        """
        connection = await self._acquire(origin)
        try:
            return await connection.exchange(outgoing)
        except Lost as lost:
            if self._closed or not _may_repeat(outgoing, lost):
                raise
        connection = await self._acquire(origin, new=True)
        return await connection.exchange(outgoing)

    def statistics(self) -> PoolStatistics:
        """A moment's numbers."""
        return PoolStatistics(
            connections=self._size,
            busy=sum(each.busy for host in self._hosts.values() for each in host.open),
            waiting=len(self._waiters),
            opened=self._opened,
            reused=self._reused,
        )

    async def aclose(self) -> None:
        """Close every connection, end what goes on on them, and wait for all of it. Idempotent."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for waiter in tuple(self._waiters):
            if not waiter.future.done():
                waiter.future.set_exception(_closed())
        for dial in self._dials:
            dial.cancel()
        closing = [each.aclose() for host in self._hosts.values() for each in tuple(host.open)]
        await asyncio.gather(*closing)
        left = {*self._shared.tasks, *self._dials}
        if left:
            await asyncio.wait(left)

    # --- taking ---------------------------------------------------------------------------------

    async def _acquire(self, origin: Origin, *, new: bool = False) -> ClientConnection:
        """A connection with a place taken."""
        if self._closed:
            raise _closed()
        host = self._hosts.get(origin)
        if host is None:
            shares = None if self._may_share(origin) else False
            host = self._hosts[origin] = _Host(self, origin, shares)
        connection = None if new else host.take()
        if connection is None:
            if self._has_room(host):
                self._claim(host)
            else:
                connection = await self._wait(host)
        if connection is None:
            return await self._open(host)
        self._reused += 1
        return connection

    def _has_room(self, host: _Host) -> bool:
        if host.size >= self._limits.connections_per_host:
            return False
        if host.dialing and host.shares is not False:
            return False  # the one on its way may have places for all
        return self._size < self._limits.connections or self._evict()

    def _claim(self, host: _Host) -> None:
        self._size += 1
        host.dialing += 1

    def _unclaim(self, host: _Host) -> None:
        host.dialing -= 1
        self.gone(host)

    def _evict(self) -> bool:
        """Close an idle connection, and say whether there was one. Its room is free at once, though
        the socket closes a moment later."""
        for host in self._hosts.values():
            connection = host.idle()
            if connection is not None:
                self._discard(host, connection)
                return True
        return False

    def _discard(self, host: _Host, connection: ClientConnection) -> None:
        host.forget(connection)
        self._size -= 1
        self._close_soon(connection)

    def _close_soon(self, connection: ClientConnection) -> None:
        self._shared.start(connection.aclose(), "close")

    async def _wait(self, host: _Host) -> ClientConnection | None:
        waiter = _Waiter(host, self._shared.loop.create_future())
        self._waiters[waiter] = None
        try:
            return await waiter.future
        except asyncio.CancelledError:
            future = waiter.future
            if future.done() and not future.cancelled() and future.exception() is None:
                # It was handed over at the moment when nobody wanted it any more.
                handed = future.result()
                if handed is None:
                    self._unclaim(host)
                else:
                    handed.release()
            raise
        finally:
            self._waiters.pop(waiter, None)

    async def _open(self, host: _Host) -> ClientConnection:
        """A new connection with a place taken, in the room that was claimed."""
        # In a task, for `aclose` to cancel; and without our context, which a transport would keep.
        dial = self._shared.loop.create_task(self._dialled(host), context=Context())
        self._dials.add(dial)
        try:
            connection = await dial
        except BaseException as error:
            if host.shares is None:
                host.shares = False  # who waited for it tries alone
            self._unclaim(host)
            if not isinstance(error, asyncio.CancelledError):
                raise
            if dial.done() and not dial.cancelled() and dial.exception() is None:
                self._close_soon(dial.result())
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise _closed() from None
            raise
        finally:
            self._dials.discard(dial)
        return self._opened_now(host, connection)

    async def _dialled(self, host: _Host) -> ClientConnection:
        # Called in the task: one that is cancelled before its first step has called nothing.
        return await self._dial(host.origin, host)

    def _opened_now(self, host: _Host, connection: ClientConnection) -> ClientConnection:
        if self._closed or not connection.reserve():
            self._close_soon(connection)
            self._unclaim(host)
            if self._closed:
                raise _closed()
            raise BrokenError(f"{host.origin} closed the connection at once")
        self._opened += 1
        host.dialing -= 1
        host.open.add(connection)
        host.shares = connection.shares
        if connection.shares:
            host.ready[connection] = None
        self._serve()
        return connection

    # --- giving back ----------------------------------------------------------------------------

    def freed(self) -> None:
        """A place on a connection is free; for hosts."""
        self._serve()
        if self._sweeper is None and not self._closed:
            self._sweep_in(self._limits.keep_alive)

    def gone(self, host: _Host) -> None:
        """A connection, or a claim, is gone; for hosts."""
        self._size -= 1
        self._serve()
        awaited = any(each.host is host for each in self._waiters)
        if not host.size and not awaited and self._hosts.get(host.origin) is host:
            del self._hosts[host.origin]

    def _serve(self) -> None:
        """Let those go on who can, in the order in which they came."""
        if not self._waiters or self._closed:
            return
        for waiter in tuple(self._waiters):
            if waiter.future.done():
                continue
            connection = waiter.host.take()
            if connection is None:
                if not self._has_room(waiter.host):
                    continue
                self._claim(waiter.host)
            waiter.future.set_result(connection)

    def _sweep_in(self, seconds: float) -> None:
        self._sweeper = self._shared.loop.call_later(seconds, self._sweep, context=Context())

    def _sweep(self) -> None:
        """Close what was idle for too long."""
        self._sweeper = None
        now = self._shared.loop.time()
        oldest: float | None = None
        for host in tuple(self._hosts.values()):
            for connection in tuple(host.ready):
                if connection.busy:
                    continue
                # A hair early rather than to come again for it.
                if connection.idle_since + self._limits.keep_alive <= now + _HAIR:
                    self._discard(host, connection)
                elif oldest is None or connection.idle_since < oldest:
                    oldest = connection.idle_since
            if not host.size:
                self._hosts.pop(host.origin, None)
        if oldest is not None:
            self._sweep_in(oldest + self._limits.keep_alive - now)

    def __repr__(self) -> str:
        return f"<Pool connections={self._size} waiting={len(self._waiters)}>"


def _may_repeat(outgoing: Outgoing, lost: Lost) -> bool:
    if outgoing.begun:
        return False
    return lost.untouched or (lost.stale and outgoing.method in _IDEMPOTENT)


def _closed() -> ClosedError:
    return ClosedError("the client was closed")
