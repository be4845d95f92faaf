"""Tasks that take their first step at once.

A server that gets a request in a protocol callback could create a task and wait for the loop to
come around to it. Stepping the task right there saves that turn (3 of 12 µs a request), and a
handler that never waits is done before the callback returns. The task is a real one from its first
step: `asyncio.current_task`, timeouts and cancellation are as in any other.

Python 3.12 has ``eager_start``. On 3.11 the task's request for its first step (``loop.call_soon``)
is caught, and that step is run in the task's context.

It is legal only where no task is current, which is in callbacks of the loop; elsewhere the task is
started as usual.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

__all__ = ["start_eagerly"]

T = TypeVar("T")


def _start_eagerly_312(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], name: str, context: Context
) -> asyncio.Task[T]:
    if asyncio.current_task(loop) is not None:
        return loop.create_task(work, name=name, context=context)
    return asyncio.Task(work, loop=loop, name=name, context=context, eager_start=True)  # type: ignore[call-arg]


def _start_eagerly_311(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], name: str, context: Context
) -> asyncio.Task[T]:
    if asyncio.current_task(loop) is not None:
        return loop.create_task(work, name=name, context=context)
    first: list[Callable[[], object]] = []
    # Not a method that is replaced for others: only the constructor of this task runs meanwhile.
    loop.call_soon = lambda step, *, context: first.append(step)  # type: ignore[method-assign, assignment, misc]  # noqa: PLW0108 - it is given a context as well
    try:
        task = asyncio.Task(work, loop=loop, name=name, context=context)
    finally:
        del loop.call_soon
    context.run(first[0])
    return task


start_eagerly = _start_eagerly_312 if sys.version_info >= (3, 12) else _start_eagerly_311
"""Run `work` in a task on `loop` in `context`, the first step at once.

Args:
    loop: the running one, and nothing else.
    work: a coroutine.
    name: of the task.
    context: it runs in this very context, not in a copy.

Returns: the task; it may be done.
"""
