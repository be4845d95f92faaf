"""The wheel's promises: never early, at most a tick late, cheap to leave, hard to break."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
import uvloop

from mainstay.core.wheel import TICK, Timer, Wheel
from mainstay.testing import VirtualLoop

LATE = TICK + 1e-4


def nothing() -> None:
    """What a timer does that only has to be there."""


def new_wheel() -> Wheel:
    loop = asyncio.get_running_loop()
    return Wheel(loop, loop.time)


async def test_a_timer_fires_once_at_its_time_and_never_early() -> None:
    """Up to a tick late, whatever fraction of a tick the time is."""
    loop, wheel = asyncio.get_running_loop(), new_wheel()
    fired: list[float] = []
    wheel.at(1.001, lambda: fired.append(loop.time()))
    await asyncio.sleep(5)
    assert len(fired) == 1
    assert 1.001 <= fired[0] <= 1.001 + LATE
    assert len(wheel) == 0


@pytest.mark.parametrize("seed", range(5))
async def test_thousands_of_timers_keep_their_times(seed: int) -> None:
    """Set in any order and at any time, some withdrawn: the others fire, each in its tick."""
    loop, wheel, chance = asyncio.get_running_loop(), new_wheel(), random.Random(seed)
    await asyncio.sleep(chance.random() * 1e6)
    start = loop.time()
    late: dict[float, float] = {}
    expected = set()
    for _ in range(3000):
        when = start + chance.choice([chance.random() * 30, round(chance.random() * 300) * TICK])
        timer = wheel.at(when, lambda when=when: late.update({when: loop.time() - when}))  # type: ignore[misc]
        if chance.random() < 0.4:
            timer.cancel()
        else:
            expected.add(when)
        if chance.random() < 0.01:
            await asyncio.sleep(chance.random() * 0.05)
    await asyncio.sleep(40)
    assert set(late) == expected
    assert min(late.values()) >= 0
    # A timer set in the past, while the test slept, is late by that much.
    assert all(each <= LATE for when, each in late.items() if when > loop.time() - 40)
    assert len(wheel) == 0


async def test_an_earlier_timer_set_later_is_not_late() -> None:
    """The loop is asked anew when the earliest time changes."""
    loop, wheel = asyncio.get_running_loop(), new_wheel()
    fired: list[tuple[str, float]] = []
    wheel.at(100, lambda: fired.append(("far", loop.time())))
    wheel.at(2, lambda: fired.append(("near", loop.time())))
    await asyncio.sleep(200)
    assert [name for name, _ in fired] == ["near", "far"]
    assert [when for _, when in fired] == pytest.approx([2, 100], abs=LATE)


async def test_the_timers_of_a_tick_fire_in_the_order_they_were_set() -> None:
    """First come, first served, as the loop's own timers."""
    wheel = new_wheel()
    fired: list[int] = []
    for number in range(100):
        wheel.at(1, lambda number=number: fired.append(number))  # type: ignore[misc]
    await asyncio.sleep(2)
    assert fired == list(range(100))


async def test_a_time_in_the_past_fires_at_once() -> None:
    """In the next turn of the loop, and not before `at` returns."""
    wheel = new_wheel()
    await asyncio.sleep(5)
    fired: list[int] = []
    for number, when in enumerate([-1e9, 0.0, 5.0]):
        wheel.at(when, lambda number=number: fired.append(number))  # type: ignore[misc]
    assert fired == []
    for _ in range(3):
        await asyncio.sleep(0)
    assert sorted(fired) == [0, 1, 2]


async def test_a_withdrawn_timer_never_fires() -> None:
    """Withdrawing is idempotent, and harmless after the timer has fired."""
    wheel = new_wheel()
    fired: list[str] = []
    gone = wheel.at(1, lambda: fired.append("withdrawn"))
    kept = wheel.at(1, lambda: fired.append("kept"))
    gone.cancel()
    gone.cancel()
    assert len(wheel) == 1
    await asyncio.sleep(2)
    assert fired == ["kept"]
    kept.cancel()


async def test_a_callback_may_withdraw_a_timer_of_the_same_tick() -> None:
    """A deadline that makes another pointless stops it in time."""
    wheel = new_wheel()
    fired: list[str] = []
    timers: dict[str, Timer] = {}

    def fire(name: str, other: str) -> None:
        fired.append(name)
        timers[other].cancel()

    timers["a"] = wheel.at(1, lambda: fire("a", "b"))
    timers["b"] = wheel.at(1, lambda: fire("b", "a"))
    await asyncio.sleep(2)
    assert fired == ["a"]


async def test_a_callback_may_set_timers() -> None:
    """For now, for the same tick or for later: all fire, and none at once."""
    loop, wheel = asyncio.get_running_loop(), new_wheel()
    fired: list[tuple[str, float]] = []

    def first() -> None:
        for name, when in [("past", 0.0), ("same", 1.0), ("later", 3.0)]:
            wheel.at(when, lambda name=name: fired.append((name, loop.time())))  # type: ignore[misc]
        assert fired == []

    wheel.at(1, first)
    await asyncio.sleep(5)
    assert [name for name, _ in fired] == ["past", "same", "later"]
    assert fired[1][1] == pytest.approx(1, abs=LATE)
    assert fired[2][1] == pytest.approx(3, abs=LATE)


