"""What a signal means to a supervisor.

==================  =============================================================
TERM, INT           stop: the workers drain; again: force; a third time: kill
HUP with terminal   as TERM: the user has left
HUP without one     restart
QUIT                the workers log what everything is doing, and are forced
USR1                open log files anew
USR2                replace the supervisor as well
WINCH               accept no connections, for now; again: accept
TTIN, TTOU          one worker more, one less
==================  =============================================================

A second TERM or INT within `TOGETHER` seconds of the first is the same wish: Ctrl-C reaches the
whole process group, and a parent often forwards a TERM as well.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from enum import Enum
from typing import Final

from mainstay.process.supervisor import Supervisor

__all__ = ["TOGETHER", "Escalation", "Level", "install"]

_log = logging.getLogger(__name__)

TOGETHER: Final = 0.5
"""Seconds within which two signals to stop count as one; as for a service in one process."""


class Level(Enum):
    """How hard to stop."""

    SAME = "same"
    STOP = "stop"
    FORCE = "force"
    KILL = "kill"


class Escalation:
    """Counts the wishes to stop. Pure."""

    def __init__(self) -> None:
        self._count = 0
        self._last = float("-inf")

    def again(self, now: float) -> Level:
        """What one more at `now` (monotonic seconds) means."""
        if now - self._last < TOGETHER:
            return Level.SAME
        self._last = now
        self._count += 1
        return (Level.STOP, Level.FORCE, Level.KILL)[min(self._count, 3) - 1]


def install(
    supervisor: Supervisor, *, has_terminal: bool, exit: Callable[[int], object] = os._exit
) -> Callable[[], None]:
    """Let signals reach `supervisor`, on the running loop; returns what undoes it.

    Args:
        supervisor: that is to hear them.
        has_terminal: whether a hang-up means that the user left.
        exit: ends the process at once.
    """
    loop = asyncio.get_running_loop()
    escalation = Escalation()

    def stop(number: int) -> None:
        name = signal.Signals(number).name
        level = escalation.again(loop.time())
        if level is Level.KILL:
            _log.critical("%s for the third time; killing everything", name)
            supervisor.signal_workers(signal.SIGKILL)
            exit(128 + number)
        elif level is not Level.SAME:
            supervisor.stop(name, level is Level.FORCE)

    def hang_up() -> None:
        if has_terminal:
            stop(signal.SIGHUP)
        else:
            supervisor.wish_restart("restart", "SIGHUP")

    def quit_() -> None:
        supervisor.signal_workers(signal.SIGQUIT)
        supervisor.stop("SIGQUIT", True)

    def drain() -> None:
        draining = not supervisor.draining
        _log.info("SIGWINCH: %s", "accepting nothing for now" if draining else "accepting again")
        supervisor.drain(draining)

    actions: dict[int, Callable[[], None]] = {
        signal.SIGTERM: lambda: stop(signal.SIGTERM),
        signal.SIGINT: lambda: stop(signal.SIGINT),
        signal.SIGHUP: hang_up,
        signal.SIGQUIT: quit_,
        signal.SIGUSR1: supervisor.reopen_logs,
        signal.SIGUSR2: lambda: supervisor.wish_restart("replace", "SIGUSR2"),
        signal.SIGTTIN: lambda: supervisor.wish_scale(1, "SIGTTIN"),
        signal.SIGTTOU: lambda: supervisor.wish_scale(-1, "SIGTTOU"),
    }
    if not has_terminal:
        # A terminal sends it whenever its window changes.
        actions[signal.SIGWINCH] = drain
    # A signal that whoever started us set to be ignored stays so (nohup).
    heard = [number for number in actions if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, actions[number])

    def undo() -> None:
        for number in heard:
            loop.remove_signal_handler(number)

    return undo
