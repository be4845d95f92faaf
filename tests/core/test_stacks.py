"""Dumps that say where everything is."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator

import pytest

from mainstay.core.scope import Scope
from mainstay.core.stacks import FRAMES, all_stacks, task_stack


async def innermost() -> None:
    await asyncio.get_running_loop().create_future()


async def generated() -> AsyncIterator[int]:
    await innermost()
    yield 1


async def outermost() -> None:
    async for _ in generated():
        pass


async def deep(levels: int) -> None:
    if levels:
        await deep(levels - 1)
    else:
        await innermost()


async def started() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_stack_of_a_task_goes_down_to_what_it_waits_for() -> None:
    """Every coroutine and async generator on the way is shown, outermost first."""
    task = asyncio.create_task(outermost(), name="walker")
    await started()
    lines = task_stack(task).split("\n")
    assert lines[0].startswith("task 'walker'")
    assert [line.rsplit(" ", 1)[1] for line in lines[1:-1]] == [
        "outermost",
        "generated",
        "innermost",
    ]
    assert lines[-1].startswith("  waits for <Future pending")
    await ended(task)
    assert "(done)" in task_stack(task)


async def test_a_long_stack_loses_its_middle() -> None:
    """At most a fixed number of frames is shown: the outermost and the innermost ones."""
    task = asyncio.create_task(deep(200))
    await started()
    lines = task_stack(task).split("\n")
    assert len(lines) == FRAMES + 3
    assert f"... {202 - FRAMES} frames left out" in task_stack(task)
    assert lines[-2].endswith("innermost")
    await ended(task)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a task does not show its context")
async def test_a_task_names_its_scope() -> None:
    """The scope in which a task works is in its title."""
    with Scope("billing"):
        task = asyncio.create_task(innermost(), name="bill")
    await started()
    assert task_stack(task).startswith("task 'bill' in scope 'billing'\n")
    await ended(task)


async def test_all_stacks_has_threads_and_tasks_and_crowds_once() -> None:
    """Every thread is named; a thousand tasks at one place are one entry."""
    leave, ready = threading.Event(), threading.Event()

    def wait_here() -> None:
        ready.set()
        leave.wait()

    thread = threading.Thread(target=wait_here, name="pump", daemon=True)
    thread.start()
    ready.wait()
    tasks = [asyncio.create_task(innermost()) for _ in range(1000)]
    await started()
    text = all_stacks()
    leave.set()
    thread.join()
    assert "thread pump daemon" in text
    assert "wait_here" in text
    assert "thread MainThread\n" in text
    assert "and 995 more tasks at the same place" in text
    assert "is running now" in text
    assert len(text) < 10_000
    await ended(*tasks)


async def test_all_stacks_is_bounded() -> None:
    """No more characters than asked for, and the cut is told."""
    text = all_stacks(limit=200)
    assert len(text) <= 200
    assert text.split("\n")[-1].startswith("... cut off")


def test_all_stacks_without_a_loop() -> None:
    """Outside of a loop there are threads, and no error."""
    text = all_stacks()
    assert "thread MainThread" in text
    assert "tasks" not in text.split("\n\n")[-1].split("\n")[0]


@pytest.mark.real_loop
async def test_all_stacks_from_another_thread() -> None:
    """A loop's tasks can be shown from any thread."""
    task = asyncio.create_task(innermost(), name="seen")
    await started()
    loop = asyncio.get_running_loop()
    assert "task 'seen'" in await loop.run_in_executor(None, all_stacks, loop)
    await ended(task)


async def test_a_repr_that_fails_does_not_spoil_the_report() -> None:
    """What a task waits for is shown by its type if its repr raises."""

    class Shy(asyncio.Future[None]):
        def __repr__(self) -> str:
            raise ValueError("no repr")

    async def wait() -> None:
        await Shy()

    task = asyncio.create_task(wait())
    await started()
    assert "waits for a Shy" in task_stack(task)
    await ended(task)
