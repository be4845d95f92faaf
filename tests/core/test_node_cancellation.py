"""Cancellation: one cause, delivered until the work is gone, and never mistaken for another's."""

# ruff: noqa: SIM117 - which scope is inside of which is what is tested

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from mainstay.core.scope import RECANCEL, STRAGGLER, Scope
from mainstay.core.wheel import TICK
from mainstay.errors import Cancelled, DeadlineExceeded, NotFound, ShuttingDown
from mainstay.testing import VirtualLoop, run
from tests.core.moments import about, forever, me, nothing_left, now, turns


def later(seconds: float, scope: Scope, cause: Exception | str | None = None) -> None:
    """Cancel `scope` from outside of every task, `seconds` from now."""
    asyncio.get_running_loop().call_later(seconds, scope.cancel, cause)


# --- causes ---------------------------------------------------------------------------------------


async def test_the_cause_is_raised_where_the_scope_was_opened() -> None:
    """The very error given to `cancel` comes out of the block."""
    cause = ShuttingDown("the service is stopping")
    with nothing_left(), pytest.raises(ShuttingDown) as caught, Scope() as scope:
        later(1, scope, cause)
        await forever()
    assert caught.value is cause is scope.cause
    assert isinstance(cause.__cause__, asyncio.CancelledError)


@pytest.mark.parametrize(
    ("given", "message"), [("too slow", "too slow"), (None, "'work'|work was cancelled")]
)
async def test_a_text_or_nothing_becomes_cancelled(given: str | None, message: str) -> None:
    """A cause that is no error is raised as `Cancelled`, which says which scope it was."""
    with pytest.raises(Cancelled, match=message), Scope("work") as scope:
        scope.cancel(given)
        await forever()


async def test_the_first_cause_stays() -> None:
    """Cancelling twice, or a deadline after a cancellation, changes nothing."""
    with nothing_left(), pytest.raises(Cancelled, match="first"), Scope(timeout=1) as scope:
        scope.cancel("first")
        scope.cancel("second")
        try:
            await forever()
        finally:
            with scope.shield(5):
                await asyncio.sleep(2)
            scope.cancel("third")
    assert now() == about(2)


async def test_children_inherit_the_cause_at_once() -> None:
    """Everything below knows before anything is interrupted, in other tasks too."""
    with nothing_left(), pytest.raises(Cancelled) as caught:
        with Scope("top") as top, Scope("middle") as middle:
            task = top.start(forever(), "task")
            in_task = next(each for each in top.children() if each.name == "task")
            held = middle.child().open()
            top.cancel("over")
            assert top.cause is middle.cause is in_task.cause is held.cause
            assert not task.done()
            held.close()
            try:
                await forever()
            finally:
                with top.shield(5):
                    await asyncio.wait([task])
    assert caught.value is top.cause


async def test_a_child_keeps_its_own_earlier_cause() -> None:
    """What was cancelled for its own reason raises that reason, or the outer one further out."""
    with nothing_left(), pytest.raises(Cancelled, match="outer"), Scope() as outer:
        with pytest.raises(Cancelled, match="inner"), Scope() as inner:
            inner.cancel("inner")
            await forever()
        outer.cancel("outer")
        await forever()
    with nothing_left(), pytest.raises(Cancelled, match="outer"), Scope() as outer:
        with Scope() as inner:
            inner.cancel("inner")
            outer.cancel("outer")
            assert str(inner.cause) == "inner"
            await forever()


async def test_a_cause_keeps_what_it_tells_about_itself() -> None:
    """An error that was raised before, with a cause of its own, still tells that story."""
    origin = KeyError("user 7")
    try:
        raise NotFound("no such user") from origin
    except NotFound as error:
        cause = error
    with pytest.raises(NotFound) as caught, Scope() as scope:
        scope.cancel(cause)
        await forever()
    assert caught.value is cause
    assert cause.__cause__ is origin
    names = [frame.name for frame in traceback.extract_tb(cause.__traceback__)]
    assert names.count("test_a_cause_keeps_what_it_tells_about_itself") == 2


