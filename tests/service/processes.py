"""Real processes for the tests: started, watched by the lines they say, signalled, ended."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]

PATIENCE = 60.0
"""Seconds that a busy machine may take for what takes a moment."""

ATTACH = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


class Victim:
    """``tests/service/victim.py`` as a process of its own.

    Args:
        stuck: where it is to get stuck; see there.
        flags: of its configuration.
        terminal: whether a terminal controls it.
        nohup: whether it is started with SIGHUP ignored.
        plain: whether it does without uvloop.
        together: whether two signals are one, however late the second comes.
    """

    def __init__(
        self,
        stuck: str,
        *flags: str,
        terminal: bool = False,
        nohup: bool = False,
        plain: bool = False,
        together: bool = False,
    ) -> None:
        program = [str(ROOT / "tests/service/victim.py"), stuck, *flags]
        if together:
            program.append("--together")
        if plain:
            program.append("--plain")
        command = [sys.executable, *program]
        self._terminal, other = os.openpty() if terminal else (-1, -1)
        if terminal:
            command = [sys.executable, "-c", ATTACH, *program]
        if nohup:
            command = ["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *command]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self.process = subprocess.Popen(
            command,
            stdin=other if terminal else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        if terminal:
            os.close(other)
        self.said: list[str] = []
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.decode().strip())
        self._lines.put("")

    def wait_for(self, line: str) -> None:
        """Wait until it has said `line`."""
        while line not in self.said:
            said = self._lines.get(timeout=PATIENCE)
            if not said:
                message = f"it ended, having said {self.said}:\n{self.log()}"
                raise AssertionError(message)
            self.said.append(said)

    def let_run(self, seconds: float) -> None:
        """Let it run for a while, or until it ends."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def send(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """Close the terminal, upon which the kernel sends the signal."""
        os.close(self._terminal)
        self._terminal = -1

    def end(self) -> None:
        """Wait for its end and for what it said last."""
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        while not self._lines.empty():
            self.said.append(self._lines.get())

    @property
    def code(self) -> int:
        """Its exit code."""
        return self.process.returncode

    def log(self) -> str:
        """What it wrote on stderr."""
        self._log.seek(0)
        return self._log.read().decode()

    def records(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.log().splitlines()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()
        if self._terminal >= 0:
            os.close(self._terminal)
