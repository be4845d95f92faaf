"""Facts about `mainstay.process.supervisor_signals`, with ``mainstay run --workers`` itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mainstay.process.supervisor import NOT_ALONE
from mainstay.process.supervisor_signals import TOGETHER, Escalation, Level
from tests.process.crew import (
    PATIENCE,
    Process,
    alive,
    begun,
    children,
    get,
    supervised,
    wait_until,
    write_service,
)

TWO = ("--workers", "2")


def ask(address: str, path: str = "/who") -> str:
    """The body of an answer, over a connection of its own."""
    return asyncio.run(get(address, path))


class TestEscalation:
    def test_one_wish_is_counted_once(self) -> None:
        """Ctrl-C reaches the whole group, and a parent may send a TERM as well."""
        escalation = Escalation()
        assert escalation.again(10.0) is Level.STOP
        assert escalation.again(10.0 + TOGETHER / 2) is Level.SAME

    def test_each_further_one_is_harder(self) -> None:
        """The second forces, the third kills, and so does every one after it."""
        escalation = Escalation()
        levels = [escalation.again(10.0 * number) for number in range(4)]
        assert levels == [Level.STOP, Level.FORCE, Level.KILL, Level.KILL]


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_the_workers_drain_first(self, tmp_path: Path, number: int) -> None:
        """What is under way is answered; the exit code is 0, and nobody is left."""
        with supervised(tmp_path, *TWO) as process:
            address = process.address()
            answers: list[str] = []
            asking = threading.Thread(target=lambda: answers.append(ask(address, "/held")))
            asking.start()
            wait_until(lambda: begun(tmp_path))
            below = process.workers()
            assert len(below) == 2
            process.process.send_signal(number)
            process.wait_for("stopping: ", 3)
            (tmp_path / "release").touch()
            assert process.wait_ended() == 0
            asking.join()
            assert len(answers) == 1
            assert not any(alive(pid) for pid in below)
            assert process.messages[-1] == "stopped, exit code 0"

    def test_the_second_signal_forces(self, tmp_path: Path) -> None:
        """What is under way is cancelled, and the exit code says that it was."""
        with supervised(tmp_path, *TWO) as process:
            address = process.address()

            def cut() -> None:
                with suppress(AssertionError, OSError):
                    ask(address, "/slow?seconds=60")

            asking = threading.Thread(target=cut)
            asking.start()
            wait_until(lambda: begun(tmp_path))
            process.process.send_signal(signal.SIGTERM)
            process.wait_for("stopping: SIGTERM", 3)
            threading.Event().wait(2 * TOGETHER)
            process.process.send_signal(signal.SIGTERM)
            assert process.wait_ended() == 124
            asking.join()

    def test_ctrl_c_reaches_everybody_and_is_one_wish(self, tmp_path: Path) -> None:
        """The whole process group hears it; nobody is started anew, nothing is forced."""
        with supervised(tmp_path, *TWO) as process:
            process.address()
            os.killpg(process.process.pid, signal.SIGINT)
            assert process.wait_ended() == 0
            assert not any("serves" in message for message in process.messages[-6:])

    def test_quit_tells_what_everything_is_doing(self, tmp_path: Path) -> None:
        """Each worker logs its stacks, and all of them end."""
        with supervised(tmp_path, *TWO) as process:
            process.address()
            process.process.send_signal(signal.SIGQUIT)
            process.wait_ended()
            assert sum("what everything is doing" in each for each in process.messages) == 2

    def test_a_killed_supervisor_takes_its_workers_along(self, tmp_path: Path) -> None:
        """Soon, with work under way (in a second where the machine has time); the port is free."""
        with supervised(tmp_path, *TWO) as process:
            address = process.address()

            def cut() -> None:
                with suppress(AssertionError, OSError):
                    ask(address, "/slow?seconds=60")

            asking = threading.Thread(target=cut)
            asking.start()
            wait_until(lambda: begun(tmp_path))
            below = process.workers()
            assert len(below) == 2
            process.process.kill()
            began = time.monotonic()
            wait_until(lambda: not any(alive(pid) for pid in below))
            # Not by a timeout of theirs, the shortest of which is the shutdown's 50 s.
            assert time.monotonic() - began < 45.0
            asking.join()
            host, _, port = address.removeprefix("tcp://").rpartition(":")
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((host, int(port)))
                sock.listen()


class TestWishes:
    def test_hang_up_restarts(self, tmp_path: Path) -> None:
        """All workers are new; the supervisor and its port are the same."""
        with supervised(tmp_path, *TWO) as process:
            address = process.address()
            old = set(process.workers())
            (tmp_path / "version").write_text("2")
            process.process.send_signal(signal.SIGHUP)
            process.wait_for("generation 1 serves")
            wait_until(lambda: ask(address).endswith(" 2"))  # until then both accept
            wait_until(lambda: len(process.workers()) == 2)
            assert not old & set(process.workers())

    def test_a_hang_up_during_a_restart_is_remembered(self, tmp_path: Path) -> None:
        """However many there are, one more restart follows."""
        with supervised(tmp_path, "--workers", "1") as process:
            process.address()
            (tmp_path / "hold at start").touch()
            process.process.send_signal(signal.SIGHUP)
            process.wait_for("of generation 1")
            for times in (1, 2):
                process.process.send_signal(signal.SIGHUP)
                process.wait_for("SIGHUP: a restart is under way; a restart follows", times)
            (tmp_path / "hold at start").unlink()
            process.wait_for("generation 2 serves")
            process.process.send_signal(signal.SIGTERM)
            assert process.wait_ended() == 0
            assert not any("generation 3" in message for message in process.messages)

    def test_workers_are_added_and_taken_away(self, tmp_path: Path) -> None:
        """TTIN and TTOU; the last one stays."""
        with supervised(tmp_path, "--workers", "1") as process:
            process.address()
            process.process.send_signal(signal.SIGTTIN)
            process.wait_for("2 workers, 1 before")
            assert len(process.workers()) == 2
            process.process.send_signal(signal.SIGTTOU)
            wait_until(lambda: len(process.workers()) == 1)
            process.process.send_signal(signal.SIGTTOU)
            process.wait_for("one is the least")

    def test_the_supervisor_is_replaced_as_well(self, tmp_path: Path) -> None:
        """USR2: another one serves at the same port, with as many workers as there are by now, and
        the one before ends well."""
        with supervised(tmp_path, "--workers", "1") as process:
            address = process.address()
            process.process.send_signal(signal.SIGTTIN)
            process.wait_for("2 workers, 1 before")
            old = process.workers()
            (tmp_path / "version").write_text("2")
            new = replaced(process, old)
            try:
                assert process.process.wait(PATIENCE) == 0
                wait_until(lambda: ask(address).endswith(" 2"))  # until then both accept
                assert not any(alive(pid) for pid in old)
                assert len(children(new)) == 2
                os.kill(new, signal.SIGTERM)
            finally:
                wait_until(lambda: not alive(new))
            assert process.wait_ended() == 0

    def test_a_supervisor_that_cannot_be_replaced_goes_on(self, tmp_path: Path) -> None:
        """The new one ends with its workers; the path of the Unix socket stays."""
        path = tmp_path / "tiny.sock"
        write_service(tmp_path, f"unix:{path}")
        with supervised(tmp_path, *TWO) as process:
            address = process.address()
            old = process.workers()
            (tmp_path / "fail at start").write_text("no such database")
            process.process.send_signal(signal.SIGUSR2)
            assert "no such database" in process.wait_for("the replace failed")
            assert sorted(process.workers()) == sorted(old)
            assert ask(address).endswith(" 1")
            process.process.send_signal(signal.SIGTERM)
            assert process.wait_ended() == 0
            assert not path.exists()

    def test_a_replaced_supervisor_keeps_the_path(self, tmp_path: Path) -> None:
        """It is the new one's to remove, when it ends."""
        path = tmp_path / "tiny.sock"
        write_service(tmp_path, f"unix:{path}")
        with supervised(tmp_path, "--workers", "1") as process:
            address = process.address()
            new = replaced(process, process.workers())
            try:
                assert process.process.wait(PATIENCE) == 0
                assert path.exists()
                assert ask(address).endswith(" 1")
                os.kill(new, signal.SIGTERM)
            finally:
                wait_until(lambda: not alive(new))
            assert not path.exists()


