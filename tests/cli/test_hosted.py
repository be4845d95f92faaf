"""Facts about ``mainstay run`` as a daemon, with a PID file, a log file, and as process 1."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from mainstay.errors import ResourceError
from mainstay.process.identity import is_running
from mainstay.process.pidfile import read_pid
from tests.cli.world import (
    GOOD,
    MAINSTAY,
    PATIENCE,
    QUICK,
    Done,
    environment,
    held_port,
    mainstay,
    running,
    write,
)
from tests.process.manager import FakeManager
from tests.process.waiting import wait_until

WEB = """
    import os
    from mainstay import Service
    import beside

    service = Service("web")

    @service.get("/")
    async def who() -> dict:
        return {"pid": os.getpid(), "folder": os.getcwd(), "beside": beside.VALUE}
    """


@pytest.fixture
def port() -> Iterator[int]:
    """A port that nobody else has meanwhile."""
    with held_port() as number:
        yield number


def web(folder: Path) -> None:
    """A service with a module beside it."""
    write(folder, web=WEB, beside="VALUE = 7\n")


def ask(port: int) -> dict[str, object]:
    """What the service says of itself."""
    with urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as reply:
        found: dict[str, object] = json.load(reply)
        return found


@contextmanager
def daemon(folder: Path, *arguments: str, **env: str) -> Iterator[Done]:
    """A daemon with the PID file ``app.pid``, ended in the end, whichever process it is then."""
    done = mainstay(
        "run", "--daemon", "--pidfile", "app.pid", "--log-file", "app.log", *arguments,
        cwd=folder, env=env,
    )  # fmt: skip
    try:
        yield done
    finally:
        pid = read_pid(folder / "app.pid")
        if pid is not None and is_running(pid):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not is_running(pid))


def test_the_launcher_returns_when_the_service_is_ready(tmp_path: Path, port: int) -> None:
    """It answers at once, from a session of its own, at the root of the file system, though its
    module, a module beside that and its configuration were found from where it was started."""
    web(tmp_path)
    (tmp_path / "web.toml").write_text('[mainstay.log]\nformat = "json"\n')
    with daemon(tmp_path, "web", "--listen", str(port)) as done:
        assert done == Done(0, "", "")
        pid = read_pid(tmp_path / "app.pid")
        assert pid is not None
        assert ask(port) == {"pid": pid, "folder": "/", "beside": 7}
        assert os.getsid(pid) not in (pid, os.getsid(0))
        records = map(json.loads, (tmp_path / "app.log").read_text().splitlines())
        assert "info" in {record["level"] for record in records}
        again = mainstay("run", "web", "--daemon", "--pidfile", "app.pid", cwd=tmp_path)
        assert again.code == 3
        assert again.err.startswith(f"Error: the service of {tmp_path}/app.pid runs already, as ")
        assert again.err.count("\n") == 1
        assert ask(port)["pid"] == pid
    assert not (tmp_path / "app.pid").exists()


def test_a_folder_of_its_own(tmp_path: Path, port: int) -> None:
    """With --chdir it works there, and a relative folder is meant from the start."""
    web(tmp_path)
    (tmp_path / "data").mkdir()
    with daemon(tmp_path, "web", "--listen", str(port), "--chdir", "data") as done:
        assert done.code == 0
        assert ask(port)["folder"] == str(tmp_path / "data")


FAILING_HOOK = """from mainstay import Service
service = Service("app")
@service.on_start
async def look() -> None:
    raise ValueError("the disk is gone")
