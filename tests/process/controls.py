"""What the tests of the control socket share: something to be controlled, and a server of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mainstay.errors import UsageError
from mainstay.interfaces.controlled import (
    Outcome,
    Progress,
    RestartKind,
    Snapshot,
    WorkerSnapshot,
)
from mainstay.process.control import ControlServer


class Board:
    """Records what it is asked for; a restart goes on when the test says so.

    Attributes:
        asked: commands, in order.
        outcome: of the next restart.
        may_end: set when a restart may end.
        started: set when one has begun.
        broken: whether `status` fails.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.outcome = Outcome(1700000100.0, "restart", True, 0.5, "", 1, 4711)
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()
        self.broken = False

    def status(self) -> Snapshot:
        if self.broken:
            raise RuntimeError("no status today")
        return Snapshot(
            "single",
            "board",
            "1.2.3",
            "board:service",
            os.getpid(),
            0,
            1700000000.0,
            "running",
            ["tcp://127.0.0.1:8000"],
            [WorkerSnapshot(os.getpid(), 0, 0, "serving", 12.5, 1, 2, 3, 4096)],
            [],
        )

    def stop(self, reason: str, force: bool) -> None:
        self.asked.append(f"stop force={force}")
        self.stopped.set()

    async def restart(self, kind: RestartKind, progress: Progress) -> Outcome:
        self.asked.append(kind)
        progress("started 4711")
        self.started.set()
        await self.may_end.wait()
        progress("serving")
        self.asked.append(f"{kind} ended")
        return self.outcome

    async def scale(self, workers: int) -> int:
        raise UsageError("there are no workers to scale")

    def drain(self, draining: bool) -> None:
        self.asked.append(f"drain {draining}")

    def reopen_logs(self) -> None:
        self.asked.append("reopen_logs")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that is fit for a control socket, with a short path."""
    tmp_path.chmod(0o700)
    return tmp_path


@contextmanager
def served(path: Path, board: Board | None = None) -> Iterator[ControlServer]:
    """A control server that can be reached at `path`, on the running loop."""
    server = ControlServer(board or Board(), path)
    server.start()
    try:
        yield server
    finally:
        server.close()