async def test_a_cause_shared_by_many_does_not_collect_their_stacks() -> None:
    """One error stops every call of a service: its traceback is that of one, not of all."""
    cause = ShuttingDown("the service is stopping")

    async def call() -> int:
        try:
            with Scope("call"):
                await forever()
        except ShuttingDown as error:
            assert error is cause  # noqa: PT017 - it may also not be raised
        return len(traceback.extract_tb(cause.__traceback__))

    with suppress(ShuttingDown), Scope("service") as service:
        calls = [asyncio.create_task(call()) for _ in range(50)]
        await turns(1)
        service.cancel(cause)
        with service.shield(5):
            lengths = await asyncio.gather(*calls)
        for _ in range(50):
            with suppress(ShuttingDown):
                service.check()
    assert max(lengths) == min(lengths)
    assert len(traceback.extract_tb(cause.__traceback__)) <= min(lengths)


# --- delivery -------------------------------------------------------------------------------------


async def test_code_that_ends_before_the_delivery_is_left_alone() -> None:
    """A task that cancels its own scope and never waits again ends normally."""
    with nothing_left():
        with Scope() as scope:
            scope.cancel("own wish")
        assert scope.cancelled
        await turns()
        with Scope() as outer, Scope() as inner:
            outer.cancel()
            inner.cancel()
        await asyncio.sleep(1)


async def test_an_error_on_the_way_out_is_not_hidden() -> None:
    """Another error than the CancelledError leaves the block as it is."""
    with nothing_left():
        with pytest.raises(ZeroDivisionError), Scope() as scope:
            scope.cancel()
            try:
                await forever()
            finally:
                raise ZeroDivisionError
        with pytest.raises(NotFound), Scope() as scope:
            scope.cancel()
            raise NotFound("it is not there")
        await turns()


async def test_a_result_at_the_same_moment_is_not_lost() -> None:
    """A body that catches the CancelledError and ends is done: no error is invented."""
    with nothing_left():
        with Scope(timeout=1), suppress(asyncio.CancelledError):
            await forever()
        assert now() == about(1)
        await asyncio.sleep(2)


async def test_a_scope_cancelled_before_it_is_entered_strikes_at_the_first_wait() -> None:
    """The wish is kept until there is somebody to tell."""
    scope = Scope("early")
    scope.cancel("before it began")
    with nothing_left(), pytest.raises(Cancelled, match="before it began"), scope:
        await asyncio.sleep(100)
    assert now() == about(0)


async def test_a_parent_cancelled_already_strikes_a_new_task() -> None:
    """A task started under a cancelled scope is told at its first wait."""
    with pytest.raises(Cancelled, match="over"), Scope() as scope:
        scope.cancel("over")
        tasks = [scope.start(forever())]
        with suppress(asyncio.CancelledError):
            await forever()
        tasks.append(scope.start(forever()))
        with scope.shield(5):
            await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        await forever()
    assert now() == about(0)


async def test_a_parent_cancelled_already_strikes_a_scope_of_another_task() -> None:
    """Entering a child of a cancelled scope of somebody else is a cancelled place to be."""
    other = Scope("other").open()
    other.cancel("over")
    with nothing_left(), pytest.raises(Cancelled, match="over"), Scope(parent=other) as scope:
        assert scope.cancelled
        await forever()
    other.close()
    assert now() == about(0)


async def test_a_task_that_was_told_keeps_its_time_for_cleanup() -> None:
    """Scopes opened during the cleanup are cancelled by name, and interrupted at `RECANCEL`."""
    with nothing_left(), pytest.raises(Cancelled), Scope() as scope:
        scope.cancel()
        try:
            await forever()
        finally:
            with Scope("cleanup") as cleanup:
                assert cleanup.cancelled
                await asyncio.sleep(RECANCEL - 0.1)
    assert now() == pytest.approx(RECANCEL - 0.1)


async def test_a_child_of_scopes_that_were_left_learns_what_they_missed() -> None:
    """A cancellation between them leaving and the child coming reaches the child all the same."""
    top = Scope("top").open()
    with Scope("middle", parent=top) as middle, Scope("last") as last:
        pass
    top.drain()
    top.cancel("over")
    with nothing_left(), pytest.raises(Cancelled, match="over"):
        with Scope("late", parent=last) as late:
            assert late.draining
            assert late.cause is last.cause is middle.cause is top.cause
            assert list(top.tasks()) == [me()]
            await forever()
    assert top.children() == []
    top.close()


