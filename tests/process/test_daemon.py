"""Facts about daemons: what they have left behind, and what their launcher knows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from mainstay.errors import ResourceError
from mainstay.process.daemon import StartReport, leave_folder, passed_descriptors
from mainstay.process.identity import is_running
from tests.process.waiting import PATIENCE, wait_until

PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from mainstay.process.daemon import Started, daemonise, leave_folder
from mainstay.process.log_file import LogFile

def facts():
    text = Path("/proc/self/status").read_text()
    status = dict(line.split(":\\t", 1) for line in text.splitlines())
    descriptors = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            descriptors[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
        tty = True
    except OSError:
        tty = False
    return {
        "pid": os.getpid(), "sid": os.getsid(0), "pgid": os.getpgid(0), "cwd": os.getcwd(),
        "umask": int(status["Umask"], 8), "blocked": int(status["SigBlk"], 16),
        "ignored": int(status["SigIgn"], 16), "tty": tty, "environ": dict(os.environ),
        "descriptors": descriptors, "threads": int(status["Threads"]),
    }

signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
os.umask(0)
logs = LogFile(sys.argv[2]) if sys.argv[2:] and sys.argv[2] else None
outcome = daemonise(os.environ, log_file=logs, keep=[int(each) for each in sys.argv[3:]])
if isinstance(outcome, Started):
    print(json.dumps([outcome.code, outcome.reason, outcome.pid]), flush=True)
    sys.exit(outcome.code)
folder = Path.cwd()
"""

READY = """
leave_folder("/")
(folder / "facts").write_text(json.dumps(facts()))
outcome.ready()
print("said to nobody", flush=True)
signal.sigwait([signal.SIGUSR2])
"""


def launch(
    folder: Path, body: str, *arguments: str, **more: object
) -> subprocess.CompletedProcess[str]:
    """Run a program that goes on as a daemon, until its launcher has ended."""
    options: dict[str, object] = {"cwd": folder, "timeout": 90, **more}
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-W", "error", "-c", PROGRAM + dedent(body), str(folder), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_it_is_a_daemon_in_every_respect(tmp_path: Path) -> None:
    """No session leader and without a terminal, nothing open but null streams and the report, its
    own folder and umask, signals and environment as of a new process; a child of init."""
    read, write = os.pipe()
    os.set_inheritable(read, True)
    os.set_inheritable(write, True)
    environ = {**os.environ, "TERM": "xterm", "SSH_TTY": "/dev/pts/1", "KEPT": "yes"}
    done = launch(
        tmp_path, READY, "", str(read), env=environ, pass_fds=[read, write], start_new_session=False
    )
    os.close(read)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads((tmp_path / "facts").read_text())
    pid = facts["pid"]
    try:
        assert json.loads(done.stdout) == [0, "", pid]
        assert facts["sid"] == facts["pgid"]
        assert facts["sid"] not in (pid, os.getsid(0))
        assert (facts["cwd"], facts["umask"], facts["blocked"], facts["tty"]) == (
            "/",
            0o022,
            0,
            False,
        )
        assert not facts["ignored"] & 1 << (signal.SIGHUP - 1)
        assert facts["threads"] == 1
        assert facts["environ"]["KEPT"] == "yes"
        assert not {"TERM", "SSH_TTY", "PWD"} & set(facts["environ"])
        found = {int(number): where for number, where in facts["descriptors"].items()}
        assert {found.pop(number) for number in range(3)} == {"/dev/null"}
        assert read in found
        assert write not in found
        # What was kept, and the pipe to the launcher.
        assert sum(where.startswith("pipe:") for where in found.values()) == 2
        assert len(found) <= 3  # and the listing of the folder itself
        # The minder has ended with the launcher.
        wait_until(lambda: not is_running(facts["sid"]))
    finally:
        os.kill(pid, signal.SIGUSR2)
    wait_until(lambda: not is_running(pid))


