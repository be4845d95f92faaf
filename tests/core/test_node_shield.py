"""Shields: cleanup has a bound of its own, and what was held off comes at its end."""

# ruff: noqa: SIM117 - which scope is inside of which is what is tested

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf, nan

import pytest

from mainstay.core.group import Group
from mainstay.core.scope import RECANCEL, Scope
from mainstay.core.threads import to_thread
from mainstay.errors import Cancelled, DeadlineExceeded, UsageError
from tests.core.moments import about, forever, nothing_left, now, turns


async def test_a_shield_holds_off_the_deadline_around() -> None:
    """The work inside ends in its own time; what was held back is delivered behind it."""
    with nothing_left(), pytest.raises(DeadlineExceeded, match="'call' was given 1 s"):
        with Scope("call", timeout=1) as call:
            with call.shield(10) as shield:
                await asyncio.sleep(5)
                assert call.cancelled
                assert not shield.cancelled
            assert now() == pytest.approx(5)
            await forever()
    assert now() == about(5)


async def test_a_shield_holds_off_cancellations_and_those_that_follow() -> None:
    """However often the scopes around cancel again, the shield stands to its end."""
    with nothing_left(), pytest.raises(Cancelled, match="outer"):
        with Scope("outer") as outer, Scope("inner", timeout=1) as inner:
            asyncio.get_running_loop().call_later(2, outer.cancel, "outer")
            with inner.shield(99):
                await asyncio.sleep(RECANCEL * 20)
                assert inner.cancelled
                assert outer.cancelled
            await forever()
    assert now() == pytest.approx(RECANCEL * 20)


async def test_code_behind_a_shield_that_never_waits_is_left_alone() -> None:
    """Nothing is delivered to code that ends at once, and nothing strikes later."""
    with nothing_left():
        with Scope("call", timeout=1) as call, call.shield(10):
            await asyncio.sleep(5)
        await asyncio.sleep(5)


async def test_a_shield_has_its_own_bound() -> None:
    """Work inside that takes longer gets the shield's deadline, at the shield."""
    with nothing_left(), pytest.raises(Cancelled, match="over"), Scope("call") as call:
        call.cancel("over")
        try:
            await forever()
        finally:
            with pytest.raises(DeadlineExceeded, match="'shield in call' was given 2 s"):
                with call.shield(2):
                    await forever()
            assert now() == about(2)


async def test_the_bound_of_a_shield_may_be_later_than_the_deadline_around() -> None:
    """Cleanup after a deadline has time although the caller has none."""
    with pytest.raises(DeadlineExceeded, match="'call'"), Scope("call", timeout=1) as call:
        assert call.shield(10).remaining() == 10
        try:
            await forever()
        finally:
            with call.shield(10) as shield, Scope("inside") as inside:
                assert inside.deadline == shield.deadline
                assert not inside.cancelled
                await asyncio.sleep(9)
    assert now() == about(10)


@pytest.mark.parametrize("bound", [inf, nan])
async def test_a_shield_without_a_bound_is_refused(bound: float) -> None:
    """Cleanup that may take for ever is what shields are there to prevent."""
    with pytest.raises(UsageError, match="bound"):
        Scope.current().shield(bound)


async def test_a_shield_can_be_cancelled_itself() -> None:
    """It is a scope like others: what it is told itself is delivered."""
    with nothing_left(), Scope("call") as call:
        with pytest.raises(Cancelled, match="enough cleanup"), call.shield(10) as shield:
            asyncio.get_running_loop().call_later(1, shield.cancel, "enough cleanup")
            await forever()
        assert not call.cancelled
        await asyncio.sleep(5)


async def test_an_inner_shield_holds_off_the_outer_ones_end() -> None:
    """The outer shield's deadline waits for the inner shield, and is raised where it belongs."""
    with nothing_left(), pytest.raises(Cancelled, match="over"), Scope("call") as call:
        call.cancel("over")
        with pytest.raises(DeadlineExceeded, match="'shield in call' was given 1 s"):
            with call.shield(1) as outer:
                with outer.shield(5):
                    await asyncio.sleep(3)
                    assert outer.cancelled
                assert now() == pytest.approx(3)
                await forever()
        assert now() == about(3)
        await forever()
    assert now() == about(3)


