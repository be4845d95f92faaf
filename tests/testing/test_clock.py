"""Facts about `mainstay.testing.clock`."""

from __future__ import annotations

import asyncio
import math
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import UsageError
from mainstay.testing import VirtualClock, VirtualLoop, run


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


async def test_hours_pass_in_milliseconds() -> None:
    """Sleeping for a day takes exactly a day of virtual time; in real time the test would hang."""
    await asyncio.sleep(86_400)
    assert now() == 86_400


async def test_timers_fire_in_order_of_their_time() -> None:
    """Tasks that sleep wake in the order of their deadlines, each at its own time."""
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(now())

    await asyncio.gather(*(sleeper(seconds) for seconds in (0.3, 50_000.7, 0.1, 2)))
    assert woken == [0.1, 0.3, 2, 50_000.7]


async def test_a_timeout_ends_what_would_never_end() -> None:
    """`asyncio.timeout` fires at its virtual time."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await asyncio.Event().wait()
    assert now() == 3600


def test_a_deadlock_names_who_waits_where() -> None:
    """Instead of hanging, the loop raises DEADLOCK with the innermost frame of each task."""

    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await wait_for_ever()

    with pytest.raises(UsageError, match=r"locks\.py:\d+ Event\.wait") as caught:
        run(main())
    assert caught.value.reason == "DEADLOCK"


def test_sleeping_for_ever_is_a_deadlock() -> None:
    """A timer at infinity never fires, so it does not count."""
    with pytest.raises(UsageError, match="nothing can happen"):
        run(asyncio.sleep(math.inf))


async def test_a_thread_may_speak_and_end_before_a_deadlock_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that the loop was not told of, right after the loop has looked for news."""
    loop = asyncio.get_running_loop()
    said = loop.create_future()
    looked = threading.Event()

    def speak() -> None:
        looked.wait(60)
        loop.call_soon_threadsafe(said.set_result, "hello")

    thread = threading.Thread(target=speak)
    thread.start()

    def count() -> int:
        looked.set()
        thread.join()
        return 1

    monkeypatch.setattr(threading, "active_count", count)
    assert await said == "hello"


async def test_the_clock_stands_still_while_a_thread_works() -> None:
    """A timeout does not fire while a thread of an executor computes."""
    release = threading.Event()
    loop = asyncio.get_running_loop()
    working = loop.run_in_executor(None, release.wait, 60)
    threading.Timer(0.05, release.set).start()
    async with asyncio.timeout(0.001):
        assert await working
    assert now() == 0


async def test_a_cancelled_wait_for_a_thread_does_not_free_the_clock() -> None:
    """A thread whose result nobody awaits any more still stops the clock until it ends."""
    release = threading.Event()
    ended: list[float] = []
    loop = asyncio.get_running_loop()

    def work() -> None:
        release.wait(60)
        ended.append(time.monotonic())

    working = loop.run_in_executor(None, work)
    await asyncio.sleep(0)
    working.cancel()
    threading.Timer(0.05, release.set).start()
    await asyncio.sleep(1)
    assert ended


async def test_work_that_never_started_frees_the_clock() -> None:
    """Cancelling what waits in an executor's queue leaves no thread counted."""
    release = threading.Event()
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        first = loop.run_in_executor(pool, release.wait, 60)
        queued = loop.run_in_executor(pool, release.wait, 60)
        queued.cancel()
        release.set()
        assert await first
    await asyncio.sleep(10)
    assert now() == 10


async def test_a_thread_sleeps_in_virtual_time() -> None:
    """`Scope.sleep` in a thread takes virtual time only, in real time the test would hang; and the
    loop's timers keep their order."""
    scope = Scope.current()
    loop = asyncio.get_running_loop()
    seen: list[tuple[str, float]] = []

    def work() -> None:
        for _ in range(3):
            scope.sleep(100)
            seen.append(("thread", loop.time()))

    loop.call_later(150, lambda: seen.append(("timer", loop.time())))
    await loop.run_in_executor(None, work)
    assert seen == [("thread", 100), ("timer", 150), ("thread", 200), ("thread", 300)]


async def test_an_event_wakes_a_thread_before_its_timeout() -> None:
    """`Clock.wait` returns True at the virtual time at which the event is set."""
    clock = Scope.current().effects.clock
    loop = asyncio.get_running_loop()
    event = threading.Event()

    def work() -> tuple[bool, float]:
        return clock.wait(event, 3600), clock.monotonic()

    loop.call_later(60, event.set)
    assert await loop.run_in_executor(None, work) == (True, 60)


