"""The listening sockets of this process: where they come from, and who may have them next.

A listener that is bound in a scope with a registry asks it first: a parent process may hold the
socket already, and the queue of connections in it must not be lost. A parent that hands its sockets
over finds them here. A socket is known by the address that was configured for it, so that port 0
means the same socket in every generation.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, NamedTuple, Protocol, TypeAlias

from mainstay.core.scope import Key
from mainstay.net.address import Address

__all__ = [
    "HANDED_OVER",
    "LISTENERS",
    "Granted",
    "HeldListener",
    "ListenRequest",
    "ListenerRegistry",
    "Upstream",
]


class HeldListener(Protocol):
    """What the registry needs of a `mainstay.net.listener.Listener`."""

    @property
    def address(self) -> Address:
        """Where it listens."""

    @property
    def inode(self) -> tuple[int, int] | None:
        """See `Listener.inode`."""

    def fileno(self) -> int:
        """See `Listener.fileno`."""


class ListenRequest(NamedTuple):
    """A socket as it was configured.

    Attributes:
        address: in the text of `mainstay.net.address`.
        backlog, reuse_port, unix_mode: see `mainstay.net.listener.Listener`.
    """

    address: str
    backlog: int
    reuse_port: bool
    unix_mode: int


class Granted(NamedTuple):
    """A socket that somebody else has bound.

    Attributes:
        socket: non-blocking, listening; the taker's to close.
        inode: device and number of the path of a Unix socket.
        owned: whether its path is the taker's to remove in the end, once it is not shared any more.
    """

    socket: socket.socket
    inode: tuple[int, int] | None
    owned: bool


Upstream: TypeAlias = Callable[[ListenRequest], Awaitable[Granted | None]]
"""Asks whoever may hold a socket already; None when it has to be bound here."""


class ListenerRegistry:
    """See the top of the file. Use it on one loop.

    Args:
        upstream: see `Upstream`.

    Attributes:
        shared: those that the generation before or after this one holds as well. Whichever of the
            two ends, the path of a Unix socket stays for the other.
    """

    def __init__(self, upstream: Upstream | None = None) -> None:
        self.shared: set[HeldListener] = set()
        self._upstream = upstream
        self._listeners: dict[HeldListener, ListenRequest] = {}

    async def take(self, request: ListenRequest) -> Granted | None:
        """The socket of `request`, if somebody holds it. Raises: ResourceError, UsageError."""
        return None if self._upstream is None else await self._upstream(request)

    def add(self, request: ListenRequest, listener: HeldListener) -> None:
        """A listener is bound; for listeners."""
        self._listeners[listener] = request

    def remove(self, listener: HeldListener) -> None:
        """A listener is closed; for listeners."""
        self._listeners.pop(listener, None)
        self.shared.discard(listener)

    def descriptors(self) -> list[int]:
        """Of the sockets, as a holder of `mainstay.process.forks`."""
        return [listener.fileno() for listener in self._listeners]

    def find(self, address: str) -> HeldListener | None:
        """The listener of a configured address."""
        for listener, request in self._listeners.items():
            if request.address == address:
                return listener
        return None

    def __iter__(self) -> Iterator[tuple[ListenRequest, HeldListener]]:
        return ((request, listener) for listener, request in self._listeners.items())

    def __repr__(self) -> str:
        return f"<ListenerRegistry {', '.join(each.address for each in self._listeners.values())}>"


LISTENERS: Final = Key[ListenerRegistry]("listeners")
"""Where a scope has the registry."""

HANDED_OVER: Final = Key[bool]("handed over")
"""Whether another process serves on at the listeners of this scope's service, which stops here."""
