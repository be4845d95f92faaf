"""A service that runs below ``mainstay run``, for the tests of the commands about it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.world import GOOD, QUICK, Done, Process, mainstay, running, write
from tests.process.waiting import wait_until


@dataclass(frozen=True)
class Service:
    """A service that runs, and how to ask it for something."""

    process: Process
    folder: Path
    control: Path

    def ask(self, *arguments: str) -> Done:
        """Run a command about it, once there is who answers: from one generation to the next the
        socket is nobody's for a moment, which may be longer than a command waits."""
        wait_until(self._is_somebodys)
        return self.order(*arguments)

    def order(self, *arguments: str) -> Done:
        """Run a command about it, whoever is there."""
        return mainstay(*arguments, "--control", str(self.control), cwd=self.folder)

    def _is_somebodys(self) -> bool:
        """Whether the socket takes connections, or there is none."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.control))
            except ConnectionRefusedError:
                return False
            except OSError:
                return True
            return True

    def status(self) -> dict[str, Any]:
        """What it says of itself."""
        done = self.ask("status", "--json")
        assert done.code == 0, done.err
        found: dict[str, Any] = json.loads(done.out)
        return found

    def gone(self, pid: int) -> bool:
        """Whether a process has ended, or is about to be reaped."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text("ascii")
        except OSError:
            return True
        return text.rpartition(")")[2].split()[0] == "Z"


@contextmanager
def service(folder: Path, *options: str, module: str = GOOD) -> Iterator[Service]:
    """A service that serves; whatever generation is the last is stopped at the end."""
    write(folder, good=module)
    control = folder / "control"
    arguments = ("run", "good:service", "--control", str(control), *QUICK, *options)
    with running(*arguments, cwd=folder) as process:
        # A worker says the same, when its supervisor does not know of it yet.
        who = '.supervisor", "message": "good ' if "--workers" in options else ""
        process.wait_line(f"{who}runs on")
        own = Service(process, folder, control)
        try:
            yield own
        finally:
            own.order("stop", "--force", "--timeout", "5")
