"""Facts about the end of ``mainstay run``: nothing that the program left behind holds it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mainstay.cli import leaving
from mainstay.process.identity import is_running
from mainstay.process.pidfile import read_pid
from tests.cli.world import GOOD, MAINSTAY, QUICK, mainstay, running, write
from tests.process.waiting import wait_until

pytestmark = pytest.mark.real_loop


@pytest.fixture
def full() -> Iterator[int]:
    """The writing end of a pipe that is full, and that nobody reads."""
    read, written = os.pipe()
    os.set_blocking(written, False)
    for size in (4096, 1):
        try:
            while True:
                os.write(written, b"x" * size)
        except BlockingIOError:
            continue
    os.set_blocking(written, True)
    yield written
    os.close(read)
    os.close(written)


def test_output_that_nobody_reads_does_not_keep_it(tmp_path: Path, full: int) -> None:
    """What is still buffered for a full pipe is given up, and the code is the service's."""
    write(
        tmp_path,
        good=f"""{GOOD}
    @service.on_stop
    async def last() -> None:
        print("last words")
    """,
    )
    with running("run", "good", cwd=tmp_path, stdout=full) as process:
        process.wait_line("good runs on")
        assert process.end(signal.SIGTERM) == 0
        last = json.loads(process.lines[-1])
        assert last["message"] == "leaving without output or exit functions that do not end"


def test_output_of_exit_functions_does_not_keep_it(tmp_path: Path, full: int) -> None:
    """They print after everything else, and that is flushed under watch too."""
    write(tmp_path, good=f"{GOOD}\n    import atexit\n    atexit.register(print, 'bye')\n")
    with running("run", "good", cwd=tmp_path, stdout=full) as process:
        process.wait_line("good runs on")
        assert process.end(signal.SIGTERM) == 0


def test_a_thread_that_holds_a_stream_does_not_keep_it(tmp_path: Path, full: int) -> None:
    """A daemon blocked in `print` has the lock of stdout, and the interpreter would abort."""
    write(
        tmp_path,
        good=f"""{GOOD}
    import threading
    threading.Thread(target=print, args=["x" * 100_000], daemon=True).start()
    """,
    )
    with running("run", "good", cwd=tmp_path, stdout=full) as process:
        process.wait_line("good runs on")
        assert process.end(signal.SIGTERM) == 0


def test_a_full_stderr_does_not_keep_it(tmp_path: Path, full: int) -> None:
    """A thread that never ends is left behind without a word, if nobody takes the word."""
    write(
        tmp_path,
        good=f"""{GOOD}
    import threading
    threading.Thread(target=threading.Event().wait, name="sleepy").start()

    @service.on_start
    async def tell() -> None:
        print("up", flush=True)
    """,
    )
    with running("run", "good", cwd=tmp_path, stderr=full) as process:
        process.wait_line("up")
        assert process.end(signal.SIGTERM) == 0


def test_an_exit_function_that_never_ends_does_not_keep_it(tmp_path: Path) -> None:
    """Exit functions have the same time as threads have."""
    write(
        tmp_path,
        good=f"""{GOOD}
    import atexit, threading
    atexit.register(threading.Event().wait)
    """,
    )
    with running("run", "good", cwd=tmp_path) as process:
        process.wait_line("good runs on")
        assert process.end(signal.SIGTERM) == 0


def test_a_full_disk_does_not_change_the_code(tmp_path: Path) -> None:
    """What stdout does not take is lost; the interpreter would make it 120."""
    write(tmp_path, good=f"{GOOD}\n    print('hello')\n")
    with (
        Path("/dev/full").open("wb") as disk,
        running("run", "good", cwd=tmp_path, stdout=disk) as process,
    ):
        process.wait_line("good runs on")
        assert process.end(signal.SIGTERM) == 0


SLOW = """
    import time
    print("importing", flush=True)
    time.sleep(3600)
    """