@pytest.mark.real_loop
async def test_a_scope_can_be_cancelled_from_a_thread() -> None:
    """The loop is woken, and the cause is the thread's."""
    with nothing_left(), pytest.raises(Cancelled, match="by a thread"), Scope() as scope:
        thread = threading.Thread(target=scope.cancel, args=["by a thread"])
        thread.start()
        try:
            await forever()
        finally:
            thread.join()


def test_a_cancellation_after_the_loop_has_closed_is_too_late() -> None:
    """A thread that outlives its loop may still cancel and drain; nothing happens."""

    async def make() -> Scope:
        return Scope("late").open()

    scope = asyncio.run(make())
    failed: list[BaseException] = []

    def cancel() -> None:
        try:
            scope.cancel()
            scope.drain()
        except BaseException as error:  # shown by the assertion
            failed.append(error)

    thread = threading.Thread(target=cancel)
    thread.start()
    thread.join()
    assert failed == []


@contextmanager
def reports(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What is logged about stragglers in the block."""
    found: list[str] = []
    with caplog.at_level(logging.WARNING, logger="mainstay.core.scope"):
        before = len(caplog.records)
        yield found
        found.extend(record.getMessage() for record in caplog.records[before:])


async def swallow(until: float, struck: list[float]) -> None:
    """Ignore every cancellation until a time."""
    while now() < until:
        try:
            await asyncio.sleep(until - now())
        except asyncio.CancelledError:
            struck.append(now())


async def test_a_task_that_swallows_is_cancelled_again_until_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every `RECANCEL` seconds; reported once with its stack after `STRAGGLER`; then silence."""
    struck: list[float] = []
    with reports(caplog) as said, nothing_left(), Scope("stubborn") as scope:
        later(1, scope, "enough")
        await swallow(4.75, struck)
    assert len(struck) == 8
    for number, moment in enumerate(struck):
        assert 0 <= moment - (1 + number * RECANCEL) <= (number + 1) * TICK
    assert len(said) == 1
    assert said[0].startswith("stubborn still runs 1.")
    assert "(enough)" in said[0]
    assert " swallow" in said[0]
    assert me().cancelling() == 0
    await asyncio.sleep(5)
    assert len(struck) == 8


async def test_a_started_task_that_swallows_is_cancelled_again_until_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The same for a task below, and its name is the one in the report, not that of who waits."""
    struck: list[float] = []
    with reports(caplog) as said, nothing_left(), pytest.raises(Cancelled), Scope("top") as top:
        task = top.start(swallow(3.75, struck), "stubborn")
        later(1, top)
        with suppress(asyncio.CancelledError):
            await forever()
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        await forever()
    assert len(struck) == 6
    assert [line.split()[0] for line in said] == ["stubborn"]


async def test_a_task_that_swallows_is_cancelled_again_after_its_scope_was_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever cancelled may go; the task that stays behind is not let off."""
    struck: list[float] = []
    with reports(caplog) as said:
        with pytest.raises(Cancelled), Scope("top") as top:
            task = top.start(swallow(3.75, struck), "stubborn")
            later(1, top)
            await forever()
        assert now() == about(1)
        await task
    assert len(struck) == 6
    assert [line.split()[0] for line in said] == ["stubborn"]
    await turns()
    assert Scope.current().children() == []


async def test_who_leaves_in_time_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    """Cleanup shorter than `STRAGGLER` is nobody's business; nor is cleanup in a shield."""
    with reports(caplog) as said:
        with suppress(Cancelled), Scope("tidy") as scope:
            scope.cancel()
            try:
                await forever()
            finally:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(STRAGGLER - 0.1)
        with suppress(Cancelled), Scope("shielded") as scope:
            scope.cancel()
            try:
                await forever()
            finally:
                with scope.shield(10):
                    await asyncio.sleep(3)
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.1)
    assert said == []


async def test_who_waits_for_others_is_not_the_straggler(caplog: pytest.LogCaptureFixture) -> None:
    """A task that waits for its children is not reported for them."""
    struck: list[float] = []

    async def parent() -> None:
        child = Scope.current().start(swallow(3.2, struck), "child")
        while not child.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([child])

    with reports(caplog) as said, suppress(Cancelled), Scope("top") as top:
        task = top.start(parent(), "parent")
        later(1, top)
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
    assert [line.split()[0] for line in said] == ["child"]


