"""Facts about `mainstay.testing.running`."""

from __future__ import annotations

import asyncio
import time

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import UsageError
from mainstay.testing import FakeProcess, run


async def left_behind() -> asyncio.Task[None]:
    """Start a task that nobody waits for."""
    return asyncio.create_task(asyncio.sleep(3600), name="orphan")


def test_the_result_comes_back() -> None:
    """`run` returns what the coroutine returns."""

    async def main() -> str:
        await asyncio.sleep(1)
        return "answer"

    assert run(main()) == "answer"


def test_a_leaked_task_is_an_error_and_is_cancelled() -> None:
    """A task that outlives the coroutine is named in the error, and has ended."""
    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        tasks.append(await left_behind())

    with pytest.raises(UsageError, match=r"task 'orphan'") as caught:
        run(main())
    assert caught.value.reason == "TASKS_LEAKED"
    assert tasks[0].cancelled()


def test_a_leak_does_not_hide_the_failure() -> None:
    """When the coroutine fails, its error comes out, with the leak as a note."""

    async def main() -> None:
        await left_behind()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run(main())
    assert "'orphan'" in caught.value.__notes__[0]


def test_a_task_that_is_about_to_end_is_no_leak() -> None:
    """A task that needs no more than a few turns of the loop may outlive the coroutine."""

    async def main() -> None:
        asyncio.create_task(asyncio.sleep(0))  # noqa: RUF006

    run(main())


def test_the_scope_carries_the_virtual_world() -> None:
    """The root scope's effects are virtual: seed, environment and process are the given ones."""
    process = FakeProcess(pid=7)

    async def main() -> tuple[float, str, int]:
        effects = Scope.current().effects
        return effects.random.random(), effects.environ["NAME"], effects.process.pid()

    first = run(main(), seed=3, environ={"NAME": "value"}, process=process)
    assert first == run(main(), seed=3, environ={"NAME": "value"}, process=process)
    assert first[1:] == ("value", 7)


def test_another_loop_runs_in_real_time() -> None:
    """With a loop of asyncio's the time and the effects are real."""

    async def main() -> float:
        return Scope.current().effects.clock.monotonic()

    before = time.monotonic()
    assert before <= run(main(), loop_factory=asyncio.new_event_loop) <= time.monotonic()
