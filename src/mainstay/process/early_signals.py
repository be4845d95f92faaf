"""Signals that arrive while the program is imported, before anybody can act on them.

Their default would end the process. A wish for later (a restart, log files opened anew) is kept
until the service handles signals, and then sent again; so none is lost between the two.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from types import FrameType
from typing import Final

__all__ = ["deliver", "keep"]

# One process has one set of signal handlers, so there is one list of what they have kept.
_kept: Final[list[int]] = []


def keep(numbers: Iterable[int]) -> None:
    """Keep these signals for `deliver`; those that are ignored stay so (nohup). Main thread only."""
    owner = os.getpid()

    def remember(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            # A forked child inherits the handler, and nobody would ever deliver there.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif number not in _kept:
            _kept.append(number)

    for number in numbers:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, remember)


def deliver() -> None:
    """Send this process what was kept; call it once its own handlers are in place."""
    while _kept:
        os.kill(os.getpid(), _kept.pop(0))
