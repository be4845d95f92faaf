"""Facts about a service under a real supervisord, by the unit that ``mainstay units`` prints."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest

from mainstay.process.identity import is_running
from tests.cli.world import PATIENCE, QUICK, environment, held_port, mainstay, write
from tests.process.waiting import wait_until

ROOT = Path(__file__).parents[2]
ASIDE = ROOT / ".cache/supervisor/bin"
"""Where scripts/faults-supervisord installs it."""

WEB = """
    import asyncio
    import os
    from pathlib import Path
    from mainstay import Service

    service = Service("web")

    @service.get("/")
    async def who() -> str:
        return str(os.getpid())

    @service.get("/slow")
    async def slow() -> str:
        Path("begun").touch()
        while not Path("go-on").exists():
            await asyncio.sleep(0.01)
        return "to the end"
    """

DAEMON = """
[unix_http_server]
file={folder}/supervisor.sock
[supervisord]
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
nodaemon=true
silent=true
environment=PYTHONWARNINGS="error"
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/supervisor.sock
[include]
files = {folder}/web.conf
"""


def program(name: str) -> str | None:
    """Where a program of supervisor is, if anywhere."""
    return shutil.which(name, path=f"{ASIDE}:{os.environ['PATH']}")


pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(
        program("supervisord") is None,
        reason="there is no supervisord; scripts/faults-supervisord installs it from PyPI",
    ),
]


def lenient() -> dict[str, str]:
    """The environment of supervisor itself, which uses what Python deprecates."""
    return environment(PYTHONWARNINGS="ignore")


class Supervised:
    """A supervisord that runs the printed unit of ``web`` in a folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def ctl(self, *arguments: str) -> str:
        """What ``supervisorctl`` says."""
        command = [str(program("supervisorctl")), "-c", str(self.folder / "supervisord.conf")]
        done = subprocess.run(
            [*command, *arguments],
            env=lenient(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.stdout + done.stderr

    def state(self) -> str:
        """Of the program: ``RUNNING`` and its like."""
        return self.ctl("status", "web").split()[1]

    def watched(self) -> int:
        """The process that supervisord watches."""
        return int(self.ctl("pid", "web"))

    def serving(self) -> int:
        """The process that serves; 0 while none does."""
        try:
            return int(self.get("/"))
        except OSError:
            return 0

    def get(self, path: str) -> str:
        """What the service answers."""
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as reply:
            text: str = reply.read().decode()
            return text.strip('"')


@contextmanager
def supervised(folder: Path, port: int, *options: str, startsecs: int = 5) -> Iterator[Supervised]:
    """Print the unit, and start supervisord."""
    write(folder, web=WEB)
    flags = (*QUICK, "--set", "mainstay.process.control=control", *options)
    printed = mainstay("units", "supervisor", "web", "-l", str(port), *flags, cwd=folder)
    assert printed.code == 0
    # Nobody but root may write there.
    unit = printed.out.replace("/var/log/", f"{folder}/")
    assert "\nstartsecs=5\n" in unit
    unit = unit.replace("startsecs=5", f"startsecs={startsecs}")
    (folder / "web.conf").write_text(unit)
    (folder / "supervisord.conf").write_text(DAEMON.format(folder=folder))
    command = [str(program("supervisord")), "-c", str(folder / "supervisord.conf")]
    with subprocess.Popen(command, cwd=folder, env=lenient()) as process:
        try:
            yield Supervised(folder, port)
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that nobody else has meanwhile."""
    with held_port() as number:
        yield number


@pytest.fixture
def host(tmp_path: Path, free_port: int) -> Iterator[Supervised]:
    """A supervisord whose service answers."""
    with supervised(tmp_path, free_port) as found:
        wait_until(found.serving)
        yield found
        log = (tmp_path / "web.log").read_text()
        assert f"web runs on tcp://127.0.0.1:{free_port}" in log


@pytest.mark.parametrize("by", ["signal", "command"])
def test_it_watches_one_process_through_restarts(host: Supervised, by: str) -> None:
    """Which is another one than the generations that follow each other; it stays RUNNING."""
    first, watched = host.serving(), host.watched()
    wait_until(lambda: host.state() == "RUNNING")
    if by == "signal":
        assert host.ctl("signal", "HUP", "web") == "web: signalled\n"
    else:
        done = mainstay("restart", "--control", "control", cwd=host.folder)
        assert (done.code, done.err) == (0, "")
    wait_until(lambda: host.serving() not in (0, first))
    wait_until(lambda: not is_running(first))
    assert host.watched() == watched
    assert host.state() == "RUNNING"
    second = host.serving()
    assert host.ctl("stop", "web") == "web: stopped\n"
    assert not is_running(second)
    assert not is_running(watched)


def test_a_stop_lets_calls_end(host: Supervised) -> None:
    """``supervisorctl stop`` waits for them."""
    answers = []
    asking = Thread(target=lambda: answers.append(host.get("/slow")))
    asking.start()
    wait_until((host.folder / "begun").exists)
    serving = host.serving()
    stopping = Thread(target=host.ctl, args=("stop", "web"))
    stopping.start()
    wait_until(lambda: not host.serving())
    assert is_running(serving)
    (host.folder / "go-on").touch()
    asking.join(PATIENCE)
    stopping.join(PATIENCE)
    assert answers == ["to the end"]
    assert host.state() == "STOPPED"
    assert not is_running(serving)


@pytest.mark.parametrize("who", ["service", "house"])
@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_killed_is_started_again(host: Supervised, who: str, restarted: bool) -> None:
    """Whichever of the two processes it was, and whichever generation: nothing is left of the one
    before, which would keep the port."""
    serving = host.serving()
    if restarted:
        host.ctl("signal", "HUP", "web")
        before = serving
        wait_until(lambda: not is_running(before))
        serving = host.serving()
    assert serving > 0
    os.kill(serving if who == "service" else host.watched(), signal.SIGKILL)
    wait_until(lambda: not is_running(serving))
    wait_until(lambda: host.serving() not in (0, serving))
    wait_until(lambda: host.state() == "RUNNING")


def test_workers_follow_their_supervisor(tmp_path: Path, free_port: int) -> None:
    """With ``--workers`` too: one process is watched, and nothing is left when it is killed."""
    with supervised(tmp_path, free_port, "--workers", "2") as host:
        wait_until(host.serving)
        first, watched = host.serving(), host.watched()
        host.ctl("signal", "HUP", "web")
        wait_until(lambda: not is_running(first))
        assert host.watched() == watched
        wait_until(host.serving)
        serving = host.serving()
        assert serving > 0
        os.kill(watched, signal.SIGKILL)
        wait_until(lambda: not is_running(serving))
        wait_until(host.serving)
        assert host.watched() != watched


def test_a_start_that_fails_is_given_up(tmp_path: Path, free_port: int) -> None:
    """After some attempts, whatever the exit code: supervisord looks at ``exitcodes`` only once the
    program has been up for ``startsecs``."""
    # A busy machine may take more than five seconds for a start that fails.
    with supervised(tmp_path, free_port, startsecs=60) as host:
        wait_until(host.serving)
        host.ctl("stop", "web")
        (tmp_path / "web.toml").write_text("[mainstay]\nthreads = 'none'\n")
        host.ctl("start", "web")
        wait_until(lambda: host.state() == "FATAL")
    log = (tmp_path / "supervisord.log").read_text()
    assert log.count("exit status 78") == 4