# --- somebody else's cancellations ----------------------------------------------------------------


async def outcome(task: asyncio.Task[object]) -> str:
    """How a task ended, in a word."""
    await asyncio.wait([task])
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return "returned" if error is None else type(error).__name__


async def test_a_task_cancelled_by_others_stays_cancelled() -> None:
    """`Task.cancel` passes through scopes untouched, whether they have limits or not."""

    async def work() -> None:
        with nothing_left_but_one(), Scope(timeout=9), Scope():
            await forever()

    task = asyncio.create_task(work())
    await turns(1)
    task.cancel()
    assert await outcome(task) == "cancelled"
    assert now() == 0


@contextmanager
def nothing_left_but_one() -> Iterator[None]:
    """As `nothing_left`, with one request of somebody else's to be cancelled."""
    scope = Scope.current()
    try:
        yield
    finally:
        assert me().cancelling() == 1
        assert Scope.current() is scope


@pytest.mark.parametrize("first", ["scope", "task"])
async def test_a_task_cancelled_by_others_and_its_scope_stays_cancelled(first: str) -> None:
    """Both at once, in either order: the wish from outside is the stronger."""

    async def work() -> None:
        with nothing_left_but_one(), Scope("work") as scope:
            opened.append(scope)
            await forever()

    opened: list[Scope] = []
    task = asyncio.create_task(work())
    await turns(1)
    actions: list[Callable[[], object]] = [lambda: opened[0].cancel("from the scope"), task.cancel]
    for action in actions if first == "scope" else reversed(actions):
        asyncio.get_running_loop().call_soon(action)
    assert await outcome(task) == "cancelled"


async def test_a_scope_in_the_cleanup_of_a_cancelled_task_still_works() -> None:
    """Requests from before the scope was entered do not count against it."""

    async def work() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            assert me().cancelling() == 1
            with pytest.raises(DeadlineExceeded), Scope("cleanup", timeout=1):
                await forever()
            assert me().cancelling() == 1
            return "cleaned"
        return ""

    task = asyncio.create_task(work())
    await turns(1)
    task.cancel()
    assert await task == "cleaned"
    assert now() == about(1)


async def test_an_asyncio_timeout_inside_is_its_own() -> None:
    """It raises its TimeoutError inside of the scope, which is not cancelled."""
    with nothing_left(), Scope(timeout=5) as scope:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(1):
                await forever()
        assert not isinstance(caught.value, DeadlineExceeded)
        assert not scope.cancelled
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forever(), 1)
    assert now() == pytest.approx(2)


async def test_an_asyncio_timeout_around_is_its_own() -> None:
    """The scope inside passes the CancelledError on without turning it into anything."""
    with nothing_left():
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(1):
                with Scope(timeout=5):
                    await forever()
        assert not isinstance(caught.value, DeadlineExceeded)


async def test_a_scope_ends_inside_or_around_an_asyncio_timeout() -> None:
    """The deadline that is over is the one raised, on either side."""
    with nothing_left():
        with pytest.raises(DeadlineExceeded):
            async with asyncio.timeout(5):
                with Scope(timeout=1):
                    await forever()
        with pytest.raises(DeadlineExceeded), Scope(timeout=1):
            async with asyncio.timeout(5):
                await forever()


async def test_a_scope_and_an_asyncio_timeout_at_once_end_at_the_outer() -> None:
    """Both are over: the outer one is what is raised, and no request is left."""
    loop = asyncio.get_running_loop()
    with nothing_left():
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(None) as around:
                with Scope() as scope:
                    loop.call_soon(scope.cancel)
                    around.reschedule(now())
                    await forever()
        assert not isinstance(caught.value, Cancelled)
        with pytest.raises(Cancelled), Scope() as scope:
            async with asyncio.timeout(None) as inside:
                loop.call_soon(scope.cancel)
                inside.reschedule(now())
                await forever()
        await turns()


async def test_a_task_group_inside_is_ended_by_the_scope() -> None:
    """Asyncio's TaskGroup sees a cancellation from outside, cancels its tasks, and passes it on."""
    tasks = []
    with nothing_left(), pytest.raises(DeadlineExceeded), Scope(timeout=1):
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(forever()) for _ in range(3)]
    assert all(task.cancelled() for task in tasks)
    with nothing_left(), pytest.raises(DeadlineExceeded), Scope(timeout=1):
        async with asyncio.TaskGroup() as group:
            group.create_task(forever())
            await forever()


