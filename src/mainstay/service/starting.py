"""One step of a start: bounded, and its failure named.

A step that does not end although it was cancelled is left behind, with its stack in the log: the
start fails in time, and what had started before is stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from mainstay.core.scope import Scope
from mainstay.core.seen import failure_of
from mainstay.core.stacks import task_stack
from mainstay.errors import Cancelled, DeadlineExceeded, ShuttingDown, StartError
from mainstay.service.turns import few_turns

__all__ = ["CLEANUP", "Lifeline", "abandon", "step"]

_log = logging.getLogger(__name__)

CLEANUP: Final = 1.0
"""Seconds that a step has to end after it was given up or its start was cancelled."""

_ENDINGS: Final = (Cancelled, ShuttingDown)
"""What says only that something ends: a step may be told so by two at once, its scope and whatever
it waited for."""

_VIRTUAL: Final = (
    "the clock is virtual (mainstay.testing) and does not see what a driver's own threads and other "
    "processes do: mark a test that waits for them with real_loop"
)


class Lifeline(Protocol):
    """The parent of a service: a supervisor, or the generation before it. See
    `mainstay.process.lifeline`."""

    async def prepared(self, addresses: Sequence[str]) -> None:
        """Everything is started and checked, nothing is accepted: wait for the word to serve.

        Raises: ShuttingDown when the parent wants this process to end instead.
        """

    def serving(self) -> None:
        """It accepts, from now on."""


async def step(life: Scope, name: str, timeout: float, run: Callable[[], Awaitable[Any]]) -> Any:
    """Run one step in a task of its own.

    Args:
        life: the scope that the step's own is made in.
        name: of the component, for the error.
        timeout: seconds.
        run: what to do.

    Raises: StartError for whatever goes wrong, a cancellation from within included; CancelledError
        only if whoever waits here was cancelled.
    """
    own = life.child(name, timeout=timeout).open()
    task = own.start(_run(run), name)
    task.add_done_callback(lambda _: own.close())
    try:
        await asyncio.wait([task], timeout=timeout)
    except asyncio.CancelledError:
        await abandon(own, task, Cancelled("the start was given up"))
        raise
    if not task.done() or own.cause is not None:
        await abandon(own, task, DeadlineExceeded(f"it was given {timeout:g} s, which are over"))
    error: BaseException | None = own.cause
    if error is None and task.cancelled():
        error = Cancelled("something that it waited for was cancelled")
    error = error or task.exception()
    if isinstance(error, DeadlineExceeded) and error is own.cause and _is_virtual():
        error = DeadlineExceeded(f"{error}; {_VIRTUAL}")
    if error is not None:
        raise StartError(name, error) from error
    return task.result()


async def abandon(scope: Scope, task: asyncio.Task[Any], cause: Exception) -> None:
    """Cancel `task` by its `scope` and give it `CLEANUP` seconds to end; not if it has ended.

    What goes wrong with it in this moment, in its cleanup or later is logged: nobody else asks.
    """
    task.add_done_callback(partial(_tell_failure, scope))
    if task.done():
        return
    scope.cancel(cause)
    await asyncio.wait([task], timeout=CLEANUP)
    await few_turns(lambda: not task.done())
    if not task.done():
        _log.error("%s does not end and is left behind:\n%s", scope.name, task_stack(task))


def _tell_failure(scope: Scope, task: asyncio.Task[Any]) -> None:
    error = failure_of(task)
    if error is not None and error is not scope.cause and not isinstance(error, _ENDINGS):
        _log.warning("%s failed after it was given up", scope.name, exc_info=error)


def _is_virtual() -> bool:
    # Asked of the loop by name: services do not import what is for tests.
    return getattr(asyncio.get_running_loop(), "virtual", False) is True


async def _run(run: Callable[[], Awaitable[Any]]) -> Any:
    return await run()