async def test_threads_hand_over_without_time_passing() -> None:
    """A thread woken by another one is at work at once: no timer fires in between."""
    clock = Scope.current().effects.clock
    loop = asyncio.get_running_loop()
    events = [threading.Event() for _ in range(20)]

    def relay(number: int) -> float:
        assert clock.wait(events[number], None)
        if number + 1 < len(events):
            events[number + 1].set()
        return clock.monotonic()

    with ThreadPoolExecutor(len(events)) as pool:
        waiting = [loop.run_in_executor(pool, relay, number) for number in range(len(events))]
        loop.call_later(5, events[0].set)
        loop.call_later(5.000001, lambda: None)
        assert set(await asyncio.gather(*waiting)) == {5}


async def test_announced_threads_stop_the_clock() -> None:
    """A pool of somebody else's tells the loop by `thread_started` and `thread_finished`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    done = loop.create_future()

    def work() -> None:
        time.sleep(0.05)
        loop.call_soon_threadsafe(done.set_result, "result")
        loop.thread_finished()

    loop.thread_started()
    thread = threading.Thread(target=work)
    thread.start()
    async with asyncio.timeout(0.001):
        assert await done == "result"
    thread.join()


async def test_a_stranger_that_waits_hides_no_thread_at_work() -> None:
    """A thread that nobody counts may wait on the clock; a counted one still stops it."""
    clock = Scope.current().effects.clock
    loop = asyncio.get_running_loop()
    woken, release = threading.Event(), threading.Event()
    stranger = threading.Thread(target=clock.wait, args=(woken, 50))
    stranger.start()
    working = loop.run_in_executor(None, release.wait, 60)
    threading.Timer(0.05, release.set).start()
    async with asyncio.timeout(0.001):
        assert await working
    while stranger.is_alive():  # noqa: ASYNC110 - it may have begun to wait late
        await asyncio.sleep(100)
    stranger.join()


async def test_the_loop_thread_may_not_wait_on_the_clock() -> None:
    """`Clock.wait` on the loop's own thread is refused: it would wait for itself."""
    with pytest.raises(UsageError, match="event loop's"):
        Scope.current().effects.clock.wait(threading.Event(), 1)


def test_a_closed_loop_ends_a_thread_s_wait() -> None:
    """A thread that waits on the clock of a closed loop is let go."""
    loop = VirtualLoop()
    clock = VirtualClock(loop)
    loop.close()
    assert clock.wait(threading.Event(), None) is False


async def test_bytes_inside_the_loop_come_before_a_jump() -> None:
    """A real socket pair exchanges thousands of messages under a tiny virtual timeout."""
    left, right = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=left)
    other_reader, other_writer = await asyncio.open_connection(sock=right)
    async with asyncio.timeout(0.000_001):
        for _ in range(2000):
            writer.write(b"ping\n")
            assert await other_reader.readline() == b"ping\n"
            other_writer.write(b"pong\n")
            assert await reader.readline() == b"pong\n"
    for each in (writer, other_writer):
        each.close()
        await each.wait_closed()


async def test_silence_on_a_socket_does_not_stop_the_clock() -> None:
    """With a descriptor watched and nothing to read, timers fire after the grace."""
    left, right = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=left)
    with right, pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await reader.read(1)
    writer.close()
    await writer.wait_closed()


async def test_the_clock_is_real_while_a_child_process_runs() -> None:
    """A child that takes 0.2 s is not cut off by a timeout of a minute."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import time; time.sleep(0.2); print('done')", stdout=-1
    )
    async with asyncio.timeout(60):
        output, _ = await child.communicate()
    assert output == b"done\n"
    assert 0.1 < now() < 60
    await asyncio.sleep(3600)
    assert now() > 3600


async def test_wall_time_follows_virtual_time_and_may_jump() -> None:
    """`Clock.time` is the epoch plus the loop's time; a test moves the epoch."""
    clock = Scope.current().effects.clock
    assert isinstance(clock, VirtualClock)
    before = clock.time()
    await asyncio.sleep(5)
    clock.epoch += 3600
    assert clock.time() - before == 3605
    assert clock.monotonic() == 5