async def test_a_callback_that_fails_harms_no_other_timer() -> None:
    """Its error goes to the loop's handler; the tick's other timers and later ones fire."""
    loop, wheel = asyncio.get_running_loop(), new_wheel()
    failures: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    fired: list[int] = []
    wheel.at(1, lambda: fired.append(1))
    wheel.at(1, lambda: fired.append(1 // 0))
    wheel.at(1, lambda: fired.append(2))
    wheel.at(1.1, lambda: fired.append(3))
    wheel.at(9, lambda: fired.append(4))
    await asyncio.sleep(20)
    assert fired == [1, 2, 3, 4]
    assert [type(failure["exception"]) for failure in failures] == [ZeroDivisionError]


def test_a_callback_that_ends_the_program_harms_no_other_timer() -> None:
    """KeyboardInterrupt and SystemExit leave the loop; run again, it has lost nothing."""
    loop = VirtualLoop()
    wheel = Wheel(loop, loop.time)
    fired: list[str] = []

    def leave() -> None:
        raise SystemExit

    wheel.at(1, lambda: fired.append("before"))
    wheel.at(1, leave)
    wheel.at(1, lambda: fired.append("after"))
    with pytest.raises(SystemExit):
        loop.run_until_complete(asyncio.sleep(2))
    assert fired == ["before"]
    loop.run_until_complete(asyncio.sleep(2))
    assert fired == ["before", "after"]
    loop.close()


@pytest.mark.parametrize("seed", range(20))
def test_rounding_never_keeps_the_loop_busy(seed: int) -> None:
    """Sums of times that are off by a last bit fire all the same: virtual time cannot get stuck."""
    loop, chance = VirtualLoop(), random.Random(seed)
    off = chance.choice([0.0, 0.0004, 1e6 / 3])
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        assert looks < 20_000, "the wheel looks at a clock that stands still"
        return loop.time() - off

    wheel = Wheel(loop, clock)
    done = loop.create_future()
    early: list[float] = []
    left = 2000

    def fire(when: float) -> None:
        nonlocal left
        early.extend([when] * (clock() < when))
        left -= 1
        if not left:
            done.set_result(None)
        elif left > 0:
            step = chance.choice([0.5, 1 / 3, 0.1, chance.random() * 1000])
            later = chance.choice([when, clock()]) + step
            wheel.at(later, lambda: fire(later))

    loop.call_soon(fire, -off)
    loop.run_until_complete(done)
    loop.close()
    assert early == []


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_on_a_real_loop_no_timer_is_early(
    factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """On asyncio's own loop and on uvloop, whose clock has whole milliseconds."""
    early: list[float] = []
    fired = 0

    async def main() -> None:
        nonlocal fired
        loop = asyncio.get_running_loop()
        wheel, chance, start = Wheel(loop, time.monotonic), random.Random(1), time.monotonic()
        done = loop.create_future()

        def fire(when: float) -> None:
            nonlocal fired
            fired += 1
            early.extend([when] * (time.monotonic() < when))
            if fired == 500:
                done.set_result(None)

        for _ in range(500):
            when = start + chance.random() * 0.2
            wheel.at(when, lambda when=when: fire(when))  # type: ignore[misc]
        await asyncio.wait_for(done, 60)
        assert len(wheel) == 0

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    assert early == []


async def test_timers_fire_in_a_context_of_nobody() -> None:
    """They do not run as whoever happened to set the earliest, nor keep that one alive."""
    variable: ContextVar[str] = ContextVar("variable", default="nobody's")
    wheel = new_wheel()
    seen: list[str] = []
    for number in range(3):
        variable.set(f"of timer {number}")
        wheel.at(3 - number, lambda: seen.append(variable.get()))
    await asyncio.sleep(5)
    assert seen == ["nobody's"] * 3


async def test_far_deadlines_that_are_withdrawn_leave_nothing_behind() -> None:
    """A million distinct ticks set and withdrawn cost no more memory than those still set."""
    wheel = new_wheel()
    kept = [wheel.at(1e7 + number, nothing) for number in range(100)]
    gc.collect()
    before = sys.getallocatedblocks()
    for number in range(300_000):
        wheel.at(1000 + number * TICK, nothing).cancel()
    gc.collect()
    assert sys.getallocatedblocks() - before < 5000
    assert len(wheel) == len(kept)
    assert "slots=" in repr(wheel)


async def test_one_deadline_for_many_is_one_timer_of_the_loop() -> None:
    """However many deadlines are set, the loop holds one timer for the earliest."""
    loop = asyncio.get_running_loop()
    wheel = new_wheel()
    for number in range(1000, 0, -1):
        wheel.at(number, nothing)
    scheduled: list[asyncio.TimerHandle] = loop._scheduled  # type: ignore[attr-defined]
    assert sum(not handle.cancelled() for handle in scheduled) == 1
    assert repr(wheel) == "<Wheel timers=1000 slots=1000>"
