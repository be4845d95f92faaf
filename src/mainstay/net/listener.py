"""The acceptor: a listening socket whose accepted connections are never lost.

asyncio's own server accepts a connection in one turn of the loop and gives it a transport in a
later one; when it is closed in between, the client is connected to nobody and hangs
(python/cpython#109564). Every restart under load meets that moment. Here the accept loop is ours:

* `stop` takes the listener out of the loop, then waits until every connection that was accepted has
  its protocol. What was not accepted stays in the kernel's queue, for `accept` to be called again
  (a rollback), or for another process that holds the same socket.
* At most `ACCEPTS_PER_TURN` connections are accepted in one turn of the loop, so that a flood of
  new ones neither starves those we have nor is taken by one worker alone.
* A failed accept never ends the listener. Errors of the one connection (accept(2) lists them) are
  skipped. All others, above all a lack of descriptors, pause it for `PAUSE` seconds: the descriptor
  stays readable, so the loop would spin. Clients wait in the queue meanwhile, which is kinder than
  the trick of a spare descriptor used to accept and hang up. Logged once, and once when it is over.
* With TLS a connection has its protocol when the handshake is done. A peer that does not finish it
  is given up after its timeout; its place is released by the listener, since no protocol exists
  that could.
* The listening socket is shared with other processes: it is never shut down, never listened on
  again, and its Unix path is removed only by who made it, and only if it is still the same file.

The reasons, with measurements: `docs/decisions/012-acceptor.md`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from mainstay.core.scope import Scope
from mainstay.errors import ClosedError, UsageError
from mainstay.net.address import Address
from mainstay.net.binding import Inode, bind_socket, inode_of
from mainstay.net.registry import LISTENERS, ListenerRegistry, ListenRequest

__all__ = [
    "ACCEPTS_PER_TURN",
    "BACKLOG",
    "HANDSHAKE_TIMEOUT",
    "PAUSE",
    "Listener",
    "ListenerStatistics",
]

BACKLOG: Final = 1024
"""Connections that the kernel queues for us; it may cap the number (``net.core.somaxconn``)."""

ACCEPTS_PER_TURN: Final = 16
"""Connections accepted in one turn of the loop."""

PAUSE: Final = 0.25
"""Seconds without accepting after an accept failed for a reason that time may cure."""

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds that a peer has for a TLS handshake, unless told otherwise."""

_FAREWELL: Final = 5.0
"""Seconds that a peer has to answer the end of a TLS connection (close_notify)."""

_log = logging.getLogger(__name__)

# The peer's trouble, reported by accept(2) on our side: skip the connection, take the next.
_SKIPPED: Final = {
    errno.ECONNABORTED,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EPROTO,
    getattr(errno, "ENONET", errno.EPROTO),  # Linux only
}


@dataclass(frozen=True, slots=True)
class ListenerStatistics:
    """A moment's numbers of one listener.

    Attributes:
        accepted: connections accepted since it was made.
        connections: of those, not yet released.
        failed: of those, gone before they had a protocol; failed handshakes are among them.
        paused: whether it does not accept now, though it should: the limit is reached, or an
            accept has just failed.
    """

    accepted: int
    connections: int
    failed: int
    paused: bool


