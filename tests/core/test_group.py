"""Groups: tasks that start and stop together, and the first failure is what is raised."""

# ruff: noqa: SIM117 - what is inside of what is what is tested

from __future__ import annotations

import asyncio
import gc
import inspect
import random
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from mainstay.core.group import Group
from mainstay.core.scope import RECANCEL, Scope
from mainstay.errors import (
    Cancelled,
    ClosedError,
    Conflict,
    DeadlineExceeded,
    NotFound,
    UsageError,
)
from tests.core.moments import about, forever, me, nothing_left, now, turns


async def fail(after: float, error: Exception | None = None) -> None:
    await asyncio.sleep(after)
    raise error or NotFound(f"not there after {after:g} s")


async def give(after: float, result: str = "done") -> str:
    await asyncio.sleep(after)
    return result


async def ignore(until: float) -> str:
    """Swallow every cancellation until a time."""
    while now() < until:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(until - now())
    return "would not stop"


def unstarted(work: Coroutine[Any, Any, Any]) -> bool:
    """Whether a coroutine was closed."""
    return inspect.getcoroutinestate(work) == inspect.CORO_CLOSED


# --- all goes well --------------------------------------------------------------------------------


async def test_a_group_waits_for_all_of_its_tasks() -> None:
    """Leaving it takes as long as the slowest task; results are there by name."""
    with nothing_left():
        async with Group("page") as group:
            user = group.start(give(1, "ann"), "user")
            group.start(give(3, "many"), name="orders")
            assert "running=2" in repr(group)
        assert now() == pytest.approx(3)
    assert user.result() == "ann"
    assert group.results == {"user": "ann", "orders": "many"}
    assert group.errors == {}
    assert repr(group) == "<Group 'page' running=0 done=2 failed=0>"


async def test_an_empty_group_ends_at_once() -> None:
    """Nothing to wait for, no turn of the loop is taken, and an error goes through."""
    with nothing_left():
        async with Group():
            pass
        with pytest.raises(ZeroDivisionError):
            async with Group():
                raise ZeroDivisionError
        with pytest.raises(DeadlineExceeded):
            async with Group(timeout=1):
                await forever()
    assert now() == about(1)


async def test_names_are_those_of_the_functions_and_numbered() -> None:
    """Without a name the function's is taken, with a number once it is in use."""
    async with Group() as group:
        for _ in range(3):
            group.start(give(0))
        group.start(give(0), "give-4")
        group.start(give(0))
    assert list(group.results) == ["give", "give-2", "give-3", "give-4", "give-5"]


async def test_a_name_is_taken_once() -> None:
    """A second task of a name is refused, and its coroutine closed without a warning."""
    async with Group("page") as group:
        group.start(give(0), "user")
        work = give(0)
        with pytest.raises(UsageError, match="a task named 'user' already"):
            group.start(work, "user")
        assert unstarted(work)


async def test_a_group_that_is_not_entered_starts_nothing() -> None:
    """Before `async with` there is no scope; the coroutine is closed without a warning."""
    group = Group("early")
    work = give(0)
    with pytest.raises(UsageError, match="use `async with`"):
        group.start(work)
    assert unstarted(work)
    with pytest.raises(UsageError, match="not entered"):
        _ = group.scope


async def test_a_group_that_has_ended_starts_nothing() -> None:
    """Afterwards it is closed, and says so."""
    async with Group("late") as group:
        pass
    work = give(0)
    with pytest.raises(ClosedError, match="has ended"):
        group.start(work)
    assert unstarted(work)


async def test_tasks_may_start_tasks() -> None:
    """While one task runs, more can be started, by itself too, and all are waited for."""

    async def countdown(left: int) -> None:
        await asyncio.sleep(1)
        if left:
            group.start(countdown(left - 1), f"{left - 1} left")

    async with Group() as group:
        group.start(countdown(5))
    assert now() == pytest.approx(6)
    assert len(group.results) == 6


async def test_each_task_has_a_scope_below_the_groups() -> None:
    """Named as the task; the group's own scope is the code's around."""
    scopes = []

    async def look() -> None:
        scopes.append(Scope.current())

    async with Group("page") as group:
        assert Scope.current() is group.scope
        group.start(look(), "looker")
    assert [(each.name, each.parent) for each in scopes] == [("looker", group.scope)]


# --- limit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3])
async def test_the_limit_holds_and_the_order_too(limit: int) -> None:
    """At most so many run at a time; the others begin in the order they were started."""
    begun: list[int] = []
    running = most = 0
    chance = random.Random(limit)

    async def work(number: int) -> None:
        nonlocal running, most
        begun.append(number)
        running += 1
        most = max(most, running)
        await asyncio.sleep(chance.random())
        running -= 1

    async with Group(limit=limit) as group:
        for number in range(20):
            group.start(work(number))
    assert most == limit
    assert begun == list(range(20))


