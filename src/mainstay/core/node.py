"""The machinery below `scope`: the tree of lifetimes, and how a cancellation reaches tasks.

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

State is changed on the loop's thread only; `_cancel` and `_drain` reach it from any thread by
`_soon_or_now`. What is marked (the cause, the drain) is marked in the whole tree first, and then
delivered to tasks, so that nobody wakes up to half of the news. Walks are loops and not recursion:
trees may be deeper than Python's stack.

The tree and the shield are trio's and anyio's cancel scopes; the bookkeeping with `uncancel` is that
of ``asyncio.timeout``.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from math import inf
from types import TracebackType
from typing import Any, Final, TypeAlias

from mainstay.core.runtime import Runtime
from mainstay.core.stacks import task_stack
from mainstay.core.wheel import Timer
from mainstay.errors import DeadlineExceeded, UsageError

__all__ = ["RECANCEL", "STRAGGLER", "Node"]

RECANCEL: Final = 0.5
"""Seconds between one cancellation and the next. Cleanup that needs longer uses a shield."""

STRAGGLER: Final = 1.0
"""Seconds after a cancellation at which a task that still runs is reported."""

_LOOK: Final = 0.05
"""Seconds between two looks at a parent on another loop."""

# Under the name by which people know this machinery.
_log = logging.getLogger("mainstay.core.scope")

_NEW: Final = "new"
_OPEN: Final = "open"
_LEFT: Final = "left"

_Nodes: TypeAlias = "set[Node]"
_Wanted: TypeAlias = "dict[asyncio.Task[Any], Node]"

# The shields that tasks are in now, innermost last. Not in the tree: a shield protects its task, and
# a task may be in scopes of several trees, when a call is made in process.
_shields: dict[asyncio.Task[Any], list[Node]] = {}


class Node:
    """One lifetime in the tree. `Scope` is the only subclass, and the face.

    Args:
        name: what it is for.
        parent: the node it belongs to; None for a root.
        runtime: shared with the parent.
        timeout: seconds that were asked for, for the error; None without.
        deadline: absolute; None for no limit of its own.

    Attributes:
        name: see above.
        parent: see above.
        deadline: the tighter of its own and the parent's; None without one.
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
        "_waiters",
        "deadline",
        "name",
        "parent",
    )

    def __init__(
        self,
        name: str,
        parent: Node | None,
        runtime: Runtime,
        timeout: float | None,
        deadline: float | None,
    ) -> None:
        self.name = name
        self.parent = parent
        self._runtime = runtime
        self._timeout = timeout
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
        self._children: _Nodes | None = None
        self._timer: Timer | None = None
        self._waiters: list[tuple[asyncio.Future[None] | Callable[[], None], bool]] | None = None
        self._event: threading.Event | None = None
        self._requests = 0
        self._baseline = 0
        self._since = inf
        self._outer: Node | None = None

    # --- membership -----------------------------------------------------------------------------

    def _below(self) -> list[Node]:
        return [] if self._children is None else list(self._children)

    def _follow(self, parent: Node) -> None:
        """Learn what happens to a parent on another loop, in another thread: by looking, since
        nothing of it may be changed from here."""
        if self._state is _OPEN:
            if parent._draining:
                self._drain()
            if parent._cause is not None and not self._shielded:
                self._cancel(parent._cause)
            else:
                self._runtime.loop.call_later(_LOOK, self._follow, parent)

    def _begin(self) -> None:
        if self._state is not _NEW:
            message = f"{self!r} was entered already; make a new scope for new work"
            raise UsageError(message)

    def _end(self) -> None:
        if self._state is _OPEN:
            self._detach()

    def _attach(self, task: asyncio.Task[Any] | None) -> None:
        """Join the tree, with `task` as the one to cancel."""
        self._state = _OPEN
        self._task = task
        parent = self.parent
        if self._shielded and task is not None:
            _shields.setdefault(task, []).append(self)
        if parent is not None and parent._runtime is not self._runtime:
            self._follow(parent)
        elif parent is not None:
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
            and parent.deadline == self.deadline
            and parent._runtime is self._runtime
            and parent._state is _OPEN
            and not self._shielded
        )

    def _join(self, parent: Node) -> None:
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
        while (
            scope.parent is not None
            and scope.parent._runtime is scope._runtime
            and scope._state is not _OPEN
            and not scope._children
        ):
            line.append((scope, scope.parent))
            scope = scope.parent
        for scope, parent in reversed(line):
            scope._join(parent)

    def _found_family(self) -> _Nodes:
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
            shields = _shields[task]
            shields.remove(self)
            if not shields:
                del _shields[task]
            self._deliver_held(task)

    def _part(self) -> None:
        """Leave the tree if nothing here or below is at work; then perhaps those above, too."""
        scope: Node | None = self
        while scope is not None and scope._state is not _OPEN and not scope._children:
            timer, scope._timer = scope._timer, None
            if timer is not None:
                self._soon_or_now(timer.cancel)
            parent = scope.parent
            if parent is not None and parent._children is not None:
                parent._children.discard(scope)
                if parent._state is not _OPEN and threading.get_ident() != self._runtime.thread:
                    self._soon(parent._part)  # a late child may be coming to it at this moment
                    return
            scope = parent

    # --- threads and time -----------------------------------------------------------------------

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

    # --- news -----------------------------------------------------------------------------------

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
            scopes.extend(child for child in scope._below() if not child._shielded)

    def _drain(self) -> None:
        scopes = [self]
        while scopes:
            scope = scopes.pop()
            if not scope._draining:
                scope._draining = True
                scope._wake(drained=True)
                scopes.extend(scope._below())

    def _wake(self, *, drained: bool) -> None:
        for waiter, for_drain in self._waiters or ():
            if for_drain is not drained:
                continue
            if not isinstance(waiter, asyncio.Future):
                self._soon(waiter)
            elif not waiter.done():
                waiter.set_result(None)

    async def _wait(self, *, for_drain: bool) -> None:
        if self._waiters is None:
            self._waiters = []
        entry = (self._runtime.loop.create_future(), for_drain)
        self._waiters.append(entry)
        try:
            await entry[0]
        finally:
            self._waiters.remove(entry)

    # --- delivery -------------------------------------------------------------------------------

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
        for task, scope in self._collect().items():
            if task.done() or _is_held(task, scope) or (only is not None and task is not only):
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
        scope = self._outer
        while scope is not None and scope._task is task:
            if scope._cause is not None:
                top = scope
                if scope._since < inf:
                    scope._since = self._runtime.monotonic()  # it was allowed to take this long
            scope = None if scope._shielded else scope._outer
        if top is not None:
            self._soon(functools.partial(top._deliver, task))

    def _collect(self) -> _Wanted:
        """The tasks here and below, each with the outermost scope that it is in."""
        wanted: _Wanted = {}
        scopes = [self]
        while scopes:
            scope = scopes.pop()
            if scope._task is not None:
                wanted.setdefault(scope._task, scope)
            scopes.extend(child for child in scope._below() if not child._shielded)
        return wanted

    def _report(self, task: asyncio.Task[Any]) -> None:
        now = self._runtime.monotonic()
        late = now - self._since
        if self._since < inf and any(scope._task is not task for scope in self._below()):
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


def _is_held(task: asyncio.Task[Any], scope: Node) -> bool:
    """Whether `task` is in a shield that it entered inside of `scope`."""
    for shield in _shields.get(task, ()):
        outer = shield._outer
        while outer is not None:
            if outer is scope:
                return True
            outer = outer._outer
    return False
