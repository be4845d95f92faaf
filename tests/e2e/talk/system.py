"""The chat as it is operated: logic and gateway, each a supervisor with two workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.process.ports import free_port
from tests.process.waiting import wait_until

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0
"""Seconds for what takes a moment, on a machine that is busy."""


@dataclass
class Part:
    """One of the two services, by its control socket: processes come and go.

    Attributes:
        target: what is run.
        port: on the loopback address.
        folder: for its control socket and its log.
        environ: its configuration.
    """

    target: str
    port: int
    folder: Path
    environ: dict[str, str]

    @property
    def name(self) -> str:
        return self.target.split(".")[2]

    @property
    def control(self) -> list[str]:
        return ["--control", str(self.folder / f"{self.name}.sock")]

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        command = [*self._mainstay("run"), self.target, "-l", str(self.port), "--workers", "2"]
        chosen = ["log.format=text", "process.probation=2"]
        # So that no restart is given up when the machine is busy.
        chosen += ["process.commit_timeout=60", "process.heartbeat=10"]
        settings = [part for each in chosen for part in ("--set", f"mainstay.{each}")]
        with Path(self.folder, f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *settings, *self.control],
                cwd=ROOT,
                env={**os.environ, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self) -> None:
        try:
            wait_until(self._is_ready)
        except TimeoutError:
            log = Path(self.folder, f"{self.name}.log").read_text()
            raise AssertionError(f"{self.name} is not ready:\n{log[-4000:]}") from None

    def _is_ready(self) -> bool:
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=PATIENCE),
        ):
            return True
        return False

    def status(self) -> dict[str, Any]:
        done = subprocess.run(
            [*self._mainstay("status"), "--json", *self.control],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def supervisor(self) -> int:
        pid: int = self.status()["pid"]
        return pid

    def workers(self) -> list[int]:
        return _children(self.supervisor())

    def kill_worker(self, place: int) -> None:
        """SIGKILL for one of the two, once both serve."""
        wait_until(lambda: self.status()["serving"] == 2)
        os.kill(sorted(self.workers())[place], signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL for the supervisor and all its workers, at once."""
        supervisor = self.supervisor()
        family = [supervisor, *_children(supervisor)]
        # First they stop, so that nobody lives to see the other ones die.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in family:
                os.kill(pid, number)
        self._process.wait(PATIENCE)

    def restart(self, *options: str) -> subprocess.Popen[str]:
        """Ask for a restart; the command ends when it went well, with 0."""
        return subprocess.Popen(
            [*self._mainstay("restart"), *options, *self.control],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def stop(self) -> None:
        """End it, whichever generation serves."""
        with suppress(subprocess.SubprocessError, OSError):
            stop = [*self._mainstay("stop"), *self.control]
            subprocess.run(stop, cwd=ROOT, check=False, capture_output=True, timeout=PATIENCE)
        if self._process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _mainstay(self, command: str) -> list[str]:
        return [sys.executable, "-m", "mainstay", command]


class System:
    """Both, on one database.

    Attributes:
        logic, gateway: the parts.
        database: the file.
        address: for browsers.
    """

    def __init__(self, folder: Path) -> None:
        self.database = folder / "chat.db"
        self.logic = Part(
            "examples.im.logic.service:service",
            free_port(),
            folder,
            {"IM_LOGIC__DATABASE__URL": f"sqlite:///{self.database}"},
        )
        self.gateway = Part(
            "examples.im.gateway.service:service",
            free_port(),
            folder,
            {"IM_GATEWAY__LOGIC": f"tcp://127.0.0.1:{self.logic.port}"},
        )
        self.address = f"http://127.0.0.1:{self.gateway.port}"

    def start(self) -> None:
        self.logic.start()
        self.gateway.start()

    def stop(self) -> None:
        self.gateway.stop()
        self.logic.stop()


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        found.extend(map(int, children.read_text().split()))
    return found