class Listener:
    """One listening socket: `bind` → `accept` → `stop` → `aclose`; `accept` again after `stop`.

    Use it on one event loop's thread.

    Args:
        address: where; text is parsed by `Address.from_text`.
        limit: connections open at once; at the limit nothing is accepted until one is released.
            None: no limit.
        backlog: length of the kernel's queue.
        reuse_port: set SO_REUSEPORT, so that other processes can bind the same port for queues of
            their own. When such a process stops, what is in its queue is lost unless the kernel
            migrates it (``net.ipv4.tcp_migrate_req``); prefer one listener shared by all.
        unix_mode: who may connect to a Unix socket, as a file mode. The default is the user alone.

    Raises: UsageError on an address that cannot be understood.
    """

    def __init__(
        self,
        address: str | Address,
        *,
        limit: int | None = None,
        backlog: int = BACKLOG,
        reuse_port: bool = False,
        unix_mode: int = 0o600,
    ) -> None:
        self._address = Address.from_text(address) if isinstance(address, str) else address
        self._limit = limit
        self._backlog = backlog
        self._reuse_port = reuse_port
        self._unix_mode = unix_mode
        self._state = _NEW
        self._socket: socket.socket | None = None
        self._inode: Inode | None = None
        self._registry: ListenerRegistry | None = None
        self._factory: Callable[[], asyncio.BaseProtocol] | None = None
        self._tls: ssl.SSLContext | None = None
        self._handshake_timeout = HANDSHAKE_TIMEOUT
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reading = False
        self._pause: asyncio.TimerHandle | None = None
        self._troubled = False
        self._attaching: set[asyncio.Task[None]] = set()
        self._accepted = self._connections = self._failed = 0

    @property
    def address(self) -> Address:
        """Where it listens; after `bind` with the port that a port 0 became."""
        return self._address

    async def bind(self) -> Address:
        """Take the address: peers can connect from now on, and wait in the queue.

        In a scope with a `ListenerRegistry`, a socket that a parent process holds is taken over.

        Cancelled or failed: nothing stays bound. Returns `address`.

        Raises: ResourceError when the address cannot be had now; UsageError when it never can, or
        when the listener was bound before.
        """
        if self._state is not _NEW:
            raise UsageError(f"{self!r} was bound before; make a new listener")
        scope = Scope.current_or_none()
        registry = None if scope is None else scope.get(LISTENERS)
        request = ListenRequest(
            str(self._address), self._backlog, self._reuse_port, self._unix_mode
        )
        granted = None if registry is None else await registry.take(request)
        if granted is not None:
            self._socket = granted.socket
            self._inode = granted.inode if granted.owned else None
            if registry is not None and granted.owned:
                registry.shared.add(self)
        else:
            self._socket = await bind_socket(
                self._address,
                backlog=self._backlog,
                reuse_port=self._reuse_port,
                unix_mode=self._unix_mode,
            )
            if self._address.kind == "unix":
                self._inode = inode_of(self._address.path)
        self._state = _BOUND
        if self._address.kind == "tcp":
            self._address = self._address.with_port(self._socket.getsockname()[1])
        if registry is not None:
            self._registry = registry
            registry.add(request, self)
        return self._address

    @property
    def inode(self) -> Inode | None:
        """What tells the path of a Unix socket from one that somebody else has put there; None
        unless the path is this listener's to remove."""
        return self._inode

    def fileno(self) -> int:
        """The descriptor of the listening socket, to hand it to another process.

        Raises: ClosedError when it is not bound.
        """
        return self._bound_socket().fileno()

    def accept(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        *,
        ssl: ssl.SSLContext | None = None,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
    ) -> None:
        """Begin to accept, or begin again after `stop`; each connection gets a protocol.

        Its `connection_lost` must call `release`.

        Args:
            protocol_factory: makes one; with TLS after the handshake, so that the ``ssl_object``
                of the transport tells version, ALPN and peer from the start.
            ssl: speak TLS, as the server. A handshake that fails is counted and released here.
            handshake_timeout: seconds that a peer has for it.

        Raises: UsageError when it accepts already; ClosedError when it is not bound.
        """
        self._bound_socket()
        if self._state is _ACCEPTING:
            raise UsageError(f"{self!r} accepts already")
        self._loop = asyncio.get_running_loop()
        self._factory = protocol_factory
        self._tls = ssl
        self._handshake_timeout = handshake_timeout
        self._state = _ACCEPTING
        self._update()

    def release(self) -> None:
        """One accepted connection is closed: there is room for another, and a descriptor."""
        self._connections -= 1
        self._end_pause()
        self._update()

    async def stop(self) -> None:
        """Accept nothing more; return when every accepted connection has its protocol.

        Handshakes under way are waited for, each until its timeout.
        """
        if self._state is _ACCEPTING:
            if self._reuse_port:
                # This queue is ours alone and is lost with the socket: take what is in it.
                self._take(self._backlog)
            self._state = _STOPPED
            self._end_pause()
            self._update()
        if self._attaching:
            await asyncio.wait(self._attaching)

    async def aclose(self, *, unlink: bool = True) -> None:
        """Stop, and let go of the socket. Idempotent. Accepted connections are not touched.

        Args:
            unlink: remove the path of a Unix socket; False when another process listens on it.
        """
        if self._state is _ACCEPTING:
            self._state = _STOPPED
            self._end_pause()
            self._update()
        self._state = _CLOSED
        registry = self._registry
        if registry is not None:
            unlink = unlink and self not in registry.shared
            registry.remove(self)
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()
            # Another process may have bound the path since: then it is another file.
            if unlink and self._inode and inode_of(self._address.path) == self._inode:
                os.unlink(self._address.path)  # noqa: PTH108
        await self.stop()

    def statistics(self) -> ListenerStatistics:
        """The numbers of this moment."""
        paused = self._state is _ACCEPTING and not self._reading
        return ListenerStatistics(self._accepted, self._connections, self._failed, paused)

    def __repr__(self) -> str:
        paused = " paused" if self.statistics().paused else ""
        limit = "" if self._limit is None else f"/{self._limit}"
        return (
            f"<Listener {self._address} {self._state}{paused} "
            f"connections={self._connections}{limit} accepted={self._accepted}>"
        )

    def _bound_socket(self) -> socket.socket:
        if self._socket is None:
            raise ClosedError(f"{self!r} holds no socket")
        return self._socket

    def _full(self) -> bool:
        return self._limit is not None and self._connections >= self._limit

    def _update(self) -> None:
        """Read from the listening socket exactly when a connection may be accepted."""
        wanted = self._state is _ACCEPTING and self._pause is None and not self._full()
        if wanted is self._reading:
            return
        assert self._loop is not None
        self._reading = wanted
        if wanted:
            self._loop.add_reader(self.fileno(), self._take, ACCEPTS_PER_TURN)
        else:
            self._loop.remove_reader(self.fileno())

    def _take(self, number: int) -> None:
        sock = self._bound_socket()
        for _ in range(number):
            if self._full():
                break
            try:
                connection, _peer = sock.accept()
            except BlockingIOError:  # the queue is empty, or another process was faster
                break
            except OSError as error:
                if error.errno in _SKIPPED:
                    continue
                self._begin_pause(error)
                break
            self._accepted += 1
            self._connections += 1
            self._recovered()
            self._start_attaching(connection)
        self._update()

    def _start_attaching(self, connection: socket.socket) -> None:
        assert self._loop is not None
        connection.setblocking(False)
        task = self._loop.create_task(self._attach(connection), name=f"accept {self._address}")
        self._attaching.add(task)
        task.add_done_callback(self._attaching.discard)

    async def _attach(self, connection: socket.socket) -> None:
        assert self._loop is not None
        assert self._factory is not None
        if self._tls is not None:
            await self._attach_tls(connection, self._tls, self._factory)
            return
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:  # the peer is gone already
            self._drop(connection)
        except Exception:
            _log.exception("%s: a connection could not be given a protocol", self._address)
            self._drop(connection)

    async def _attach_tls(
        self,
        connection: socket.socket,
        tls: ssl.SSLContext,
        factory: Callable[[], asyncio.BaseProtocol],
    ) -> None:
        assert self._loop is not None
        threshold = _Threshold(factory)
        try:
            await self._loop.connect_accepted_socket(
                lambda: threshold,
                connection,
                ssl=tls,
                ssl_handshake_timeout=self._handshake_timeout,
                ssl_shutdown_timeout=_FAREWELL,
            )
        except OSError as error:  # whatever the peer did in the handshake, or did not
            _log.debug("%s: a TLS handshake failed: %s", self._address, error)
        except Exception:
            _log.exception("%s: a connection could not be given a protocol", self._address)
        if threshold.failure is not None:
            _log.error(
                "%s: a connection could not be given a protocol",
                self._address,
                exc_info=threshold.failure,
            )
        # Not by whether that raised: once the protocol has its transport, it releases.
        if not threshold.passed:
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        connection.close()
        self._failed += 1
        self.release()

    def _begin_pause(self, error: OSError) -> None:
        assert self._loop is not None
        if not self._troubled:
            self._troubled = True
            _log.error(
                "%s cannot accept: %s; trying again every %g s. If descriptors have run out, "
                "raise the limit (ulimit -n) or set a connection limit.",
                self._address,
                error.strerror,
                PAUSE,
            )
        if self._pause is None:
            self._pause = self._loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._update()

    def _end_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _recovered(self) -> None:
        if self._troubled:
            self._troubled = False
            _log.info("%s accepts again", self._address)


class _Threshold(asyncio.Protocol):
    """Holds the place of the protocol during a TLS handshake, and knows whether it was done."""

    def __init__(self, factory: Callable[[], asyncio.BaseProtocol]) -> None:
        self._factory = factory
        self.passed = False
        self.failure: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        try:
            protocol = self._factory()
        except Exception as error:
            self.failure = error
            connection.abort()
            return
        self.passed = True
        connection.set_protocol(protocol)
        protocol.connection_made(transport)


_NEW: Final = "new"
_BOUND: Final = "bound"
_ACCEPTING: Final = "accepting"
_STOPPED: Final = "stopped"
_CLOSED: Final = "closed"
