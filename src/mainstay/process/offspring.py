"""One child process, from its start to its end, as its parent sees it: worker, or successor.

The child is started by exec, never by a bare fork: a fork of a process with a loop and threads is a
process that deadlocks. Its end is seen by a pidfd, and its status taken for that process alone, so
that nobody's `subprocess` loses one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any, Final, TypeAlias

from mainstay.errors import BrokenError, InvalidRequest
from mainstay.interfaces.controlled import Outcome
from mainstay.process.channel import Channel, channel_pair
from mainstay.process.launch import Launch
from mainstay.process.lifeline import PARENT
from mainstay.process.messages import (
    VERSIONS,
    Abort,
    Commit,
    Confirmed,
    Failed,
    FromChild,
    FromParent,
    Heartbeat,
    Hello,
    Listen,
    Listener,
    Pause,
    Prepared,
    Progress,
    Reopen,
    Resume,
    Serving,
    Stop,
    Stopping,
    Welcome,
    decode_from_child,
    encode,
)

__all__ = ["Answer", "ChildFailed", "ChildState", "Offspring"]

_log = logging.getLogger(__name__)

_MOMENT: Final = 2.0
"""Seconds between the end of the channel of a process and its own, on a machine that is busy."""

Answer: TypeAlias = "tuple[Listener, list[int]]"
"""A `Listener` and the descriptor that goes with it, which stays the parent's."""


_ASKED: Final = frozenset(
    code for number in (signal.SIGTERM, signal.SIGINT) for code in (-number, 128 + number)
)
"""Exit codes of those that were asked to end before they could say anything."""


class ChildState(Enum):
    """How far a child has come."""

    NEW = "new"
    STARTING = "starting"
    PREPARED = "prepared"
    COMMITTED = "committed"
    SERVING = "serving"
    STOPPING = "stopping"
    ENDED = "ended"


class ChildFailed(BrokenError):
    """A child did not do what it was started for; the message says what is known of the reason."""

    reason = "CHILD_FAILED"


