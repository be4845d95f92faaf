"""Ends a worker whose supervisor is gone, whatever its main thread does.

The event loop sees the end of the channel and stops the service in good order (`lifeline`). A loop
that a call blocks sees nothing, and while the program is imported there is none yet: such a worker
would live on for ever, with the port. So a thread watches the supervisor's process from before the
import on. It gives the loop a moment to notice, and what has noticed the time of a forced stop.

Linux only, as workers are. What holds the interpreter's lock all the time holds this thread, too.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Mapping
from typing import Final

from mainstay.process.launch import WORKER
from mainstay.process.lifeline import PARENT, noticed_by

__all__ = ["NOTICE", "STOP", "OrphanWatch", "watch_supervisor"]

NOTICE: Final = 1.0
"""Seconds for the event loop to notice that the supervisor is gone."""

STOP: Final = 6.0
"""Seconds for a worker that has noticed to end: those of a forced stop, and of its guard."""


def watch_supervisor(
    environ: Mapping[str, str], end: Callable[[str], object]
) -> OrphanWatch | None:
    """Begin to watch, if this process is a worker; call it before any code of the program runs.

    Args:
        environ: of this process, before its parent is looked for.
        end: ends this process at once; gets the reason. Called by the thread.
    """
    # A successor is no worker: it goes on without the process that has started it.
    if WORKER not in environ or PARENT not in environ or not hasattr(os, "pidfd_open"):
        return None
    parent = os.getppid()
    try:
        pidfd = os.pidfd_open(parent)
    except OSError:
        pidfd = -1  # it is gone already
    if pidfd >= 0 and (os.getppid() != parent or _hung_up(environ[PARENT])):
        # Somebody else has the number, or has adopted this process.
        os.close(pidfd)
        pidfd = -1
    watch = OrphanWatch(pidfd, end)
    watch.start()
    return watch


def _hung_up(text: str) -> bool:
    """Whether the other end of the channel is closed, by the variable that names it."""
    number = text.partition(":")[0]
    if not number.isdecimal():
        return False
    poll = select.poll()
    poll.register(int(number), 0)
    return any(told & select.POLLHUP for _, told in poll.poll(0))


class OrphanWatch:
    """See the top of the file.

    Args:
        pidfd: of the supervisor, which the watch closes; -1 when it is gone already.
        end: see `watch_supervisor`.
        notice, stop: see `NOTICE` and `STOP`.
    """

    def __init__(
        self,
        pidfd: int,
        end: Callable[[str], object],
        *,
        notice: float = NOTICE,
        stop: float = STOP,
    ) -> None:
        self._pidfd = pidfd
        self._end = end
        self._notice = notice
        self._stop = stop
        self._noticed = threading.Event()
        noticed_by(self._noticed.set)

    def start(self) -> None:
        """Watch, in a thread of its own that keeps no process alive."""
        threading.Thread(target=self._watch, name="mainstay-orphan", daemon=True).start()

    def _watch(self) -> None:
        if self._pidfd >= 0:
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            poll.poll()
            os.close(self._pidfd)
        if self._noticed.wait(self._notice):
            threading.Event().wait(self._stop)
            self._end(f"the supervisor is gone, and nothing ended this worker in {self._stop:g} s")
        else:
            self._end("the supervisor is gone, and the event loop of this worker does not notice")