"""

FAILURES: dict[str, tuple[str, tuple[str, ...], int, str]] = {
    "no such module": ("", ("nothing",), 4, "there is no module 'nothing'"),
    "a module that fails": ("raise RuntimeError('boom')", ("app",), 4, "RuntimeError: boom"),
    "no service in it": ("x = 1", ("app:x",), 4, "not a Service"),
    "a wrong configuration": (
        "from mainstay import Service\nservice = Service('app')",
        ("app", "--set", "mainstay.threads=none"),
        78,
        "1 problem in the configuration of app",
    ),
    "a start hook that fails": (
        FAILING_HOOK,
        ("app",),
        3,
        "the disk is gone",
    ),
    "nothing to listen for": (
        "from mainstay import Service\nservice = Service('app')",
        ("app", "--listen", "0"),
        2,
        "app has no routes",
    ),
    "an exit in the module": ("import os\nos._exit(9)", ("app",), 9, "without a word; see "),
    "a death in the module": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        ("app",),
        137,
        "without a word; see ",
    ),
    "a folder that is not there": (
        "from mainstay import Service\nservice = Service('app')",
        ("app", "--chdir", "none"),
        3,
        "none cannot be used",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_start_that_fails_is_the_launcher_s(tmp_path: Path, case: str) -> None:
    """Its exit code and its reason, and neither a PID file nor a process is left."""
    text, arguments, code, reason = FAILURES[case]
    (tmp_path / "app.py").write_text(text)
    with daemon(tmp_path, *arguments) as done:
        assert (done.code, done.out) == (code, "")
        assert reason in done.err
        assert done.err.startswith("Error: ")
        assert "Traceback" not in done.err
    assert not (tmp_path / "app.pid").exists()
    lines = (tmp_path / "app.log").read_text().splitlines()
    if "without a word" not in reason:
        # In the log it is a record as all others, with a level.
        assert any(
            reason in each["message"] and each["level"] == "critical"
            for each in map(json.loads, lines)
        )


STOPPED_HOOK = """import asyncio, os, signal
from mainstay import Service
service = Service("app")
@service.get("/")
async def nothing() -> None: ...
@service.on_start
async def wait() -> None:
    worker = "MAINSTAY_WORKER" in os.environ
    os.kill(os.getppid() if worker else os.getpid(), signal.SIGTERM)
    await asyncio.sleep(600)
"""


@pytest.mark.parametrize("workers", [(), ("--workers", "1")], ids=["alone", "workers"])
def test_a_start_that_is_stopped_says_so(tmp_path: Path, workers: tuple[str, ...]) -> None:
    """The launcher was to wait until it is ready, which it never was; nothing in it has failed."""
    (tmp_path / "app.py").write_text(STOPPED_HOOK)
    with daemon(tmp_path, "app", "--listen", "0", *workers) as done:
        said = "Error: asked to stop before it was ready: SIGTERM\n"
        assert done == Done(1, "", said)
    # The launcher hears of it a moment before the daemon has left.
    wait_until(lambda: not (tmp_path / "app.pid").exists())
    text = (tmp_path / "app.log").read_text()
    assert '"error"' not in text
    assert '"critical"' not in text


def test_a_port_in_use_is_the_launcher_s(tmp_path: Path) -> None:
    """Code 3, and the address."""
    web(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        with daemon(tmp_path, "web", "--listen", str(port)) as done:
            assert done.code == 3
            assert f"127.0.0.1:{port}: somebody listens there already" in done.err


@pytest.mark.parametrize(
    ("content", "code"), [("{foreign}\n", 3), ("hello\n", 3), ("{stale}\n", 0), ("", 0)]
)
def test_only_a_stale_pid_file_is_replaced(tmp_path: Path, content: str, code: int) -> None:
    """Somebody else's is refused with one line and left as it is."""
    web(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    text = content.format(foreign=os.getppid(), stale=gone.pid)
    (tmp_path / "app.pid").write_text(text)
    done = mainstay("run", "web", "--daemon", "--pidfile", "app.pid", "--listen", "0", cwd=tmp_path)
    assert done.code == code
    if code:
        assert done.err.count("\n") == 1
        assert "choose another --pidfile" in done.err
        assert (tmp_path / "app.pid").read_text() == text
    else:
        pid = read_pid(tmp_path / "app.pid")
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not (tmp_path / "app.pid").exists())
        wait_until(lambda: not is_running(pid))


