"""A thread that ends the process if its shutdown does not: the bound that holds when all else fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from mainstay.core.effects import Effects
from mainstay.core.stacks import all_stacks

__all__ = ["CUT", "GRACE", "Guard"]

_log = logging.getLogger("mainstay.service")

GRACE: Final = 2.0
"""Seconds after the shutdown's own budget at which the guard ends the process."""

_LOOK: Final = 0.1
"""Seconds between two looks of the guard at its deadline, which may have moved."""

CUT: Final = 124
"""Exit code of a process whose work was cut, as that of timeout(1)."""


class Guard:
    """Ends the process if its shutdown does not.

    Args:
        effects: how the process ends.
        flush: called before, bounded by its own care.
    """

    def __init__(self, effects: Effects, flush: Callable[[], object]) -> None:
        self._effects = effects
        self._flush = flush
        self._disarmed = threading.Event()
        self._deadline = float("inf")
        self._thread: threading.Thread | None = None

    def arm(self, seconds: float) -> None:
        """Allow `seconds` from now; a later call may bring the end forward, never put it off.

        Signal handlers call it, in the middle of anything the main thread does, this method
        included: so it takes no lock that it could hold already, and `_watch` looks for itself.
        """
        self._deadline = min(self._deadline, self._effects.clock.monotonic() + seconds)
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="mainstay-guard", daemon=True)
            self._thread.start()

    def disarm(self) -> None:
        """The shutdown has ended in time."""
        self._disarmed.set()

    def _watch(self) -> None:
        clock = self._effects.clock
        while (left := self._deadline - clock.monotonic()) > 0:
            if clock.wait(self._disarmed, min(left, _LOOK)):
                return
        _log.critical("the shutdown did not end; ending the process:\n%s", all_stacks())
        self._flush()
        self._effects.process.exit(CUT)
