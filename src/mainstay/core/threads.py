"""Blocking functions beside the event loop, with the scope carried along.

`to_thread` runs a function in a bounded pool of daemon threads. The function sees the caller's
scope (`Scope.current()`), a child of it in fact, whose `check` and `sleep` raise once the caller's
deadline has passed or its interest has ended. A thread cannot be stopped from outside: one that
looks is gone in a moment, one that never looks is left behind after `GRACE` seconds, keeps its
place in the pool until it ends, and is listed by `statistics`.

The threads are daemons, and not those of `concurrent.futures`, because the interpreter waits for
those at exit without a bound: one stuck function and the process never ends.
"""

from __future__ import annotations

import asyncio
import functools
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

from mainstay.core.scope import Key, Scope
from mainstay.core.seen import see
from mainstay.errors import Cancelled, ClosedError, UsageError

__all__ = ["GRACE", "THREADS", "ThreadPool", "ThreadStatistics", "to_thread"]

GRACE: Final = 0.1
"""Seconds a cancelled function has to notice, before its caller goes on without it."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ThreadStatistics:
    """A moment's numbers of a pool.

    Attributes:
        limit: threads at most.
        running: functions at work, by name, those whose caller has left included.
        queued: functions waiting for a thread.
    """

    limit: int
    running: tuple[str, ...]
    queued: int


class ThreadPool(ThreadPoolExecutor):
    """At most `limit` daemon threads, started as needed; work beyond that waits in order.

    A `ThreadPoolExecutor` by type only, because asyncio takes nothing else as the default executor
    of a loop; none of its machinery is used.
    """

    def __init__(self, limit: int = 40) -> None:
        if limit < 1:
            message = f"a pool needs at least one thread, not {limit}"
            raise UsageError(message)
        super().__init__(max_workers=1)
        self._limit = limit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._alive: set[threading.Thread] = set()
        self._owed = 0  # jobs that were taken and not yet done
        self._running: dict[int, str] = {}
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn` in a thread of the pool.

        Raises: ClosedError after `shutdown`.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                message = "the thread pool is closed; its service has stopped"
                raise ClosedError(message)
            self._jobs.put((future, functools.partial(fn, *args, **kwargs), _name_of(fn, args)))
            self._owed += 1
            self._grow()
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:
        """Take no more work and let idle threads end; never waits, whatever `wait` says."""
        with self._lock:
            self._closed = True
            dropped = list(self._take_back()) if cancel_futures else []
            self._owed -= len(dropped)
            for _ in self._alive:
                self._jobs.put(None)
        for future, _, _ in dropped:
            if future.cancel():
                future.set_running_or_notify_cancel()  # which wakes who waits for it

    def extend(self, number: int) -> None:
        """Allow `number` threads more than those at work and the functions that wait for one."""
        with self._lock:
            self._limit = max(self._limit, self._owed + number)
            self._grow()

    def statistics(self) -> ThreadStatistics:
        """The numbers of this moment."""
        with self._lock:
            return ThreadStatistics(self._limit, tuple(self._running.values()), self._jobs.qsize())

    def _grow(self) -> None:
        while len(self._alive) < min(self._owed, self._limit):
            name = f"mainstay-thread-{len(self._alive)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._alive.add(thread)
            thread.start()

    def _take_back(self) -> Iterator[_Job]:
        with suppress(queue.Empty):  # threads take from the queue meanwhile
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    yield job

    def _work(self) -> None:
        me = threading.get_ident()
        while True:
            job = self._jobs.get()
            with self._lock:
                if job is None:
                    self._alive.discard(threading.current_thread())
                    return
                self._running[me] = job[2]
            tell = _run(job[0], job[1])
            # Before anyone knows the result: who knows it may ask at once what still runs.
            with self._lock:
                del self._running[me]
                self._owed -= 1
            tell()
            del job, tell  # or the last result stays alive while the thread is idle


_Job = tuple[Future[Any], Callable[[], Any], str]


def _run(future: Future[Any], work: Callable[[], Any]) -> Callable[[], None]:
    """Do `work`; returns what tells the future how it went."""
    if not future.set_running_or_notify_cancel():
        return lambda: None
    try:
        result = work()
    except BaseException as error:
        return functools.partial(future.set_exception, error)
    return functools.partial(future.set_result, result)


def _name_of(fn: Callable[..., Any], args: tuple[Any, ...]) -> str:
    # asyncio submits `partial(Context.run, function, …)`, and so may others with a wrapper of
    # theirs: the name that tells is the function's.
    target: Any = fn
    while True:
        if isinstance(target, functools.partial) and not hasattr(target, "__qualname__"):
            target, args = target.func, target.args
        elif args and callable(args[0]):
            target, args = args[0], ()
        else:
            return getattr(target, "__qualname__", repr(target))


THREADS: Final[Key[ThreadPool]] = Key("threads")
"""Where a scope finds the pool of its service."""


async def to_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking `function` in a thread and return what it returns.

    The pool is the service's; outside of a service, the loop's default executor. When the caller
    is cancelled, the function's scope is too, and the caller goes on as soon as the function has
    noticed, or after `GRACE` seconds without it.

    Raises: whatever the function raises.
    """
    loop = asyncio.get_running_loop()
    parent = Scope.current_or_none()
    pool = None if parent is None else parent.get(THREADS)
    name = getattr(function, "__qualname__", "thread")
    scope = Scope(name, parent=parent)
    work = functools.partial(copy_context().run, _in_scope, scope, function, args, kwargs)
    functools.update_wrapper(work, function, assigned=("__qualname__",), updated=())
    future = loop.run_in_executor(pool, work)
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError:
        cause = None if parent is None else parent.cause
        scope.cancel(cause or Cancelled(f"whoever called {name} was cancelled"))
        # What it raises from now on is the consequence of the cancellation, and is not news.
        future.add_done_callback(see)
        try:
            await asyncio.wait([future], timeout=GRACE)
        finally:
            future.cancel()
        raise
    return await future


def _in_scope(
    scope: Scope,
    function: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> T:
    with scope:
        scope.check()
        try:
            return function(*args, **kwargs)
        except StopIteration as error:
            # A future cannot carry it, and the caller would wait for ever (CPython 3.11).
            message = f"{scope.name} raised StopIteration"
            raise RuntimeError(message) from error
