"""The command line as a user runs it: real processes, in a folder of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import IO, Any

SOURCE = Path(__file__).parents[2] / "src"

# As the installed script: its folder, and not the working directory, is on sys.path (-P).
MAINSTAY = (sys.executable, "-P", "-c", "from mainstay.cli.main import main; main()")

PATIENCE = 60.0
"""Seconds for anything at all, on a machine that is busy."""

BRIEF = (
    "mainstay.process.probation=0.2",
    "mainstay.process.commit_timeout=60",
    "mainstay.process.heartbeat=10",
)
"""Settings of a restart that does not take long, and is not given up when a machine is busy."""

QUICK = tuple(part for each in BRIEF for part in ("--set", each))
"""The same as options."""

GOOD = """
    from mainstay import Service
    service = Service("good")
"""


def environment(**more: str) -> dict[str, str]:
    """What a process is given: nothing of the machine's own, and warnings are errors."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONPATH": str(SOURCE),
        "PYTHONWARNINGS": "error",
        "COLUMNS": "100",
        **more,
    }


def write(folder: Path, **modules: str) -> None:
    """Write each text as a module; a name may have folders before it."""
    for name, text in modules.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        # At once: who watches the folder must not find half of it.
        beside = path.with_suffix(".new")
        beside.write_text(dedent(text), encoding="utf-8")
        beside.replace(path)


@contextmanager
def held_port() -> Iterator[int]:
    """A port of this machine that nobody is given meanwhile but who names it.

    It is bound and not listened on: as both reuse addresses, a server may bind it all the same.
    """
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        yield int(sock.getsockname()[1])


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


def mainstay(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    program: tuple[str, ...] = MAINSTAY,
) -> Done:
    """Run the command to its end."""
    done = subprocess.run(
        [*program, *arguments],
        cwd=cwd,
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Process:
    """A command that runs; what it writes is read line by line, stdout and stderr as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._seen = 0
        self._news = threading.Condition()
        streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
        self._readers = [threading.Thread(target=self._read, args=[each]) for each in streams]
        for reader in self._readers:
            reader.start()

    @property
    def text(self) -> str:
        """All that was written so far."""
        return "".join(self.lines)

    def wait_line(self, part: str) -> str:
        """The next line with `part` in it, after the one that was waited for last."""
        deadline = time.monotonic() + PATIENCE
        with self._news:
            while True:
                for number, line in enumerate(self.lines[self._seen :], self._seen):
                    if part in line:
                        self._seen = number + 1
                        return line
                if not self._news.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"no {part!r} in:\n{self.text}")

    def end(self, number: int | None = None) -> int:
        """Send a signal, if any, and wait for the exit code."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self.lines.append(line)
                    self._news.notify_all()


@contextmanager
def running(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    program: tuple[str, ...] = MAINSTAY,
    **more: Any,
) -> Iterator[Process]:
    """The command, running; killed at the end if it still does."""
    options: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        **more,
    }
    command = [*program, *arguments]
    with subprocess.Popen(
        command, cwd=cwd, env=environment(**(env or {})), text=True, **options
    ) as process:
        own = Process(process)
        try:
            yield own
        finally:
            if process.poll() is None:
                process.kill()
                own.end()
