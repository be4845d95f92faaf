"""Facts about `mainstay.process.generations`, with real workers, in the loop of the test."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.process.crew import alive, begun, crew, write_service

pytestmark = pytest.mark.real_loop(timeout=240)


def nothing(text: str) -> None:
    """Let nobody hear of the progress."""


async def test_a_new_generation_takes_over_and_nobody_notices(tmp_path: Path) -> None:
    """New code, new configuration; calls of the old generation are finished."""
    async with crew(tmp_path) as running:
        await running.wait_ready()
        old = running.pids()
        answers: list[str] = []
        stop = asyncio.Event()
        load = asyncio.ensure_future(running.keep_asking(answers, stop))
        held = asyncio.ensure_future(running.get("/held"))
        await running.until(lambda: begun(tmp_path) == 1)
        (tmp_path / "version").write_text("2")
        steps: list[str] = []
        outcome = await running.supervisor.restart("restart", steps.append)
        assert outcome.ok, outcome
        assert outcome.generation == 1
        assert any("prepared" in step for step in steps)
        await running.until(lambda: answers[-1].endswith(" 2"))
        (tmp_path / "release").touch()
        assert (await held).endswith(" 1")
        stop.set()
        await load
        assert {answer.split()[1] for answer in answers} == {"1", "2"}
        await running.until(lambda: len(running.supervisor.status().workers) == 2)
        assert (await running.get("/who")).endswith(" 2")
        assert not any(alive(pid) for pid in old)
        assert [each.generation for each in running.supervisor.status().workers] == [1, 1]
        assert running.supervisor.status().restarts == [outcome]


async def test_code_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The old generation serves on, and the outcome says why."""
    async with crew(tmp_path) as running:
        await running.wait_ready()
        old = running.pids()
        for number, knob in enumerate(["fail at import", "fail at start"], 1):
            (tmp_path / knob).write_text(f"broken {number}")
            outcome = await running.supervisor.restart("restart", nothing)
            (tmp_path / knob).unlink()
            assert not outcome.ok
            assert f"broken {number}" in outcome.reason
            assert outcome.generation == 0
        (tmp_path / "tiny.toml").write_text("[mainstay.process]\nprobation = -1\n")
        outcome = await running.supervisor.restart("restart", nothing)
        assert "probation" in outcome.reason
        assert running.pids() == old
        assert (await running.get("/who")).endswith(" 1")


async def test_a_generation_that_dies_young_is_rolled_back(tmp_path: Path) -> None:
    """The old one stands by for the probation, and accepts again."""
    async with crew(tmp_path, 1, probation=60.0) as running:
        await running.wait_ready()
        old = running.pids()
        restart = asyncio.ensure_future(running.supervisor.restart("restart", nothing))
        await running.until(lambda: bool(running.pids("paused")))
        assert running.supervisor.status().state == "restarting"
        (new,) = set(running.pids()) - set(old)
        os.kill(new, signal.SIGKILL)
        outcome = await restart
        assert not outcome.ok
        assert "rolled back" in outcome.reason
        assert "SIGKILL" in outcome.reason
        assert (await running.get("/who")).split()[0] == str(old[0])


async def test_a_reload_replaces_one_after_the_other(tmp_path: Path) -> None:
    """At least as many as there should be serve, at every moment; it ends at a failure."""
    async with crew(tmp_path) as running:
        await running.wait_ready()
        old = running.pids()
        answers: list[str] = []
        fewest: list[int] = []
        stop = asyncio.Event()
        load = asyncio.ensure_future(running.keep_asking(answers, stop))
        (tmp_path / "version").write_text("2")
        steps: list[str] = []

        def step(text: str) -> None:
            steps.append(text)
            fewest.append(len(running.pids()))

        outcome = await running.supervisor.restart("reload", step)
        stop.set()
        await load
        assert outcome.ok, outcome
        assert min(fewest) >= 2
        assert steps == ["worker 0 is replaced, 1 of 2", "worker 1 is replaced, 2 of 2"]
        assert not set(running.pids()) & set(old)
        (tmp_path / "fail at start").write_text("broken")
        new = running.pids()
        outcome = await running.supervisor.restart("reload", nothing)
        assert not outcome.ok
        assert "broken" in outcome.reason
        assert running.pids() == new


