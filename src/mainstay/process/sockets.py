"""The listening sockets that a supervisor holds for its workers.

It reads no configuration: what to listen on is what workers ask for. A socket is known by the
address that was configured, so port 0 is the same socket for every worker and every generation.

A supervisor that succeeds another asks that one first, and binds only what it has not: the queue of
connections must outlive both. The path of a Unix socket is the supervisor's to remove, whichever
generation of workers, or of supervisors, has asked for it first.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Collection
from dataclasses import dataclass

from mainstay.net.address import Address
from mainstay.net.binding import Inode, bind_socket, inode_of
from mainstay.net.registry import ListenRequest, Upstream
from mainstay.process.messages import Listen, Listener

__all__ = ["Sockets"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Held:
    socket: socket.socket
    address: Address
    inode: Inode | None

    def close(self, *, unlink: bool) -> None:
        self.socket.close()
        # Somebody else may have taken the path since: then it is another file.
        if unlink and self.inode is not None and inode_of(self.address.path) == self.inode:
            os.unlink(self.address.path)  # noqa: PTH108 - text, as it was bound


class Sockets:
    """See the top of the file. Use it on one loop.

    Args:
        upstream: asks whoever may hold a socket already: the supervisor before this one, or a service
            manager.

    Attributes:
        handed_over: whether another supervisor has them by now, so that no path is removed.
    """

    def __init__(self, upstream: Upstream | None = None) -> None:
        self.handed_over = False
        self._upstream = upstream
        self._held: dict[str, _Held] = {}
        # Workers ask at once, and a name takes its time to be looked up.
        self._turn = asyncio.Lock()

    @property
    def addresses(self) -> list[str]:
        """Where they listen, with the port that 0 became."""
        return [str(held.address) for held in self._held.values()]

    async def answer(self, question: Listen) -> tuple[Listener, list[int]]:
        """The socket of an address; it is bound if it is not there yet.

        Raises: ResourceError, UsageError: see `bind_socket`.
        """
        async with self._turn:
            held = self._held.get(question.address)
            if held is None:
                held = self._held[question.address] = await self._take(question)
        answer = Listener(question.number, True, address=str(held.address), inode=held.inode)
        return answer, [held.socket.fileno()]

    async def _take(self, question: Listen) -> _Held:
        address = Address.from_text(question.address)
        granted = None
        if self._upstream is not None:
            granted = await self._upstream(
                ListenRequest(
                    question.address, question.backlog, question.reuse_port, question.unix_mode
                )
            )
        if granted is not None:
            sock, inode = granted.socket, granted.inode if granted.owned else None
        else:
            sock = await bind_socket(
                address,
                backlog=question.backlog,
                reuse_port=question.reuse_port,
                unix_mode=question.unix_mode,
            )
            inode = inode_of(address.path) if address.kind == "unix" else None
        if address.kind == "tcp":
            address = address.with_port(sock.getsockname()[1])
        _log.info("listening on %s", address)
        return _Held(sock, address, inode)

    def keep(self, asked: Collection[str]) -> None:
        """Let go of all that the generation that serves has not asked for."""
        for name in set(self._held) - set(asked):
            held = self._held.pop(name)
            _log.info("%s is not asked for any more; letting go of it", held.address)
            held.close(unlink=True)

    @property
    def descriptors(self) -> list[tuple[str, int]]:
        """Each address as it was configured, and the descriptor of its socket."""
        return [(name, held.socket.fileno()) for name, held in self._held.items()]

    def let_go(self) -> None:
        """Close the descriptors: workers that accept hold the sockets by themselves. Paths stay
        until `close`. Nothing can be answered any more."""
        for held in self._held.values():
            held.socket.close()

    def close(self, *, unlink: bool = True) -> None:
        """Let go of everything, and remove the paths unless another supervisor has them.

        Args:
            unlink: False when somebody else keeps the sockets, so that the paths lead somewhere.
        """
        held, self._held = self._held, {}
        for each in held.values():
            each.close(unlink=unlink and not self.handed_over)
