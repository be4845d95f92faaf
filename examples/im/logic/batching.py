"""What many users say at once crosses to the logic in one call.

A call takes the work of ten messages, at both ends. So a gateway has only a few calls on their way
that store something, and what its users say meanwhile gathers for the next one, as it does before a
transaction. Who talks alone does not wait.

What becomes of each crosses as a value, so that one refusal keeps nothing else out. Where the call
itself fails, it has failed for all that it carried, and each may be said again: a message has its
client's id, and marks only grow.
"""

from __future__ import annotations

from asyncio import Future, Task, get_running_loop
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Final

from examples.im import api
from examples.im.logic.outcomes import error_of
from mainstay.errors import BrokenError

AT_ONCE: Final = 2
"""Calls on their way: while the logic stores what one has brought, another one arrives."""

TOGETHER: Final = 200
"""Items of a call, at most: of the longest messages, some three of the four MiB that a server takes."""

Result = api.Outcome | Exception


class Batching:
    """Gathers what is to be stored.

    Args:
        call: stores many.
    """

    def __init__(self, call: Callable[[api.Batch], Awaitable[api.Outcomes]]) -> None:
        self._call = call
        self._waiting: deque[tuple[api.BatchItem, Future[Result]]] = deque()
        self._calls: set[Task[None]] = set()
        self._due = False
        self._context = copy_context()  # a call is nobody's own: no client's end is the end of it

    def __repr__(self) -> str:
        return f"<Batching {len(self._waiting)} wait for {len(self._calls)} calls>"

    async def post(self, request: api.Post) -> api.Posted:
        """See `Logic.post`."""
        posted = await self._store(request)
        assert posted is not None
        return posted

    async def mark(self, request: api.Mark) -> api.Done:
        """See `Logic.mark`."""
        await self._store(request)
        return api.Done()

    async def _store(self, what: api.Post | api.Mark) -> api.Posted | None:
        loop = get_running_loop()
        result: Future[Result] = loop.create_future()
        self._waiting.append((api.BatchItem(what), result))
        if not self._due and len(self._calls) < AT_ONCE:
            self._due = True
            # What else is read in this round of the loop comes along.
            loop.call_soon(self._begin, context=self._context)
        found = await result
        if isinstance(found, Exception):
            raise found
        if found.refusal is not None:
            raise error_of(found.refusal)
        return found.posted

    def _begin(self) -> None:
        """Begin a call, if there is something to say and may be one more."""
        self._due = False
        if not self._waiting or len(self._calls) >= AT_ONCE:
            return
        carried = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
        task = get_running_loop().create_task(self._carry(carried), name="im.batch")
        self._calls.add(task)
        task.add_done_callback(self._ended, context=self._context)

    def _ended(self, task: Task[None]) -> None:
        self._calls.discard(task)
        self._begin()

    async def _carry(self, carried: list[tuple[api.BatchItem, Future[Result]]]) -> None:
        results: list[Result]
        try:
            outcomes = await self._call(api.Batch([item for item, _ in carried]))
            if len(outcomes.items) != len(carried):
                raise BrokenError("the logic has not said of each what became of it")
            results = list(outcomes.items)
        except Exception as error:
            results = [error] * len(carried)
        for (_, waiting), result in zip(carried, results, strict=True):
            if not waiting.done():  # who asked may have left
                waiting.set_result(result)
