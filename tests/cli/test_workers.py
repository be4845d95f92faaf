"""Facts about ``mainstay run --workers`` as a user sees it; what a supervisor does: tests/process."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from mainstay.cli.workers import Start, worker_launch
from mainstay.process.launch import Launch
from tests.cli.world import mainstay, running, write

SERVED = """
    import os, sys
    from mainstay import Service

    print("imported by", os.getpid(), file=sys.stderr)
    service = Service("served")

    @service.get("/")
    def home() -> str:
        return "home"
    """


class TestWorkerLaunch:
    def test_a_worker_is_started_with_what_is_about_the_service(self) -> None:
        """The program is the same, with the interpreter's options; what is about processes, such
        as --daemon, is the supervisor's alone."""
        arguments = ["run", "good", "--workers", "2", "--daemon"]
        own = Launch(("python", "-X", "dev", "-m", "mainstay", *arguments), "/srv", {"A": "b"})
        start = Start(
            "good",
            [Path("a.toml"), Path("b.toml")],
            ["x=1", "y=2"],
            ["tcp://:8000"],
            ["--chdir", "/"],
        )
        launch = worker_launch(own, arguments, start)
        assert launch.command == (
            *("python", "-X", "dev", "-m", "mainstay", "run", "--chdir", "/"),
            *("--config", "a.toml", "--config", "b.toml", "--set", "x=1", "--set", "y=2"),
            *("--listen", "tcp://:8000", "--", "good"),
        )
        assert (launch.folder, launch.environ) == ("/srv", {"A": "b"})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--workers", "0"], "'0' is no number of workers; write 1 or more, or auto"),
        (["--workers", "-1"], "'-1' is no number of workers"),
        (["--workers", "many"], "'many' is no number of workers"),
        (["--workers", "2", "--dev"], "--dev runs one process; leave --workers away"),
        (["--dev", "--daemon"], "--dev stays in the foreground; leave --daemon away"),
        (
            ["--dev", "--log-file", "x", "--pidfile", "x", "--chdir", "/", "--no-init"],
            "leave --pidfile, --log-file, --init, --chdir away",
        ),
    ],
)
def test_options_that_cannot_be_had_are_told(tmp_path: Path, options: list[str], told: str) -> None:
    """In one line, and nothing is started."""
    done = mainstay("run", "nowhere", *options, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("target", "option", "code", "told"),
    [
        ("nowhere", "x.y=1", 4, "Error: there is no module 'nowhere'"),
        ("served:other", "x.y=1", 4, "Error: "),
        ("served", "mainstay.process.probation=-1", 78, "probation"),
    ],
)
def test_a_start_that_cannot_succeed_is_as_without_workers(
    tmp_path: Path, target: str, option: str, code: int, told: str
) -> None:
    """The same exit code, and the same words, once, however many workers there are."""
    write(tmp_path, served=SERVED)
    plain = mainstay("run", target, "--set", option, cwd=tmp_path)
    done = mainstay("run", target, "--set", option, "--workers", "3", cwd=tmp_path)
    assert (done.code, plain.code) == (code, code)
    words = [line for line in done.err.splitlines() if told in line and "{" not in line]
    assert len(words) == 1, done.err
    assert words[0].removeprefix("Error: ") in plain.err
    assert "Traceback" not in done.err


def test_workers_say_who_they_are(tmp_path: Path) -> None:
    """Every record of a worker has its place; the supervisor's have none, since it is none, and it
    does not import the service."""
    write(tmp_path, served=SERVED)
    options = ["--workers", "2", "-l", "0", "--set", "mainstay.log.format=json"]
    with running("run", "served", *options, cwd=tmp_path) as process:
        process.wait_line('.supervisor", "message": "served runs on')
        assert process.end(signal.SIGTERM) == 0
        lines = [line.strip() for line in process.lines]
    imported = {line.removeprefix("imported by ") for line in lines if "imported by" in line}
    assert len(imported) == 2
    assert str(process.process.pid) not in imported
    records = [json.loads(line) for line in lines if line.startswith("{")]
    said = {each["worker"] for each in records if each["message"].startswith("served runs on")
            and "worker" in each}  # fmt: skip
    assert said == {0, 1}
    own = [each for each in records if each["logger"] == "mainstay.process.supervisor"]
    assert own
    assert not any("worker" in each for each in own)


def test_the_supervisor_logs_as_its_workers_do(tmp_path: Path) -> None:
    """It reads no configuration; the format and the level are what they say theirs are."""
    write(tmp_path, served=SERVED)
    options = ["--workers", "1", "-l", "0", "--set", "mainstay.log.format=text"]
    with running("run", "served", *options, cwd=tmp_path) as process:
        process.wait_line("worker 0 ")
        assert process.end(signal.SIGTERM) == 0
        last = process.lines[-1]
    assert "stopped, exit code 0" in last
    assert not last.startswith("{")


@pytest.mark.parametrize("daemon", [(), ("--daemon", "--log-file", "app.log")])
def test_a_port_in_use_is_one_line_at_once(tmp_path: Path, daemon: tuple[str, ...]) -> None:
    """No other worker would find it free, so none is tried after it."""
    write(tmp_path, served=SERVED)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = mainstay("run", "served", "-l", port, "--workers", "2", *daemon, cwd=tmp_path)
    assert done.code == 3
    lines = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    (line,) = lines
    assert line.startswith(f"Error: cannot listen on tcp://127.0.0.1:{port}: somebody listens")
    assert "starting another" not in done.err
    assert '"critical"' not in done.err
    log = tmp_path / "app.log" if daemon else None
    if log is not None:
        assert done.err.splitlines() == lines
    said = done.err if log is None else log.read_text()
    own = [json.loads(text) for text in said.splitlines() if text.startswith("{")]
    (last,) = [each for each in own if each["message"].startswith("stopping: cannot listen on ")]
    assert last["level"] == "error"
    assert log is None or "Error:" not in said


FAILING = """
    import asyncio
    from collections.abc import AsyncIterator
    from mainstay import Service

    class Slow: ...

    service = Service("failing")

    @service.resource
    async def slow() -> AsyncIterator[Slow]:
        yield Slow()
        await asyncio.sleep(0.5)  # the reason must not wait for it

    @service.on_start
    async def look(slow: Slow) -> None:
        raise ValueError("the disk is gone")
    """
DYING = """
    import os, signal
    from mainstay import Service

    service = Service("dying")

    @service.on_start
    async def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)
    """
ONCE = ("--set", "mainstay.process.give_up_after=1")


def test_the_reason_of_a_start_hook_is_as_without_workers(tmp_path: Path) -> None:
    """Word for word, whatever of it the supervisor hears first."""
    write(tmp_path, failing=FAILING)
    done = mainstay("run", "failing", "--workers", "1", *ONCE, cwd=tmp_path)
    assert done.code == 3
    reason = "start hook 'look' could not be started: the disk is gone"
    assert f"Error: {reason}" in done.err.splitlines()


def test_a_worker_that_dies_in_its_start_gives_its_code(tmp_path: Path) -> None:
    """As a shell has it; what it wrote is in the log file, which is named."""
    write(tmp_path, dying=DYING)
    options = ("--daemon", "--log-file", "app.log", "--workers", "1", *ONCE)
    done = mainstay("run", "dying", *options, cwd=tmp_path)
    assert (done.code, done.out) == (137, "")
    assert done.err.endswith(f" was killed by SIGKILL; see {tmp_path}/app.log\n")
