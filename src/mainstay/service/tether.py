"""A service that was started by a parent process of ours: worker, or successor in a restart.

It waits for the parent's word before it serves, does what the parent says afterwards, and tells how
it is. Without its supervisor a worker ends at once: nobody would see to it any more. A successor
whose parent is gone goes on by itself, as that is what it is for.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from mainstay.interfaces.controlled import Outcome
from mainstay.process.lifeline import ParentLifeline
from mainstay.process.memory import resident
from mainstay.process.messages import (
    Confirmed,
    Failed,
    FromParent,
    Heartbeat,
    Pause,
    Reopen,
    Resume,
    Stop,
    Stopping,
)
from mainstay.service.running import Running

__all__ = ["Tether"]

_log = logging.getLogger(__name__)

LOST: Final = "the supervisor is gone"


class Tether:
    """One end of the channel to the parent, for one `Running`. Make it on the running loop.

    Args:
        parent: descriptor and nonce, from `mainstay.process.lifeline.find_parent`.
        name: of the service.
        settings: of the process.
        reopen: opens log files anew.
        freed: called when a successor is without its parent, and the service is its own.
        given_up: called with the reason when the parent takes back what it has begun, or is gone
            too early.

        confirmed: called with the outcomes of the last restarts when this one is confirmed.

    Attributes:
        lifeline: for `Running`.
    """

    def __init__(
        self,
        parent: tuple[int, str],
        *,
        name: str,
        settings: Mapping[str, Any],
        reopen: Callable[[], object],
        freed: Callable[[], object],
        given_up: Callable[[str], None],
        confirmed: Callable[[list[Outcome]], None] = lambda outcomes: None,
    ) -> None:
        self._running: Running | None = None
        # What the parent has said between its word to serve and `watch`.
        self._early: list[Callable[[], None]] = []
        self._reopen = reopen
        self._freed = freed
        self._confirmed = confirmed
        self._pausing: asyncio.Task[None] | None = None
        self.lifeline = ParentLifeline(
            *parent,
            name=name,
            settings=settings,
            told=self._told,
            orphaned=self._orphaned,
            given_up=given_up,
        )

    def watch(self, running: Running) -> None:
        """Do with `running` what the parent says, and tell of it."""
        self._running = running
        self.lifeline.beat(self._numbers)
        # At once, and not with the next beat: the probation may be over by then.
        running.failing.tell = functools.partial(self.lifeline.beat, self._numbers)
        early, self._early = self._early, []
        for act in early:
            act()

    def failed(self, reason: str, code: int) -> None:
        """Tell the parent why the start failed."""
        self.lifeline.say(Failed(reason, code))

    def stopping(self, reason: str, *, failed: bool) -> None:
        """Tell the parent that the service ends."""
        left = 0 if self._running is None else self._running.in_flight
        self.lifeline.say(Stopping(left, reason, failed))

    def close(self) -> None:
        """Let go of the channel."""
        self.lifeline.close()

    def _numbers(self) -> Heartbeat:
        running = self._running
        assert running is not None
        numbers = running.numbers()
        return Heartbeat(
            numbers.in_flight,
            numbers.connections,
            numbers.requests,
            resident(),
            running.paused,
            numbers.trouble,
        )

    def _told(self, message: FromParent) -> None:
        running = self._running
        if isinstance(message, Reopen):
            self._reopen()  # needs no service that serves
        elif running is None:
            self._early.append(functools.partial(self._told, message))
        elif isinstance(message, Pause | Resume):
            self._accept(running, isinstance(message, Resume))
        elif isinstance(message, Confirmed):
            self._confirmed(message.outcomes)
        elif isinstance(message, Stop):
            if message.handover:
                timeout = message.timeout or running.settings.process.handover_timeout
                running.hand_over(message.reason, timeout)
            else:
                running.stop(message.reason, force=message.force)

    def _accept(self, running: Running, accepting: bool) -> None:
        if self._pausing is not None:
            # One that has not begun would come after what is asked for now.
            self._pausing.cancel()
            self._pausing = None
        if accepting:
            running.resume()
        else:
            running.paused = True
            self._pausing = asyncio.get_running_loop().create_task(running.pause(), name="pause")

    def _orphaned(self, role: str) -> None:
        if role == "worker":
            if self._running is None:
                self._early.append(functools.partial(self._orphaned, role))
                return
            _log.error("%s; ending", LOST)
            self._running.stop(LOST, force=True)
        else:
            self.close()
            self._freed()
