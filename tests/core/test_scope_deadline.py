"""Deadlines: whose they are, what is raised, and that work ends with its caller's interest."""

# ruff: noqa: SIM117 - which scope is inside of which is what is tested

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from math import inf, nan

import pytest
import uvloop

from mainstay.core.scope import Scope
from mainstay.core.threads import GRACE, ThreadPool, to_thread
from mainstay.core.wheel import TICK
from mainstay.errors import Cancelled, DeadlineExceeded, UsageError
from tests.core.conftest import PATIENCE
from tests.core.moments import about, forever, me, nothing_left, now, turns


async def test_the_deadline_is_raised_where_the_scope_was_opened() -> None:
    """Inside is a CancelledError; out of the block comes a DeadlineExceeded that names it."""
    seen = []
    with nothing_left(), pytest.raises(DeadlineExceeded) as caught:
        with Scope("report", timeout=3) as scope:
            try:
                await forever()
            except asyncio.CancelledError as error:
                seen.append(error)
                assert scope.cancelled
                raise
    assert str(caught.value) == "'report' was given 3 s, which are over"
    assert caught.value is scope.cause
    assert caught.value.__cause__ is seen[0]
    assert now() == about(3)


async def test_a_deadline_exceeded_is_a_timeout_error() -> None:
    """Code that expects asyncio's own error catches ours."""
    with pytest.raises(TimeoutError), Scope(timeout=1):
        await forever()


async def test_an_absolute_deadline_is_named_as_such() -> None:
    """A scope without a name and without a timeout says what it can."""
    with pytest.raises(DeadlineExceeded, match="'batch' had a deadline, which has passed"):
        with Scope("batch", deadline=now() + 2):
            await forever()
    assert now() == about(2)
    with pytest.raises(DeadlineExceeded, match=r"this work was given 0\.5 s"), Scope(timeout=0.5):
        await forever()


async def test_the_tightest_of_timeout_deadline_and_parent_holds() -> None:
    """A child can only be tighter, however it is asked for."""
    with Scope(timeout=10) as outer:
        assert outer.remaining() == 10
        assert outer.child().remaining() == 10
        assert outer.child(timeout=20).remaining() == 10
        assert outer.child(timeout=4).remaining() == 4
        assert outer.child(timeout=4, deadline=now() + 3).remaining() == 3
        assert outer.child(timeout=3, deadline=now() + 4).remaining() == 3
        await asyncio.sleep(9)
        assert outer.remaining() == pytest.approx(1)
        assert outer.child(timeout=4).remaining() == pytest.approx(1)


async def test_without_a_deadline_the_rest_is_infinite() -> None:
    """`remaining` is infinite without a limit and negative after it."""
    with Scope() as scope:
        assert (scope.deadline, scope.remaining()) == (None, inf)
    assert Scope(deadline=now() - 2).remaining() == -2


async def test_an_infinite_timeout_is_none_at_all() -> None:
    """What `remaining` returns can be given on as a timeout, whatever it is."""
    with Scope(timeout=Scope.current().remaining()) as scope:
        assert scope.deadline is None
        await asyncio.sleep(1)
    with Scope(deadline=inf) as scope:
        assert scope.deadline is None
    with Scope(timeout=5), Scope(timeout=inf) as scope:
        assert scope.remaining() == 5


@pytest.mark.parametrize("limit", [{"timeout": nan}, {"deadline": nan}])
async def test_a_limit_is_a_number(limit: dict[str, float]) -> None:
    """NaN compares to nothing and would never fire: it is refused where it is given."""
    with pytest.raises(UsageError, match="nan"):
        Scope("odd", **limit)  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout", [0, -1])
async def test_a_deadline_that_has_passed_strikes_at_the_first_wait(timeout: float) -> None:
    """Entering is allowed, and code that never waits ends; the first wait is interrupted."""
    with nothing_left():
        with Scope(timeout=timeout) as scope:
            pass
        assert not scope.cancelled
        with pytest.raises(DeadlineExceeded), Scope(timeout=timeout):
            await forever()
    assert now() == about(0)