class TestProbation:
    @pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
    def test_the_log_is_opened_anew_by_those_that_are_coming(
        self, tmp_path: Path, number: signal.Signals
    ) -> None:
        """Or they would write to the file that was moved away for all their life."""
        log, moved = tmp_path / "tiny.log", tmp_path / "tiny.log.1"
        write_service(tmp_path, probation=60.0, heartbeat=10.0)
        with supervised(tmp_path, "--workers", "1", "--log-file", str(log)) as process:
            wait_until(lambda: log.exists() and "tiny runs on" in log.read_text())
            (old,) = process.workers()
            process.process.send_signal(number)
            wait_until(lambda: "by for 60 s" in log.read_text())
            (new,) = set(process.workers()) - {old}
            everybody = [process.process.pid, old, new, *children(new)]
            log.rename(moved)
            process.process.send_signal(signal.SIGUSR1)
            wait_until(lambda: {Path(f"/proc/{pid}/fd/2").readlink() for pid in everybody} == {log})
            process.process.send_signal(signal.SIGTERM)
            assert process.wait_ended() == 0

    def test_a_new_supervisor_that_dies_is_taken_back(self, tmp_path: Path) -> None:
        """The old workers accept again, and the new ones have ended with their supervisor."""
        with supervised(tmp_path, "--workers", "1", probation=60.0) as process:
            address = process.address()
            (tmp_path / "version").write_text("2")
            new = replaced(process, process.workers())
            below = children(new)
            assert len(below) == 1
            os.kill(new, signal.SIGKILL)
            assert "killed by SIGKILL" in process.wait_for("rolled back")
            wait_until(lambda: not any(alive(pid) for pid in below))  # until then they may accept
            assert ask(address).endswith(" 1")

    def test_a_new_supervisor_that_hangs_is_taken_back(self, tmp_path: Path) -> None:
        """Its workers answer, but nobody would see to them: its silence is noticed."""
        with supervised(tmp_path, "--workers", "1", probation=60.0, heartbeat=1.0) as process:
            address = process.address()
            (tmp_path / "version").write_text("2")
            new = replaced(process, process.workers())
            below = children(new)
            os.kill(new, signal.SIGSTOP)
            assert f"nothing was heard of process {new}" in process.wait_for("the replace failed")
            assert not alive(new)
            wait_until(lambda: not any(alive(pid) for pid in below))
            assert ask(address).endswith(" 1")

    def test_an_old_supervisor_that_dies_leaves_the_new_one_in_charge(self, tmp_path: Path) -> None:
        """With the same sockets: nobody is refused."""
        with supervised(tmp_path, "--workers", "1", probation=60.0) as process:
            address = process.address()
            (tmp_path / "version").write_text("2")
            old = process.workers()
            new = replaced(process, old)
            try:
                process.process.kill()
                process.wait_for("in charge alone")
                wait_until(lambda: not any(alive(pid) for pid in old))  # which may cut a call
                assert ask(address).endswith(" 2")
            finally:
                os.kill(new, signal.SIGTERM)
                wait_until(lambda: not alive(new))

    @pytest.mark.parametrize("asked", ["old", "new"])
    def test_there_are_never_three_generations(self, tmp_path: Path, asked: str) -> None:
        """A wish waits until the old one has left, which passes on its own."""
        with supervised(tmp_path, "--workers", "1") as process:
            address = process.address()
            old = process.workers()
            # A call under way keeps the old one.
            asking = threading.Thread(target=lambda: ask(address, "/held"))
            asking.start()
            wait_until(lambda: begun(tmp_path))
            (tmp_path / "hold at start").touch()
            process.process.send_signal(signal.SIGUSR2)
            process.wait_for("starting another supervisor")
            if asked == "old":
                process.process.send_signal(signal.SIGHUP)
                process.wait_for("SIGHUP: a restart is under way; a restart follows")
            (tmp_path / "hold at start").unlink()
            process.wait_for("standing by for")
            (new,) = set(process.workers()) - set(old)
            try:
                (first,) = children(new)
                if asked == "new":
                    os.kill(new, signal.SIGHUP)
                process.wait_for(f"SIGHUP: {NOT_ALONE}; a restart follows")
                assert children(new) == [first]
                (tmp_path / "release").touch()
                asking.join()
                assert process.process.wait(PATIENCE) == 0
                process.wait_for("generation 2 serves")
                wait_until(lambda: len(children(new)) == 1 and children(new) != [first])
            finally:
                os.kill(new, signal.SIGTERM)
                wait_until(lambda: not alive(new))

    def test_who_stops_the_new_one_means_the_service(self, tmp_path: Path) -> None:
        """Both end, and well."""
        with supervised(tmp_path, "--workers", "1", probation=60.0) as process:
            process.address()
            new = replaced(process, process.workers())
            os.kill(new, signal.SIGTERM)
            assert process.wait_ended() == 0
            wait_until(lambda: not alive(new))  # its streams are closed a moment before


def replaced(process: Process, old: list[int]) -> int:
    """Send USR2, and wait until another supervisor serves; its process."""
    process.process.send_signal(signal.SIGUSR2)
    process.wait_for("starting another supervisor")
    found = wait_until(lambda: set(process.workers()) - set(old))
    process.wait_for("standing by for")
    return int(found.pop())
