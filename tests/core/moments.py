"""What the tests of `core` share: the time, and what a task must be left with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mainstay.core.scope import Scope
from mainstay.core.wheel import TICK


def now() -> float:
    """Seconds on the clock of the running loop; 0 when a test begins."""
    return asyncio.get_running_loop().time()


def about(seconds: float) -> Any:
    """A deadline's moment: never early, at most a tick late."""
    return pytest.approx(seconds + TICK / 2, abs=TICK / 2 + 1e-6)


def me() -> asyncio.Task[Any]:
    """The task that asks."""
    task = asyncio.current_task()
    assert task is not None
    return task


@contextmanager
def nothing_left() -> Iterator[None]:
    """The block leaves the task's cancel count, the current scope and its children unchanged."""
    task, scope = me(), Scope.current()
    before = (task.cancelling(), scope.children())
    try:
        yield
    finally:
        assert (task.cancelling(), scope.children()) == before
        assert Scope.current() is scope


async def forever() -> None:
    """Wait for a cancellation."""
    await asyncio.get_running_loop().create_future()


async def turns(number: int = 3) -> None:
    """Let everything that is ready run."""
    for _ in range(number):
        await asyncio.sleep(0)