@pytest.mark.parametrize("format", ["auto", "text"])
def test_a_signal_during_the_import_ends_it(tmp_path: Path, format: str) -> None:
    """At once, with one line, in the format of the log, and the code that a shell has for it."""
    write(tmp_path, slow=SLOW)
    option = f"mainstay.log.format={format}"
    with running("run", "slow", "--set", option, cwd=tmp_path) as process:
        process.wait_line("importing")
        assert process.end(signal.SIGTERM) == 128 + signal.SIGTERM
        first, said = process.lines
    assert first == "importing\n"
    message = "ended by SIGTERM before the service has started"
    if format == "text":
        assert said == f"mainstay: {message}\n"
    else:
        record = json.loads(said)
        time = datetime.fromisoformat(record.pop("time"))
        assert time.utcoffset() == timedelta(0)
        assert record == {"level": "warning", "logger": "mainstay", "message": message}


def test_a_signal_during_the_import_ends_process_one(tmp_path: Path) -> None:
    """The kernel drops a signal that process 1 has no handler for."""
    unshare = shutil.which("unshare")
    space = (str(unshare), "--pid", "--fork", "--kill-child", "--mount-proc")
    if unshare is None or subprocess.run([*space, "true"], check=False).returncode:
        pytest.skip("this user may not make a name space of processes")
    write(
        tmp_path,
        slow="""
        import os, signal
        print("importing as", os.getpid(), flush=True)
        if os.fork() == 0:
            os.kill(1, signal.SIGTERM)
            os._exit(0)
        signal.pause()
        """,
    )
    done = mainstay("run", "--no-init", "slow", cwd=tmp_path, program=(*space, *MAINSTAY))
    assert (done.code, done.out) == (143, "importing as 1\n")


def test_a_stream_without_a_descriptor_is_left_alone() -> None:
    """Nothing can be put in the place of what is closed, or is none."""
    leaving.discard(None)
    with Path(os.devnull).open("w", encoding="utf-8") as stream:
        pass
    leaving.discard(stream)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_wishes_for_later_are_kept_until_the_service_serves(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A restart and a new log file end no process that still imports, and are not forgotten."""
    write(
        tmp_path,
        slow=f"""{GOOD}
    import pathlib, time
    print("importing", flush=True)
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    """,
    )
    log = tmp_path / "app.log"
    pid_file = tmp_path / "app.pid"
    arguments = ("run", "slow", "--pidfile", "app.pid", "--log-file", "app.log", *QUICK)
    # Without a terminal, which a hang-up would mean the end of.
    with running(*arguments, cwd=tmp_path, start_new_session=True) as process:
        wait_until(lambda: log.exists() and "importing" in log.read_text())
        process.process.send_signal(number)
        (tmp_path / "go").touch()
        if number == signal.SIGUSR1:
            wait_until(lambda: "opened anew" in log.read_text())
            assert process.end(signal.SIGTERM) == 0
            return
        wait_until(lambda: read_pid(pid_file) not in (None, process.process.pid))
        successor = read_pid(pid_file)
        assert process.end() == 0
        assert successor is not None
        os.kill(successor, signal.SIGTERM)
        wait_until(lambda: not is_running(successor))
        assert f"{number.name}: the service is starting; a restart follows" in log.read_text()


def test_a_hang_up_of_its_terminal_ends_it_during_the_import(tmp_path: Path) -> None:
    """The user has left: as SIGTERM does, with the code of SIGHUP."""
    write(tmp_path, slow=SLOW)
    code = (
        "import os, pty, sys\n"
        "pid, terminal = pty.fork()\n"
        "if pid == 0:\n"
        "    os.execv(sys.argv[1], sys.argv[1:])\n"
        "said = b''\n"
        "while b'importing' not in said:\n"
        "    said += os.read(terminal, 4096)\n"
        "os.close(terminal)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = mainstay("run", "slow", cwd=tmp_path, program=(sys.executable, "-c", code, *MAINSTAY))
    assert (done.code, done.out) == (0, "129\n")
