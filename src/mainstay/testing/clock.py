"""An event loop whose clock is virtual: hours of timeouts run in milliseconds, in the right order.

`VirtualLoop` is asyncio's own selector loop with another idea of waiting. When the loop has nothing
to run and asks its selector to wait for the next timer, the clock jumps to that timer instead.
Nothing in the code under test changes: `asyncio.sleep`, `asyncio.timeout` and `call_later` are
answered by the loop, deadlines and threads by the `VirtualClock` in the scope's effects.

What is real stays real, and decides when the clock may jump:

====================================  ==========================================================
while …                               the clock …
====================================  ==========================================================
a callback or descriptor is ready     stands still
a thread is at work                   stands still until the thread ends or waits on the clock
a child process of the loop runs      runs as the real one does
a descriptor is watched, not ready    jumps after `grace` seconds of real silence
none of these, and a timer is set     jumps to the timer at once
none of these, and no timer is set    never moves again: `UsageError` DEADLOCK says who waits where
====================================  ==========================================================

Limits, by design. Bytes between two sockets of this loop are seen before any jump, since the kernel
delivers them at once. An answer from outside (another process, a thread the loop was not told of)
has `grace` seconds of real time to arrive before a timeout fires: a test that waits for the outside
belongs on a real loop. Before a deadlock is declared, the outside has `patience` seconds, if there
is anything outside that could still act.

Threads count as at work from `thread_started` to `thread_finished`; `run_in_executor` calls both,
other pools must. The order of three steps keeps the clock from jumping over a result: a pool posts
the result to the loop first, then calls `thread_finished`; the selector reads the number of threads
first, then polls. So whoever sees "no thread" also sees what the threads left behind.

After trio's ``MockClock`` with its ``autojump_threshold``, moved to where asyncio keeps its time.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar

from mainstay.core.stacks import task_stack
from mainstay.errors import UsageError

__all__ = ["VirtualClock", "VirtualLoop"]

_T = TypeVar("_T")

# How long a thread in `VirtualClock.wait` sleeps between two looks at whether its time is over.
# An event cannot be told "time is over" without being set, so the thread has to look.
_LOOK_SECONDS = 0.0005


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop that jumps to the next timer instead of waiting for it.

    Args:
        grace: real seconds of silence on watched descriptors before a jump. With none watched the
            jump is immediate.
        patience: real seconds that descriptors and other threads get before a deadlock is declared.

    Attributes:
        virtual: True, by which an error can say so.
        outran: whether the clock has ever jumped while somebody outside might have been about to
            answer, on a descriptor that was watched.
    """

    virtual: Final = True

    def __init__(self, *, grace: float = 0.005, patience: float = 10.0) -> None:
        self.outran = False
        self._now = 0.0
        self._grace = grace
        self._patience = patience
        self._threads = _Threads()
        self._executor: Executor | None = None
        self._children: list[asyncio.SubprocessTransport] = []
        super().__init__(_VirtualSelector(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def thread_started(self) -> None:
        """A thread is about to work for this loop: the clock stands still. From any thread."""
        self._threads.announced(1)

    def thread_finished(self) -> None:
        """The thread has ended, and has posted its result to the loop before. From any thread."""
        self._threads.announced(-1)
        self._wake()

    def set_default_executor(self, executor: ThreadPoolExecutor) -> None:  # type: ignore[override]
        """See `asyncio.loop.set_default_executor`."""
        super().set_default_executor(executor)
        self._executor = executor

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        """See `asyncio.loop.run_in_executor`; the clock stands still until the function returns."""
        if executor is None and self._executor is None:
            self.set_default_executor(ThreadPoolExecutor(thread_name_prefix="virtual-loop"))
        tap = _Tap(executor or self._executor, self._threads)
        self._threads.pooled(1)
        try:
            future = super().run_in_executor(tap, func, *args)
        except BaseException:
            self._threads.pooled(-1)
            raise
        # Added after asyncio's own callback, so it runs after the result has been posted.
        tap.submitted[0].add_done_callback(self._pooled_thread_finished)
        return future

    def _pooled_thread_finished(self, _: object) -> None:
        self._threads.pooled(-1)
        self._wake()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """See `asyncio.loop.shutdown_default_executor`; takes no virtual time.

        asyncio joins the pool in a thread of its own, under a timeout that would otherwise fire
        at once.
        """
        self.thread_started()
        try:
            await super().shutdown_default_executor()
        finally:
            self.thread_finished()
            self._executor = None

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        """See `asyncio.loop.subprocess_exec`; the clock is real while the child runs."""
        return self._with_child(await super().subprocess_exec(*args, **kwargs))

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> Any:
        """See `asyncio.loop.subprocess_shell`; the clock is real while the child runs."""
        return self._with_child(await super().subprocess_shell(*args, **kwargs))

    def _with_child(self, pair: tuple[asyncio.SubprocessTransport, Any]) -> Any:
        self._children.append(pair[0])
        return pair

    def _has_children(self) -> bool:
        self._children = [child for child in self._children if child.get_returncode() is None]
        return bool(self._children)

    def _next_timer(self) -> float:
        """When the next timer is due; infinity if none is. asyncio has dropped cancelled heads."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return timers[0].when() if timers else math.inf

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to wake
            self.call_soon_threadsafe(_nothing)


class VirtualClock:
    """The `mainstay.core.effects.Clock` of a `VirtualLoop`.

    Args:
        loop: gives the time.
        epoch: the wall clock's reading when the loop's time is 0, in Unix seconds. Add to it in a
            test to make the wall clock jump. The default is the first second of the year 2000.
    """

    def __init__(self, loop: VirtualLoop, epoch: float = 946_684_800.0) -> None:
        self._loop = loop
        self.epoch = epoch

    def monotonic(self) -> float:
        """See `Clock.monotonic`: the loop's time."""
        return self._loop.time()

    def time(self) -> float:
        """See `Clock.time`: `epoch` plus the loop's time."""
        return self.epoch + self._loop.time()

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """See `Clock.wait`: the thread counts as idle, and `timeout` is a timer of the loop.

        A closed loop has no more time to give, and ends the wait.

        Raises: UsageError on the thread of the loop, which would wait for itself.
        """
        if self._loop.is_running() and asyncio._get_running_loop() is self._loop:
            raise UsageError(
                "Clock.wait blocks its thread and was called on the event loop's; "
                "await something there instead"
            )
        if event.is_set() or (timeout is not None and timeout <= 0):
            return event.is_set()
        waiter = _Waiter(self._loop, event, timeout)
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(waiter.begin)
        while not (event.wait(_LOOK_SECONDS) or waiter.expired or self._loop.is_closed()):
            pass
        waiter.awake = True
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(waiter.end)
        return event.is_set()


class _Threads:
    """How many threads the clock has to stand still for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pooled = 0
        self._announced = 0
        self._idents: set[int] = set()  # of the pooled ones
        self.waiters: set[_Waiter] = set()  # touched on the loop's thread only

    def pooled(self, number: int) -> None:
        with self._lock:
            self._pooled += number

    def announced(self, number: int) -> None:
        with self._lock:
            self._announced += number

    def run(self, function: Callable[..., _T], *args: Any) -> _T:
        """Run what was submitted to a pool, knowing which thread does it."""
        ident = threading.get_ident()
        self._idents.add(ident)
        try:
            return function(*args)
        finally:
            self._idents.discard(ident)

    def counts_me(self) -> bool:
        """Whether the current thread is one of those counted, as far as can be told: who
        announces a thread does not say which."""
        return threading.get_ident() in self._idents or self._announced > 0

    def at_work(self) -> bool:
        # The count before the waiters: a thread that sets an event and ends in between is then
        # either still counted, or has made the waiter count.
        count = self._pooled + self._announced
        return count > sum(waiter.idle for waiter in self.waiters)


class _Waiter:
    """One thread inside `VirtualClock.wait`. It counts as idle from `begin`, on the loop, until
    its event is set or its time is over, which both happen before the thread wakes."""

    def __init__(self, loop: VirtualLoop, event: threading.Event, timeout: float | None) -> None:
        self._loop = loop
        self._event = event
        self._timeout = timeout
        self._timer: asyncio.TimerHandle | None = None
        self._counted = loop._threads.counts_me()
        self.expired = False
        self.awake = False

    @property
    def idle(self) -> bool:
        return self._counted and not (self.awake or self.expired or self._event.is_set())

    def begin(self) -> None:
        self._loop._threads.waiters.add(self)
        if self._timeout is not None:
            self._timer = self._loop.call_later(self._timeout, self._expire)

    def _expire(self) -> None:
        self.expired = True

    def end(self) -> None:
        self._loop._threads.waiters.discard(self)
        if self._timer is not None:
            self._timer.cancel()


class _Tap(Executor):
    """An executor that remembers the future of what was submitted through it."""

    def __init__(self, executor: Executor | None, threads: _Threads) -> None:
        self._executor = executor
        self._threads = threads
        self.submitted: list[Future[Any]] = []

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        assert self._executor is not None
        future = self._executor.submit(self._threads.run, fn, *args, **kwargs)
        self.submitted.append(future)
        return future


class _VirtualSelector(selectors.BaseSelector):
    """asyncio's seam for waiting: `select` is where a loop with nothing to run ends up."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; the table at the top of the file decides what happens if nothing is."""
        loop = self._loop
        at_work = loop._threads.at_work()  # before the poll; see the top of the file
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if at_work:
            return self._real.select(None)
        due = loop._next_timer()
        if loop._has_children():
            return self._select_in_real_time(due)
        if self._watches_descriptors():
            ready = self._real.select(loop._grace)
            if ready:
                return ready
            loop.outran = loop.outran or due < math.inf
        if due < math.inf:
            loop._now = max(due, loop._now)
            return []
        return self._select_or_deadlock()

    def _select_in_real_time(self, due: float) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self._loop
        started = time.monotonic()
        ready = self._real.select(None if due == math.inf else due - loop._now)
        loop._now = min(loop._now + time.monotonic() - started, max(due, loop._now))
        return ready

    def _select_or_deadlock(self) -> list[tuple[selectors.SelectorKey, int]]:
        # A thread that was not waited for may have spoken and ended since the poll, so look again.
        waits = self._watches_descriptors() or threading.active_count() > 1
        ready = self._real.select(self._loop._patience if waits else 0)
        if ready:
            return ready
        raise UsageError(
            "nothing can happen any more: no callback is ready, no timer is set and no thread is "
            "at work, yet these wait:\n"
            + "\n".join(map(task_stack, asyncio.all_tasks(self._loop))),
            reason="DEADLOCK",
        )

    def _watches_descriptors(self) -> bool:
        return len(self._real.get_map()) > 1  # one is the loop's own wake-up pipe


def _nothing() -> None:
    """What `VirtualLoop._wake` has the loop run: waking is all it is for."""
