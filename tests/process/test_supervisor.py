"""Facts about `mainstay.process.supervisor`, with real workers, in the loop of the test."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from mainstay.errors import ResourceError, UsageError
from mainstay.interfaces.controlled import Controlled
from tests.process.crew import PATIENCE, alive, begun, children, crew, read_answer, write_service

pytestmark = pytest.mark.real_loop(timeout=240)


def nothing(text: str) -> None:
    """Let nobody hear of the progress."""


class TestWorkers:
    async def test_workers_share_the_sockets_and_the_status_tells_all(self, tmp_path: Path) -> None:
        """Each has its place; port 0 is one port for all; the supervisor is no worker."""
        async with crew(tmp_path) as running:
            await running.wait_ready()
            controlled: Controlled = running.supervisor
            status = controlled.status()
            assert (status.role, status.name, status.state) == ("supervisor", "tiny", "running")
            assert [worker.index for worker in status.workers] == [0, 1]
            assert len(status.listeners) == 1
            assert not status.listeners[0].endswith(":0")
            assert os.getpid() not in running.pids()
            await running.until(lambda: all(w.memory for w in running.supervisor.status().workers))
            pid, _ = (await running.get("/who")).split()
            assert int(pid) in running.pids()
        assert await running.ended == 0
        assert not [pid for pid in children(os.getpid()) if not alive(pid)]

    async def test_a_killed_worker_loses_nothing_that_waits(self, tmp_path: Path) -> None:
        """The queue is one: connections made while nobody can accept are answered by the next."""
        async with crew(tmp_path, 1) as running:
            await running.wait_ready()
            (pid,) = running.pids()
            os.kill(pid, signal.SIGSTOP)
            waiting = [await running.send("/who") for _ in range(20)]
            os.kill(pid, signal.SIGKILL)
            answers = await asyncio.gather(*(read_answer(*each) for each in waiting))
            assert len({answer.split()[0] for answer in answers} - {str(pid)}) == 1
            assert len(answers) == 20

    @pytest.mark.parametrize("how", ["blocked", "stopped"])
    async def test_a_worker_that_hangs_is_replaced(self, tmp_path: Path, how: str) -> None:
        """A loop that is blocked sends no signs of life, and neither does a stopped process."""
        async with crew(tmp_path, 1, hang_timeout=2.0) as running:
            await running.wait_ready()
            write_service(tmp_path)  # the next one may be as slow as the machine
            (pid,) = running.pids()
            stuck = [await running.send("/block")] if how == "blocked" else []
            if how == "stopped":  # with no call, which the next one might have to accept
                os.kill(pid, signal.SIGSTOP)
            await running.until(lambda: bool(running.pids()) and running.pids() != [pid])
            assert not alive(pid)
            for _, writer in stuck:
                writer.close()
            assert (await running.get("/who")).split()[0] != str(pid)

    async def test_a_worker_is_replaced_after_its_share_of_calls(self, tmp_path: Path) -> None:
        """The new one serves before the old one leaves: nobody is refused."""
        async with crew(tmp_path, 1, requests=20, jitter=0.0) as running:
            await running.wait_ready()
            (first,) = running.pids()
            answers: list[str] = []
            stop = asyncio.Event()
            load = asyncio.ensure_future(running.keep_asking(answers, stop))
            await running.until(lambda: len({each.split()[0] for each in answers}) >= 3)
            stop.set()
            await load
            await running.until(lambda: not alive(first))
            assert answers.count(f"{first} 1") >= 20

    async def test_workers_come_and_go_as_asked(self, tmp_path: Path) -> None:
        """`scale` answers when they serve; those that go drain first; less than one is refused."""
        async with crew(tmp_path, 1) as running:
            await running.wait_ready()
            assert await running.supervisor.scale(3) == 1
            assert len(running.pids()) == 3
            slow = [asyncio.ensure_future(running.get("/slow?seconds=0.5")) for _ in range(12)]
            await running.until(lambda: begun(tmp_path) == 12)
            assert await running.supervisor.scale(1) == 3
            assert len(running.pids()) == 1
            assert len(await asyncio.gather(*slow)) == 12
            with pytest.raises(UsageError, match="one is the least"):
                await running.supervisor.scale(0)

    async def test_the_number_stays_when_the_others_do_not_start(self, tmp_path: Path) -> None:
        """And the error says why."""
        async with crew(tmp_path, 1) as running:
            await running.wait_ready()
            (tmp_path / "fail at start").write_text("no such database")
            with pytest.raises(ResourceError, match=r"stays 1: .*no such database"):
                await running.supervisor.scale(2)
            assert len(running.pids()) == 1
            assert (await running.get("/who")).endswith(" 1")

    async def test_no_more_workers_than_may_be(self, tmp_path: Path) -> None:
        """A nought too many starts nothing; fewer than there are is always allowed."""
        async with crew(tmp_path, 2, workers_most=1) as running:
            await running.wait_ready()
            before = running.pids()
            with pytest.raises(UsageError, match=r"1000 workers are more than .* allows \(1\)"):
                await running.supervisor.scale(1000)
            assert running.pids() == before
            assert running.supervisor.status().wanted == 2
            assert await running.supervisor.scale(1) == 2

    async def test_a_worker_that_is_missing_is_told(self, tmp_path: Path) -> None:
        """From its death on, with the reason, until another one serves."""
        async with crew(tmp_path, 2) as running:
            await running.wait_ready()
            status = running.supervisor.status()
            assert (status.serving, status.wanted, status.trouble) == (2, 2, "")
            (tmp_path / "fail at start").write_text("not yet")
            os.kill(running.pids()[0], signal.SIGKILL)
            await running.until(lambda: bool(running.supervisor.status().trouble))
            status = running.supervisor.status()
            assert status.serving == 1
            assert status.trouble.startswith("1 of 2 workers serve; ")
            (tmp_path / "fail at start").unlink()
            await running.supervisor.restart("reload", nothing)
            await running.until(lambda: running.supervisor.status().serving == 2)
            assert running.supervisor.status().trouble == ""

    async def test_drained_they_serve_on_and_accept_nothing(self, tmp_path: Path) -> None:
        """What connects meanwhile is answered afterwards."""
        async with crew(tmp_path, 1) as running:
            await running.wait_ready()
            running.supervisor.drain(True)
            await running.until(lambda: bool(running.pids("paused")))
            assert running.supervisor.status().state == "draining"
            waiting = asyncio.ensure_future(running.get("/who"))
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
            running.supervisor.drain(False)
            assert (await waiting).endswith(" 1")


class TestCrashLoop:
    async def test_a_start_that_never_succeeds_ends_it_with_the_reason(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """After so many in a row, with the exit code of the service itself."""
        write_service(tmp_path)
        (tmp_path / "fail at start").write_text("no such database")
        async with crew(tmp_path, 1) as running, asyncio.timeout(PATIENCE):
            assert await running.ended == 3
        assert sum("did not start" in line for line in caplog.messages) == 2
        assert "no such database" in running.supervisor.failure

    async def test_what_no_repetition_mends_is_tried_once(self, tmp_path: Path) -> None:
        """A module that cannot be imported: exit code 4."""
        write_service(tmp_path, give_up_after=100)
        (tmp_path / "fail at import").write_text("no such module")
        async with crew(tmp_path, 1) as running, asyncio.timeout(PATIENCE):
            assert await running.ended == 4

    async def test_an_address_that_cannot_be_had_is_tried_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It ends with what is wrong with the address, and not with five times that."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            write_service(tmp_path, f"127.0.0.1:{port}", give_up_after=100)
            async with crew(tmp_path, 2) as running, asyncio.timeout(PATIENCE):
                assert await running.ended == 3
        assert running.supervisor.failure.startswith(f"cannot listen on tcp://127.0.0.1:{port}")
        assert not [line for line in caplog.messages if "starting another" in line]

    async def test_the_others_serve_on_when_one_does_not_start(self, tmp_path: Path) -> None:
        """The status says so, until it is mended and they are scaled, reloaded or restarted."""
        async with crew(tmp_path) as running:
            await running.wait_ready()
            (tmp_path / "fail at start").write_text("no such database")
            os.kill(running.pids()[0], signal.SIGKILL)
            await running.until(lambda: "no such data" in running.supervisor.status().trouble)
            status = running.supervisor.status()
            assert "no such database" in status.trouble
            assert (status.state, status.serving, status.wanted) == ("running", 1, 2)
            assert len(running.pids()) == 1
            assert (await running.get("/who")).endswith(" 1")
            (tmp_path / "fail at start").unlink()
            outcome = await running.supervisor.restart("reload", nothing)
            assert outcome.ok, outcome
            await running.until(lambda: len(running.pids()) == 2)
            assert running.supervisor.status().trouble == ""

    async def test_a_worker_that_dies_later_is_never_given_up(self, tmp_path: Path) -> None:
        """It had been ready, so it is started again at once, and again with a delay."""
        async with crew(tmp_path, 1) as running:
            await running.wait_ready()
            for _ in range(5):
                (pid,) = running.pids()
                (tmp_path / "die").touch()
                await running.until(
                    lambda pid=pid: bool(running.pids()) and running.pids() != [pid]  # type: ignore[misc]
                )
            assert running.supervisor.status().trouble == ""

    async def test_workers_that_die_together_are_followed_at_once(self, tmp_path: Path) -> None:
        """None of them waits for another one's delay, which would be an outage."""
        async with crew(tmp_path, 3, respawn_floor=600.0, respawn_most=600.0) as running:
            await running.wait_ready()
            old = running.pids()
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            await running.until(lambda: len(set(running.pids()) - set(old)) == 3)
            assert int((await running.get("/who")).split()[0]) in running.pids()

    async def test_one_that_waits_puts_no_other_one_off(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each place is filled when it is due."""
        async with crew(tmp_path, 3, respawn_floor=600.0, respawn_most=600.0) as running:
            await running.wait_ready()
            (tmp_path / "fail at start").write_text("no such database")
            first, second, third = running.pids()
            os.kill(first, signal.SIGKILL)
            await running.until(lambda: "starting another in 6e+02 s" in caplog.text)
            (tmp_path / "fail at start").unlink()
            os.kill(second, signal.SIGKILL)
            await running.until(lambda: len(set(running.pids()) - {first, second, third}) == 1)


async def test_stopping_takes_back_a_restart(tmp_path: Path) -> None:
    """Both generations end."""
    async with crew(tmp_path, 1, probation=60.0) as running:
        await running.wait_ready()
        restart = asyncio.ensure_future(running.supervisor.restart("restart", nothing))
        await running.until(lambda: bool(running.pids("paused")))
        everybody = [each.pid for each in running.supervisor.status().workers]
        assert len(everybody) == 2
        running.supervisor.stop("enough", False)
        outcome = await restart
        assert not outcome.ok
        assert await running.ended == 0
        assert not any(alive(pid) for pid in everybody)