async def test_work_that_ends_in_time_is_left_alone() -> None:
    """No error, no timer that strikes later, whether it waited or not."""
    with nothing_left():
        with Scope(timeout=1):
            await asyncio.sleep(0.9)
        with Scope(timeout=1):
            pass
        await asyncio.sleep(5)


async def test_the_outer_deadline_is_raised_at_the_outer_scope() -> None:
    """The inner block sees a cancellation and raises nothing of its own."""
    inner_saw: list[str] = []
    with nothing_left(), pytest.raises(DeadlineExceeded, match="'outer' was given 1 s"):
        with Scope("outer", timeout=1):
            try:
                with Scope("inner", timeout=5):
                    await forever()
            except BaseException as error:
                inner_saw.append(type(error).__name__)
                raise
    assert inner_saw == ["CancelledError"]
    assert now() == about(1)


async def test_the_inner_deadline_is_raised_at_the_inner_scope() -> None:
    """The outer block goes on, and its own deadline still holds."""
    with nothing_left(), pytest.raises(DeadlineExceeded, match="'outer' was given 5 s"):
        with Scope("outer", timeout=5) as outer:
            with pytest.raises(DeadlineExceeded, match="'inner' was given 1 s"):
                with Scope("inner", timeout=1):
                    await forever()
            assert now() == about(1)
            assert not outer.cancelled
            assert me().cancelling() == 0
            await forever()
    assert now() == about(5)


@pytest.mark.parametrize("inner_first", [True, False])
async def test_two_deadlines_in_one_tick_end_at_the_outer_scope(*, inner_first: bool) -> None:
    """Both have passed, so the whole is over: once, and nothing is left of either."""
    # Both in one slot of the wheel; entered in either order by way of an absolute deadline.
    early, late = 0.991, 0.999
    outer_at, inner_at = (late, early) if inner_first else (early, late)
    with nothing_left(), pytest.raises(DeadlineExceeded) as caught:
        with Scope("outer", deadline=outer_at) as outer:
            with Scope("inner", deadline=inner_at):
                await forever()
    assert caught.value is outer.cause
    assert now() == about(late)
    await asyncio.sleep(5)


async def test_a_deadline_is_named_after_the_scope_that_set_it() -> None:
    """Scopes below without a limit of their own are interrupted in the name of the one with it."""
    with nothing_left(), pytest.raises(DeadlineExceeded, match="'call' was given 2 s") as caught:
        with Scope("call", timeout=2) as call, Scope("x"), Scope("y") as below:
            task = call.start(forever(), "task")
            task_scope = next(each for each in call.children() if each.name == "task")
            try:
                await forever()
            finally:
                assert below.cause is task_scope.cause is call.cause
                with pytest.raises(DeadlineExceeded, match="'call'"):
                    below.check()
                with call.shield(5):
                    await asyncio.wait([task])
    assert caught.value is call.cause


async def test_check_knows_before_the_loop_does() -> None:
    """`check` reads the clock, so code that never waits learns of its deadline too."""
    with Scope("loop", timeout=1) as scope:
        scope.check()
    late = Scope("late", deadline=now())
    with pytest.raises(DeadlineExceeded, match="'late'"):
        late.check()
    assert not late.cancelled


async def test_an_orphan_ends_with_the_deadline_of_the_scope_that_it_outlives() -> None:
    """A task nobody waited for keeps the limit it was started under."""
    with Scope("call", timeout=3) as call:
        orphan = call.start(forever())
    assert now() == 0
    await asyncio.wait([orphan])
    assert orphan.cancelled()
    assert now() == about(3)
    await turns()
    assert Scope.current().children() == []


async def test_an_orphan_is_told_when_what_is_above_is_cancelled() -> None:
    """A scope that was left with tasks below still passes cancellations and drains on."""
    with Scope("service") as service:
        with Scope("call"), Scope("inner") as inner:
            orphan = inner.start(_until_told())
            await turns(1)
        service.drain()
        service.cancel("over")
        with service.shield(5):
            draining, cause = await orphan
            await turns()
        assert draining
        assert cause is service.cause
        assert service.children() == []


