"""What blocks the loop is named, and nothing else is."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mainstay.core.effects import Effects
from mainstay.errors import UsageError
from mainstay.observe.watchdog import Watchdog

HERE = Path(__file__).name
THRESHOLD = 0.05


def block(watchdog: Watchdog) -> None:
    """Block until it is noticed, as a slow machine may need a while for that."""
    end = time.monotonic() + 5
    while not watchdog.stalls and time.monotonic() < end:
        time.sleep(0.15)


def work_for_a_while() -> None:
    time.sleep(THRESHOLD / 2)


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "mainstay.observe.watchdog"]


async def settle() -> None:
    """Let the loop beat, so that the watchdog knows what the loop looks like."""
    for _ in range(4):
        await asyncio.sleep(THRESHOLD / 2)


async def stall_and_recover() -> Watchdog:
    watchdog = Watchdog(THRESHOLD)
    watchdog.start()
    await settle()
    block(watchdog)
    await settle()
    watchdog.stop()
    return watchdog


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_the_blocking_frame_is_named_and_the_end_is_told(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One record names file, line and function while the loop is blocked, one tells how long."""
    module = pytest.importorskip(kind)
    with asyncio.Runner(loop_factory=module.new_event_loop) as runner:
        watchdog = runner.run(stall_and_recover())
    blocked, back = told(caplog)[:2]
    assert re.search(rf"blocked for .* s.* at .*{HERE}:\d+ block$", blocked.getMessage())
    assert blocked.levelno == logging.WARNING
    fields = blocked.__dict__
    assert fields["where"].endswith(" block")
    assert fields["task"].startswith("Task-")
    assert [line.rsplit(" ", 1)[1] for line in fields["stack"].split("\n")[:2]] == [
        "block",
        "stall_and_recover",
    ]
    assert "is back" in back.getMessage()
    assert 0.1 < back.__dict__["seconds"] < 5
    assert repr(watchdog) == f"<Watchdog stopped threshold=0.05 stalls={watchdog.stalls}>"


@pytest.mark.real_loop
async def test_the_innermost_frame_of_the_user_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """Frames of a library that the user's code blocks in are in the stack, not in the message."""
    watchdog = Watchdog(THRESHOLD)
    watchdog.start()
    await settle()
    while not watchdog.stalls:
        threading.Event().wait(0.15)
    await settle()
    watchdog.stop()
    blocked = told(caplog)[0].__dict__
    assert blocked["where"].endswith("test_the_innermost_frame_of_the_user_is_named")
    assert "threading.py" in blocked["stack"].split("\n")[0]


@pytest.mark.real_loop
async def test_a_function_that_holds_the_interpreters_lock_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A regular expression lets no other thread run, and is named as soon as it ends."""
    if not hasattr(time, "pthread_getcpuclockid"):
        pytest.skip("needs the processor time of another thread")
    watchdog = Watchdog(THRESHOLD)
    watchdog.start()
    await settle()
    length = 18
    while not watchdog.stalls:
        re.match(r"(a+)+$", "a" * length + "b")
        length = min(length + 1, 22)
    await settle()
    watchdog.stop()
    assert told(caplog)[0].__dict__["where"].endswith("interpreters_lock_is_named")


@pytest.mark.real_loop
async def test_a_busy_loop_that_comes_round_in_time_is_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Many short steps are work, not a stall."""
    watchdog = Watchdog(0.25)
    watchdog.start()
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        sum(range(10_000))
        await asyncio.sleep(0)
    watchdog.stop()
    assert told(caplog) == []


PROGRAM = """
import asyncio, logging, sys
from mainstay.observe.watchdog import Watchdog
logging.basicConfig()
async def main():
    watchdog = Watchdog(0.05)
    watchdog.start()
    await asyncio.sleep(0.12)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await asyncio.sleep(0.12)
    watchdog.stop()
asyncio.run(main())
"""


def test_a_suspended_process_is_no_stall() -> None:
    """A process stopped for a quarter of a second wakes up and reports nothing."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.25)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(b"\n", timeout=10)
    assert errors == b""
    assert process.returncode == 0


class LateClock:
    """A clock whose waits last too long, as for a thread that is starved."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        time.sleep(2 * THRESHOLD)
        return event.wait(timeout)


@pytest.mark.real_loop
async def test_a_starved_watchdog_accuses_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Late itself, the watchdog measures again before it speaks."""
    watchdog = Watchdog(THRESHOLD, Effects(clock=LateClock()))
    watchdog.start()
    for _ in range(8):
        await asyncio.sleep(THRESHOLD / 2)
        work_for_a_while()
    watchdog.stop()
    assert told(caplog) == []


@pytest.mark.real_loop
async def test_a_debugger_is_left_in_peace(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever steps through the code blocks the loop, and knows it."""
    watchdog = Watchdog(THRESHOLD)
    watchdog.start()
    await settle()
    previous = sys.gettrace()
    sys.settrace(lambda frame, event, argument: None)
    try:
        await settle()
        frame = sys._getframe()
        frame.f_trace = lambda *_: None
        time.sleep(4 * THRESHOLD)  # noqa: ASYNC251 - to block is the point
        await settle()
        frame.f_trace = None
    finally:
        sys.settrace(previous)
    watchdog.stop()
    assert told(caplog) == []


@pytest.mark.real_loop
async def test_stop_is_quick_and_ends_the_thread() -> None:
    """Stopping waits for no timer, may be done twice, and leaves no thread."""
    watchdog = Watchdog(5)
    watchdog.start()
    assert "watching" in repr(watchdog)
    await asyncio.sleep(0.01)
    begun = time.monotonic()
    watchdog.stop()
    watchdog.stop()
    assert time.monotonic() - begun < 0.5
    assert not [t for t in threading.enumerate() if t.name == "mainstay-watchdog"]


def test_a_loop_that_is_closed_ends_the_watchdog() -> None:
    """Forgotten by its owner, the thread ends with the loop, without a word on stderr."""

    async def forget() -> Watchdog:
        watchdog = Watchdog(0.02)
        watchdog.start()
        return watchdog

    watchdog = asyncio.run(forget())
    thread = watchdog._thread
    assert thread is not None
    thread.join(1)
    assert not thread.is_alive()


def test_it_starts_in_a_loop_and_once() -> None:
    """Outside of a loop there is nothing to watch; a second start is a mistake."""
    with pytest.raises(UsageError, match="inside the event loop"):
        Watchdog().start()
    with pytest.raises(UsageError, match="above zero"):
        Watchdog(0)

    async def twice() -> None:
        watchdog = Watchdog()
        watchdog.start()
        try:
            with pytest.raises(UsageError, match="started before"):
                watchdog.start()
        finally:
            watchdog.stop()

    asyncio.run(twice())