def test_the_pid_file_is_never_wrong_in_restarts(tmp_path: Path, port: int) -> None:
    """A thousand reads during hot restarts: each finds one complete number of a living process, and
    every generation is a daemon still, without becoming one again."""
    web(tmp_path)
    with daemon(tmp_path, "web", "--listen", str(port), *QUICK) as done:
        assert done.code == 0
        path = tmp_path / "app.pid"
        seen = [int(path.read_text())]
        session = os.getsid(seen[0])
        reads = 0
        while len(seen) < 4 or reads < 1000:
            if len(seen) < 4 and reads % 200 == 0:
                with suppress(ProcessLookupError):  # the next one is in the file already
                    os.kill(seen[-1], signal.SIGHUP)
            text = path.read_text()
            assert text.endswith("\n")
            pid = int(text)
            # Between the two looks the next one may have taken its place.
            assert is_running(pid) or path.read_text() != text
            if pid != seen[-1]:
                seen.append(pid)
            reads += 1
            threading.Event().wait(0.002)
        last = seen[-1]
        for old in seen[:-1]:
            wait_until(lambda old=old: not is_running(old))  # type: ignore[misc]
        assert read_pid(path) == last
        assert os.getsid(last) == session
        assert ask(port) == {"pid": last, "folder": "/", "beside": 7}


def test_a_second_daemon_of_a_name_is_warned_of(tmp_path: Path) -> None:
    """It runs, and whoever starts it learns at once how to reach it the next time."""
    write(tmp_path, good=GOOD)
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with daemon(tmp_path, "good", **env) as first:
        assert first == Done(0, "", "")
        second = mainstay(
            "run", "--daemon", "--pidfile", "second.pid", "good", cwd=tmp_path, env=env
        )
        pid = read_pid(tmp_path / "second.pid")
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        assert (second.code, second.out) == (0, "")
        (line,) = second.err.splitlines()
        assert line.startswith("Warning: this process has no control socket: ")
        assert line.endswith("start it with --control PATH")
        wait_until(lambda: not is_running(pid))


def test_workers_can_be_daemons_too(tmp_path: Path, port: int) -> None:
    """The PID file names the supervisor, and its end is that of its workers."""
    web(tmp_path)
    with daemon(tmp_path, "web", "--listen", str(port), "--workers", "2") as done:
        assert done == Done(0, "", "")
        supervisor = read_pid(tmp_path / "app.pid")
        worker = ask(port)
        assert worker["pid"] != supervisor
        assert worker["folder"] == "/"
    wait_until(lambda: not is_running(int(str(worker["pid"]))))
    assert not (tmp_path / "app.pid").exists()


def test_log_files_are_opened_anew(tmp_path: Path) -> None:
    """By SIGUSR1, after they were moved away; in the foreground as well."""
    web(tmp_path)
    with running(
        "run", "web", "--listen", "0", "--log-file", "app.log", "--pidfile", "app.pid", cwd=tmp_path
    ) as process:
        log = tmp_path / "app.log"
        wait_until(lambda: log.exists() and "runs on" in log.read_text())
        log.rename(tmp_path / "app.log.1")
        process.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: log.exists() and "opened anew" in log.read_text())
        assert process.end(signal.SIGTERM) == 0
        assert "exit code 0" in log.read_text()
        assert process.lines == []
    assert not (tmp_path / "app.pid").exists()