async def test_what_was_held_off_passes_the_outer_shield_only_at_its_end() -> None:
    """Leaving an inner shield delivers nothing while an outer one stands."""
    with nothing_left(), pytest.raises(Cancelled, match="over"), Scope("call") as call:
        call.cancel("over")
        with call.shield(20) as outer:
            with outer.shield(5):
                await asyncio.sleep(1)
            await asyncio.sleep(3)
            with call.shield(5):
                await asyncio.sleep(1)
            await asyncio.sleep(3)
        assert now() == pytest.approx(8)
        await forever()
    assert now() == about(8)


async def test_a_shield_around_a_group_keeps_its_tasks_at_work() -> None:
    """Tasks started inside are shielded with it and finish; a group inside has limits as ever."""
    with nothing_left(), pytest.raises(DeadlineExceeded, match="'call'"):
        with Scope("call", timeout=1) as call:
            with call.shield(60):
                async with Group() as group:
                    group.start(asyncio.sleep(5, "done"), name="slow")
                assert group.results == {"slow": "done"}
                with pytest.raises(DeadlineExceeded, match="'brief'"):
                    async with Group("brief", timeout=1) as group:
                        group.start(forever())
            assert now() == about(6)
            await forever()


async def test_a_shield_in_a_task_of_a_group_makes_the_group_wait() -> None:
    """The group is cancelled; the task in cleanup ends its shield first."""
    cleaned: list[float] = []

    async def tidy() -> None:
        try:
            await forever()
        finally:
            with Scope.current().shield(5):
                await asyncio.sleep(3)
            cleaned.append(now())

    with nothing_left(), pytest.raises(DeadlineExceeded):
        async with Group(timeout=1) as group:
            group.start(tidy())
            group.start(tidy())
    assert cleaned == [about(4), about(4)]
    assert now() == about(4)


async def test_a_shield_does_not_protect_from_others() -> None:
    """A bare `Task.cancel` is delivered: nothing in the same task could hold it off."""

    async def work() -> None:
        with Scope() as scope, scope.shield(10):
            await forever()

    task = asyncio.create_task(work())
    await turns(1)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert now() == 0


async def test_a_task_that_swallows_behind_a_shield_is_cancelled_again() -> None:
    """The rhythm of `RECANCEL` goes on where the shield has ended."""
    struck = []
    with nothing_left(), Scope("call", timeout=1) as call:
        with call.shield(10):
            await asyncio.sleep(3)
        while now() < 5:
            try:
                await asyncio.sleep(5 - now())
            except asyncio.CancelledError:
                struck.append(now())
    assert struck[0] == pytest.approx(3)
    assert 4 <= len(struck) <= 6


async def test_a_thread_in_a_shield_is_shielded() -> None:
    """`check` and `sleep` in a function below a shield know only the shield's limits."""

    def clean(seconds: float) -> str:
        scope = Scope.current()
        scope.sleep(seconds)
        scope.check()
        return "clean"

    with nothing_left(), pytest.raises(DeadlineExceeded, match="'call'"):
        with Scope("call", timeout=1) as call:
            with call.shield(5):
                assert await to_thread(clean, 3) == "clean"
            with suppress(DeadlineExceeded), call.shield(1):
                await to_thread(clean, 9)
            assert now() == about(4)
            await forever()


async def test_a_shield_of_an_outer_scope_protects_inside_of_an_inner_one() -> None:
    """A handler's own scope, used below any other: the shield is the task's, not the tree's."""
    done = []
    with pytest.raises(DeadlineExceeded), Scope("outer") as outer, Scope("inner", timeout=0.1):
        try:
            await asyncio.sleep(10)
        finally:
            with outer.shield(5):
                await asyncio.sleep(3)
                done.append("cleanup")
    assert done == ["cleanup"]


async def test_a_shield_protects_from_the_scopes_of_another_tree() -> None:
    """A call in process is in the service's tree and in its caller's task."""
    done = []
    with pytest.raises(DeadlineExceeded), Scope("caller", timeout=0.1):
        with Scope("call", parent=None), Scope("inside"):
            try:
                await asyncio.sleep(10)
            finally:
                with Scope.current().shield(5):
                    await asyncio.sleep(3)
                    done.append("rolled back")
    assert done == ["rolled back"]


async def test_a_scope_opened_in_a_shield_is_not_protected_by_it() -> None:
    """What begins inside of the shield ends there as it would anywhere."""
    with Scope("work") as work, work.shield(60):
        with pytest.raises(DeadlineExceeded), Scope("part", timeout=1):
            await asyncio.sleep(10)
