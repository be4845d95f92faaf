"""Facts about tasks that take their first step at once."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from mainstay.core.eager import EagerStarter
from mainstay.core.scope import LateScope, Scope, stand_in

VALUE: ContextVar[str] = ContextVar("value", default="outside")

pytestmark = pytest.mark.real_loop


async def in_callback(function: Any) -> Any:
    """What `function` returns when it is called by the loop, where no task is current."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def call() -> None:
        try:
            done.set_result(function())
        except BaseException as error:
            done.set_exception(error)

    loop.call_soon(call)
    return await done


async def test_what_never_waits_is_done_at_once() -> None:
    """The task has its result when the call returns."""

    async def work() -> int:
        return 7

    loop = asyncio.get_running_loop()
    task = await in_callback(lambda: EagerStarter(loop).start(work(), "work", copy_context()))
    assert task.done()
    assert task.result() == 7


async def test_it_is_a_real_task_from_its_first_step() -> None:
    """The current task, its name and its context are its own before and after it waits."""
    loop = asyncio.get_running_loop()
    seen = []

    async def work() -> None:
        VALUE.set("inside")
        for _ in range(2):
            task = asyncio.current_task()
            assert task is not None
            seen.append((task, task.get_name(), VALUE.get()))
            async with asyncio.timeout(60):
                await asyncio.sleep(0)

    task = await in_callback(lambda: EagerStarter(loop).start(work(), "work", copy_context()))
    assert not task.done()
    await task
    assert seen == [(task, "work", "inside")] * 2
    assert VALUE.get() == "outside"


async def test_a_failure_of_the_first_step_is_the_tasks() -> None:
    """It does not come out of the callback."""
    loop = asyncio.get_running_loop()

    async def work() -> None:
        raise KeyError("no")

    task = await in_callback(lambda: EagerStarter(loop).start(work(), "work", copy_context()))
    with pytest.raises(KeyError):
        await task


async def test_the_loop_is_as_before() -> None:
    """`call_soon` is the loop's own again, also when the task could not be made."""
    loop = asyncio.get_running_loop()

    async def work() -> None:
        loop.call_soon(lambda: None)

    for _ in range(3):
        await in_callback(lambda: EagerStarter(loop).start(work(), "work", copy_context()))
    with pytest.raises(TypeError):
        await in_callback(lambda: EagerStarter(loop).start("no coroutine", "work", copy_context()))  # type: ignore[arg-type]
    assert "call_soon" not in vars(loop)


async def test_inside_a_task_it_starts_later() -> None:
    """Where a task is current, the new one waits for its turn."""

    async def work() -> int:
        return 7

    task = EagerStarter(asyncio.get_running_loop()).start(work(), "work", copy_context())
    assert not task.done()
    assert await task == 7


async def test_a_late_scope_is_made_when_asked_for() -> None:
    """`Scope.current` finds it, once made; before, there is none; children join it."""
    loop = asyncio.get_running_loop()
    made: list[Scope] = []

    class Late(LateScope):
        def made(self) -> Scope:
            if not made:
                made.append(Scope("late", timeout=5, parent=None))
            return made[0]

    async def work(ask: bool) -> Scope | None:
        stand_in(Late())
        return Scope.current() if ask else None

    task = await in_callback(lambda: EagerStarter(loop).start(work(ask=False), "w", copy_context()))
    assert await task is None
    assert made == []
    task = await in_callback(lambda: EagerStarter(loop).start(work(ask=True), "w", copy_context()))
    assert [await task] == made


async def test_an_adopted_task_is_cancelled_with_the_scope_and_told_why() -> None:
    """A scope entered from outside delivers its deadline as any other does."""
    loop = asyncio.get_running_loop()
    scope = Scope("call", timeout=0.02, parent=None)

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except BaseException as error:
            scope.__exit__(type(error), error, error.__traceback__)
            raise

    task = await in_callback(lambda: EagerStarter(loop).start(work(), "work", copy_context()))
    scope.adopt(task)
    with pytest.raises(TimeoutError, match=r"'call' was given 0\.02 s"):
        await task
