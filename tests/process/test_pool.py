"""Facts about `mainstay.process.pool` that its supervisor does not show; see test_supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mainstay.process.launch import Launch
from mainstay.process.offspring import ChildFailed
from mainstay.process.pool import Pool
from mainstay.process.sockets import Sockets
from tests.process.crew import PATIENCE, PROGRAM, alive, environment, until, write_service

pytestmark = pytest.mark.real_loop(timeout=240)


def nothing(text: str) -> None:
    """Let nobody hear of the progress."""


def pool_of(
    folder: Path, *command: str, sockets: Sockets | None = None, generation: int = 0, size: int = 1
) -> Pool:
    """A pool, not started, of processes that this command starts."""
    return Pool(
        Launch(command, str(folder), environment()),
        sockets or Sockets(),
        generation=generation,
        started=1.0,
        size=size,
        gave_up=lambda reason, code: None,
        turn=asyncio.Lock(),
    )


@asynccontextmanager
async def pool(folder: Path, size: int) -> AsyncIterator[Pool]:
    """A pool, not started, that has no processes afterwards."""
    write_service(folder, child_timeout=30.0)
    sockets = Sockets()
    made = pool_of(folder, *PROGRAM, "run", "tiny", sockets=sockets, generation=4, size=size)
    try:
        yield made
    finally:
        made.stop("the test is over", handover=False)
        async with asyncio.timeout(PATIENCE):
            await made.wait_ended()
        sockets.close()
        assert made.processes == 0


async def test_prepared_they_serve_only_when_all_are_let(tmp_path: Path) -> None:
    """And the settings of the process are what they say."""
    steps: list[str] = []
    async with pool(tmp_path, 2) as made:
        await made.prepare(steps.append)
        assert len(steps) == 2
        assert [each.state for each in made.snapshot()] == ["prepared", "prepared"]
        assert made.serving == 0
        assert made.settings.child_timeout == 30.0
        assert made.settings.heartbeat == 0.1
        assert made.shutdown_timeout == 50.0
        assert made.name == "tiny"
        assert made.asked == {"tcp://127.0.0.1:0"}
        await made.commit()
        assert made.serving == 2
        assert {each.generation for each in made.snapshot()} == {4}


async def test_one_that_cannot_be_prepared_takes_the_others_along(tmp_path: Path) -> None:
    """The error is that of the one; nobody is left."""
    async with pool(tmp_path, 2) as made:
        (tmp_path / "fail at start").write_text("no such database")
        with pytest.raises(ChildFailed, match="no such database"):
            await made.prepare(nothing)
        assert made.processes == 0


async def test_a_program_that_cannot_be_started_is_a_failure(tmp_path: Path) -> None:
    """As after a deploy that has removed the interpreter."""
    made = pool_of(tmp_path, str(tmp_path / "nowhere"))
    with pytest.raises(ChildFailed, match="nowhere cannot be started"):
        await made.prepare(nothing)


async def test_a_death_that_nobody_sees_to_is_a_fault(tmp_path: Path) -> None:
    """The probation of a restart waits for it; nobody is started in its place."""
    async with pool(tmp_path, 1) as made:
        await made.prepare(nothing)
        await made.commit()
        (worker,) = made.snapshot()
        os.kill(worker.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            while not (fault := made.failing):
                await made.wait_fault(PATIENCE)
        assert f"worker 0 (process {worker.pid})" in fault
        assert "SIGKILL" in fault
        assert made.processes == 0


async def test_stopped_while_it_starts_nobody_is_left(tmp_path: Path) -> None:
    """Whoever is not ready is ended, and is not started again."""
    async with pool(tmp_path, 2) as made:
        made.supervise()
        await until(lambda: len(made.snapshot()) == 2)
        pids = [each.pid for each in made.snapshot()]
        made.stop("enough", handover=False)
        async with asyncio.timeout(PATIENCE):
            await made.wait_ended()
        assert not any(alive(pid) for pid in pids)
        assert made.serving == 0


async def test_stopped_while_one_is_replaced_nothing_has_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The new one is not let go on, and the old one does not: nobody tries again."""
    async with pool(tmp_path, 1) as made:
        write_service(tmp_path, memory=1)  # which it exceeds at once
        await made.prepare(nothing)
        (tmp_path / "hold at start").touch()
        await made.commit()
        made.supervise()
        await until(lambda: made.processes == 2)
        made.stop("enough", handover=False)
        async with asyncio.timeout(PATIENCE):
            await made.wait_ended()
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []


@pytest.mark.parametrize(("number", "level"), [("TERM", "WARNING"), ("KILL", "ERROR")])
async def test_one_that_is_asked_to_end_as_it_starts_has_not_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, number: str, level: str
) -> None:
    """A manager that ends a service signals all of its processes; another is started all the same."""
    made = pool_of(tmp_path, "/bin/sh", "-c", f"kill -{number} $$")
    made.supervise()
    await until(lambda: bool(caplog.records))
    made.stop("enough", handover=False)
    async with asyncio.timeout(PATIENCE):
        await made.wait_ended()
    first = caplog.records[0]
    assert first.levelname == level
    assert f"was killed by SIG{number}; starting another in" in first.getMessage()
