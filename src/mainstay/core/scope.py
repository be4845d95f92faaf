"""The lifetime of a piece of work: deadline, cancellation, drain, values.

Every call, worker and task of a group runs in a `Scope`. Scopes form a tree; a child never outlives
the interest of its parent: it ends no later than the parent's deadline, and is cancelled with it.
The current scope follows the code, through a context variable, into coroutines, async generators,
new tasks and threads started by `mainstay.to_thread`.

Rules this file keeps:

* **Cancellation has one cause**, the first one given, and everything below inherits it. Inside, a
  coroutine sees asyncio's `CancelledError`; the outermost cancelled scope that the task is in turns
  it into its cause (`DeadlineExceeded`, `ShuttingDown`, …) on the way out, so whoever opened the
  scope learns why. A cancellation that did not come from a scope is never touched.
* **Cancelled stays cancelled.** A task that swallows the `CancelledError` is cancelled again every
  `RECANCEL` seconds until it has left the scope, and named in the log, with its stack, after
  `STRAGGLER` seconds. asyncio itself cancels once only, after which a task may wait for ever.
* **Nobody falls out of the tree.** A scope that is left while others are open below it keeps its
  place, its deadline and its cause until they have gone.
* **A shield has its own bound.** Inside ``with scope.shield(5):`` nothing from outside is
  delivered, and the work inside has its own deadline; what was held back is delivered at its end.
* **One cancellation, one task.** A task in several nested scopes is cancelled once, by the
  outermost scope that wants it, which takes the request back (`Task.uncancel`) when it is left.

State is changed on the loop's thread only; `cancel` and `drain` may be called from any thread.

The tree and the shield are trio's and anyio's cancel scopes; the cause is Go's
``context.WithCancelCause``; the bookkeeping with `uncancel` is that of ``asyncio.timeout``.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from contextvars import ContextVar, copy_context
from math import inf
from types import TracebackType
from typing import Any, Final, Generic, NoReturn, Self, TypeAlias, TypeVar, cast, overload

from mainstay.core.effects import Effects
from mainstay.core.metadata import EMPTY, Metadata, Peer
from mainstay.core.stacks import task_stack
from mainstay.core.wheel import Timer, Wheel
from mainstay.errors import Cancelled, DeadlineExceeded, UsageError

__all__ = ["RECANCEL", "STRAGGLER", "Key", "Scope"]

RECANCEL: Final = 0.5
"""Seconds between one cancellation and the next. Cleanup that needs longer uses a shield."""

STRAGGLER: Final = 1.0
"""Seconds after a cancellation at which a task that still runs is reported."""

T = TypeVar("T")
D = TypeVar("D")

_log = logging.getLogger(__name__)
_current: ContextVar[Scope | None] = ContextVar("mainstay_scope", default=None)


class Key(Generic[T]):
    """A typed name for a value that scopes carry: ``USER = Key[User]("user")``."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Key({self.name!r})"


_NEW: Final = "new"
_OPEN: Final = "open"
_LEFT: Final = "left"

_Tasks: TypeAlias = "set[asyncio.Task[Any]]"
_Scopes: TypeAlias = "set[Scope]"
_Wanted: TypeAlias = "dict[asyncio.Task[Any], Scope]"


@functools.cache
def _world() -> Effects:
    return Effects()


class _Runtime:
    """What the scopes of one tree share: their loop, its timers, the effects."""

    __slots__ = ("effects", "lock", "loop", "monotonic", "thread", "wheel")

    def __init__(self, effects: Effects) -> None:
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            message = "a scope without a parent can only be made while an event loop is running"
            raise UsageError(message) from None
        self.effects = effects
        self.monotonic = effects.clock.monotonic
        self.thread = threading.get_ident()
        self.lock = threading.Lock()
        self.wheel = Wheel(self.loop, self.monotonic)


class _Inherit:
    """The type of `INHERIT`, which stands for "the current scope, if there is one"."""


INHERIT: Final = _Inherit()


