"""Facts about the process that keeps a service's house."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import dedent

import pytest

from mainstay.process.reaper import HOUSE, Household, watch_house
from tests.process.manager import FakeManager
from tests.process.waiting import PATIENCE, wait_until

PROGRAM = """
import os, signal, socket, subprocess, sys, time
from pathlib import Path
from mainstay.process import reaper
from mainstay.process.reaper import keep_house
reaper.TAKEOVER = 60.0  # seconds, on a machine that is busy
folder = Path(sys.argv[1])
keep_house(os.environ)
house = os.getppid()
def say(text):
    (folder / "said.new").write_text(text)
    (folder / "said.new").rename(folder / "said")
def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), "\\0" + os.environ["NOTIFY_SOCKET"][1:])
"""

NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")


@cache
def namespaces() -> str:
    """Why there can be no process 1 of ours here; empty if there can."""
    try:
        done = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no unshare(1)"
    return done.stderr.strip()


@pytest.fixture(params=["process 1", "subreaper"])
def prefix(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    """What makes a program process 1 of a namespace, or leaves it one among others."""
    if request.param == "subreaper":
        yield ()
    elif reason := namespaces():
        pytest.skip(f"no namespaces: {reason}")
    else:
        yield NAMESPACE


def house(
    prefix: tuple[str, ...], folder: Path, body: str, **environ: str
) -> subprocess.Popen[str]:
    """Keep house for the program."""
    code = PROGRAM + dedent(body)
    return subprocess.Popen(
        [*prefix, sys.executable, "-W", "error", "-c", code, str(folder)],
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environ},
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("os._exit(0)", 0),
        ("os._exit(78)", 78),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
    ],
)
def test_it_ends_as_the_service_has(
    prefix: tuple[str, ...], tmp_path: Path, body: str, code: int
) -> None:
    """With its exit code, or 128 + the signal."""
    with house(prefix, tmp_path, body) as process:
        assert process.wait(PATIENCE) == code


def test_orphans_are_reaped_and_mean_nothing(prefix: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever code they end with; the service gets the status of its own child all the same."""
    body = """
    for code in (3, 4, 0, 9):
        # A shell that leaves its own child behind.
        subprocess.run(["sh", "-c", f"(sleep 0.01; exit {code}) & exit 0"], check=True)
    assert subprocess.run(["sh", "-c", "exit 5"]).returncode == 5
    def zombies():
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    text = Path("/proc", name, "stat").read_text()
                except OSError:
                    continue
                fields = text[text.rfind(")") + 2:].split()
                if int(fields[1]) == house and int(name) != os.getpid():
                    found.append(name)
        return found
    until = time.monotonic() + 50
    while zombies() and time.monotonic() < until:
        time.sleep(0.01)
    sys.exit(42 if not zombies() else 1)
    """
    with house(prefix, tmp_path, body) as process:
        code = process.wait(PATIENCE)
        assert process.stdout is not None
        assert (code, process.stdout.read()) == (42, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGTTIN, signal.SIGUSR2])
def test_signals_go_to_the_service(tmp_path: Path, number: signal.Signals) -> None:
    """All that a service knows, none of which does anything to the one that forwards."""
    body = f"""
    signal.pthread_sigmask(signal.SIG_BLOCK, [{int(number)}])
    say("ready")
    signal.sigwait([{int(number)}])
    os._exit(7)
    """
    with house((), tmp_path, body) as process:
        wait_until((tmp_path / "said").exists)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 7


def test_it_stays_while_generations_follow(prefix: tuple[str, ...], tmp_path: Path) -> None:
    """The first ends with 0 and the next goes on: the end is that of the last."""
    body = """
    successor = os.fork()
    if successor:
        tell(f"MAINPID={successor}\\nREADY=1")
        os._exit(0)
    while os.getppid() != house:
        time.sleep(0.01)
    say("alone")
    signal.sigwait([signal.SIGHUP])
    os._exit(9)
    """
    body = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])\n" + dedent(body)
    with house(prefix, tmp_path, body) as process:
        wait_until((tmp_path / "said").exists)
        assert process.poll() is None
        keeper = process.pid
        if prefix:  # it is the child of unshare(1)
            keeper = int(Path(f"/proc/{keeper}/task/{keeper}/children").read_text())
        os.kill(keeper, signal.SIGHUP)
        assert process.wait(PATIENCE) == 9


