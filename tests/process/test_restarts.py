"""Facts about `mainstay.process.restarts`, with real workers, in the loop of the test."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from pathlib import Path

import pytest

from mainstay.interfaces.controlled import Outcome
from tests.process.crew import children, crew

pytestmark = pytest.mark.real_loop(timeout=240)


def nothing(text: str) -> None:
    """Let nobody hear of the progress."""


async def test_two_at_once_are_one(tmp_path: Path) -> None:
    """The second is refused, and says why; it is not among the restarts that there were."""
    async with crew(tmp_path, 1) as running:
        await running.wait_ready()
        first = asyncio.ensure_future(running.supervisor.restart("restart", nothing))
        await asyncio.sleep(0)
        second: Outcome = await running.supervisor.restart("reload", nothing)
        assert not second.ok
        assert "under way" in second.reason
        assert running.supervisor.status().restarts == []
        assert (await first).ok


async def test_what_is_wished_during_a_restart_follows_it(tmp_path: Path) -> None:
    """As what it was: to replace the supervisor is more than to restart the workers."""
    async with crew(tmp_path, 1, probation=60.0) as running:
        await running.wait_ready()
        restart = asyncio.ensure_future(running.supervisor.restart("restart", nothing))
        await running.until(lambda: bool(running.pids("paused")))
        running.supervisor.wish_restart("replace", "SIGUSR2")
        running.supervisor.wish_restart("restart", "SIGHUP")
        (new,) = running.pids()
        os.kill(new, signal.SIGKILL)
        assert not (await restart).ok
        await running.until(lambda: running.supervisor.status().state == "restarting")
        running.supervisor.stop("enough", False)
        assert await running.ended == 0
        kinds = [each.kind for each in running.supervisor.status().restarts]
        assert kinds == ["restart", "replace"]


async def test_what_is_wished_in_one_moment_is_done_in_turn(tmp_path: Path) -> None:
    """Two signals may arrive together: the second is not lost."""
    async with crew(tmp_path, 1) as running:
        await running.wait_ready()
        running.supervisor.wish_restart("restart", "SIGHUP")
        running.supervisor.wish_restart("reload", "another")
        await running.until(lambda: len(running.supervisor.status().restarts) == 2)
        outcomes = running.supervisor.status().restarts
        assert [(each.kind, each.ok) for each in outcomes] == [("restart", True), ("reload", True)]


async def test_twenty_restarts_leave_nothing_behind(tmp_path: Path) -> None:
    """No descriptor, no process, no zombie."""
    async with crew(tmp_path, 1, probation=0.0) as running:
        await running.wait_ready()

        def descriptors() -> int:
            return len(list(Path("/proc/self/fd").iterdir()))

        gc.collect()  # what others have left is not closed meanwhile, and hides nothing
        others = set(children(os.getpid())) - set(running.pids())
        before = descriptors()
        for number in range(1, 21):
            if number % 4 == 0:
                (tmp_path / "fail at import").write_text("broken")
            outcome = await running.supervisor.restart("restart", nothing)
            assert outcome.ok is (number % 4 != 0), outcome
            (tmp_path / "fail at import").unlink(missing_ok=True)
        await running.until(lambda: len(running.supervisor.status().workers) == 1)
        await running.until(lambda: descriptors() <= before)
        assert set(children(os.getpid())) - others == set(running.pids())
