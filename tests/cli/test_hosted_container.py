"""Facts about ``mainstay run`` as process 1 of a container: a real PID namespace."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest

from mainstay.process.identity import is_running
from tests.cli.world import MAINSTAY, PATIENCE, QUICK, Process, held_port, running, write
from tests.process.waiting import wait_until

NAMESPACE = (
    *("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"),
)

WEB = """
    import asyncio
    import os
    import subprocess
    from pathlib import Path
    from mainstay import Service

    service = Service("web")

    @service.get("/")
    async def who() -> str:
        return f"{os.getpid()}"

    @service.get("/slow")
    async def slow() -> str:
        Path("begun").touch()
        while not Path("go-on").exists():
            await asyncio.sleep(0.01)
        return "to the end"

    @service.get("/orphans")
    async def orphans() -> str:
        for number in range(20):
            subprocess.run(["sh", "-c", f"(sleep 0.01; exit {number}) & exit 0"], check=True)
        return str(subprocess.run(["sh", "-c", "exit 5"]).returncode)

    @service.get("/exit")
    async def leave() -> str:
        os._exit(9)

    @service.get("/processes")
    async def processes() -> str:
        return " ".join(each for each in os.listdir("/proc") if each.isdecimal())

    @service.get("/zombies")
    async def zombies() -> str:
        found = 0
        for each in Path("/proc").glob("[0-9]*/stat"):
            try:
                found += each.read_text().rpartition(")")[2].split()[0] == "Z"
            except OSError:
                pass
        return str(found)
    """


@pytest.fixture(autouse=True, scope="module")
def _namespaces() -> None:
    """Skip where there can be no process 1 of ours."""
    try:
        done = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare(1)")
    if done.returncode:
        pytest.skip(f"no namespaces: {done.stderr.strip()}")


pytestmark = pytest.mark.faults


class Container:
    """A container whose process 1 is ``mainstay run``.

    Attributes:
        process: unshare(1), which ends as process 1 does.
    """

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self._port = port

    def get(self, path: str) -> str:
        """What the service answers; empty when it does not."""
        try:
            with urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=PATIENCE) as reply:
                text: str = reply.read().decode()
                return text.strip('"')
        except OSError:
            return ""

    def processes(self) -> set[str]:
        """Those of the container, as they are known inside."""
        found = set(self.get("/processes").split())
        assert found, "the service does not answer"
        return found

    def first(self) -> int:
        """Process 1, as it is known outside."""
        outside = self.process.process.pid
        return int(Path(f"/proc/{outside}/task/{outside}/children").read_text())

    def send(self, number: signal.Signals) -> None:
        """What ``docker kill --signal`` does."""
        os.kill(self.first(), number)

    def end(self) -> int:
        """Its exit code."""
        return self.process.end()


@contextmanager
def container(folder: Path, *options: str) -> Iterator[Container]:
    """Start one; it answers already."""
    write(folder, web=WEB)
    program = (*NAMESPACE, *MAINSTAY)
    with (
        held_port() as port,
        running(
            "run", "web", "-l", str(port), *QUICK, *options, cwd=folder, program=program
        ) as process,
    ):
        found = Container(process, port)
        wait_until(lambda: found.get("/"))
        yield found


@pytest.fixture(params=[(), ("--workers", "2")], ids=["alone", "workers"])
def options(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """How it runs."""
    found: tuple[str, ...] = request.param
    return found


def test_orphans_are_reaped(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Those that a call left behind, while the call gets the status of its own child."""
    with container(tmp_path, *options) as box:
        assert "1" in box.processes()
        assert box.get("/") != "1"
        assert box.get("/orphans") == "5"
        wait_until(lambda: box.get("/zombies") == "0")
        box.send(signal.SIGTERM)
        assert box.end() == 0


def test_a_stop_is_a_drain(tmp_path: Path, options: tuple[str, ...]) -> None:
    """SIGTERM to process 1, as a platform sends it, lets calls end, and the exit code is 0."""
    answers = []
    with container(tmp_path, *options) as box:
        first = box.first()
        asking = Thread(target=lambda: answers.append(box.get("/slow")))
        asking.start()
        wait_until((tmp_path / "begun").exists)
        box.send(signal.SIGTERM)
        wait_until(lambda: not box.get("/"))
        assert is_running(first)
        (tmp_path / "go-on").touch()
        asking.join(PATIENCE)
        assert box.end() == 0
    assert answers == ["to the end"]


def test_the_container_stays_through_restarts(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Two of them, each by SIGHUP; no process of the generations before is left."""
    with container(tmp_path, *options) as box:
        first = box.first()
        count = 4 if options else 2
        wait_until(lambda: len(box.processes()) == count)
        for _ in range(2):
            before = box.processes() - {"1"}
            box.send(signal.SIGHUP)
            if options:  # the supervisor stays
                before -= {str(min(map(int, before)))}
            wait_until(lambda before=before: not before & box.processes())  # type: ignore[misc]
        assert box.first() == first
        wait_until(lambda: len(box.processes()) == count)
        box.send(signal.SIGTERM)
        assert box.end() == 0


def test_it_ends_as_the_service_does(tmp_path: Path) -> None:
    """A service that exits, or is killed, ends the container with its code; and so does one that
    has a generation before it."""
    with container(tmp_path) as box:
        box.get("/exit")
        assert box.end() == 9
    with container(tmp_path) as box:
        before = box.get("/")
        box.send(signal.SIGHUP)
        wait_until(lambda: before not in box.processes())
        inside = f"/proc/{box.first()}/task/{box.first()}/children"
        os.kill(int(Path(inside).read_text()), signal.SIGKILL)
        assert box.end() == 137


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    """The container goes on."""
    with container(tmp_path, "--workers", "2") as box:
        box.get("/exit")
        wait_until(lambda: box.get("/"))
        box.send(signal.SIGTERM)
        assert box.end() == 0


def test_a_container_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """The kernel ends all with process 1."""
    with container(tmp_path, "--workers", "2") as box:
        box.send(signal.SIGKILL)
        assert box.end() != 0
        assert box.get("/") == ""
