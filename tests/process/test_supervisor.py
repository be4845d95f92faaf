"""Facts about `mainstay.process.supervisor`, with real workers, in the loop of the test."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from pathlib import Path

import pytest

from mainstay.errors import ResourceError, UsageError
from mainstay.interfaces.controlled import Controlled, Outcome
from mainstay.process.host_notifier import HostNotifier
from tests.process.crew import (
    PATIENCE,
    alive,
    begun,
    children,
    crew,
    get,
    read_answer,
    until,
    write_service,
)

pytestmark = pytest.mark.real_loop


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
        async with crew(tmp_path, 1, hang_timeout=0.6) as running:
            await running.wait_ready()
            (pid,) = running.pids()
            stuck = await running.send("/block")
            if how == "stopped":
                os.kill(pid, signal.SIGSTOP)
            await running.until(lambda: bool(running.pids()) and running.pids() != [pid])
            assert not alive(pid)
            stuck[1].close()
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
            await running.until(lambda: running.supervisor.status().serving == 1)
            status = running.supervisor.status()
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


class TestRestart:
    async def test_a_new_generation_takes_over_and_nobody_notices(self, tmp_path: Path) -> None:
        """New code, new configuration; calls of the old generation are finished."""
        async with crew(tmp_path) as running:
            await running.wait_ready()
            old = running.pids()
            answers: list[str] = []
            stop = asyncio.Event()
            load = asyncio.ensure_future(running.keep_asking(answers, stop))
            slow = asyncio.ensure_future(running.get("/slow?seconds=2"))
            await running.until(lambda: begun(tmp_path) == 1)
            (tmp_path / "version").write_text("2")
            steps: list[str] = []
            outcome = await running.supervisor.restart("restart", steps.append)
            assert outcome.ok, outcome
            assert outcome.generation == 1
            assert any("prepared" in step for step in steps)
            assert (await running.get("/who")).endswith(" 2")
            assert (await slow).endswith(" 1")
            stop.set()
            await load
            assert {answer.split()[1] for answer in answers} == {"1", "2"}
            await running.until(lambda: len(running.supervisor.status().workers) == 2)
            assert not any(alive(pid) for pid in old)
            assert [each.generation for each in running.supervisor.status().workers] == [1, 1]
            assert running.supervisor.status().restarts == [outcome]

    async def test_code_that_fails_changes_nothing(self, tmp_path: Path) -> None:
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

    async def test_a_generation_that_dies_young_is_rolled_back(self, tmp_path: Path) -> None:
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

    async def test_two_at_once_are_one(self, tmp_path: Path) -> None:
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

    async def test_a_reload_replaces_one_after_the_other(self, tmp_path: Path) -> None:
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

    async def test_an_address_that_is_not_asked_for_any_more_is_let_go(
        self, tmp_path: Path
    ) -> None:
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

    async def test_what_is_wished_during_a_restart_follows_it(self, tmp_path: Path) -> None:
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

    async def test_drained_in_the_probation_the_new_ones_accept_nothing(
        self, tmp_path: Path
    ) -> None:
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

    async def test_stopping_takes_back_a_restart(self, tmp_path: Path) -> None:
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

    async def test_stopping_in_the_probation_lets_the_new_ones_finish(self, tmp_path: Path) -> None:
        """They have all the calls, and as long for them as in any other shutdown."""
        async with crew(tmp_path, 1, probation=60.0, kill_grace=0.1) as running:
            await running.wait_ready()
            restart = asyncio.ensure_future(running.supervisor.restart("restart", nothing))
            await running.until(lambda: bool(running.pids("paused")))
            (new,) = running.pids()
            slow = asyncio.ensure_future(running.get("/slow?seconds=1.5"))
            await running.until(lambda: begun(tmp_path) == 1)
            running.supervisor.stop("enough", False)
            assert not (await restart).ok
            assert await slow == f"{new} 1"
            assert await running.ended == 0

    async def test_a_roll_back_lets_those_that_are_well_finish(self, tmp_path: Path) -> None:
        """Only the calls in the worker that died are lost; the outcome waits for none of them."""
        async with crew(tmp_path, 2, probation=60.0, kill_grace=0.1) as running:
            await running.wait_ready()
            old = running.pids()
            restart = asyncio.ensure_future(running.supervisor.restart("restart", nothing))
            await running.until(lambda: len(running.pids("paused")) == 2)
            slow = asyncio.ensure_future(running.get("/slow?seconds=1.5"))
            await running.until(
                lambda: any(each.in_flight for each in running.supervisor.status().workers)
            )
            workers = running.supervisor.status().workers
            (busy,) = (each.pid for each in workers if each.in_flight)
            (idle,) = set(running.pids()) - {busy}
            os.kill(idle, signal.SIGKILL)
            outcome = await restart
            assert "SIGKILL" in outcome.reason
            assert await slow == f"{busy} 1"
            assert int((await running.get("/who")).split()[0]) in old
            await running.until(lambda: not alive(busy))
            assert sorted(running.pids()) == sorted(old)

    async def test_twenty_restarts_leave_nothing_behind(self, tmp_path: Path) -> None:
        """No descriptor, no process, no zombie."""
        async with crew(tmp_path, 1, probation=0.0) as running:
            await running.wait_ready()

            def descriptors() -> int:
                return len(list(Path("/proc/self/fd").iterdir()))

            before = descriptors()
            for number in range(1, 21):
                if number % 4 == 0:
                    (tmp_path / "fail at import").write_text("broken")
                outcome = await running.supervisor.restart("restart", nothing)
                assert outcome.ok is (number % 4 != 0), outcome
                (tmp_path / "fail at import").unlink(missing_ok=True)
            await running.until(lambda: len(running.supervisor.status().workers) == 1)
            assert descriptors() == before
            assert children(os.getpid()) == running.pids()


class Forgetful(HostNotifier):
    """A notifier that cannot tell anybody, as there are no descriptors left."""

    def __init__(self) -> None:
        super().__init__({})

    async def succeeded_by(self, pid: int, status: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


class TestReplacing:
    async def test_after_the_verdict_there_is_one_supervisor_whatever_fails(
        self, tmp_path: Path
    ) -> None:
        """The new one has proved itself, so the old one leaves, and takes its workers along."""
        async with crew(tmp_path, 1, Forgetful()) as running:
            await running.wait_ready()
            address = running.supervisor.status().listeners[0]
            old = running.pids()
            outcome = await running.supervisor.restart("replace", nothing)
            try:
                assert outcome.ok, outcome
                async with asyncio.timeout(PATIENCE):
                    assert await running.ended == 0
                assert not any(alive(pid) for pid in old)
                answer = await get(address, "/who")
                assert int(answer.split()[0]) in children(outcome.pid)
            finally:
                os.kill(outcome.pid, signal.SIGTERM)
                await until(lambda: os.waitpid(outcome.pid, os.WNOHANG)[0] == outcome.pid)