def test_in_the_foreground_a_failed_start_is_seen(tmp_path: Path) -> None:
    """Though the log goes to a file, the reason is on the terminal too."""
    web(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        done = mainstay(
            "run", "web", "--listen", str(sock.getsockname()[1]), "--log-file", "app.log",
            cwd=tmp_path,
        )  # fmt: skip
    assert done.code == 3
    assert "somebody listens there already" in done.err
    assert "somebody listens there already" in (tmp_path / "app.log").read_text()
    bad = mainstay("run", "web", "--log-file", "none/app.log", cwd=tmp_path)
    assert bad.code == 3
    assert bad.err.startswith(f"Error: the log file {tmp_path}/none/app.log cannot be opened")
    with pytest.raises(ResourceError):
        read_pid(tmp_path)


def test_the_manager_hears_of_a_life_with_a_restart(tmp_path: Path) -> None:
    """The exact words in order, each from who may say it: ready, the reload, who comes next, and
    the end, which the generation that left has not announced."""
    web(tmp_path)
    with FakeManager(tmp_path) as heard:
        env = {"NOTIFY_SOCKET": heard.address, "WATCHDOG_USEC": "60000000"}
        # Generations that follow do not hold the pipes of the test.
        arguments = ("web", "--listen", "0", "--log-file", "app.log", *QUICK)
        with running("run", *arguments, cwd=tmp_path, env=env) as process:
            said = heard.next()
            assert said.pop("STATUS").startswith("web serves on tcp://127.0.0.1:")
            assert said == {"READY": "1"}
            assert heard.next() == {"WATCHDOG": "1"}
            process.process.send_signal(signal.SIGHUP)
            said = heard.next()
            assert int(said.pop("MONOTONIC_USEC")) > 0
            assert said == {"RELOADING": "1", "STATUS": "restarting into generation 1"}
            assert heard.next() == {"WATCHDOG": "1"}  # the new one's first
            assert heard.next() == {"WATCHDOG": "1"}  # the old one's last
            said = heard.next()
            pid = int(said.pop("MAINPID"))
            assert said.pop("READY") == "1"
            barrier, descriptors = heard.receive()
            assert barrier == {"BARRIER": "1"}
            assert process.process.poll() is None
            os.close(*descriptors)
            assert process.end() == 0
            try:
                assert heard.wait_for("MAINPID")["MAINPID"] == str(pid)
                assert heard.next() == {"WATCHDOG": "1"}
            finally:
                os.kill(pid, signal.SIGTERM)
            said = heard.next()
            assert said["STOPPING"] == "1"
            assert int(said["EXTEND_TIMEOUT_USEC"]) == 27_000_000
            wait_until(lambda: not is_running(pid))
            assert heard.is_silent()


def test_the_manager_hears_when_workers_are_replaced(tmp_path: Path) -> None:
    """A reload begins and ends, well or not, and the supervisor stays the main process."""
    web(tmp_path)
    with FakeManager(tmp_path) as heard:
        env = {"NOTIFY_SOCKET": heard.address}
        arguments = ("web", "--listen", "0", "--workers", "1", "--log-file", "app.log", *QUICK)
        with running("run", *arguments, cwd=tmp_path, env=env) as process:
            assert heard.next()["READY"] == "1"
            process.process.send_signal(signal.SIGHUP)
            assert heard.next()["RELOADING"] == "1"
            assert heard.next()["READY"] == "1"
            (tmp_path / "beside.py").write_text("raise RuntimeError('boom')")
            process.process.send_signal(signal.SIGHUP)
            assert heard.next()["RELOADING"] == "1"
            said = heard.next()
            assert said["READY"] == "1"
            assert "the restart failed, and generation 1 goes on" in said["STATUS"]
            assert "boom" in said["STATUS"]
            process.process.send_signal(signal.SIGTERM)
            assert heard.next()["STOPPING"] == "1"
            assert process.end() == 0


def test_sockets_that_were_passed_are_served_on(tmp_path: Path) -> None:
    """By name; what was passed and is not asked for is warned of."""
    web(tmp_path)
    program = (
        "import os, sys\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2', LISTEN_FDNAMES='web:x')\n"
        "sys.argv[1:] = ['run', 'web', '--listen', 'fd://web']\n"
        "from mainstay.cli.main import main; main()\n"
    )
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_server(("127.0.0.1", 0)) as second,
    ):
        shell = f'exec 3<&{first.fileno()} 4<&{second.fileno()}; exec "$@"'
        with running(
            cwd=tmp_path,
            program=("bash", "-c", shell, "bash", sys.executable, "-P", "-c", program),
            pass_fds=(first.fileno(), second.fileno()),
        ) as process:
            process.wait_line("nothing listens on: x")
            assert ask(first.getsockname()[1])["beside"] == 7
            assert process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("workers", [(), ("--workers", "1")])
