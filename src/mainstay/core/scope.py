"""The lifetime of a piece of work: deadline, cancellation, drain, values.

Every call, worker and task of a group runs in a `Scope`. Scopes form a tree; a child never outlives
the interest of its parent: it ends no later than the parent's deadline, and is cancelled with it.
The current scope follows the code, through a context variable, into coroutines, async generators,
new tasks and threads started by `mainstay.to_thread`.

How cancellation travels, and the rules it keeps, is the machinery of `node`. `cancel` and `drain` may
be called from any thread; everything else belongs to the loop's thread, or to the thread whose work
the scope is.

The tree and the shield are trio's and anyio's cancel scopes; the cause is Go's
``context.WithCancelCause``.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar, copy_context
from math import inf, isnan
from types import TracebackType
from typing import Any, Final, Generic, NoReturn, Self, TypeVar, cast, overload

from mainstay.core.effects import Effects
from mainstay.core.metadata import EMPTY, Metadata, Peer
from mainstay.core.node import RECANCEL, STRAGGLER, Node
from mainstay.core.runtime import Runtime
from mainstay.core.wheel import Timer
from mainstay.errors import Cancelled, UsageError

__all__ = ["RECANCEL", "STRAGGLER", "Key", "LateScope", "Scope", "stand_in"]

_FAR: Final = 1e12
"""Seconds; a deadline that far is none, and timers could not count to it."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D")

_current: ContextVar[Scope | LateScope | None] = ContextVar("mainstay_scope", default=None)


class LateScope:
    """Stands for a scope that is made when somebody asks for it, in the hot path of a server: most
    calls are answered in their first step, and never look at a clock or a deadline."""

    __slots__ = ()

    def made(self) -> Scope:
        """The scope, the same one every time."""
        raise NotImplementedError

    def nearest(self) -> Scope | None:
        """See `Scope.nearest`."""
        return self.made()


stand_in: Final = _current.set
"""Let a `LateScope` be the current scope of the context that runs now, for good."""


def _here() -> Scope | None:
    scope = _current.get()
    return scope.made() if isinstance(scope, LateScope) else scope


