"""Tasks that start and stop together.

A group waits for all of its tasks. The first failure cancels the rest and is what the group raises,
itself and not wrapped: ``except NotFound`` around a group means what it says, and an error keeps
its status at the edge. Failures after the first are kept by name and noted on the first. This is
Go's ``errgroup``; asyncio's `TaskGroup` raises an `ExceptionGroup` instead, which every caller must
take apart.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from mainstay.core.scope import Scope
from mainstay.errors import Cancelled, ClosedError, UsageError

__all__ = ["Group"]

T = TypeVar("T")


class Group:
    """Starts tasks and waits for them::

        async with Group(limit=10) as group:
            user = group.start(load_user(7))
            orders = group.start(load_orders(7), name="orders")
        return Page(user.result(), orders.result())

    Args:
        name: shown in errors and logs.
        limit: how many tasks may run at a time; the rest wait in order.
        timeout: seconds for all of it; then the rest is cancelled and DeadlineExceeded raised.

    Attributes:
        results: what each task returned, by name.
        errors: what each task raised, by name, the first failure first.
    """

    def __init__(
        self, name: str = "group", *, limit: int | None = None, timeout: float | None = None
    ) -> None:
        if limit is not None and limit < 1:
            message = f"a group needs a limit of at least 1, not {limit}"
            raise UsageError(message)
        self.results: dict[str, Any] = {}
        self.errors: dict[str, Exception] = {}
        self._name = name
        self._timeout = timeout
        self._limit = None if limit is None else asyncio.Semaphore(limit)
        self._names: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._idle: asyncio.Future[None] | None = None
        self._scope: Scope | None = None
        self._ending: BaseException | None = None
        self._closed = False

    @property
    def scope(self) -> Scope:
        """The scope of the group; cancelling it cancels every task.

        Raises: UsageError before the group is entered.
        """
        if self._scope is None:
            message = f"{self!r} is not entered yet: use `async with`"
            raise UsageError(message)
        return self._scope

    def start(self, work: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Task[T]:
        """Run `work` in a task of the group.

        Args:
            work: the coroutine; closed unstarted if the group ends first.
            name: for `results` and `errors`; the function's name, numbered when it is taken.

        Raises: UsageError for a name that is taken; ClosedError once the group has ended.
        """
        try:
            name = self._pick(name, getattr(work, "__name__", "task"))
            if self._closed:
                message = f"{self!r} has ended and starts no more tasks"
                raise ClosedError(message)
            scope = self.scope
        except Exception:
            work.close()
            raise
        running = work if self._limit is None else _limited(self._limit, work)
        task = scope.start(running, name)
        self._running.add(task)
        task.add_done_callback(functools.partial(self._finished, name, work))
        return task

    async def __aenter__(self) -> Self:
        scope = Scope(self._name, timeout=self._timeout)
        scope.__enter__()
        self._scope = scope
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        scope = self.scope
        if error is not None and not scope.cancelled:
            scope.cancel(Cancelled(f"the code around {self._name} ended with {error!r}"))
        interrupted = None
        if not isinstance(error, GeneratorExit):  # a coroutine that is closed may not wait
            interrupted = await self._wait()
        self._closed = True
        try:
            self._leave(scope, error, interrupted)
        except BaseException as raised:
            self._note_others(raised)
            raise
        if error is not None:
            self._note_others(error)

    def __repr__(self) -> str:
        return (
            f"<Group {self._name!r} running={len(self._running)} done={len(self.results)} "
            f"failed={len(self.errors)}>"
        )

    async def _wait(self) -> asyncio.CancelledError | None:
        """Wait for every task; a cancellation meanwhile goes to them, and the waiting goes on."""
        interrupted = None
        while self._running:
            self._idle = asyncio.get_running_loop().create_future()
            try:
                await self._idle
            except asyncio.CancelledError as error:
                interrupted = error
                if not self.scope.cancelled:
                    self.scope.cancel(Cancelled(f"whoever waits for {self._name} was cancelled"))
        return interrupted

    def _finished(self, name: str, work: Coroutine[Any, Any, Any], task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        work.close()
        if not task.cancelled():
            error = task.exception()
            if error is None:
                self.results[name] = task.result()
            elif isinstance(error, Exception):
                self.errors[name] = error
                self.scope.cancel(error)
            else:
                self._ending = error
                self.scope.cancel(Cancelled(f"{name} ended with {error!r}"))
        if not self._running and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _leave(
        self,
        scope: Scope,
        error: BaseException | None,
        interrupted: asyncio.CancelledError | None,
    ) -> None:
        """Leave the scope and raise what the group ends with, unless that is `error` itself."""
        if self._ending is not None:
            scope.__exit__(None, None, None)
            raise self._ending
        ended = interrupted if error is None else error
        # Raises the cause, such as the first failure, in place of the cancellation it led to.
        scope.__exit__(None if ended is None else type(ended), ended, None)
        if error is None and ended is not None:
            raise ended
        if error is None and self.errors:
            raise next(iter(self.errors.values()))

    def _note_others(self, raised: BaseException) -> None:
        for name, error in self.errors.items():
            if error is not raised:
                raised.add_note(f"{self._name}: {name} failed too: {error!r}")

    def _pick(self, name: str | None, default: str) -> str:
        if name is None:
            name, number = default, self._numbers.get(default, 1)
            while name in self._names:
                number += 1
                name = f"{default}-{number}"
            self._numbers[default] = number
        elif name in self._names:
            message = f"{self!r} has a task named {name!r} already"
            raise UsageError(message)
        self._names.add(name)
        return name


async def _limited(limit: asyncio.Semaphore, work: Coroutine[Any, Any, T]) -> T:
    async with limit:
        return await work
