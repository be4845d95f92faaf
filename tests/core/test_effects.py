"""The real world as a record: clocks, signals, terminal, exit. In processes of their own."""

from __future__ import annotations

import os
import pty
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from mainstay.core.effects import Effects

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
"""What a program needs to find mainstay, installed or not."""


def command(text: str) -> list[str]:
    opening = "import os, signal, sys, threading\nfrom mainstay.core.effects import Effects\n"
    return [sys.executable, "-c", opening + textwrap.dedent(text)]


def output(text: str, **options: object) -> str:
    """What a program prints; it has to end with 0."""
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command(text), capture_output=True, text=True, timeout=100, check=True, env=ENVIRONMENT,
        **options,
    ).stdout.strip()  # fmt: skip


def test_monotonic_time_is_the_machines() -> None:
    """The time base of deadlines is that of the event loops; wall time is the epoch's."""
    clock = Effects().clock
    before, now, after = time.monotonic(), clock.monotonic(), time.monotonic()
    assert before <= now <= after
    # The machine may stand still between two looks, and somebody may set its wall clock.
    early, wall, late = time.time(), clock.time(), time.time()
    assert early - 60 <= wall <= late + 60


def test_waiting_for_an_event_ends_with_the_event_or_the_time() -> None:
    """It says whether the event is set."""
    clock, event = Effects().clock, threading.Event()
    assert clock.wait(event, 0) is False
    assert clock.wait(event, 0.001) is False
    threading.Thread(target=event.set).start()
    assert clock.wait(event, None) is True
    assert clock.wait(event, 60) is True


def test_each_record_has_its_own_chance_and_sees_the_environment() -> None:
    """Random numbers differ between records; the environment is looked at when asked."""
    first, second = Effects(), Effects()
    assert first.random is not second.random
    assert first.random.random() != second.random.random()
    os.environ["MAINSTAY_TEST_EFFECTS"] = "here"
    try:
        assert first.environ["MAINSTAY_TEST_EFFECTS"] == "here"
    finally:
        del os.environ["MAINSTAY_TEST_EFFECTS"]
    assert "MAINSTAY_TEST_EFFECTS" not in first.environ
    seeded = Effects(random=random.Random(7))
    assert seeded.random.random() == random.Random(7).random()


def test_the_pid_is_the_processs() -> None:
    """Also in a child process."""
    assert Effects().process.pid() == os.getpid()
    assert output("print(Effects().process.pid() == os.getpid())") == "True"


def test_a_signal_calls_its_handler_in_the_main_thread() -> None:
    """With its number, whoever sent it; and `restore` puts back what was before."""
    text = """
        process = Effects().process
        seen = []
        first = process.on_signal(signal.SIGTERM, lambda number: seen.append(("first", number)))
        def second(number):
            seen.append(("second", number))
            assert threading.current_thread() is threading.main_thread()
        restore = process.on_signal(signal.SIGTERM, second)
        sender = threading.Thread(target=os.kill, args=[os.getpid(), signal.SIGTERM])
        sender.start(); sender.join()
        restore()
        os.kill(os.getpid(), signal.SIGTERM)
        first()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        print(seen == [("second", 15), ("first", 15)])
    """
    assert output(text) == "True"


def test_a_signal_from_another_process_interrupts_a_wait() -> None:
    """The handler runs although the main thread waits for something else."""
    text = """
        told = threading.Event()
        Effects().process.on_signal(signal.SIGHUP, lambda number: told.set())
        print("ready", flush=True)
        assert told.wait(100)
        print("told", flush=True)
    """
    with subprocess.Popen(
        command(text), stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGHUP)
        assert program.stdout.read() == "told\n"
    assert program.returncode == 0


def test_a_handler_outside_of_the_main_thread_is_refused() -> None:
    """ValueError, as the standard library has it."""
    failed: list[BaseException] = []

    def install() -> None:
        try:
            Effects().process.on_signal(signal.SIGUSR1, lambda number: None)
        except ValueError as error:
            failed.append(error)

    thread = threading.Thread(target=install)
    thread.start()
    thread.join()
    assert len(failed) == 1


def test_signals_ignored_by_the_parent_are_known() -> None:
    """As nohup does it for SIGHUP; ours are not, and a handler ends the ignoring."""
    text = """
        process = Effects().process
        was = process.is_ignored(signal.SIGHUP), process.is_ignored(signal.SIGTERM)
        restore = process.on_signal(signal.SIGHUP, print)
        handled = process.is_ignored(signal.SIGHUP)
        restore()
        print(was, handled, process.is_ignored(signal.SIGHUP))
    """
    ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command(text)]
    ended = subprocess.run(
        ignoring, capture_output=True, text=True, timeout=100, check=True, env=ENVIRONMENT
    )
    assert ended.stdout.strip() == "(True, False) False True"
    assert output("print(Effects().process.is_ignored(signal.SIGHUP))") == "False"


TERMINAL = "print(Effects().process.has_terminal())"


def test_a_process_in_a_session_of_its_own_has_no_terminal() -> None:
    """As under a supervisor, or after setsid."""
    assert output(TERMINAL, start_new_session=True) == "False"


def test_a_process_on_a_terminal_has_one() -> None:
    """Even if its standard streams are redirected: what counts is the terminal that controls it."""
    ours, theirs = pty.openpty()
    text = f"""
        import fcntl, termios
        fcntl.ioctl({theirs}, termios.TIOCSCTTY, 0)
        os.close({theirs})
        {TERMINAL}
    """
    try:
        assert output(text, start_new_session=True, pass_fds=[theirs]) == "True"
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("code", [0, 124])
def test_exit_ends_the_process_at_once(code: int) -> None:
    """No `finally`, no exit hook, no flush; the code is the process's."""
    text = f"""
        import atexit
        atexit.register(os.write, 1, b"hook")
        sys.stdout.write("not flushed")
        try:
            Effects().process.exit({code})
        finally:
            os.write(1, b"finally")
    """
    buffered = {**ENVIRONMENT, "PYTHONUNBUFFERED": ""}
    ended = subprocess.run(
        command(text), capture_output=True, timeout=100, check=False, env=buffered
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, b"", b"")


def test_exit_ends_the_process_from_any_thread() -> None:
    """A guard that runs beside a stuck main thread can end it all."""
    text = """
        threading.Thread(target=Effects().process.exit, args=[7]).start()
        threading.Event().wait()
    """
    ended = subprocess.run(command(text), timeout=100, check=False, env=ENVIRONMENT)
    assert ended.returncode == 7