class Offspring:
    """See the top of the file. Use it on one loop.

    Args:
        launch: how it is started.
        welcome: what it is told about itself; the version is filled in.
        sockets: answers what it asks to listen on.
        told: called with whatever else it says: `Heartbeat`, `Stopping`.

    Attributes:
        state: how far it has come.
        pid: 0 before it is started.
        name: of the service, as it says.
        settings: as it says, of its process.
        addresses: that it has prepared.
        progress: what it said last while it started.
        beat: its last sign of life, or None.
        heard: loop time of its last word.
        status: its exit code once it has ended, negative for a signal.
        leaving: what it said when it began to stop, or None.
    """

    def __init__(
        self,
        launch: Launch,
        welcome: Welcome,
        sockets: Callable[[Listen], Awaitable[Answer]],
        told: Callable[[Offspring, FromChild], None] = lambda child, message: None,
    ) -> None:
        self.state = ChildState.NEW
        self.pid = 0
        self.name = ""
        self.settings: dict[str, Any] = {}
        self.addresses: list[str] = []
        self.progress = ""
        self.beat: Heartbeat | None = None
        self.heard = 0.0
        self.status: int | None = None
        self.leaving: Stopping | None = None
        self.welcome = welcome
        self._launch = launch
        self._sockets = sockets
        self._told = told
        self._nonce = secrets.token_hex(16)
        self._failed: Failed | None = None
        self._confessed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._channel: Channel | None = None
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Future[None] = self._loop.create_future()
        self._asking: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[None] = self._loop.create_future()

    def start(self) -> None:
        """Start the process. Raises: ChildFailed when it cannot be."""
        try:
            ours, theirs = channel_pair()
        except OSError as error:
            raise ChildFailed(f"no channel to a child can be made: {error.strerror}") from error
        environ = {**self._launch.environ, PARENT: f"{theirs.fileno()}:{self._nonce}"}
        try:
            process = self._process = subprocess.Popen(  # noqa: S603 - as this process was started
                self._launch.command,
                cwd=self._launch.folder,
                env=environ,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            ours.close()
            # It names the folder when that is what is not there.
            name = error.filename or self._launch.command[0]
            raise ChildFailed(f"{name} cannot be started: {error.strerror}") from error
        finally:
            theirs.close()
        try:
            self._pidfd = os.pidfd_open(process.pid)
        except OSError as error:
            ours.close()
            process.kill()
            process.wait()
            raise ChildFailed(f"a child cannot be watched: {error.strerror}") from error
        self.pid = process.pid
        self._loop.add_reader(self._pidfd, self._reap)
        self.heard = self._loop.time()
        self.state = ChildState.STARTING
        self._channel = Channel(ours, self._received, self._hung_up)

    # --- waiting --------------------------------------------------------------------------------

    async def wait_prepared(self, patience: float, most: float) -> None:
        """Wait until it could serve.

        Args:
            patience: seconds without a word of it.
            most: seconds for all of it, whatever it says.

        Raises: ChildFailed.
        """
        until = self._loop.time() + most
        while self._is_still(ChildState.STARTING):
            left = min(self.heard + patience, until) - self._loop.time()
            if left <= 0:
                silent = self._loop.time() >= self.heard + patience
                why = (
                    f"nothing was heard of it for {patience:g} s"
                    if silent
                    else (f"it was not ready after {most:g} s")
                )
                raise ChildFailed(f"process {self.pid} hangs in its start: {why}")
            until += await self.wait_news(left)
        if self.state is not ChildState.PREPARED:
            raise await self._failure()

    async def wait_serving(self, timeout: float) -> None:
        """Wait, after `commit`, until it serves. Raises: ChildFailed."""
        until = self._loop.time() + timeout
        while self._is_still(ChildState.COMMITTED):
            left = until - self._loop.time()
            if left <= 0:
                raise ChildFailed(f"process {self.pid} did not serve within {timeout:g} s")
            until += await self.wait_news(left)
        if self.state is not ChildState.SERVING:
            raise await self._failure()

    async def wait_ended(self) -> int:
        """Wait for its end; its exit code, negative for a signal."""
        await asyncio.shield(self._ended)
        assert self.status is not None
        return self.status

    def failure(self) -> ChildFailed:
        """Why it ended, as far as it has said."""
        if self._failed is not None:
            return ChildFailed(self._failed.reason)
        if self.leaving is not None:
            return ChildFailed(f"process {self.pid} stops: {self.leaving.reason}")
        if self.status is None:
            return ChildFailed(f"process {self.pid} has left its channel")
        if self.status < 0:
            return ChildFailed(f"process {self.pid} was killed by {_signal_name(-self.status)}")
        return ChildFailed(f"process {self.pid} ended with exit code {self.status}")

    @property
    def asked(self) -> bool:
        """Whether it ends, or has ended, because somebody has asked it to, and nothing was wrong."""
        if self._failed is not None:
            return False
        if self.leaving is not None:
            return not self.leaving.failed
        return self.status in _ASKED

    @property
    def trouble(self) -> str:
        """What fails in it that it tries again and again, as it said last; empty if nothing does."""
        return "" if self.beat is None else self.beat.trouble

    @property
    def exit_code(self) -> int | None:
        """The code that it gave with its reason, or that of its end; None while it runs."""
        return self._failed.code if self._failed is not None else self.status

    @property
    def _lost(self) -> bool:
        """Whether nothing good can come of it any more."""
        return self._failed is not None or self._channel is None or self._channel.closed

    async def _failure(self) -> ChildFailed:
        """Why it failed; its channel ends a moment before it does."""
        if self._failed is None and self.leaving is None and not self._ended.done():
            await asyncio.wait([self._ended], timeout=_MOMENT)
        return self.failure()

    def _is_still(self, state: ChildState) -> bool:
        """Whether it has come no further, and something may come of it yet."""
        self.catch_up()
        return self.state is state and not self._lost

    def catch_up(self) -> None:
        """Hear what it has said by now; before it is blamed for its silence.

        A loop that was blocked finds its timers due before it has read anything (uvloop).
        """
        if self._channel is not None:
            self._channel.drain()

    async def wait_news(self, timeout: float) -> float:
        """Wait for its next word or its end, or for `timeout` seconds.

        Returns the seconds by which the wait was longer than that: this process was blocked, or
        stopped, and perhaps the whole machine. They do not count as silence of the child.
        """
        if self._news.done():
            self._news = self._loop.create_future()
        began = self._loop.time()
        await asyncio.wait([self._news], timeout=timeout)
        now = self._loop.time()
        late = max(0.0, now - began - timeout)
        self.heard = min(now, self.heard + late)
        return late

    def _tell_news(self) -> None:
        if not self._news.done():
            self._news.set_result(None)

    # --- telling it -----------------------------------------------------------------------------

    def commit(self) -> None:
        """Let it serve."""
        self.state = ChildState.COMMITTED
        self._say(Commit())

    def abort(self, reason: str) -> None:
        """Let it give up."""
        self._say(Abort(reason))

    def pause(self) -> None:
        """Let it accept nothing more for now."""
        self._say(Pause())

    def resume(self) -> None:
        """Let it accept again."""
        self._say(Resume())

    def stop(
        self,
        reason: str,
        timeout: float | None = None,
        *,
        handover: bool = True,
        force: bool = False,
    ) -> None:
        """Let it drain and end; see `Stop`."""
        if self.state is not ChildState.ENDED:
            self.state = ChildState.STOPPING
        self._say(Stop(reason, timeout, handover, force))

    def confirm(self, outcomes: Sequence[Outcome]) -> None:
        """Let it know that it is in charge for good, and what has become of the last restarts."""
        self._say(Confirmed(list(outcomes)))

    def reopen(self) -> None:
        """Let it open its logs anew."""
        self._say(Reopen())

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal, if it still runs."""
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def end(self, reason: str, grace: float) -> None:
        """Bring it to its end, whatever it does: ABORT and SIGTERM, then SIGKILL; and reap it.

        Args:
            reason: for its log.
            grace: seconds between the two.
        """
        if self.state is ChildState.NEW:
            return
        if self._confessed and not self._ended.done():
            # It is on its way out, and has more to write to its log than it told.
            await asyncio.wait([self._ended], timeout=min(grace, _MOMENT))
        self.abort(reason)
        self.kill(signal.SIGTERM)
        # A stopped process hears of no SIGTERM before it goes on.
        self.kill(signal.SIGCONT)
        if not self._ended.done():
            await asyncio.wait([self._ended], timeout=grace)
        if not self._ended.done():
            _log.warning("process %d did not end within %g s; killing it", self.pid, grace)
            self.kill()
            await asyncio.wait([self._ended])

    def tie(self) -> None:
        """Let it see the end of its channel at the very end of this process, and not before, when
        the interpreter cleans up: the kernel closes what nothing here closes."""
        if self._channel is not None:
            self._channel.tie()

    def leave(self) -> None:
        """Let go of it without ending it: it goes on by itself, and nobody here waits for it."""
        if self._process is not None and self._process.returncode is None:
            self._process.returncode = 0  # or it complains of a child that nobody waits for
        self._close()

    def _say(self, message: FromParent, descriptors: list[int] | None = None) -> None:
        if self._channel is not None:
            self._channel.send(encode(message), descriptors or ())

    # --- hearing of it --------------------------------------------------------------------------

    def _received(self, packet: bytes, descriptors: list[int]) -> None:
        for each in descriptors:
            os.close(each)  # a child has none to give
        self.heard = self._loop.time()
        try:
            message = decode_from_child(packet)
        except InvalidRequest as error:
            _log.warning("process %d: %s", self.pid, error)
            if self.state is ChildState.STARTING:
                # Whatever it was to say, it is not what this release waits for.
                self._failed = self._failed or Failed(str(error), 75)
                self._tell_news()
            return
        if isinstance(message, Hello):
            self._greet(message)
        elif isinstance(message, Listen):
            task = self._loop.create_task(self._answer(message), name=f"listen {message.address}")
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        elif isinstance(message, Progress):
            self.progress = message.text
        elif isinstance(message, Prepared):
            if self.state is ChildState.STARTING:
                self.addresses = message.addresses
                self.state = ChildState.PREPARED
        elif isinstance(message, Serving):
            if self.state is ChildState.COMMITTED:
                self.state = ChildState.SERVING
        elif isinstance(message, Failed):
            self._failed, self._confessed = message, True
        else:
            if isinstance(message, Heartbeat):
                self.beat = message
            elif isinstance(message, Stopping):
                self.leaving = message
                self.state = ChildState.STOPPING
            self._told(self, message)
        self._tell_news()

    def _greet(self, hello: Hello) -> None:
        nonces = (hello.nonce.encode(), self._nonce.encode())  # text has to be ASCII there
        if not secrets.compare_digest(*nonces) or hello.pid != self.pid:
            reason = f"process {self.pid} does not know its nonce, and is not listened to"
            self._failed = Failed(reason, 75)
            self._hang_up()
            return
        known = set(hello.versions) & set(VERSIONS)
        if not known:
            said = ", ".join(map(str, hello.versions))
            ours = ", ".join(map(str, VERSIONS))
            self._failed = Failed(
                f"it speaks version {said} of the hand-over, and this release {ours}", 75
            )
            self.abort(self._failed.reason)
            return
        self.name = hello.name
        self.settings = dict(hello.settings)
        self.welcome.version = max(known)
        heartbeat = hello.settings.get("heartbeat")
        if isinstance(heartbeat, int | float) and heartbeat > 0:
            self.welcome.heartbeat = float(heartbeat)
        self._say(self.welcome)

    async def _answer(self, question: Listen) -> None:
        try:
            answer, descriptors = await self._sockets(question)
        except Exception as error:  # told to the child, whose start fails for it
            answer, descriptors = Listener(question.number, False, str(error)), []
        self._say(answer, descriptors)

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close()

    def _hung_up(self) -> None:
        self._tell_news()

    def _reap(self) -> None:
        assert self._process is not None
        self.status = self._process.wait()
        self.state = ChildState.ENDED
        # What it said last may still be unread.
        if self._channel is not None and not self._channel.closed:
            self._channel.drain()
        self._close()
        if not self._ended.done():
            self._ended.set_result(None)
        self._tell_news()

    def _close(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self._hang_up()

    def __repr__(self) -> str:
        return f"<Offspring {self.pid} {self.welcome.role} {self.state.value}>"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
