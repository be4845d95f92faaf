"""Facts about what the service manager is told."""

from __future__ import annotations

import logging
import os
import select
import time
from pathlib import Path

import pytest

from mainstay.process.notify import Manager, fd_name
from tests.process.manager import FakeManager


@pytest.mark.parametrize("abstract", [False, True])
def test_each_word_is_one_datagram(tmp_path: Path, abstract: bool) -> None:
    """What has to be known at one moment comes at one moment, by a path or an abstract name."""
    with FakeManager(tmp_path, abstract=abstract) as heard:
        manager = Manager.find({"NOTIFY_SOCKET": heard.address})
        assert manager is not None
        manager.ready("serves on\n:8000")
        assert heard.next() == {"READY": "1", "STATUS": "serves on :8000"}
        before = time.monotonic_ns() // 1000
        manager.reloading("restarts")
        said = heard.next()
        assert before <= int(said.pop("MONOTONIC_USEC")) <= time.monotonic_ns() // 1000
        assert said == {"RELOADING": "1", "STATUS": "restarts"}
        manager.succeeded_by(77, "took over")
        assert heard.next() == {"MAINPID": "77", "READY": "1", "STATUS": "took over"}
        manager.stopping("drains", 27.5)
        assert heard.next() == {
            "STOPPING": "1",
            "STATUS": "drains",
            "EXTEND_TIMEOUT_USEC": "27500000",
        }
        manager.extend(2)
        assert heard.next() == {"EXTEND_TIMEOUT_USEC": "2000000"}
        manager.status("fine")
        assert heard.next() == {"STATUS": "fine"}
        manager.alive()
        assert heard.next() == {"WATCHDOG": "1"}
        manager.forget("a")
        assert heard.next() == {"FDSTOREREMOVE": "1", "FDNAME": "a"}
        assert heard.is_silent()


def test_descriptors_are_given_to_keep(tmp_path: Path) -> None:
    """FDSTORE carries them; what arrives is the same file."""
    with FakeManager(tmp_path) as heard, (tmp_path / "file").open("w") as file:
        assert Manager(heard.address).store("mainstay-a", [file.fileno()])
        said, descriptors = heard.receive()
        assert said == {"FDSTORE": "1", "FDNAME": "mainstay-a", "FDPOLL": "0"}
        assert [os.fstat(each).st_ino for each in descriptors] == [os.fstat(file.fileno()).st_ino]
        os.close(descriptors[0])


def test_a_barrier_hangs_up_when_all_was_heard(tmp_path: Path) -> None:
    """Alone in its datagram, with one descriptor; its end is the manager's to close."""
    with FakeManager(tmp_path) as heard:
        waiting = Manager(heard.address).barrier()
        poll = select.poll()
        poll.register(waiting, 0)
        assert poll.poll(0) == []
        said, descriptors = heard.receive()
        assert said == {"BARRIER": "1"}
        os.close(*descriptors)
        assert poll.poll(60_000) == [(waiting, select.POLLHUP)]
        os.close(waiting)


def test_nobody_listening_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A manager that is gone is told nothing, and that is logged once."""
    manager = Manager(f"{tmp_path}/gone")
    with caplog.at_level(logging.WARNING):
        manager.ready("up")
        manager.alive()
        assert manager.barrier() == -1
        assert not manager.store("a", [0])
    assert [each.message for each in caplog.records] == [
        "the service manager cannot be told anything: No such file or directory"
    ]


@pytest.mark.parametrize("address", ["", "relative/path", "vsock:2:1234"])
def test_what_is_no_address_is_no_manager(address: str) -> None:
    """Without one, and with one that is not understood, nothing is said."""
    assert Manager.find({"NOTIFY_SOCKET": address}) is None
    assert Manager.find({}) is None


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_this_process_s(variables: dict[str, str], seconds: float | None) -> None:
    """One that is meant for another process, or is no number, is left alone."""
    manager = Manager.find({"NOTIFY_SOCKET": "/nonexistent", **variables})
    assert manager is not None
    assert manager.watchdog == seconds
    assert "/nonexistent" in repr(manager)


def test_names_of_descriptors_are_what_systemd_takes() -> None:
    """No colon, no slash, bounded, and the same for the same address."""
    assert fd_name("tcp://127.0.0.1:8000") == "mainstay-tcp---127-0-0-1-8000"
    assert fd_name("unix:/run/ä.sock") == "mainstay-unix--run---sock"
    assert len(fd_name("x" * 999)) == 255
