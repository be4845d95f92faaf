"""What a signal means, given what came before it.

====================  ==================  ==================  ==========
signal                while running       while stopping      forced
====================  ==================  ==================  ==========
TERM, INT             stop                force               kill
HUP with a terminal   stop                force               kill
HUP without one       reported            reported            reported
QUIT                  stacks, force       stacks, force       kill
====================  ==================  ==================  ==========

A second signal within `TOGETHER` seconds of the first is the same wish: Ctrl-C reaches the whole
process group, and a parent often forwards a TERM as well. ``force`` skips the drain and still
closes resources and flushes logs; ``kill`` ends the process at once with 128 + the number.

Pure: times go in, actions come out.
"""

from __future__ import annotations

import signal
from enum import Enum
from typing import Final

__all__ = ["SIGNALS", "TOGETHER", "Action", "SignalPolicy"]

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""The signals a running service listens to."""

TOGETHER: Final = 0.5
"""Seconds within which two signals count as one."""


class Action(Enum):
    """What to do."""

    NOTHING = "nothing"
    REPORT = "report"
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

    def receive(self, number: int, now: float) -> Action:
        """What to do about signal `number` that arrived at `now` (monotonic seconds)."""
        if number == signal.SIGHUP and not self._has_terminal:
            return Action.REPORT
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
