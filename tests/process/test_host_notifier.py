"""Facts about who is told what, and by which generation."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from pathlib import Path

import pytest

from mainstay.process.host_notifier import HostNotifier
from mainstay.process.lifeline import PARENT
from mainstay.process.pidfile import PidFile, read_pid
from tests.process.manager import FakeManager


class Waiting:
    """Whoever waits for the start."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def ready(self) -> None:
        self.told.append("ready")

    def failed(self, reason: str, code: int) -> None:
        self.told.append((reason, code))

    def warn(self, text: str) -> None:
        self.told.append(text)


async def test_a_service_from_its_start_to_its_end(tmp_path: Path) -> None:
    """READY, RELOADING, READY again and STOPPING, in order; the PID file and the launcher as well."""
    file = PidFile(tmp_path / "app.pid")
    file.claim()
    waiting = Waiting()
    with FakeManager(tmp_path) as heard:
        notifier = HostNotifier({"NOTIFY_SOCKET": heard.address}, pid_file=file, report=waiting)
        assert not file.path.exists()
        notifier.ready("up")
        assert heard.next() == {"READY": "1", "STATUS": "up"}
        assert waiting.told == ["ready"]
        assert read_pid(file.path) == os.getpid()
        notifier.reloading("restarts")
        assert heard.next()["RELOADING"] == "1"
        file.path.write_text("1\n")  # the next generation has come, and gone
        notifier.reloaded("rolled back: no")
        assert heard.next() == {"READY": "1", "STATUS": "rolled back: no"}
        assert read_pid(file.path) == os.getpid()
        notifier.status("busy")
        assert heard.next() == {"STATUS": "busy"}
        notifier.stopping("stops", 27)
        assert heard.next() == {
            "STOPPING": "1",
            "STATUS": "stops",
            "EXTEND_TIMEOUT_USEC": "27000000",
        }
        notifier.ended()
        assert heard.is_silent()
    assert not file.path.exists()


@pytest.mark.real_loop
async def test_who_hands_over_is_silent_afterwards(tmp_path: Path) -> None:
    """It names the next in one datagram, waits for the barrier, and says nothing more: no STOPPING,
    and the PID file is not its own any more."""
    file = PidFile(tmp_path / "app.pid")
    file.claim()
    with FakeManager(tmp_path) as heard:
        notifier = HostNotifier({"NOTIFY_SOCKET": heard.address}, pid_file=file)
        notifier.ready("up")
        heard.next()
        task = asyncio.ensure_future(notifier.succeeded_by(77, "took over"))
        await asyncio.sleep(0)
        assert heard.next() == {"WATCHDOG": "1"}
        assert heard.next() == {"MAINPID": "77", "READY": "1", "STATUS": "took over"}
        said, descriptors = heard.receive()
        assert said == {"BARRIER": "1"}
        assert not task.done()
        os.close(*descriptors)
        await asyncio.wait_for(task, 45)
        notifier.stopping("stops", 27)
        notifier.status("drains")
        notifier.ended()
        assert heard.is_silent()
    assert file.path.exists()


async def test_a_successor_is_quiet_until_it_is_alone(tmp_path: Path) -> None:
    """But the PID file is its own as soon as it serves."""
    with FakeManager(tmp_path) as heard:
        old = PidFile(tmp_path / "app.pid")
        old.claim()
        environ = {"NOTIFY_SOCKET": heard.address, PARENT: "9:nonce"}
        notifier = HostNotifier(environ, pid_file=PidFile(old.path))
        notifier.ready("up", "successor")
        assert read_pid(old.path) == os.getpid()
        notifier.status("quiet")
        notifier.stopping("quiet", 1)
        assert heard.is_silent()
        notifier.freed("alone")
        assert heard.next() == {"MAINPID": str(os.getpid()), "READY": "1", "STATUS": "alone"}
        assert heard.next() == {"WATCHDOG": "1"}
        old.leave()
        notifier.ended()
    assert not old.path.exists()