async def test_an_address_that_is_not_asked_for_any_more_is_let_go(tmp_path: Path) -> None:
    """Once the generation that wanted it cannot come back; its path is removed."""
    path = tmp_path / "old.sock"
    async with crew(tmp_path, 1, listen=f"unix:{path}") as running:
        await running.wait_ready()
        assert (await running.get("/who")).endswith(" 1")
        other = tmp_path / "new.sock"
        write_service(tmp_path, f"unix:{other}")
        assert (await running.supervisor.restart("restart", nothing)).ok
        assert not path.exists()
        assert running.supervisor.status().listeners == [f"unix:{other}"]
        assert (await running.get("/who")).endswith(" 1")
    assert not other.exists()


async def test_drained_in_the_probation_the_new_ones_accept_nothing(tmp_path: Path) -> None:
    """The old ones stand by, and do not accept when the new ones do again."""
    async with crew(tmp_path, 1, probation=60.0) as running:
        await running.wait_ready()
        (old,) = running.pids()
        restart = asyncio.ensure_future(running.supervisor.restart("restart", nothing))
        await running.until(lambda: bool(running.pids("paused")))
        (new,) = running.pids()
        running.supervisor.drain(True)
        await running.until(lambda: sorted(running.pids("paused")) == sorted((old, new)))
        running.supervisor.drain(False)
        await running.until(lambda: running.pids() == [new])
        assert await running.get("/who") == f"{new} 1"
        assert running.pids("paused") == [old]
        running.supervisor.stop("enough", False)
        assert not (await restart).ok


async def test_stopping_in_the_probation_lets_the_new_ones_finish(tmp_path: Path) -> None:
    """They have all the calls, and as long for them as in any other shutdown."""
    async with crew(tmp_path, 1, probation=60.0, kill_grace=0.1) as running:
        await running.wait_ready()
        restart = asyncio.ensure_future(running.supervisor.restart("restart", nothing))
        await running.until(lambda: bool(running.pids("paused")))
        (new,) = running.pids()
        held = asyncio.ensure_future(running.get("/held"))
        await running.until(lambda: begun(tmp_path) == 1)
        running.supervisor.stop("enough", False)
        assert not (await restart).ok
        # It has to outlast the grace of those that have nothing to finish.
        done, _ = await asyncio.wait([held], timeout=1.5)
        assert not done
        (tmp_path / "release").touch()
        assert await held == f"{new} 1"
        assert await running.ended == 0


async def test_a_roll_back_lets_those_that_are_well_finish(tmp_path: Path) -> None:
    """Only the calls in the worker that died are lost; the outcome waits for none of them."""
    async with crew(tmp_path, 2, probation=60.0, kill_grace=0.1) as running:
        await running.wait_ready()
        old = running.pids()
        restart = asyncio.ensure_future(running.supervisor.restart("restart", nothing))
        await running.until(lambda: len(running.pids("paused")) == 2)
        held = asyncio.ensure_future(running.get("/held"))
        await running.until(
            lambda: any(each.in_flight for each in running.supervisor.status().workers)
        )
        workers = running.supervisor.status().workers
        (busy,) = (each.pid for each in workers if each.in_flight)
        (idle,) = set(running.pids()) - {busy}
        os.kill(idle, signal.SIGKILL)
        outcome = await restart
        assert "SIGKILL" in outcome.reason
        done, _ = await asyncio.wait([held], timeout=1.5)  # more than the grace
        assert not done
        (tmp_path / "release").touch()
        assert await held == f"{busy} 1"
        await running.until(lambda: not alive(busy))  # until then it may accept
        assert int((await running.get("/who")).split()[0]) in old
        assert sorted(running.pids()) == sorted(old)
