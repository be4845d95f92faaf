"""Scopes in a thread that runs a loop of its own, as a blocking function around `asyncio.run` does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mainstay.core.group import Group
from mainstay.core.scope import Key, Scope
from mainstay.core.threads import to_thread
from mainstay.errors import Cancelled, DeadlineExceeded, UsageError

pytestmark = [pytest.mark.real_loop, pytest.mark.usefixtures("patient_callers")]


def in_another_loop(work: Callable[[], Coroutine[Any, Any, Any]]) -> Coroutine[Any, Any, Any]:
    """`work`, run by a loop in a thread."""
    return to_thread(lambda: asyncio.run(work()))


async def forever() -> None:
    """Wait until told otherwise."""
    await asyncio.Event().wait()


async def test_a_deadline_holds_there() -> None:
    """The scope has timers of that loop."""

    async def work() -> None:
        with Scope("inner", timeout=0.05):
            await forever()

    with Scope("outer"), pytest.raises(DeadlineExceeded, match="'inner'"):
        await in_another_loop(work)


async def test_the_callers_deadline_holds_there_too() -> None:
    """The work in the other loop ends, and not only the wait for it."""
    began, ended = [], []

    async def work() -> None:
        began.append("inner")
        try:
            with Scope("inner"):
                await forever()
        finally:
            ended.append("inner")

    # Work that has not begun by its deadline is dropped, which a busy machine may take a while for.
    for seconds in (0.1, 1.0, 10.0):
        with pytest.raises(DeadlineExceeded, match="'outer'"), Scope("outer", timeout=seconds):
            await in_another_loop(work)
        if began:
            break
    assert began == ended == ["inner"]


async def test_a_cancellation_of_the_caller_arrives_there() -> None:
    """With its cause, though nothing of one loop may be touched from another."""
    causes: list[BaseException] = []

    async def work() -> None:
        try:
            with Scope("inner"):
                here.call_soon_threadsafe(outer.cancel, "enough")
                await forever()
        except Cancelled as error:
            causes.append(error)

    here = asyncio.get_running_loop()
    with pytest.raises(Cancelled, match="enough"), Scope("outer") as outer:
        await in_another_loop(work)
    assert [str(cause) for cause in causes] == ["enough"]


async def test_the_drain_and_the_values_arrive_there() -> None:
    """They are read from the scopes above, wherever those live."""
    key = Key[str]("key")

    async def work() -> str | None:
        with Scope("inner") as scope:
            here.call_soon_threadsafe(outer.drain)
            await scope.wait_draining()
            return scope.get(key)

    here = asyncio.get_running_loop()
    with Scope("outer") as outer:
        outer.set(key, "value")
        assert await in_another_loop(work) == "value"


async def test_a_group_works_there() -> None:
    """Its tasks are those of the loop that it is entered in."""

    async def work() -> int:
        async with Group() as group:
            task = group.start(asyncio.sleep(0, 7))
        return task.result()

    with Scope("outer"):
        assert await in_another_loop(work) == 7


async def test_a_task_is_started_on_its_own_loop_only() -> None:
    """From another thread it would never run, or run at any time."""
    with Scope("outer") as outer, pytest.raises(UsageError, match="another thread"):
        await to_thread(lambda: outer.start(forever()))
