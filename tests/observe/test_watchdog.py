"""What blocks the loop is named, and nothing else is."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mainstay.core.effects import Effects
from mainstay.errors import UsageError
from mainstay.observe.watchdog import Watchdog

HERE = Path(__file__).name
THRESHOLD = 0.05
PATIENCE = 40.0
"""Seconds for what takes none, unless the machine is busy with something else."""


class Told(logging.Handler):
    """What the watchdog said of `place`, and an event for each of its two kinds of record.

    Of others it may speak as well: a busy machine keeps the loop's thread waiting anywhere.
    """

    place = ""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.blocked = threading.Event()
        self.back = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "is back" not in record.getMessage():
            if record.__dict__["where"].endswith(self.place):
                self.records.append(record)
                self.blocked.set()
        elif self.blocked.is_set():
            self.records.append(record)
            self.back.set()


@pytest.fixture
def told() -> Iterator[Told]:
    handler = Told()
    log = logging.getLogger("mainstay.observe.watchdog")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


def block(told: Told) -> None:
    """Block until it is noticed, as a slow machine may need a while for that."""
    assert told.blocked.wait(PATIENCE)


async def hear_the_end(told: Told) -> None:
    assert await asyncio.get_running_loop().run_in_executor(None, told.back.wait, PATIENCE)


async def pass_time(seconds: float) -> None:
    """To prove that nothing is said, real time has to pass."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


async def watching(told: Told, place: str) -> Watchdog:
    """A watchdog at work, in a callback of its own: of one callback it speaks once."""
    told.place = f" {place}"
    watchdog = Watchdog(THRESHOLD)
    watchdog.start()
    await pass_time(THRESHOLD)
    return watchdog


async def stall_and_recover(told: Told) -> Watchdog:
    watchdog = await watching(told, "block")
    block(told)
    await hear_the_end(told)
    watchdog.stop()
    return watchdog


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_the_blocking_frame_is_named_and_the_end_is_told(kind: str, told: Told) -> None:
    """One record names file, line and function while the loop is blocked, one tells how long."""
    module = pytest.importorskip(kind)
    with asyncio.Runner(loop_factory=module.new_event_loop) as runner:
        watchdog = runner.run(stall_and_recover(told))
    blocked, back = told.records[:2]
    assert re.search(rf"blocked for .* s.* at .*{HERE}:\d+ block$", blocked.getMessage())
    assert blocked.levelno == logging.WARNING
    assert blocked.__dict__["task"].startswith("Task-")
    assert "is back" in back.getMessage()
    assert THRESHOLD < back.__dict__["seconds"] < 2 * PATIENCE
    assert repr(watchdog) == f"<Watchdog stopped threshold=0.05 stalls={watchdog.stalls}>"


@pytest.mark.real_loop
async def test_the_innermost_frame_of_the_user_is_named(told: Told) -> None:
    """Frames of a library that the user's code blocks in are in the stack, not in the message."""
    watchdog = await watching(told, "block")
    block(told)
    watchdog.stop()
    fields = told.records[0].__dict__
    assert fields["where"].endswith(" block")
    stack = fields["stack"].split("\n")
    assert "threading.py" in stack[0]
    names = [line.rsplit(" ", 1)[1] for line in stack]
    caller = "test_the_innermost_frame_of_the_user_is_named"
    assert names.index("block") + 1 == names.index(caller)


@pytest.mark.real_loop
async def test_a_long_stack_keeps_its_innermost_frames(told: Told) -> None:
    """A deep recursion does not fill the log."""

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        else:
            block(told)

    watchdog = await watching(told, "block")
    deep(100)
    watchdog.stop()
    stack = told.records[0].__dict__["stack"].split("\n")
    assert len(stack) == 13
    assert stack[-1].endswith("frames left out")


@pytest.mark.real_loop
async def test_a_function_that_holds_the_interpreters_lock_is_named(told: Told) -> None:
    """A regular expression lets no other thread run, and is named as soon as it ends."""
    if not hasattr(time, "pthread_getcpuclockid"):
        pytest.skip("needs the processor time of another thread")
    here = "test_a_function_that_holds_the_interpreters_lock_is_named"
    watchdog = await watching(told, here)
    length = 18
    while not told.blocked.is_set():
        re.match(r"(a+)+$", "a" * length + "b")
        length = min(length + 1, 22)
    watchdog.stop()
    assert told.records[0].__dict__["where"].endswith("interpreters_lock_is_named")


class Computing:
    """A clock that goes while a thread computes, and stands still while others have the processor."""

    time = staticmethod(time.time)

    def __init__(self) -> None:
        self._id = time.pthread_getcpuclockid(threading.get_ident())

    def monotonic(self) -> float:
        return time.clock_gettime(self._id)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        assert timeout is not None
        until = self.monotonic() + timeout
        while not event.wait(0.005):
            if self.monotonic() >= until:
                return False
        return True