async def test_a_successor_that_fails_leaves_the_file_to_the_one_before(tmp_path: Path) -> None:
    """It is written anew by the generation that goes on, and is never missing."""
    old = PidFile(tmp_path / "app.pid")
    old.claim()
    notifier = HostNotifier({PARENT: "9:nonce"}, pid_file=PidFile(old.path))
    notifier.ready("up", "successor")
    notifier.ended(failed=True)
    assert old.path.exists()
    old.remove()


async def test_a_worker_tells_nobody_anything(tmp_path: Path) -> None:
    """Its supervisor does."""
    with FakeManager(tmp_path) as heard:
        environ = {"NOTIFY_SOCKET": heard.address, "WATCHDOG_USEC": "10", PARENT: "9:nonce"}
        notifier = HostNotifier(environ, pid_file=PidFile(tmp_path / "app.pid"))
        notifier.ready("up", "worker")
        notifier.failed("no", 3)
        notifier.ended()
        assert heard.is_silent()
    assert not (tmp_path / "app.pid").exists()


async def test_the_watchdog_is_fed_twice_as_often_as_it_wants(tmp_path: Path) -> None:
    """From ready to the end, by the loop that it watches."""
    with FakeManager(tmp_path) as heard:
        environ = {"NOTIFY_SOCKET": heard.address, "WATCHDOG_USEC": "10000000"}
        notifier = HostNotifier(environ)
        notifier.ready("up")
        heard.next()
        for _ in range(3):
            assert heard.next() == {"WATCHDOG": "1"}
            assert heard.is_silent()
            await asyncio.sleep(5.0)
        assert heard.next() == {"WATCHDOG": "1"}
        notifier.ended()
        await asyncio.sleep(50.0)
        assert heard.is_silent()


async def test_a_start_that_fails_is_told(tmp_path: Path) -> None:
    """To whoever waits, with the code; to people as the status."""
    waiting = Waiting()
    with FakeManager(tmp_path) as heard:
        notifier = HostNotifier({"NOTIFY_SOCKET": heard.address}, report=waiting)
        notifier.warn("it is late")
        notifier.failed("the port is in use", 3)
        assert waiting.told == ["it is late", ("the port is in use", 3)]
        assert heard.next() == {"STATUS": "not started: the port is in use"}


async def test_listeners_are_given_to_keep_where_the_unit_says_so(tmp_path: Path) -> None:
    """FDSTORE is set by systemd for units with a store; what was kept before is forgotten."""
    with FakeManager(tmp_path) as heard, socket.create_server(("127.0.0.1", 0)) as sock:
        listeners = [("tcp://127.0.0.1:0", sock.fileno())]
        without = HostNotifier({"NOTIFY_SOCKET": heard.address})
        without.keep(listeners)
        assert not without.keeps_descriptors
        assert heard.is_silent()
        notifier = HostNotifier({"NOTIFY_SOCKET": heard.address, "FDSTORE": "64"})
        assert notifier.keeps_descriptors
        notifier.keep(listeners)
        name = "mainstay-tcp---127-0-0-1-0"
        assert heard.next() == {"FDSTOREREMOVE": "1", "FDNAME": name}
        said, descriptors = heard.receive()
        assert (said["FDSTORE"], said["FDNAME"]) == ("1", name)
        assert len(descriptors) == 1
        os.close(descriptors[0])


async def test_a_pid_file_that_cannot_be_written_ends_no_service(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is up, and says what is wrong."""
    folder = tmp_path / "run"
    folder.mkdir()
    file = PidFile(folder / "app.pid")
    file.claim()
    shutil.rmtree(folder)
    HostNotifier({}, pid_file=file).ready("up")
    assert "cannot be written" in caplog.text
    file.leave()


def test_without_a_host_nothing_happens(tmp_path: Path) -> None:
    """No manager, no file, no log: every call does nothing."""
    notifier = HostNotifier({})
    assert notifier.upstream is None
    notifier.failed("no", 1)
    notifier.reloading("r")
    notifier.reloaded("r")
    notifier.freed("f")
    notifier.reopen()
    notifier.stopping("s", 1)
    notifier.ended()
    assert list(tmp_path.iterdir()) == []