def test_a_service_that_is_killed_in_a_restart_is_followed(tmp_path: Path) -> None:
    """The next generation says so itself, and has some seconds for it."""
    body = """
    old = os.getpid()
    if os.fork() == 0:
        os.kill(old, signal.SIGKILL)
        while os.getppid() != house:
            time.sleep(0.01)
        tell(f"MAINPID={os.getpid()}")
        os._exit(11)
    signal.pause()
    """
    with house((), tmp_path, body) as process:
        assert process.wait(PATIENCE) == 11


@pytest.mark.parametrize("early", [False, True])
def test_a_service_whose_house_is_killed_stops(tmp_path: Path, early: bool) -> None:
    """By SIGTERM to itself, whether the house was there when the watch began or not; and a generation
    after it too, which has another parent."""
    body = f"""
    import asyncio
    from mainstay.process.reaper import watch_house
    if (successor := os.fork()) != 0:
        os.waitpid(successor, 0)
        os._exit(0)
    if (gone := os.fork()) == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    async def serve():
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        environ = dict(os.environ)
        if {early}:
            environ["MAINSTAY_HOUSE"] = str(gone)
        watch = watch_house(environ)
        assert (watch is None) == {early}
        say("watching")
        await told.wait()
        say("stopped")
    asyncio.run(serve())
    os._exit(0)
    """
    with house((), tmp_path, body) as process:
        wait_until((tmp_path / "said").exists)
        if not early:
            process.kill()
        assert process.wait(PATIENCE) == (0 if early else -signal.SIGKILL)
        wait_until(lambda: (tmp_path / "said").read_text() == "stopped")


async def test_who_has_no_house_watches_none() -> None:
    """Nor one whose name is no number."""
    assert watch_house({}) is None
    assert watch_house({HOUSE: "x"}) is None


def test_the_manager_above_hears_what_is_for_it(tmp_path: Path) -> None:
    """But who the main process is: that stays the one that it knows."""
    body = """
    tell("READY=1\\nSTATUS=up")
    tell(f"MAINPID={os.getpid()}\\nREADY=1")
    assert "WATCHDOG_PID" not in os.environ
    tell("WATCHDOG=1")
    os._exit(0)
    """
    with FakeManager(tmp_path) as above:
        environ = {"NOTIFY_SOCKET": above.address, "WATCHDOG_PID": "1", "WATCHDOG_USEC": "5"}
        with house((), tmp_path, body, **environ) as process:
            assert process.wait(PATIENCE) == 0
        assert above.next() == {"READY": "1", "STATUS": "up"}
        assert above.next() == {"READY": "1"}
        assert above.next() == {"WATCHDOG": "1"}
        assert above.is_silent()


def test_an_orphan_is_nobodys_verdict() -> None:
    """Ownership is looked up before the status is."""
    household = Household(10)
    household.ended(11, 3 << 8)
    assert (household.code, household.orphans) == (None, 1)
    household.ended(10, signal.SIGTERM)
    assert (household.code, household.killed) == (143, True)


def test_what_is_said_is_split() -> None:
    """Between the house and the manager above it."""
    household = Household(10)
    assert household.told("RELOADING=1\nMONOTONIC_USEC=5") == "RELOADING=1\nMONOTONIC_USEC=5"
    assert household.told("MAINPID=12\nREADY=1\nSTATUS=MAINPID=4") == "READY=1\nSTATUS=MAINPID=4"
    assert household.main == 12
    assert household.told("BARRIER=1") == ""
    household.ended(10, 0)
    assert household.code is None
    household.told("MAINPID=x")
    assert household.main == 12
