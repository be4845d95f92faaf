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

__all__ = ["EagerStarter"]

T = TypeVar("T")

if sys.version_info < (3, 12):
    # What `asyncio.current_task` of 3.11 looks into, by four calls of Python's.
    from asyncio.tasks import _current_tasks  # type: ignore[attr-defined]


class EagerStarter:
    """Starts tasks on one loop.

    Args:
        loop: the running one, and nothing else.
    """

    __slots__ = ("_caught", "_loop", "_step")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._step: Callable[[], object] | None = None
        self._caught = self._catch

    if sys.version_info >= (3, 12):

        def start(
            self, work: Coroutine[Any, Any, T], name: str, context: Context
        ) -> asyncio.Task[T]:
            """Run `work` in a task, the first step at once.

            Args:
                work: a coroutine.
                name: of the task.
                context: it runs in this very context, not in a copy.

            Returns: the task; it may be done.
            """
            loop = self._loop
            if asyncio.current_task(loop) is not None:
                return loop.create_task(work, name=name, context=context)
            return asyncio.Task(work, loop=loop, name=name, context=context, eager_start=True)

    else:

        def start(
            self, work: Coroutine[Any, Any, T], name: str, context: Context
        ) -> asyncio.Task[T]:
            """See above."""
            loop = self._loop
            if loop in _current_tasks:
                return loop.create_task(work, name=name, context=context)
            # Not a method that is replaced for others: only the constructor of this task runs
            # meanwhile, on the loop's own thread.
            loop.call_soon = self._caught  # type: ignore[method-assign, assignment]
            try:
                task = asyncio.Task(work, loop=loop, name=name, context=context)
            finally:
                del loop.call_soon
            step, self._step = self._step, None
            assert step is not None
            context.run(step)
            return task

    def _catch(self, step: Callable[[], object], *, context: Context) -> None:
        self._step = step