@pytest.mark.real_loop
@pytest.mark.skipif(
    not hasattr(time, "pthread_getcpuclockid"),
    reason="needs the processor time of another thread",
)
async def test_a_busy_loop_that_comes_round_in_time_is_left_alone(told: Told) -> None:
    """Many short steps are work, not a stall."""
    clock = Computing()
    watchdog = Watchdog(0.25, Effects(clock=clock))
    watchdog.start()
    end = clock.monotonic() + 0.5
    while clock.monotonic() < end:
        sum(range(10_000))
        await asyncio.sleep(0)
    watchdog.stop()
    assert told.records == []


PROGRAM = """
import asyncio, logging, sys
from mainstay.observe.watchdog import Watchdog
logging.basicConfig()
async def main():
    # So long that a busy machine keeps nobody waiting for it.
    watchdog = Watchdog(0.5)
    watchdog.start()
    await asyncio.sleep(0.3)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await asyncio.sleep(0.3)
    watchdog.stop()
asyncio.run(main())
"""


def test_a_suspended_process_is_no_stall() -> None:
    """A process stopped for several thresholds wakes up and reports nothing."""
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
    # Nothing can be waited for: the process stands still, and has to for some thresholds.
    threading.Event().wait(1.5)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(b"\n", timeout=100)
    assert errors == b""
    assert process.returncode == 0


class Stepped:
    """A clock that goes on only by waits that end, and they end when the test says so."""

    time = staticmethod(time.time)

    def __init__(self) -> None:
        self._now = 0.0
        self._begun: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._over: queue.SimpleQueue[None] = queue.SimpleQueue()

    def monotonic(self) -> float:
        return self._now

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        assert timeout is not None
        self._begun.put(None)
        while not event.wait(0.001):
            with suppress(queue.Empty):
                self._over.get_nowait()
                self._now += timeout
                return False
        return True

    def end_wait(self) -> None:
        """End the wait that is under way, or the next; returns when there is one after it."""
        self._begun.get(timeout=PATIENCE)
        self._over.put(None)
        self._begun.get(timeout=PATIENCE)
        self._begun.put(None)


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_loop_that_is_in_no_callback_is_not_blocked_though_it_has_not_come_round_yet(
    kind: str, told: Told
) -> None:
    """On a machine that is busy the first beat may be late."""
    clock = Stepped()
    watchdog = Watchdog(3600, Effects(clock=clock))

    async def start() -> None:
        watchdog.start()

    module = pytest.importorskip(kind)
    with asyncio.Runner(loop_factory=module.new_event_loop) as runner:
        runner.run(start())
        clock.end_wait()
        watchdog.stop()
    assert told.records == []


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_who_starts_it_may_be_the_one_who_blocks(kind: str, told: Told) -> None:
    """It is named, with the frames up to the task's own."""
    clock = Stepped()

    async def stall() -> None:
        watchdog = Watchdog(3600, Effects(clock=clock))
        watchdog.start()
        clock.end_wait()
        watchdog.stop()

    module = pytest.importorskip(kind)
    with asyncio.Runner(loop_factory=module.new_event_loop) as runner:
        runner.run(stall())
    (record,) = told.records
    fields = record.__dict__
    assert fields["where"].endswith("Stepped.end_wait")
    assert fields["stack"].endswith(".stall")


class LateClock:
    """A clock whose waits last too long, as for a thread that is starved."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        threading.Event().wait(2 * THRESHOLD)
        return event.wait(timeout)


@pytest.mark.real_loop
async def test_a_starved_watchdog_accuses_nobody(told: Told) -> None:
    """Late itself, the watchdog counts again before it speaks."""
    watchdog = Watchdog(THRESHOLD, Effects(clock=LateClock()))
    watchdog.start()
    for _ in range(8):
        await pass_time(THRESHOLD / 2)
        threading.Event().wait(THRESHOLD / 2)
    watchdog.stop()
    assert told.records == []


@pytest.mark.real_loop
async def test_a_debugger_is_left_in_peace(told: Told) -> None:
    """Whoever steps through the code blocks the loop, and knows it."""
    watchdog = Watchdog(THRESHOLD)
    previous = sys.gettrace()
    sys.settrace(lambda frame, event, argument: None)
    try:
        frame = sys._getframe()
        frame.f_trace = lambda *_: None
        watchdog.start()
        threading.Event().wait(4 * THRESHOLD)
        await pass_time(THRESHOLD)
        watchdog.stop()
        frame.f_trace = None
    finally:
        sys.settrace(previous)
    assert told.records == []


@pytest.mark.real_loop
async def test_stop_is_quick_and_ends_the_thread() -> None:
    """Stopping waits for no timer, may be done twice, and leaves no thread."""
    watchdog = Watchdog(3600)
    watchdog.start()
    assert "watching" in repr(watchdog)
    await pass_time(0.01)
    watchdog.stop()
    watchdog.stop()
    thread = watchdog._thread
    assert thread is not None
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_loop_that_is_closed_ends_the_watchdog() -> None:
    """Forgotten by its owner, the thread ends with the loop, without a word on stderr."""

    async def forget() -> Watchdog:
        watchdog = Watchdog(0.02)
        watchdog.start()
        return watchdog

    watchdog = asyncio.run(forget())
    thread = watchdog._thread
    assert thread is not None
    thread.join(PATIENCE)
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