async def fail(after: float = 0) -> None:
    """Raise ZeroDivisionError."""
    await asyncio.sleep(after)
    raise ZeroDivisionError


async def test_a_task_group_that_fails_is_not_the_scopes_business() -> None:
    """Inside of a scope or around it, its ExceptionGroup comes out and the scope is unharmed."""
    with nothing_left():
        with pytest.raises(ExceptionGroup), Scope(timeout=9) as scope:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail(1))
                await forever()
        assert not scope.cancelled
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(fail(1))
                with Scope(timeout=9):
                    await forever()


async def test_a_task_group_fails_while_its_scope_is_cancelled() -> None:
    """Whichever error comes out, no request is left to strike later."""
    with nothing_left():
        with pytest.raises(ExceptionGroup), Scope() as scope:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                later(0, scope)
                await forever()
        await asyncio.sleep(1)


async def test_a_task_group_around_gets_the_scopes_error_as_a_failure() -> None:
    """A deadline inside of a task group's task is a failure of that task."""
    with nothing_left(), pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            sibling = group.create_task(forever())
            with Scope(timeout=1):
                await forever()
    assert [type(error) for error in caught.value.exceptions] == [DeadlineExceeded]
    assert sibling.cancelled()


async def test_awaiting_a_cancelled_task_is_not_a_cancellation_of_ours() -> None:
    """A CancelledError that no request stands behind goes through a scope unchanged."""
    task = asyncio.create_task(forever())
    task.cancel()
    with nothing_left(), pytest.raises(asyncio.CancelledError), Scope(timeout=5):
        await task


async def test_unrelated_scopes_in_one_task_do_not_mistake_each_other() -> None:
    """A cancellation is turned into its cause at the scope that it was meant for."""
    first, second = Scope("first", parent=None).open(), Scope("second", parent=None).open()
    with nothing_left():
        with pytest.raises(Cancelled, match="from the first"), Scope("a", parent=first):
            with Scope("b", parent=second) as inner:
                later(1, first, "from the first")
                await forever()
        assert not inner.cancelled
        with Scope("a", parent=Scope("third", parent=None)) as outer:
            with pytest.raises(Cancelled, match="from the second"):
                with Scope("b", parent=second):
                    later(1, second, "from the second")
                    await forever()
            assert not outer.cancelled
            await asyncio.sleep(RECANCEL * 3)
    first.close()
    second.close()


async def test_siblings_of_one_parent_in_one_task_are_told_once() -> None:
    """Two scopes below the same cancelled one, nested in a task: one error, nothing left."""
    top = Scope("top").open()
    with nothing_left(), pytest.raises(Cancelled, match="over"):
        with Scope("a", parent=top), Scope("b", parent=top), Scope("c", parent=top):
            later(1, top, "over")
            await forever()
    top.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has eager tasks from 3.12 on")
def test_a_task_started_eagerly_may_cancel_the_scope_of_its_starter() -> None:
    """The starter is at work too then, and no cancellation strikes it after it left the scope."""

    async def cancel(scope: Scope) -> None:
        scope.cancel("by a task inside")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        others = []
        with nothing_left():
            with Scope() as scope:
                others.append(loop.create_task(cancel(scope)))
            await asyncio.sleep(1)
            with pytest.raises(Cancelled, match="by a task inside"), Scope() as scope:
                others.append(loop.create_task(cancel(scope)))
                await forever()
            with pytest.raises(Cancelled), Scope() as scope:
                task = scope.start(forever(), "eager")
                loop.call_soon(scope.cancel)
                await task

    run(main(), loop_factory=VirtualLoop)


async def test_the_cause_is_raised_in_tasks_of_asyncio_too() -> None:
    """A scope opened in a plain task below a cancelled scope raises the cause in that task."""

    async def work() -> None:
        with Scope("inside"), Scope("further inside"):
            await forever()

    cause = ShuttingDown("stopping")
    with suppress(ShuttingDown), Scope("around") as around:
        task = asyncio.create_task(work())
        await turns(1)
        around.cancel(cause)
        with around.shield(5):
            await asyncio.wait([task])
    assert task.exception() is cause
    assert task.cancelling() == 0
