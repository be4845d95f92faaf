"""What a signal means, given what came before it.

====================  ==================  ==================  ==========
signal                while running       while stopping      forced
====================  ==================  ==================  ==========
TERM, INT             stop                force               kill
HUP with a terminal   stop                force               kill
HUP without one       restart             reported            reported
USR2                  restart             reported            reported
USR1                  logs reopened       logs reopened       logs reopened
QUIT                  stacks, force       stacks, force       kill
====================  ==================  ==================  ==========

A second signal within `TOGETHER` seconds of the first is the same wish: Ctrl-C reaches the whole
process group, and a parent often forwards a TERM as well. ``force`` skips the drain and still
closes resources and flushes logs; ``kill`` ends the process at once with 128 + the number.
``restart`` starts a successor (`mainstay.service.succession`), which coalesces wishes by itself.

Pure: times go in, actions come out.
"""

from __future__ import annotations

import signal
from enum import Enum
from typing import Final

__all__ = ["SIGNALS", "TOGETHER", "Action", "SignalPolicy"]

SIGNALS: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""The signals a running service listens to."""

TOGETHER: Final = 0.5
"""Seconds within which two signals count as one."""


class Action(Enum):
    """What to do."""

    NOTHING = "nothing"
    REPORT = "report"
    REOPEN = "reopen"
    RESTART = "restart"
    STOP = "stop"
    FORCE = "force"
    KILL = "kill"


class SignalPolicy:
    """Remembers how far things have gone.

    Args:
        has_terminal: whether a hang-up means that the user left.
    """

    def __init__(self, *, has_terminal: bool) -> None:
        self._has_terminal = has_terminal
        self._level = 0
        self._last = float("-inf")

    def stops(self, number: int) -> bool:
        """Whether signal `number` is a wish to end, the first or another."""
        if number == signal.SIGHUP:
            return self._has_terminal
        return number in SIGNALS and number not in (signal.SIGUSR1, signal.SIGUSR2)

    def receive(self, number: int, now: float) -> Action:
        """What to do about signal `number` that arrived at `now` (monotonic seconds)."""
        if number == signal.SIGUSR1:
            return Action.REOPEN
        if not self.stops(number):
            return Action.RESTART if self._level == 0 else Action.REPORT
        if number == signal.SIGQUIT:
            if self._level >= _FORCED and now - self._last < TOGETHER:
                return Action.NOTHING
            self._level = max(_FORCED, self._level + 1)
        else:
            if now - self._last < TOGETHER:
                return Action.NOTHING
            self._level += 1
        self._last = now
        return _ACTIONS[min(self._level, _KILLED)]


_FORCED: Final = 2
_KILLED: Final = 3
_ACTIONS: Final = (Action.NOTHING, Action.STOP, Action.FORCE, Action.KILL)