def test_a_limit_below_one_is_refused() -> None:
    """Such a group would never begin."""
    with pytest.raises(UsageError, match="limit of at least 1, not 0"):
        Group(limit=0)


async def test_work_that_waits_for_its_turn_is_closed_when_the_group_fails() -> None:
    """Never begun, never awaited, and no warning about it."""
    queued = [give(1) for _ in range(3)]
    with nothing_left(), pytest.raises(NotFound):
        async with Group(limit=1) as group:
            group.start(fail(1))
            for work in queued:
                group.start(work)
    assert all(map(unstarted, queued))
    assert group.results == {}


# --- failures -------------------------------------------------------------------------------------


async def test_the_first_failure_cancels_the_rest_and_is_raised() -> None:
    """It is the very error, not a wrapper, and the tasks that were cancelled count as neither."""
    error = NotFound("no such user")
    with nothing_left(), pytest.raises(NotFound) as caught:
        async with Group() as group:
            slow = group.start(forever(), "slow")
            group.start(fail(2, error), "user")
            group.start(give(1, "quick"), "quick")
    assert caught.value is error
    assert now() == pytest.approx(2)
    assert slow.cancelled()
    assert group.results == {"quick": "quick"}
    assert group.errors == {"user": error}


async def test_a_failure_interrupts_the_code_around() -> None:
    """The body of the group is cancelled as well, and the failure comes out of it."""
    with nothing_left(), pytest.raises(NotFound):
        async with Group() as group:
            group.start(fail(1))
            await forever()
    assert now() == pytest.approx(1)


async def test_a_failure_keeps_its_story() -> None:
    """Where it was raised and from what is still told after it came out of the group."""

    async def look_up() -> None:
        try:
            users: dict[str, int] = {}
            users["ann"]
        except KeyError as error:
            raise NotFound("no user ann") from error

    for in_body in (True, False):
        with pytest.raises(NotFound) as caught:
            async with Group() as group:
                group.start(look_up())
                if in_body:
                    await forever()
        assert isinstance(caught.value.__cause__, KeyError)
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert "look_up" in names


async def test_later_failures_are_kept_and_noted_on_the_first() -> None:
    """Nothing that went wrong is lost: by name in `errors`, and as a note where people look."""

    async def fail_in_cleanup() -> None:
        try:
            await forever()
        finally:
            raise Conflict("the cleanup failed")

    with nothing_left(), pytest.raises(NotFound) as caught:
        async with Group("page") as group:
            group.start(fail_in_cleanup(), "cleaner")
            group.start(fail(1), "user")
    assert list(group.errors) == ["user", "cleaner"]
    [note] = caught.value.__notes__
    assert note.startswith("page: cleaner failed too: ")
    assert "the cleanup failed" in note


async def test_two_failures_in_one_turn_are_both_known() -> None:
    """The first is raised and the second noted, although neither was cancelled."""
    with nothing_left(), pytest.raises(NotFound, match="a") as caught:
        async with Group() as group:
            group.start(fail(1, NotFound("a")), "a")
            group.start(fail(1, Conflict("b")), "b")
    assert list(group.errors) == ["a", "b"]
    assert len(caught.value.__notes__) == 1


async def test_an_error_of_the_code_around_cancels_the_tasks_and_is_raised() -> None:
    """The body's own error wins; what failed meanwhile is noted on it."""

    async def fail_in_cleanup() -> None:
        try:
            await forever()
        finally:
            raise Conflict("the cleanup failed")

    with nothing_left(), pytest.raises(ZeroDivisionError) as caught:
        async with Group() as group:
            slow = group.start(forever(), "slow")
            group.start(fail_in_cleanup(), "cleaner")
            await turns()
            raise ZeroDivisionError
    assert slow.cancelled()
    assert list(group.errors) == ["cleaner"]
    assert "cleaner failed too" in caught.value.__notes__[0]


async def test_a_failure_that_the_code_around_awaited_is_raised_once() -> None:
    """Awaiting the task in the body raises its error there; out comes the same, without notes."""
    error = NotFound("no such user")
    with nothing_left(), pytest.raises(NotFound) as caught:
        async with Group() as group:
            await group.start(fail(0, error))
    assert caught.value is error
    assert not hasattr(error, "__notes__")