class Scope:
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

    __slots__ = (
        "__weakref__",
        "_baseline",
        "_cause",
        "_children",
        "_draining",
        "_event",
        "_origin",
        "_outer",
        "_requests",
        "_runtime",
        "_shielded",
        "_since",
        "_state",
        "_task",
        "_timeout",
        "_timer",
        "_trace",
        "_values",
        "_waiters",
        "deadline",
        "metadata",
        "name",
        "parent",
        "peer",
    )

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
            parent = _current.get()
        self.name = name
        self.parent = parent
        if parent is None:
            self._runtime = _Runtime(effects or _world())
            self.metadata = EMPTY if metadata is None else metadata
            self.peer = peer
        else:
            self._runtime = parent._runtime
            self.metadata = parent.metadata if metadata is None else metadata
            self.peer = parent.peer if peer is None else peer
        self._timeout = timeout
        if timeout is not None:
            end = self._runtime.monotonic() + timeout
            if deadline is None or end < deadline:
                deadline = end
        if deadline is not None and not deadline < inf:
            # Infinite is what `remaining` returns of a scope without a limit.
            _refuse_nan(deadline, name)
            deadline = None
        if parent is not None:
            bound = parent.deadline
            if bound is not None and (deadline is None or bound < deadline):
                deadline = bound
        self.deadline: float | None = deadline
        self._shielded = False
        self._cause: Exception | None = None
        self._trace: TracebackType | None = None
        self._origin = False
        self._draining = False
        self._state = _NEW
        self._task: asyncio.Task[Any] | None = None
        self._children: _Scopes | None = None
        self._values: dict[Key[Any], Any] | None = None
        self._timer: Timer | None = None
        self._waiters: list[tuple[asyncio.Future[None], bool]] | None = None
        self._event: threading.Event | None = None
        self._requests = 0
        self._baseline = 0
        self._since = inf
        self._outer: Scope | None = None

    # --- where am I -----------------------------------------------------------------------------

    @staticmethod
    def current() -> Scope:
        """The scope of the code that asks.

        Raises: UsageError outside of any scope.
        """
        scope = _current.get()
        if scope is None:
            message = "there is no scope here: run this inside a service, or in `with Scope():`"
            raise UsageError(message)
        return scope

    @staticmethod
    def current_or_none() -> Scope | None:
        """The scope of the code that asks, or None."""
        return _current.get()

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
        self._runtime.effects.clock.wait(event, max(0.0, min(seconds, self.remaining())))
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

    # --- values ---------------------------------------------------------------------------------

    def set(self, key: Key[T], value: T) -> None:
        """Let `key` mean `value` here and below."""
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
            if scope._values is not None and key in scope._values:
                return cast(T, scope._values[key])
            scope = scope.parent
        return default

    def has_own(self, key: Key[Any]) -> bool:
        """Whether `key` was set here, and not only in a scope above."""
        return self._values is not None and key in self._values

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
        """
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
        if self._state is _OPEN:
            self._detach()

    def children(self) -> list[Scope]:
        """The scopes directly below this one that are open, or have open ones below."""
        return [] if self._children is None else list(self._children)

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
        self._outer = _current.get()
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

    # --- inside ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._state is not _NEW:
            message = f"{self!r} was entered already; make a new scope for new work"
            raise UsageError(message)

    def _attach(self, task: asyncio.Task[Any] | None) -> None:
        """Join the tree, with `task` as the one to cancel."""
        self._state = _OPEN
        self._task = task
        parent = self.parent
        if parent is not None:
            if parent._state is not _OPEN and not parent._children:
                parent._return()
            self._join(parent)
            # A task that was told already keeps its time to clean up; a new one is told now.
            told = parent._cause is None or self._shielded or task is parent._task
            if task is not None and not told:
                self._soon(functools.partial(self._deliver, task))
        if self._cause is not None:
            if self._origin:
                self._soon(self._deliver)
        elif self.deadline is not None and not self._parent_keeps_time():
            self._soon_or_now(self._set_timer)

    def _parent_keeps_time(self) -> bool:
        parent = self.parent
        return (
            parent is not None
            and parent._state is _OPEN
            and parent.deadline == self.deadline
            and not self._shielded
        )

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

    def _join(self, parent: Scope) -> None:
        """Become a child of `parent`, and learn what it was told before."""
        family = parent._children
        if family is None:
            family = parent._found_family()
        family.add(self)
        self._draining = self._draining or parent._draining
        if parent._cause is not None and not self._shielded:
            self._mark(parent._cause, parent._trace)

    def _return(self) -> None:
        """Go back into the tree for a late child, to pass on what we are told."""
        line = []
        scope = self
        while scope.parent is not None and scope._state is not _OPEN and not scope._children:
            line.append((scope, scope.parent))
            scope = scope.parent
        for scope, parent in reversed(line):
            scope._join(parent)

    def _found_family(self) -> _Scopes:
        with self._runtime.lock:  # two threads may enter a first child at once
            if self._children is None:
                self._children = set()
            return self._children

    def _detach(self) -> None:
        """Let go of the task; leave the tree, unless there are others below, who outlive us."""
        self._state = _LEFT
        task, self._task = self._task, None
        self._part()
        if self._shielded and task is not None:
            self._deliver_held(task)

    def _part(self) -> None:
        """Leave the tree if nothing here or below is at work; then perhaps those above, too."""
        scope: Scope | None = self
        while scope is not None and scope._state is not _OPEN and not scope._children:
            timer, scope._timer = scope._timer, None
            if timer is not None:
                self._soon_or_now(timer.cancel)
            parent = scope.parent
            if parent is not None and parent._children is not None:
                parent._children.discard(scope)
            scope = parent

    def _soon_or_now(self, callback: Callable[[], None]) -> None:
        if threading.get_ident() == self._runtime.thread:
            callback()
        else:
            self._soon(callback)

    def _soon(self, callback: Callable[[], None]) -> None:
        loop = self._runtime.loop
        if threading.get_ident() == self._runtime.thread:
            loop.call_soon(callback)
        else:
            with suppress(RuntimeError):  # the loop is closed: there is nobody to tell
                loop.call_soon_threadsafe(callback)

    def _set_timer(self) -> None:
        if self._state is _OPEN and self._cause is None and self.deadline is not None:
            self._timer = self._runtime.wheel.at(self.deadline, self._expire)

    def _exceeded(self) -> DeadlineExceeded:
        # The error names the limit that fired: the outermost scope that has this very deadline.
        owner = self
        while not owner._shielded and owner.parent is not None:
            if owner.parent.deadline != self.deadline:
                break
            owner = owner.parent
        what = f"'{owner.name}'" if owner.name else "this work"
        if owner._timeout is None:
            return DeadlineExceeded(f"{what} had a deadline, which has passed")
        return DeadlineExceeded(f"{what} was given {owner._timeout:g} s, which are over")

    def _expire(self) -> None:
        self._cancel(self._exceeded())

    def _cancel(self, cause: Exception) -> None:
        if self._cause is None and (self._state is not _LEFT or self._children):
            self._origin = True
            self._mark(cause, cause.__traceback__)
            self._deliver()

    def _mark(self, cause: Exception, trace: TracebackType | None) -> None:
        """Let everything here and below know the cause, before anyone is interrupted."""
        now = self._runtime.monotonic()
        scopes = [self]
        while scopes:
            scope = scopes.pop()
            if scope._cause is not None:
                continue
            scope._cause = cause
            scope._trace = trace
            scope._since = now
            if scope._event is not None:
                scope._event.set()
            scope._wake(drained=False)
            scopes.extend(child for child in scope.children() if not child._shielded)

    def _drain(self) -> None:
        scopes = [self]
        while scopes:
            scope = scopes.pop()
            if not scope._draining:
                scope._draining = True
                scope._wake(drained=True)
                scopes.extend(scope.children())

    def _wake(self, *, drained: bool) -> None:
        for future, for_drain in self._waiters or ():
            if for_drain is drained and not future.done():
                future.set_result(None)

    async def _wait(self, *, for_drain: bool) -> None:
        if self._waiters is None:
            self._waiters = []
        entry = (self._runtime.loop.create_future(), for_drain)
        self._waiters.append(entry)
        try:
            await entry[0]
        finally:
            self._waiters.remove(entry)

    def _deliver(self, only: asyncio.Task[Any] | None = None) -> None:
        """Cancel the tasks here and below that are not shielded: all of them, again and again
        until they have left; or `only` one, once, since it was out of reach before."""
        if self._state is not _OPEN and not self._children:
            return
        if asyncio.current_task(self._runtime.loop) is not None:
            # Cancelling a task that runs now strikes at its next wait, which may be after its
            # scope. That is this task, and others if it was started eagerly: wait for their waits.
            self._runtime.loop.call_soon(self._deliver, only)
            return
        wanted: _Wanted = {}
        shielded: _Tasks = set()
        self._collect(wanted, shielded)
        for task, scope in wanted.items():
            if task in shielded or task.done() or (only is not None and task is not only):
                continue
            scope._requests += 1
            task.cancel(str(self._cause))
            scope._report(task)
        if only is None:
            if self._timer is not None:
                self._timer.cancel()
            again = self._runtime.monotonic() + RECANCEL
            self._timer = self._runtime.wheel.at(again, self._deliver)

    def _deliver_held(self, task: asyncio.Task[Any]) -> None:
        """Tell `task`, which leaves this shield, what the shield has held off."""
        top = None
        scope = self.parent
        while scope is not None and scope._cause is not None:
            top = scope
            if scope._task is task and scope._since < inf:
                scope._since = self._runtime.monotonic()  # it was allowed to take this long
            scope = None if scope._shielded else scope.parent
        if top is not None:
            self._soon(functools.partial(top._deliver, task))

    def _collect(self, wanted: _Wanted, shielded: _Tasks) -> None:
        scopes = [self]
        while scopes:
            scope = scopes.pop()
            if scope._task is not None:
                wanted.setdefault(scope._task, scope)
            for child in scope.children():
                if not child._shielded:
                    scopes.append(child)
                elif child._task is not None:
                    shielded.add(child._task)

    def _report(self, task: asyncio.Task[Any]) -> None:
        now = self._runtime.monotonic()
        late = now - self._since
        if self._since < inf and any(scope._task is not task for scope in self.children()):
            self._since = now  # it waits for others, and has its time once they are gone
        elif late >= STRAGGLER:
            self._since = inf
            _log.warning(
                "%s still runs %.1f s after it was cancelled (%s):\n%s",
                self.name or task.get_name(),
                late,
                self._cause,
                task_stack(task),
            )


def _refuse_nan(deadline: float, name: str) -> None:
    if deadline != inf:
        message = f"the limit of {name or 'a scope'} is {deadline}, which is no number of seconds"
        raise UsageError(message)


def _leave(scope: Scope, work: Coroutine[Any, Any, Any], task: asyncio.Task[Any]) -> None:
    # A task cancelled before its first step never runs `work`; closing it avoids a warning.
    work.close()
    scope._detach()