async def _until_told() -> tuple[bool, Exception | None]:
    scope = Scope.current()
    with suppress(asyncio.CancelledError):
        await forever()
    return scope.draining, scope.cause


async def test_a_task_of_a_plain_loop_keeps_the_limit_of_where_it_was_made() -> None:
    """What outlives its scope by `asyncio.create_task` opens scopes under the old limit."""

    async def work() -> str:
        try:
            with Scope("late"):
                await forever()
        except DeadlineExceeded as error:
            return str(error)
        return "never"

    with Scope("call", timeout=3):
        task = asyncio.create_task(work())
    assert await task == "'call' was given 3 s, which are over"
    assert now() == about(3)
    assert Scope.current().children() == []


class Computation:
    """Ten seconds of work in steps of one."""

    def __init__(self) -> None:
        self.steps = 0
        self.ended: float | None = None

    async def as_coroutine(self) -> None:
        try:
            while self.steps < 10:
                await asyncio.sleep(1)
                self.steps += 1
        finally:
            self.ended = now()

    async def as_generator(self) -> None:
        async with aclosing(self._generate()) as steps:
            async for step in steps:
                self.steps = step

    async def _generate(self) -> AsyncGenerator[int, None]:
        try:
            for step in range(10):
                await asyncio.sleep(1)
                yield step + 1
        finally:
            self.ended = now()

    async def as_consumer(self) -> None:
        """The generator is quick; its consumer is what takes the time."""

        async def generate() -> AsyncGenerator[int, None]:
            try:
                for step in range(10):
                    yield step
            finally:
                self.ended = now()

        async with aclosing(generate()) as steps:
            async for _ in steps:
                await asyncio.sleep(1)
                self.steps += 1

    async def as_thread_that_sleeps(self) -> None:
        await to_thread(self._in_thread, Scope.sleep)

    async def as_thread_that_checks(self) -> None:
        def wait_and_check(scope: Scope, seconds: float) -> None:
            scope.effects.clock.wait(threading.Event(), seconds)
            scope.check()

        await to_thread(self._in_thread, wait_and_check)

    def _in_thread(self, step: Callable[[Scope, float], None]) -> None:
        scope = Scope.current()
        try:
            while self.steps < 10:
                step(scope, 1)
                self.steps += 1
        finally:
            self.ended = scope.effects.clock.monotonic()

    async def as_task(self) -> None:
        await Scope.current().start(self.as_coroutine())

    async def deep_below(self) -> None:
        with Scope("a"), Scope("b", timeout=60), Scope("c"):
            await self.as_coroutine()


KINDS: list[Callable[[Computation], Awaitable[None]]] = [
    Computation.as_coroutine,
    Computation.as_generator,
    Computation.as_consumer,
    Computation.as_thread_that_sleeps,
    Computation.as_thread_that_checks,
    Computation.as_task,
    Computation.deep_below,
]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_caller_waits_3_s_for_10_s_of_work_then_the_work_stops(
    kind: Callable[[Computation], Awaitable[None]],
) -> None:
    """Whatever the work is made of, it ends with its caller's interest, not later."""
    work = Computation()
    with nothing_left():
        with pytest.raises(DeadlineExceeded, match="'caller' was given 3 s"):
            with Scope("caller", timeout=3):
                await kind(work)
        assert now() == about(3)
        await asyncio.sleep(20)
    assert work.ended == about(3)
    assert work.steps in (2, 3)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_caller_is_cancelled_then_the_work_stops(
    kind: Callable[[Computation], Awaitable[None]],
) -> None:
    """The same when the caller's interest ends by a cancellation."""
    work = Computation()
    with nothing_left():
        with pytest.raises(Cancelled, match="changed its mind"), Scope("caller") as scope:
            asyncio.get_running_loop().call_later(3, scope.cancel, "changed its mind")
            await kind(work)
        await asyncio.sleep(20)
    assert work.ended == about(3)
    assert work.steps in (2, 3)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_caller_who_waits_long_enough_gets_the_result(
    kind: Callable[[Computation], Awaitable[None]],
) -> None:
    """Ten seconds of work in a scope of eleven are done."""
    work = Computation()
    with Scope("caller", timeout=11):
        await kind(work)
    assert work.steps == 10
    assert now() == pytest.approx(10)


