"""The child's end: asks its parent for listeners, waits for the word to serve, tells how it is.

A process finds its parent by the environment (`PARENT`): a descriptor, and a nonce that shows that
the descriptor is meant. Without it there is no parent, and nothing of this is used.

What the end of file means depends on how far things have gone (`messages`): before `Prepared` the
start is given up; afterwards the listeners are adopted, since nobody else holds them. A worker is
different: without its supervisor it ends, because nobody would see to it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, Final

from mainstay.errors import BrokenError, InvalidRequest, ResourceError, ShuttingDown
from mainstay.net.registry import Granted, ListenRequest
from mainstay.process.channel import Channel
from mainstay.process.messages import (
    VERSIONS,
    Abort,
    Commit,
    Failed,
    FromChild,
    FromParent,
    Heartbeat,
    Hello,
    Listen,
    Listener,
    Prepared,
    Progress,
    Serving,
    Welcome,
    decode_from_parent,
    encode,
)

__all__ = ["PARENT", "PATIENCE", "ParentLifeline", "find_parent", "noticed_by", "tell_parent"]

_log = logging.getLogger(__name__)

PARENT: Final = "MAINSTAY_PARENT"
"""The variable that names the channel to the parent: descriptor and nonce."""

PATIENCE: Final = 10.0
"""Seconds for an answer of the parent."""

_PROGRESS: Final = 1.0
"""Seconds between two signs of life while the service starts."""


def find_parent(environ: MutableMapping[str, str] | Mapping[str, str]) -> tuple[int, str] | None:
    """The descriptor and the nonce of the channel to the parent, or None without one.

    The variable is removed, so that what this process starts does not take it for its own.
    """
    value = environ.get(PARENT)
    if value is None:
        return None
    if isinstance(environ, MutableMapping):
        del environ[PARENT]
    number, _, nonce = value.partition(":")
    try:
        descriptor = int(number)
        os.set_inheritable(descriptor, False)
    except (ValueError, OSError):
        _log.warning("%s=%r names no open descriptor; starting without a parent", PARENT, number)
        return None
    return descriptor, nonce


def tell_parent(environ: MutableMapping[str, str], reason: str, code: int) -> bool:
    """Tell the parent, if there is one, why this process ends before it has come to anything.

    Returns whether it was told: then it is the parent who tells the operator, once.
    """
    parent = find_parent(environ)
    if parent is None:
        return False
    with suppress(OSError), socket.socket(fileno=parent[0]) as end:
        end.setblocking(True)
        end.send(encode(Failed(reason, code)))
        return True
    return False


_notice: list[Callable[[], object]] = []


def noticed_by(notice: Callable[[], object]) -> None:
    """Have `notice` called, in the place of any before, when a loop of this process has noticed
    that the parent is gone."""
    _notice[:] = [notice]


class ParentLifeline:
    """See the top of the file. Make it on the running loop.

    Args:
        descriptor, nonce: from `find_parent`.
        name: of the service.
        settings: of the process, for the parent.
        told: called with what the parent says once this process serves: `Pause`, `Resume`, `Stop`
            and `Reopen`.
        orphaned: called when the parent is gone after `serving`; with the role of this process.
        given_up: called with the reason when the parent wants the end of this process, or is gone
            before anything can be taken over.

    Attributes:
        role: ``worker`` or ``successor``; empty before the parent has answered.
        generation, index, started: see `Welcome`.
    """

    def __init__(
        self,
        descriptor: int,
        nonce: str,
        *,
        name: str,
        settings: Mapping[str, Any],
        told: Callable[[FromParent], None],
        orphaned: Callable[[str], None],
        given_up: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.role = ""
        self.generation = 0
        self.index = 0
        self.started = 0.0
        self.heartbeat = 1.0
        self._told = told
        self._orphaned = orphaned
        self._given_up = given_up
        self._loop = asyncio.get_running_loop()
        self._state = _GREETING
        self._welcome: asyncio.Future[Welcome] = self._loop.create_future()
        self._verdict: asyncio.Future[None] = self._loop.create_future()
        self._asked: dict[int, asyncio.Future[tuple[Listener, list[int]]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._channel = Channel(socket.socket(fileno=descriptor), self._received, self._ended)
        self._say(Hello(list(VERSIONS), nonce, os.getpid(), name, dict(settings)))
        self._progress()

    # --- while the service starts ---------------------------------------------------------------

    async def greeted(self) -> None:
        """Wait for the parent's answer. Raises: BrokenError, ShuttingDown."""
        # Not by `wait_for`: before Python 3.12 it swallows a cancellation that comes with the answer.
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(self._welcome)
        except TimeoutError:
            raise BrokenError(f"the parent did not answer within {PATIENCE:g} s") from None

    async def listen(self, request: ListenRequest) -> Granted | None:
        """See `Upstream`. Raises: ResourceError when the parent cannot have it either."""
        await self.greeted()
        number = len(self._asked) + 1
        answer: asyncio.Future[tuple[Listener, list[int]]] = self._loop.create_future()
        self._asked[number] = answer
        self._say(
            Listen(number, request.address, request.backlog, request.reuse_port, request.unix_mode)
        )
        try:
            async with asyncio.timeout(PATIENCE):
                told, descriptors = await answer
        except TimeoutError:
            raise BrokenError(f"the parent did not hand over {request.address} in time") from None
        if told.error:
            raise ResourceError(told.error)
        if not told.ok:
            return None
        if len(descriptors) != 1:
            raise ResourceError(
                f"the descriptor of {request.address} was lost on its way from the parent; raise "
                "the limit of open files (ulimit -n)"
            )
        return self._checked(request, told, descriptors[0])

    def _checked(self, request: ListenRequest, told: Listener, descriptor: int) -> Granted:
        """What was sent, if it is what was asked for: the kernel knows, whatever the parent says."""
        sock = socket.socket(fileno=descriptor)
        try:
            if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise ResourceError(
                    f"the parent sent a socket for {request.address} that does not listen"
                )
        except BaseException:
            sock.close()
            raise
        sock.setblocking(False)
        return Granted(sock, told.inode, self.role == "successor")

    async def prepared(self, addresses: Sequence[str]) -> None:
        """See `Lifeline`."""
        await self.greeted()
        self._state = _PREPARED
        self._say(Prepared(list(addresses)))
        _log.info("prepared, and waiting for the word to serve")
        await self._verdict
        self._state = _COMMITTED

    def serving(self) -> None:
        """See `Lifeline`."""
        self._stop_timer()
        self._say(Serving())
        if self._channel.closed:
            # The parent died between its word and ours.
            self._loop.call_soon(self._orphaned, self.role)

    def _progress(self) -> None:
        if self._state in (_GREETING, _STARTING):
            self._say(Progress("starting"))
        self._timer = self._loop.call_later(_PROGRESS, self._progress)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- while it serves ------------------------------------------------------------------------

    def beat(self, numbers: Callable[[], Heartbeat]) -> None:
        """Tell the parent how things are, now and every `heartbeat` seconds, until either is gone.

        Only a loop that runs comes here, which is what the parent wants to know.
        """
        self._stop_timer()
        if not self._channel.closed:
            self._say(numbers())
            self._timer = self._loop.call_later(self.heartbeat, self.beat, numbers)

    def say(self, message: FromChild) -> None:
        """Tell the parent something."""
        self._say(message)

    def close(self) -> None:
        """Let go of the channel. Idempotent."""
        self._stop_timer()
        self._channel.close()

    # --- what the parent says -------------------------------------------------------------------

    def _say(self, message: FromChild) -> None:
        self._channel.send(encode(message))

    def _received(self, packet: bytes, descriptors: list[int]) -> None:
        try:
            message = decode_from_parent(packet)
        except InvalidRequest as error:
            _log.warning("%s", error)
            _close_all(descriptors)
            return
        if isinstance(message, Listener):
            asked = self._asked.get(message.number)
            if asked is not None and not asked.done():
                asked.set_result((message, descriptors))
                return
        _close_all(descriptors)
        if isinstance(message, Welcome):
            self._greeted(message)
        elif isinstance(message, Commit):
            if not self._verdict.done():
                self._verdict.set_result(None)
        elif isinstance(message, Abort):
            self._give_up(ShuttingDown(f"the parent wants this process to end: {message.reason}"))
        elif not isinstance(message, Listener):
            self._told(message)

    def _greeted(self, message: Welcome) -> None:
        if message.version not in VERSIONS:
            versions = ", ".join(map(str, VERSIONS))
            self._give_up(
                BrokenError(
                    f"the parent speaks version {message.version} of the hand-over, and this "
                    f"release {versions}",
                    retryable=False,
                )
            )
            return
        self.role = message.role
        self.generation = message.generation
        self.index = message.index
        self.heartbeat = message.heartbeat
        self.started = message.started
        self._state = _STARTING
        if not self._welcome.done():
            self._welcome.set_result(message)

    def _give_up(self, error: Exception) -> None:
        waiting: list[asyncio.Future[Any]] = [self._welcome, self._verdict, *self._asked.values()]
        for each in waiting:
            if not each.done():
                each.set_exception(error)
                each.exception()  # seen: whoever waits is told, and nobody may be waiting
        self._given_up(str(error))

    def _ended(self) -> None:
        """The parent is gone."""
        self._stop_timer()
        for notice in _notice:
            notice()
        state = self._state
        if state is _COMMITTED:
            self._loop.call_soon(self._orphaned, self.role)
        elif state is _PREPARED and self.role == "successor":
            # Not aborted, so it died: who is prepared is the last who holds the queue.
            _log.warning("the parent is gone; taking over")
            if not self._verdict.done():
                self._verdict.set_result(None)
        else:
            self._give_up(ShuttingDown("the parent is gone"))


_GREETING: Final = "greeting"
_STARTING: Final = "starting"
_PREPARED: Final = "prepared"
_COMMITTED: Final = "committed"


def _close_all(descriptors: Sequence[int]) -> None:
    for each in descriptors:
        os.close(each)