def test_one_process_stays_through_restarts(
    tmp_path: Path, port: int, workers: tuple[str, ...]
) -> None:
    """With --init the process that was started is there until the last generation has ended, and
    ends as that one has."""
    web(tmp_path)
    with running(
        "run", "web", "--init", "--listen", str(port), "--pidfile", "app.pid", *QUICK, *workers,
        cwd=tmp_path,
    ) as process:  # fmt: skip
        path = tmp_path / "app.pid"
        wait_until(path.exists)
        first = read_pid(path)
        assert first not in (None, process.process.pid)
        process.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: read_pid(path) != first)
        wait_until(lambda: not is_running(first or 0))
        assert process.process.poll() is None
        assert ask(port)["beside"] == 7
        assert process.end(signal.SIGTERM) == 0
    assert not path.exists()


def test_process_1_is_no_daemon(tmp_path: Path, namespace: Callable[..., Done]) -> None:
    """A container would end with it; otherwise process 1 keeps house by itself."""
    web(tmp_path)
    done = namespace("run", "web", "--daemon", cwd=tmp_path)
    assert done.code == 2
    assert "a container ends with its process 1" in done.err
    failing = namespace("run", "nothing", cwd=tmp_path)
    assert failing.code == 4


@pytest.fixture
def namespace() -> Callable[..., Done]:
    """Runs the command as process 1 of a namespace."""
    prefix = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")
    try:
        tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare(1)")
    if tried.returncode:
        pytest.skip(f"no namespaces: {tried.stderr.strip()}")

    def run(*arguments: str, cwd: Path) -> Done:
        done = subprocess.run(
            [*prefix, *MAINSTAY, *arguments],
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


def rolled_back(folder: Path, *options: str, harm: Callable[[], object]) -> str:
    """The log of a service, until a restart after `harm` was rolled back."""
    with running("run", "web", "--listen", "0", *options, *QUICK, cwd=folder) as process:
        process.wait_line("runs on")
        harm()
        process.process.send_signal(signal.SIGUSR2)
        line = process.wait_line("rolled back")
        assert process.end(signal.SIGTERM) == 0
        return line


def test_a_successor_that_cannot_be_hosted_says_why(tmp_path: Path) -> None:
    """The folder that it works in is gone: the reason, and not only an exit code."""
    web(tmp_path)
    (tmp_path / "data").mkdir()
    line = rolled_back(tmp_path, "--chdir", "data", harm=(tmp_path / "data").rmdir)
    assert f"{tmp_path}/data cannot be used" in line


@pytest.mark.parametrize("workers", [(), ("--workers", "1")])
def test_a_successor_without_its_log_file_says_why(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    """The one that serves says it, in the log that it still has; a supervisor's as well."""
    web(tmp_path)
    logs = tmp_path / "logs"
    logs.mkdir()
    moved = tmp_path / "moved"
    arguments = ("run", "web", "--listen", "0", "--log-file", "logs/app.log", *workers, *QUICK)
    with running(*arguments, cwd=tmp_path) as process:
        wait_until(lambda: (logs / "app.log").exists() and "runs on" in text_of(logs))
        logs.rename(moved)
        process.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: f"the log file {logs}/app.log cannot be opened" in text_of(moved))
        assert process.end(signal.SIGTERM) == 0


def text_of(logs: Path) -> str:
    """What was logged."""
    return (logs / "app.log").read_text()