def test_the_log_file_takes_the_streams(tmp_path: Path) -> None:
    """What the daemon prints is in the file."""
    done = launch(tmp_path, READY, str(tmp_path / "a.log"))
    assert done.returncode == 0
    pid = json.loads(done.stdout)[2]
    try:
        wait_until(lambda: (tmp_path / "a.log").read_text() == "said to nobody\n")
    finally:
        os.kill(pid, signal.SIGUSR2)
    wait_until(lambda: not is_running(pid))


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        ("outcome.failed('the port is in use', 3)", 3, "the port is in use"),
        ("outcome.failed('it is wrong', 78); os._exit(1)", 78, "it is wrong"),
        ("outcome.failed('x' * 99999, 3)", 3, "x" * 8000),
        ("sys.exit(5)", 5, "without a word"),
        ("sys.exit(0)", 1, "without a word"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "without a word"),
        ("os.fork() or signal.pause(); os._exit(6)", 6, "without a word"),
        ("raise RuntimeError('no')", 1, "without a word"),
    ],
)
def test_the_launcher_ends_as_the_start_has(
    tmp_path: Path, body: str, code: int, reason: str
) -> None:
    """With the code and the reason that were told, or the code of a daemon that died; even while
    what the daemon has forked holds on to the pipe."""
    if "fork" in body:
        body = """
        child = os.fork()
        if child == 0:
            (folder / "orphan").write_text(str(os.getpid()))
            signal.pause()
        while not (folder / "orphan").exists() or not (folder / "orphan").read_text():
            pass
        os._exit(6)
        """
    done = launch(tmp_path, body)
    if (tmp_path / "orphan").exists():
        os.kill(int((tmp_path / "orphan").read_text()), signal.SIGKILL)
    told = json.loads(done.stdout)
    assert (done.returncode, told[0], told[2]) == (code, code, 0)
    assert reason in told[1]
    assert done.stderr == ""


def test_the_log_file_is_named_where_the_reason_may_be(tmp_path: Path) -> None:
    """A daemon that died without a word may have written one."""
    done = launch(tmp_path, "raise RuntimeError('no')", str(tmp_path / "a.log"))
    assert json.loads(done.stdout)[1].endswith(f"see {tmp_path}/a.log")
    assert "RuntimeError: no" in (tmp_path / "a.log").read_text()


def test_a_log_file_that_cannot_be_is_a_failed_start(tmp_path: Path) -> None:
    """The launcher says so, with code 3."""
    done = launch(tmp_path, READY, str(tmp_path / "none" / "a.log"))
    assert done.returncode == 3
    assert "a.log cannot be opened: No such file" in json.loads(done.stdout)[1]


def test_ctrl_c_ends_the_start(tmp_path: Path) -> None:
    """The launcher exits with 130, and the daemon does not go on."""
    body = """
    (folder / "pid").write_text(str(os.getpid()))
    signal.pause()
    """
    command = [sys.executable, "-c", PROGRAM + dedent(body), str(tmp_path)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True
    ) as launcher:
        pid = tmp_path / "pid"
        wait_until(lambda: pid.exists() and pid.read_text() != "")
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(PATIENCE) == 130
    wait_until(lambda: not is_running(int(pid.read_text())))


def test_a_killed_launcher_does_not_take_the_daemon_with_it(tmp_path: Path) -> None:
    """It goes on with its start; only its minder leaves."""
    body = """
    (folder / "pid").write_text(str(os.getpid()))
    signal.sigwait([signal.SIGUSR1])
    outcome.ready()
    (folder / "ready").write_text(str(os.getsid(0)))
    signal.sigwait([signal.SIGUSR2])
    """
    body = "signal.pthread_sigmask(signal.SIG_BLOCK, [10, 12])\n" + dedent(body)
    command = [sys.executable, "-c", PROGRAM + body, str(tmp_path)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as launcher:
        file = tmp_path / "pid"
        wait_until(lambda: file.exists() and file.read_text() != "")
        pid = int(file.read_text())
        launcher.kill()
    ready = tmp_path / "ready"
    try:
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda: ready.exists() and ready.read_text() != "")
        wait_until(lambda: not is_running(int(ready.read_text())))
    finally:
        os.kill(pid, signal.SIGUSR2)
    wait_until(lambda: not is_running(pid))


def test_one_word_is_said_once() -> None:
    """The first counts; nothing is left open after it."""
    read, write = os.pipe()
    report = StartReport(write)
    report.warn("it is late")
    report.ready()
    report.failed("too late", 1)
    with os.fdopen(read) as said:
        assert json.loads(said.read()) == {"pid": os.getpid(), "warnings": ["it is late"]}


def test_what_a_manager_has_passed_is_known() -> None:
    """Only if it is for this process."""
    mine = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}
    assert list(passed_descriptors(mine)) == [3, 4]
    assert not passed_descriptors({**mine, "LISTEN_PID": "1"})
    assert not passed_descriptors({**mine, "LISTEN_FDS": "many"})


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """One line with the folder."""
    with pytest.raises(ResourceError, match="none cannot be used: No such file"):
        leave_folder(str(tmp_path / "none"))
