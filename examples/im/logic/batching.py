"""What many users say at once crosses to the logic in one call.

A call takes the work of ten messages, at both ends. So a gateway has only a few calls on their way
that store something, and what its users say meanwhile gathers for the next one, as it does before a
transaction. Who talks alone does not wait.

What becomes of each crosses as a value, so that one refusal keeps nothing else out. Where the call
itself fails, it has failed for all that it carried, and each may be said again: a message has its
client's id, and marks only grow. When nobody answers, those who wait behind it hear of it as well:
each has patience of its own, and would wait for two calls otherwise.
"""

from __future__ import annotations

import logging
from asyncio import Future, Task, get_running_loop
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from copy import copy
from typing import Final

from examples.im import api
from examples.im.logic.outcomes import error_of
from mainstay.errors import BrokenError, Code, Error, PeerError

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
"""Calls on their way: while the logic stores what one has brought, another one arrives."""

TOGETHER: Final = 200
"""Items of a call, at most: of the longest messages, some three of the four MiB that a server takes."""

Result = api.Outcome | Exception

_Waiting = tuple[api.BatchItem, Future[Result]]


class Batching:
    """Gathers what is to be stored.

    Args:
        call: stores many.
    """

    def __init__(self, call: Callable[[api.Batch], Awaitable[api.Outcomes]]) -> None:
        self._call = call
        self._waiting: deque[_Waiting] = deque()
        self._calls: set[Task[None]] = set()
        self._due = False
        self._context = copy_context()  # a call is nobody's own: no client's end is the end of it

    def __repr__(self) -> str:
        return f"<Batching {len(self._waiting)} wait for {len(self._calls)} calls>"

    async def post(self, request: api.Post) -> api.Posted:
        """See `Logic.post`."""
        posted = await self._store(request)
        if posted is None:
            raise BrokenError("the logic has not said where the message is")
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
            raise copy(found)  # of many who raise one and the same, each would add to its traceback
        if found.refusal is not None:
            raise error_of(found.refusal)
        return found.posted

    def _begin(self) -> None:
        """Begin as many calls as there is something to say, and may be."""
        self._due = False
        while self._waiting and len(self._calls) < AT_ONCE:
            carried = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
            task = get_running_loop().create_task(self._carry(carried), name="im.batch")
            self._calls.add(task)
            task.add_done_callback(self._ended, context=self._context)

    def _ended(self, task: Task[None]) -> None:
        self._calls.discard(task)
        self._begin()

    async def _carry(self, carried: list[_Waiting]) -> None:
        try:
            outcomes = (await self._call(api.Batch([item for item, _ in carried]))).items
            if len(outcomes) != len(carried):
                raise BrokenError("the logic has not said of each what became of it")
        except Exception as error:
            if isinstance(error, Error) and api.is_away(error):
                carried += self._waiting
                self._waiting.clear()
            _tell(carried, [_failure_of(error)] * len(carried))
        else:
            _tell(carried, outcomes)


def _tell(carried: list[_Waiting], results: Sequence[Result]) -> None:
    for (_, waiting), result in zip(carried, results, strict=True):
        if not waiting.done():  # who asked may have left
            waiting.set_result(result)


def _failure_of(error: Exception) -> Exception:
    """What those hear who were on their way together: what is wrong with a call of theirs is no
    fault of anybody's."""
    if isinstance(error, Error) and error.code is Code.UNIMPLEMENTED:
        log.error("nothing can be said: the logic is older than this gateway; replace it as well")
    if isinstance(error, PeerError):
        return BrokenError(f"the logic does not take a batch: {error.message}", retryable=False)
    return error
