"""Hears of signals while the main thread cannot run Python.

Python runs signal handlers between two bytecodes of the main thread. One long call into C (a query,
a compression) and a SIGTERM waits for its end, unheard. The interpreter's C handler, however, writes
the signal's number to a descriptor at once (`signal.set_wakeup_fd`); a thread reads it here. What
was written is passed on to whoever had the descriptor before, the event loop, which needs it.

A C call that holds the interpreter's lock keeps this thread from running, too: nothing in the
process can act then.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from mainstay.core.effects import Process

__all__ = ["SignalTap"]


class SignalTap:
    """Calls `heard` with the number of each signal that has a handler, as it arrives.

    Make it in the main thread, after the event loop has begun to run.

    Args:
        process: where signals come from.
        heard: called in a thread of its own; it must not block.
    """

    def __init__(self, process: Process, heard: Callable[[int], None]) -> None:
        self._heard = heard
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._restore, self._before = process.wake(self._writing)
        self._thread = threading.Thread(target=self._listen, name="mainstay-tap", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give the descriptor back to whoever had it; idempotent, in the main thread."""
        if self._writing >= 0:
            self._restore()
            os.close(self._writing)  # which ends the thread
            self._writing = -1
            self._thread.join(1.0)

    def _listen(self) -> None:
        while numbers := os.read(self._reading, 64):
            for number in numbers:
                self._heard(number)
            if self._before >= 0:
                with suppress(OSError):  # the loop is closed, or has more to read than it needs
                    os.write(self._before, numbers)
        os.close(self._reading)
