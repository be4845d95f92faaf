"""Processes as the kernel knows them: who is whose child, and who has ended."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

__all__ = ["Family", "children", "exists", "wait_until"]

SET_CHILD_SUBREAPER: Final = 36
"""prctl(2): who is left without its parent becomes ours, and not that of PID 1."""

POLL: Final = 0.01


def children(pid: int) -> set[int]:
    """The processes that it has started, or that were left to it; none when it is gone."""
    found: set[int] = set()
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found.update(map(int, (thread / "children").read_text().split()))
    return found


def exists(pid: int) -> bool:
    """Whether there is such a process, alive or not reaped."""
    return Path(f"/proc/{pid}").exists()


async def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until it holds, so long at most; whether it does."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        await asyncio.sleep(POLL)
    return True


class Family:
    """All generations of the service under test; each becomes ours when the one before has ended.

    Args:
        log: where their output goes.
    """

    def __init__(self, log: IO[bytes]) -> None:
        self._log = log
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            # What whoever started us has set to be ignored (nohup does) would stay so in the
            # service, which is restarted by it; what has a handler does not.
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, lambda number, frame: None)
        self._others = children(os.getpid())
        self.statuses: dict[int, int] = {}
        if ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "this process cannot adopt the generations")

    def start(
        self,
        command: Sequence[str],
        environ: dict[str, str],
        folder: Path,
        output: int | None = None,
    ) -> int:
        """Start one, in a session of its own so that it has no terminal; its pid."""
        process = subprocess.Popen(
            command,
            env=environ,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log if output is None else output,
            stderr=self._log,
            start_new_session=True,
        )
        process.returncode = 0  # it is reaped here, with those that it starts
        return process.pid

    def ignore(self, pid: int) -> None:
        """A child of ours that is no generation."""
        self._others.add(pid)

    def reap(self) -> None:
        """Take the status of each generation that has ended."""
        for pid in children(os.getpid()) - self._others:
            with suppress(ChildProcessError):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    self.statuses[pid] = os.waitstatus_to_exitcode(status)

    def alive(self) -> set[int]:
        """The generations that are ours and run."""
        self.reap()
        return children(os.getpid()) - self._others

    def end(self) -> None:
        """Kill whatever is left of it."""
        for _ in range(100):
            left = self.alive()
            if not left:
                return
            for pid in left:
                for each in [*children(pid), pid]:
                    with suppress(ProcessLookupError):
                        os.kill(each, signal.SIGKILL)
            time.sleep(0.05)