async def test_a_failure_that_the_code_around_swallowed_is_raised_at_the_end() -> None:
    """Not even a body that ignores its cancellation hides that a task has failed."""
    with nothing_left(), pytest.raises(NotFound):
        async with Group() as group:
            group.start(fail(1))
            with suppress(asyncio.CancelledError):
                await forever()


class Ending(BaseException):
    """Not an Exception, as the errors that end a program are."""


async def test_a_failure_that_is_no_exception_is_not_lost() -> None:
    """It cancels the rest and is raised, as every failure; what asyncio lets through, so do we."""

    async def end() -> None:
        await asyncio.sleep(1)
        raise Ending

    with nothing_left(), pytest.raises(Ending):
        async with Group() as group:
            slow = group.start(forever(), "slow")
            group.start(end(), "end")
    assert slow.cancelled()
    with nothing_left(), pytest.raises(Ending):
        async with Group() as group:
            group.start(end(), "end")
            await forever()
    with nothing_left(), pytest.raises(Ending):
        async with Group() as group:
            group.start(end(), "end")
            with suppress(asyncio.CancelledError):
                await forever()
            raise ZeroDivisionError


# --- cancellations --------------------------------------------------------------------------------


async def test_the_timeout_ends_all_of_it() -> None:
    """Tasks and the code around; the error names the group."""
    for in_body in (True, False):
        started = now()
        with nothing_left(), pytest.raises(DeadlineExceeded, match="'page' was given 2 s"):
            async with Group("page", timeout=2) as group:
                group.start(forever())
                if in_body:
                    await forever()
        assert now() - started == about(2)


async def test_cancelling_the_groups_scope_ends_it_with_the_cause() -> None:
    """From outside, from a task of the group, or from the code around."""

    async def stop() -> None:
        group.scope.cancel("by a task")
        await forever()

    with nothing_left():
        with pytest.raises(Cancelled, match="by a task"):
            async with Group() as group:
                group.start(stop())
        with pytest.raises(Cancelled, match="by the body"):
            async with Group() as group:
                group.start(forever())
                group.scope.cancel("by the body")
        with pytest.raises(Cancelled, match="from outside"):
            async with Group() as group:
                group.start(forever())
                asyncio.get_running_loop().call_later(1, group.scope.cancel, "from outside")


async def test_a_scope_around_ends_the_group_with_its_own_cause() -> None:
    """The group passes the cancellation on, and what comes out is the outer scope's."""
    for in_body in (True, False):
        with nothing_left(), pytest.raises(DeadlineExceeded, match="'call'"):
            with Scope("call", timeout=1):
                async with Group() as group:
                    task = group.start(forever())
                    if in_body:
                        await forever()
        assert task.cancelled()


@pytest.mark.parametrize("in_body", [True, False])
async def test_a_task_cancelled_from_outside_takes_its_group_along(*, in_body: bool) -> None:
    """The tasks are cancelled and waited for, and the cancellation goes on as it came."""
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        try:
            async with Group() as group:
                tasks.append(group.start(forever()))
                tasks.append(group.start(tidy()))
                if in_body:
                    await forever()
        finally:
            assert all(task.done() for task in tasks)
            assert me().cancelling() == 1

    async def tidy() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(RECANCEL / 2)

    worker = asyncio.create_task(work())
    await turns()
    worker.cancel()
    await asyncio.wait([worker])
    assert worker.cancelled()
    assert [task.cancelled() for task in tasks] == [True, True]
    assert now() == about(RECANCEL / 2)


@pytest.mark.parametrize("first", ["failure", "cancellation"])
async def test_a_failure_while_cancelled_from_outside(first: str) -> None:
    """The wish from outside wins over a failure before or after it, and nothing is left."""

    async def work() -> None:
        async with Group() as group:
            groups.append(group)
            group.start(fail(1), "failing")
            group.start(ignore(1.5), "slow")

    groups: list[Group] = []
    worker = asyncio.create_task(work())
    await asyncio.sleep(1.2 if first == "failure" else 0.8)
    worker.cancel()
    await asyncio.wait([worker])
    assert worker.cancelled()
    expected = ["failing"] if first == "failure" else []
    assert list(groups[0].errors) == expected
    assert groups[0].results == {"slow": "would not stop"}


async def test_a_timeout_of_asyncio_around_a_group_is_its_own() -> None:
    """The TimeoutError is asyncio's; the group's tasks are gone."""
    with nothing_left(), pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(1):
            async with Group() as group:
                task = group.start(forever())
    assert not isinstance(caught.value, DeadlineExceeded)
    assert task.cancelled()


async def test_a_task_that_swallows_is_waited_for_and_cancelled_again() -> None:
    """The group does not leave it behind, and its late result is kept."""
    with nothing_left(), pytest.raises(NotFound):
        async with Group() as group:
            group.start(ignore(3.2), "stubborn")
            group.start(fail(1))
    assert now() == pytest.approx(3.2)
    assert group.results == {"stubborn": "would not stop"}


