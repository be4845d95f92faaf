"""Facts about `mainstay.process.orphan`: real processes that lose the one that has started them."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mainstay.process.launch import WORKER
from mainstay.process.lifeline import PARENT, noticed_by
from mainstay.process.orphan import OrphanWatch, watch_supervisor
from tests.process.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="workers need Linux")

_SERVICE = """\
import pathlib, time
import mainstay
pathlib.Path("hangs").touch()
{hang}
service = mainstay.Service("s")
@service.get("/")
async def block() -> None:
    pathlib.Path("blocks").touch()
    time.sleep(600)
"""


class Ends(list[str]):
    """Reasons for which a process would have ended."""

    def __init__(self) -> None:
        self.told = threading.Event()

    def __call__(self, reason: str) -> None:
        self.append(reason)
        self.told.set()


@pytest.fixture(autouse=True)
def unwatched() -> Iterator[None]:
    """Nothing is left of a watch."""
    yield
    noticed_by(lambda: None)


def test_whoever_is_no_worker_is_not_watched() -> None:
    """A process of its own, and a successor, which adopts what its parent leaves."""
    ends = Ends()
    assert watch_supervisor({}, ends) is None
    assert watch_supervisor({PARENT: "5:nonce"}, ends) is None
    assert watch_supervisor({WORKER: "1"}, ends) is None


def test_a_supervisor_that_is_gone_before_anybody_looked() -> None:
    """The channel tells, though the process has a parent again."""
    ends = Ends()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.close()
    with theirs:
        assert watch_supervisor({WORKER: "1", PARENT: f"{theirs.fileno()}:n"}, ends) is not None
        assert ends.told.wait(PATIENCE)
    assert "does not notice" in ends[0]


def test_a_loop_that_has_noticed_gets_the_time_of_a_stop() -> None:
    """It ends the worker in good order; only if that takes too long, it is cut."""
    ends = Ends()
    with subprocess.Popen([sys.executable, "-SIc", "input()"], stdin=subprocess.PIPE) as parent:
        watch = OrphanWatch(os.pidfd_open(parent.pid), ends, notice=PATIENCE, stop=0.05)
        watch.start()
        assert not ends.told.wait(0.1), "the parent lives"
        parent.kill()
        parent.wait()
        assert not ends
        watch._noticed.set()
        assert ends.told.wait(PATIENCE)
    assert "in 0.05 s" in ends[0]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("hang", ["time.sleep(600)", ""], ids=["import", "call"])
def test_a_worker_that_hangs_does_not_outlive_its_supervisor(tmp_path: Path, hang: str) -> None:
    """Neither in its import nor in a call that blocks its loop; the port is free again."""
    (tmp_path / "app.py").write_text(_SERVICE.format(hang=hang))
    path = tmp_path / "s"
    command = [sys.executable, "-m", "mainstay", "run", "--workers", "1", "--control", ""]
    command += ["--listen", f"unix:{path}", "app:service"]
    with (
        subprocess.Popen(
            command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True
        ) as supervisor,
        socket.socket(socket.AF_UNIX) as client,
    ):
        try:
            wait_until((tmp_path / "hangs").exists)
            children = Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").read_text()
            (worker,) = map(int, children.split())
            if not hang:
                wait_until(lambda: client.connect_ex(str(path)) == 0)
                client.sendall(b"GET / HTTP/1.1\r\nhost: s\r\n\r\n")
                wait_until((tmp_path / "blocks").exists)
            supervisor.kill()
            supervisor.wait()
            wait_until(lambda: not _alive(worker))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(supervisor.pid, signal.SIGKILL)