class Key(Generic[T_co]):
    """A typed name for a value that scopes carry: ``USER = Key[User]("user")``.

    Covariant, so that type checkers take ``print(scope.get(USER))``, which they otherwise refuse.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Key({self.name!r})"


class _Inherit:
    """The type of `INHERIT`, which stands for "the current scope, if there is one"."""


INHERIT: Final = _Inherit()


class Scope(Node):
    """The lifetime of one piece of work. Enter it once, with ``with``, in the task that works.

    Args:
        name: what it is for; shown in errors and logs.
        timeout: seconds from now.
        deadline: absolute, in the seconds of ``effects.clock.monotonic()``. The tightest of
            `timeout`, `deadline` and the parent's deadline holds.
        parent: the scope it belongs to; the current one unless given. None makes a root.
        metadata: pairs that came with the call; the parent's unless given.
        peer: who is at the other end; the parent's unless given.
        effects: the world; for roots only, everything below inherits it.

    Raises: UsageError when a root is made without a running event loop, and for a limit of NaN;
        an infinite one is none.
    """

    __slots__ = ("_filler", "_values", "metadata", "peer")

    parent: Scope | None
    _outer: Scope | None

    def __init__(
        self,
        name: str = "",
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        parent: Scope | _Inherit | None = INHERIT,
        metadata: Metadata | None = None,
        peer: Peer | None = None,
        effects: Effects | None = None,
    ) -> None:
        if isinstance(parent, _Inherit):
            parent = _here()
        if parent is None:
            runtime = Runtime(effects)
            self.metadata = EMPTY if metadata is None else metadata
            self.peer = peer
        else:
            runtime = parent._runtime
            if threading.get_ident() != runtime.thread:
                runtime = _runtime_here(runtime)
            self.metadata = parent.metadata if metadata is None else metadata
            self.peer = parent.peer if peer is None else peer
        if timeout is not None:
            end = runtime.monotonic() + timeout
            if deadline is None or end < deadline:
                deadline = end
        if deadline is not None and not deadline < _FAR:
            # Infinite is what `remaining` returns of a scope without a limit; and a peer may send
            # any number.
            _refuse_nan(deadline, name)
            deadline = None
        super().__init__(name, parent, runtime, timeout, deadline)
        self._values: dict[Key[Any], Any] | None = None
        self._filler: Callable[[Scope], dict[Key[Any], Any]] | None = None

    # --- where am I -----------------------------------------------------------------------------

    @staticmethod
    def current() -> Scope:
        """The scope of the code that asks.

        Raises: UsageError outside of any scope.
        """
        scope = _here()
        if scope is None:
            message = "there is no scope here: run this inside a service, or in `with Scope():`"
            raise UsageError(message)
        return scope

    @staticmethod
    def current_or_none() -> Scope | None:
        """The scope of the code that asks, or None."""
        return _here()

    @staticmethod
    def nearest() -> Scope | None:
        """The scope whose limits and values hold for the code that asks, or None: for who only looks
        at these. It is one further up where a scope was not made yet and has none of its own."""
        scope = _current.get()
        return scope.nearest() if isinstance(scope, LateScope) else scope

    @property
    def effects(self) -> Effects:
        """The world as this scope sees it."""
        return self._runtime.effects

    # --- time -----------------------------------------------------------------------------------

    def remaining(self) -> float:
        """Seconds to the deadline; ``inf`` without one, negative when it has passed."""
        return inf if self.deadline is None else self.deadline - self._runtime.monotonic()

    def check(self) -> None:
        """Raise the cause if the work is no longer wanted; for loops in threads, and cheap.

        Raises: the cause of the cancellation; DeadlineExceeded once the deadline has passed.
        """
        if self._cause is not None:
            raise self._cause.with_traceback(self._trace)
        if self.deadline is not None and self._runtime.monotonic() >= self.deadline:
            raise self._exceeded()

    def sleep(self, seconds: float) -> None:
        """Wait in a thread; like `time.sleep`, but ends at once, raising, when `check` would.
        Infinite seconds wait for just that.

        Raises: what `check` raises; UsageError on the thread of the event loop.
        """
        if threading.get_ident() == self._runtime.thread:
            message = "scope.sleep() blocks its thread; in a coroutine, await asyncio.sleep()"
            raise UsageError(message)
        with self._runtime.lock:
            if self._event is None:
                self._event = threading.Event()
            event = self._event
        # After the event is in place: a cancellation before this line is seen by `check`, one
        # after it sets the event.
        self.check()
        limit = min(seconds, self.remaining())
        self._runtime.effects.clock.wait(event, max(0.0, limit) if limit < inf else None)
        self.check()

    # --- cancellation and drain -----------------------------------------------------------------

    @property
    def cancelled(self) -> bool:
        """Whether the work is no longer wanted."""
        return self._cause is not None

    @property
    def cause(self) -> Exception | None:
        """Why the work is no longer wanted; None while it is."""
        return self._cause

    @property
    def draining(self) -> bool:
        """Whether the work should come to an end: finish what is begun, begin nothing."""
        return self._draining

    def cancel(self, cause: Exception | str | None = None) -> None:
        """Stop the work, here and in every scope below. The first cause given stays.

        Args:
            cause: raised where the scope was opened; a text becomes `Cancelled`.
        """
        if cause is None or isinstance(cause, str):
            cause = Cancelled(cause or f"{self.name or 'the scope'} was cancelled")
        self._soon_or_now(functools.partial(self._cancel, cause))

    def drain(self) -> None:
        """Ask the work, here and in every scope below, to come to an end in its own time."""
        self._soon_or_now(self._drain)

    async def wait_cancelled(self) -> Exception:
        """Wait for the cancellation and return its cause; for those who watch from outside."""
        while self._cause is None:
            await self._wait(for_drain=False)
        return self._cause

    async def wait_draining(self) -> None:
        """Wait until the work should come to an end."""
        while not self._draining:
            await self._wait(for_drain=True)

    def when_draining(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the work should come to an end, from the loop; on its thread only.

        For those who are many and wait for long: a task that waits costs a kilobyte more. It must
        not raise, and is forgotten when the scope is left.
        """
        if self._draining:
            self._soon(callback)
            return
        if self._waiters is None:
            self._waiters = []
        self._waiters.append((callback, True))

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` from the loop in so many seconds or a little later, see `core.wheel`; on
        the loop's thread only. For timeouts that are many: the loop's own timers take ten times the
        memory. Whoever sets it withdraws it; the end of the scope does not."""
        return self._runtime.wheel.at(self._runtime.monotonic() + seconds, callback)

    # --- values ---------------------------------------------------------------------------------

    def set(self, key: Key[T], value: T) -> None:
        """Let `key` mean `value` here and below."""
        if self._filler is not None:
            self._fill()
        if self._values is None:
            self._values = {}
        self._values[key] = value

    @overload
    def get(self, key: Key[T]) -> T | None: ...
    @overload
    def get(self, key: Key[T], default: D) -> T | D: ...
    def get(self, key: Key[T], default: D | None = None) -> T | D | None:
        """The value of `key` here or in the nearest scope above, or `default`."""
        scope: Scope | None = self
        while scope is not None:
            if scope._filler is not None:
                scope._fill()
            if scope._values is not None and key in scope._values:
                return cast(T, scope._values[key])
            scope = scope.parent
        return default

    def has_own(self, key: Key[Any]) -> bool:
        """Whether `key` was set here, and not only in a scope above."""
        if self._filler is not None:
            self._fill()
        return self._values is not None and key in self._values

    def fill_late(self, filler: Callable[[Scope], dict[Key[Any], Any]]) -> None:
        """Let the first values be what `filler` returns, which is called when somebody looks for any;
        for a scope that has none yet. It must not look at the values of this scope."""
        self._filler = filler

    def _fill(self) -> None:
        with self._runtime.lock:  # two threads may look at once
            if self._filler is not None:
                self._values = self._filler(self)
                self._filler = None

    # --- making others --------------------------------------------------------------------------

    def child(
        self, name: str = "", *, timeout: float | None = None, deadline: float | None = None
    ) -> Scope:
        """A scope inside this one, with a tighter deadline if one is given."""
        return Scope(name, timeout=timeout, deadline=deadline, parent=self)

    def shield(self, timeout: float) -> Scope:
        """A scope for cleanup: what happens outside is not delivered for up to `timeout` seconds.

        It holds off the cancellations of scopes, which are all that the framework sends. A bare
        `Task.cancel` by other code cannot be held off by anything in the same task.

        Raises: UsageError for a timeout that is no bound.
        """
        if not timeout < inf:
            message = f"a shield needs a bound in seconds, not {timeout}"
            raise UsageError(message)
        scope = Scope(f"shield in {self.name or 'a scope'}", timeout=timeout, parent=self)
        scope._shielded = True
        scope.deadline = self._runtime.monotonic() + timeout
        return scope

    def start(self, work: Coroutine[Any, Any, T], name: str = "") -> asyncio.Task[T]:
        """Run `work` in a task of its own, in a child scope; on the loop's thread only.

        Whoever starts a task waits for it: prefer `Group`, which does.

        Raises: UsageError in another thread than the loop's.
        """
        if threading.get_ident() != self._runtime.thread:
            work.close()
            message = f"{self!r} belongs to a loop in another thread; start tasks there"
            raise UsageError(message)
        scope = Scope(name or getattr(work, "__qualname__", "task"), parent=self)
        context = copy_context()
        context.run(_current.set, scope)
        task = self._runtime.loop.create_task(work, name=scope.name, context=context)
        scope._attach(task)
        task.add_done_callback(functools.partial(_leave, scope, work))
        return task

    def open(self) -> Self:
        """Join the tree without a task, to hold other scopes; `close` leaves it again."""
        self._begin()
        self._attach(None)
        return self

    def close(self) -> None:
        """Undo `open`. Idempotent; scopes still open below are left to whoever opened them."""
        self._end()

    def adopt(
        self, task: asyncio.Task[Any], *, outer: Scope | None = None, baseline: int = 0
    ) -> None:
        """Be entered on behalf of `task`, from outside of it; `task` itself leaves, by `__exit__`.

        For scopes that are made late: those of a server's calls, and of a client's.

        Args:
            task: that is in this scope.
            outer: the scope that it was in before, if it was.
            baseline: how often its cancellation was asked for by then.
        """
        self._begin()
        self._outer = outer
        self._baseline = baseline
        self._attach(task)

    def holds(self, task: asyncio.Task[Any]) -> bool:
        """Whether `task` itself is what is cancelled with this scope."""
        return self._task is task

    def children(self) -> list[Scope]:
        """The scopes directly below this one that are open, or have open ones below."""
        return cast("list[Scope]", self._below())

    def tasks(self) -> Iterator[asyncio.Task[Any]]:
        """Every task at work here and below, shielded ones too; each once."""
        seen = set()
        scopes = [self]
        while scopes:
            scope = scopes.pop()
            scopes.extend(scope.children())
            task = scope._task
            # A task that is done leaves its scope a moment later.
            if task is not None and task not in seen and not task.done():
                seen.add(task)
                yield task

    # --- entering and leaving -------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._begin()
        self._outer = _here()
        _current.set(self)
        # In a thread there is no task, and `check` and `sleep` deliver the cancellation.
        on_loop = threading.get_ident() == self._runtime.thread
        task = asyncio.current_task(self._runtime.loop) if on_loop else None
        if task is not None:
            self._baseline = task.cancelling()
        self._attach(task)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An async generator may be closed in another context, where other scopes are open: not
        # `ContextVar.reset`, which would fail there, nor anything else.
        if _current.get() is self:
            _current.set(self._outer)
        task = self._task
        self._detach()
        if self._cause is None or task is None:
            return
        left = task.cancelling()
        while self._requests:
            self._requests -= 1
            left = task.uncancel()
        outer = self._outer
        # A scope of another task, which this one's context was copied from, raises nothing here.
        told_above = outer is not None and outer._cause is not None and outer._task is task
        if (
            (self._origin or not told_above)
            and left <= self._baseline
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            self._raise(self._cause, error)

    def __repr__(self) -> str:
        state = "cancelled" if self._cause else "draining" if self._draining else self._state
        remaining = "" if self.deadline is None else f" remaining={self.remaining():.3f}"
        return f"<Scope {self.name!r} {state}{remaining}>"

    def _raise(self, cause: Exception, interrupted: BaseException | None) -> NoReturn:
        """Raise `cause` in place of the cancellation that it led to."""
        if self._trace is None:
            # Others raise it too, in other tasks: a traceback would grow by those of all.
            raise cause.with_traceback(None) from interrupted
        # It was raised before, by a task that failed: it keeps the story that it tells.
        context = cause.__context__
        try:
            raise cause.with_traceback(self._trace)
        finally:
            cause.__context__ = context


def _runtime_here(runtime: Runtime) -> Runtime:
    """That of the parent, or one of our own if this thread runs a loop of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return runtime
    return Runtime(runtime.effects)


def _refuse_nan(deadline: float, name: str) -> None:
    if isnan(deadline):
        message = f"the limit of {name or 'a scope'} is {deadline}, which is no number of seconds"
        raise UsageError(message)


def _leave(scope: Scope, work: Coroutine[Any, Any, Any], task: asyncio.Task[Any]) -> None:
    # A task cancelled before its first step never runs `work`; closing it avoids a warning.
    work.close()
    scope._detach()