async def test_a_task_that_ends_itself_as_cancelled_is_no_failure() -> None:
    """Cancelled on its own account, by its scope or by `Task.cancel`, it is in neither record."""

    async def give_up() -> None:
        Scope.current().cancel("not needed")
        await forever()

    with nothing_left():
        async with Group() as group:
            group.start(give_up())
            group.start(forever(), "other").cancel()
            group.start(give(2), "rest")
    assert group.results == {"rest": "done"}
    assert group.errors == {}
    assert now() == pytest.approx(2)


async def test_a_task_cancelled_before_its_first_step_never_runs() -> None:
    """Its coroutine is closed and no warning is given."""
    ran = []

    async def work() -> None:
        ran.append(1)

    with nothing_left(), pytest.raises(ZeroDivisionError):
        async with Group() as group:
            early = work()
            group.start(early).cancel()
            raise ZeroDivisionError
    assert ran == []
    assert unstarted(early)


async def test_a_task_started_while_the_group_is_cancelled_is_cancelled_at_its_first_wait() -> None:
    """Cleanup that starts more work does not make the group live on."""
    late = []

    async def tidy() -> None:
        try:
            await forever()
        finally:
            late.append(group.start(forever(), "late"))

    with nothing_left(), pytest.raises(NotFound):
        async with Group() as group:
            group.start(tidy())
            group.start(fail(1))
    assert late[0].cancelled()
    assert now() == about(1)


async def test_groups_nest() -> None:
    """An inner failure fails the inner group, and through its task or body the outer one."""
    with nothing_left():
        async with Group("outer") as outer:
            outer.start(give(2), "rest")
            with suppress(NotFound):
                async with Group("inner") as inner:
                    inner.start(fail(1))
                    inner.start(forever())
        assert outer.results == {"rest": "done"}

        async def inside() -> None:
            async with Group("inner") as inner:
                inner.start(fail(1))
                inner.start(forever())

        with pytest.raises(NotFound):
            async with Group("outer") as outer:
                outer.start(forever())
                outer.start(inside())


async def test_a_group_whose_coroutine_is_closed_leaves_the_tree() -> None:
    """`close` on the coroutine around cannot wait; the tasks are cancelled all the same."""
    here = Scope.current()
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        async with Group("closed") as group:
            tasks.append(group.start(forever()))
            await Pause()

    class Pause:
        def __await__(self) -> Any:
            yield

    opened = work()
    opened.send(None)
    await turns()
    assert len(here.children()) == 1
    opened.close()
    assert Scope.current() is here
    await asyncio.wait(tasks)
    assert tasks[0].cancelled()
    await turns()
    assert here.children() == []


@pytest.mark.parametrize("seed", range(60))
async def test_random_groups_lose_no_task_and_no_error(seed: int) -> None:
    """Whatever happens when: every task is over at the end, and every failure is in `errors`.

    The warnings about coroutines never awaited and errors never retrieved are errors here.
    """
    chance = random.Random(seed)
    failed: list[Exception] = []
    begun: list[int] = []
    ended: list[int] = []

    async def work(number: int) -> None:
        begun.append(number)
        try:
            await asyncio.sleep(chance.randrange(5) * 0.5)
            if chance.random() < 0.2:
                group.start(work(number + 100))
            if chance.random() < 0.2:
                raise failure(number)
        except asyncio.CancelledError:
            if chance.random() < 0.3:
                await asyncio.sleep(0.5)
            if chance.random() < 0.3:
                raise failure(number) from None
            raise
        finally:
            ended.append(number)

    def failure(number: int) -> Exception:
        failed.append(NotFound(str(number)))
        return failed[-1]

    limit, timeout = chance.choice([None, 1, 3]), chance.choice([None, 1.0])
    group = Group(limit=limit, timeout=timeout)
    with nothing_left():
        try:
            async with group:
                tasks = [group.start(work(number)) for number in range(chance.randrange(8))]
                for task in tasks:
                    if chance.random() < 0.1:
                        task.cancel()
                if chance.random() < 0.3:
                    await asyncio.sleep(chance.randrange(4) * 0.5)
        except NotFound as error:
            assert error is failed[0]  # noqa: PT017 - it need not be raised
        except DeadlineExceeded:
            assert timeout
        else:
            assert not failed
        await turns()
    assert sorted(begun) == sorted(ended)
    assert list(group.errors.values()) == failed
    assert asyncio.all_tasks() == {me()}
    gc.collect()