SECONDS = (0.05, 1.0, 10.0)
"""Deadlines for work in a real thread. It is dropped if it has not begun by then, so whoever wants to
see its end takes the first one that is late enough for this machine."""


@pytest.mark.real_loop
@pytest.mark.usefixtures("patient_callers")
@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
async def test_deadlines_and_cancellations_hold_on_real_loops(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """With the machine's clock, on asyncio's own and uvloop: never early, threads too."""
    with nothing_left():
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded), Scope("caller", timeout=0.03) as scope:
            task = scope.start(forever())
            await to_thread(lambda: Scope.current().sleep(3600))
        assert time.monotonic() - started >= 0.03
        await asyncio.wait([task])
        await turns()
        with pytest.raises(Cancelled, match="by a thread"), Scope() as scope:
            await to_thread(lambda: scope.cancel("by a thread"))
            await forever()
        await turns()
    assert len(Scope.current()._runtime.wheel) == 0


@pytest.mark.real_loop
@pytest.mark.usefixtures("patient_callers")
async def test_a_real_thread_that_sleeps_stops_with_its_caller() -> None:
    """With real threads and real time: the sleep ends at the deadline, not after an hour."""
    begun: list[float] = []
    seen: list[str] = []

    def work() -> None:
        begun.append(seconds)
        try:
            Scope.current().sleep(3600)
        except DeadlineExceeded as error:
            seen.append(str(error))
            raise

    for seconds in SECONDS:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded), Scope("caller", timeout=seconds):
            await to_thread(work)
        assert time.monotonic() - started >= seconds
        if begun:
            break
    assert begun
    assert seen == [f"'caller' was given {begun[0]:g} s, which are over"]


@pytest.mark.real_loop
async def test_a_real_thread_that_checks_stops_with_its_caller() -> None:
    """A busy thread that looks at its scope is gone soon after the cancellation."""
    rounds = 0
    busy, gone = threading.Event(), threading.Event()

    def work() -> None:
        nonlocal rounds
        scope = Scope.current()
        try:
            while True:
                scope.check()
                busy.set()
                rounds += 1
        finally:
            gone.set()

    with pytest.raises(Cancelled, match="no longer wanted"), Scope("caller") as scope:
        task = scope.start(to_thread(work))
        await asyncio.to_thread(busy.wait)
        scope.cancel("no longer wanted")
        await task
    assert gone.wait(PATIENCE)
    assert rounds


@pytest.mark.real_loop
async def test_a_thread_that_never_looks_is_left_behind_after_the_grace() -> None:
    """The caller goes on; the thread keeps its place until it ends, and what it says is lost."""
    begun, release = threading.Event(), threading.Event()
    pool = ThreadPool(1)
    asyncio.get_running_loop().set_default_executor(pool)

    def work() -> None:
        begun.set()
        release.wait()

    waited: list[float] = []
    for seconds in SECONDS:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded), Scope("caller", timeout=seconds):
            await to_thread(work)
        waited.append(time.monotonic() - started - seconds)
        if begun.is_set():
            break
    assert waited[-1] >= GRACE - TICK
    assert len(pool.statistics().running) == 1
    release.set()
    with Scope(timeout=PATIENCE):
        assert await to_thread(lambda: "the place is free again") == "the place is free again"


async def test_a_deadline_beyond_all_times_is_none() -> None:
    """A peer may send any number, and no timer could count to this one."""
    with Scope("call", timeout=1e307) as scope:
        assert scope.deadline is None
    assert Scope.current().children() == []
