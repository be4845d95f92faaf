"""One run of somebody's code, whose every end is an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from mainstay.core.scope import Scope
from mainstay.errors import Cancelled

__all__ = ["attempt"]


async def attempt(run: Callable[[], Awaitable[Any]]) -> Exception | None:
    """Run once; returns the error that it ended with, or None.

    A `CancelledError` passes only if somebody cancelled this work. One that comes from something it
    waited for (a task that others cancelled, a closed connection) is a failure like any other:
    passed on, it would look like a cancellation, and end a worker or a start without a word.
    """
    try:
        await run()
    except Exception as error:
        return error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if Scope.current().cancelled or (task is not None and task.cancelling()):
            raise
        failure = Cancelled("something that it waited for was cancelled")
        failure.__cause__ = error
        return failure
    return None
