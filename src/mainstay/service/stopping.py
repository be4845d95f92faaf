"""The shutdown of a service: the phases of `phases`, carried out.

Every wait here has an end, and nothing that hangs or fails keeps a later step from running: hooks
and closings run in tasks of their own, get their share of what is left of the phase, are cancelled
when it is over, and are left behind, with their stacks in the log, when even that does not end
them. (fx skips the remaining hooks once time is up; a resource that is not closed because an
earlier one hung is work lost.)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from mainstay.core.scope import Scope
from mainstay.core.seen import see
from mainstay.core.stacks import task_stack
from mainstay.core.threads import ThreadPool
from mainstay.errors import ShuttingDown
from mainstay.interfaces.server import Server
from mainstay.net.registry import HANDED_OVER
from mainstay.service.dispatch import Dispatcher
from mainstay.service.living import Living
from mainstay.service.phases import Phase, PhaseReport, Plan, StopReport
from mainstay.service.settings import ShutdownSettings
from mainstay.service.turns import few_turns
from mainstay.service.wiring import Runner

__all__ = ["Components", "Shutdown"]

_log = logging.getLogger(__name__)

_QUICK: Final = 0.01
"""Seconds; a phase that took less had nothing to do."""

_LAST_CHANCE: Final = 0.1
"""Seconds a cancelled hook or closing has to end; part of its time."""

_Until: TypeAlias = Callable[[], float]
_Tasks: TypeAlias = Callable[[], Iterable[asyncio.Task[Any]]]
_Named: TypeAlias = Sequence[tuple[str, asyncio.Task[Any]]]


@dataclass(frozen=True)
class Components:
    """What there is to stop; only what had started is in it."""

    settings: ShutdownSettings
    root: Scope
    work: Scope
    calls: Scope
    background: Scope
    jobs: Scope
    workers: Scope
    life: Scope
    draining_workers: frozenset[str]
    servers: tuple[Server, ...]
    dispatcher: Dispatcher
    living: tuple[Living, ...]
    drain_hooks: tuple[tuple[str, Runner], ...]
    stop_hooks: tuple[tuple[str, Runner], ...]
    threads: ThreadPool
    on_state: Callable[[bool], None]


class Shutdown:
    """One shutdown, begun when it is made."""

    def __init__(self, components: Components, reason: str, failure: BaseException | None) -> None:
        self._parts = components
        self._reason = reason
        self._failure = failure
        self._effects = components.root.effects
        self._began = self._now()
        settings = components.settings
        self._plan = Plan.graceful(settings.timeout, settings.delay_in(self._effects.environ))
        loop = asyncio.get_running_loop()
        self._forced: asyncio.Future[None] = loop.create_future()
        self._reports: list[PhaseReport] = []
        self._notes: list[str] = []
        self._cut = False
        components.on_state(False)
        # Not in any scope of the service: those end before it does.
        self._task = loop.create_task(self._run(), name="shutdown")

    def force(self) -> None:
        """Skip what is left of the drain. Idempotent."""
        if not self._forced.done():
            _log.warning("stopping now: work under way is cancelled")
            self._plan = self._plan.forced(self._elapsed())
            self._forced.set_result(None)

    async def wait(self) -> StopReport:
        """Wait for the end; a caller that is cancelled makes it hurry."""
        interrupted: asyncio.CancelledError | None = None
        while not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError as error:
                interrupted = error
                self.force()
        if interrupted is not None:
            raise interrupted
        return self._task.result()

    # --- the phases -----------------------------------------------------------------------------

    async def _run(self) -> StopReport:
        _log.info("stopping: %s", self._reason)
        steps: dict[Phase, Callable[[], Awaitable[None]]] = {
            Phase.UNREADY: self._unready,
            Phase.DEREGISTER: self._deregister,
            Phase.PROPAGATE: self._propagate,
            Phase.STOP_ACCEPTING: self._stop_accepting,
            Phase.DRAIN: self._drain,
            Phase.CANCEL: self._cancel,
            Phase.CLOSE: self._close,
            Phase.FLUSH: self._flush,
        }
        for phase, step in steps.items():
            await self._phase(phase, step)
        self._parts.on_state(True)
        return StopReport(self._reason, tuple(self._reports), self._cut, self._failure)

    async def _phase(self, phase: Phase, step: Callable[[], Awaitable[None]]) -> None:
        started = self._elapsed()
        self._notes = []
        try:
            await step()
        except Exception:
            _log.exception("phase %s failed; going on with the next", phase.value)
            self._notes.append("failed; see the log")
        seconds = self._elapsed() - started
        report = PhaseReport(phase, seconds, not self._notes, tuple(self._notes))
        self._reports.append(report)
        # A phase with nothing to do is worth a line only to who asks for details; the last line of
        # the log has the times of all.
        quiet = logging.INFO if seconds >= _QUICK else logging.DEBUG
        level = logging.WARNING if self._notes else quiet
        left = "".join(f"; {note}" for note in self._notes)
        fields = {"phase": phase.value, "seconds": round(seconds, 6), "in_time": report.in_time}
        _log.log(level, "phase %s took %.3f s%s", phase.value, seconds, left, extra=fields)

    async def _unready(self) -> None:
        """The state changed when this shutdown was made; the ready probe follows it."""

    async def _deregister(self) -> None:
        self._parts.jobs.drain()

    async def _propagate(self) -> None:
        if self._plan.ends[Phase.PROPAGATE] > self._plan.ends[Phase.DEREGISTER]:
            delay = self._parts.settings.delay_in(self._effects.environ)
            left = self._end(Phase.PROPAGATE) - self._now()
            await asyncio.wait([self._forced], timeout=max(0.0, min(delay, left)))

    async def _stop_accepting(self) -> None:
        parts = self._parts
        stopping = [
            (f"{server!r} stop accepting", self._begin("stop accepting", server.stop_accepting))
            for server in parts.servers
        ]
        # Told before the wait: what must leave has the whole drain for it.
        for scope in (parts.background, parts.workers):
            scope.drain()
        await self._settle(stopping, partial(self._end, Phase.STOP_ACCEPTING), "not done in time")

    async def _drain(self) -> None:
        parts = self._parts
        chance = min(_LAST_CHANCE, 0.02 * self._plan.timeout)

        def until() -> float:
            return self._end(Phase.DRAIN) - chance

        workers = list(parts.workers.tasks())
        waits = [(repr(each), self._begin("drain", each.drain)) for each in parts.servers]
        waits += [(name, self._begin(name, run)) for name, run in parts.drain_hooks]
        # One turn of the loop, in which the servers tell their peers to leave. A peer that learns
        # first that its stream has ended opens the next one on the connection it should leave.
        await asyncio.sleep(0)
        parts.calls.drain()
        waits += [("calls", self._begin("calls", parts.dispatcher.wait_idle))]
        await self._wait([task for _, task in waits], until)
        await self._wait_out(parts.background.tasks, until)
        drained = ShuttingDown("the service has drained")
        for task in parts.workers.tasks():
            if task.get_name() not in parts.draining_workers:
                # It has no end of its own, and nobody needs it any more: not a cut.
                _scope_of(parts.workers, task).cancel(drained)
        await self._wait_out(parts.work.tasks, until)
        await self._settle(waits, partial(self._end, Phase.DRAIN), "not drained in time", chance)
        for task in workers:
            error = task.exception() if task.done() and not task.cancelled() else None
            # A task of a scope of its own, as a stream of a client has one, ends with the cause.
            if error is not None and error is not drained:
                self._failed(f"worker {task.get_name()!r}", error)
        left = list(parts.work.tasks())
        if left:
            self._cut = True
            self._notes.append(f"{len(left)} cut: {_names(self._under_way(left))}")

    async def _cancel(self) -> None:
        work = self._parts.work
        # Also when nothing is left: what a stop hook would begin now, nobody would wait for.
        what = "restarts" if work.get(HANDED_OVER) else "has stopped"
        work.cancel(ShuttingDown(f"the service {what} and could not wait any longer"))
        await self._wait_out(work.tasks, partial(self._end, Phase.CANCEL))
        await few_turns(lambda: any(True for _ in work.tasks()))
        for task in work.tasks():
            self._left_behind(task.get_name(), task)

    async def _close(self) -> None:
        parts = self._parts
        # Functions that are stuck must not keep what closes in a thread from having one.
        parts.threads.extend(len(parts.stop_hooks) + len(parts.living) + 1)
        closings: list[tuple[str, Callable[[], asyncio.Task[Any]]]] = [
            *((repr(each), partial(self._begin, "close", each.aclose)) for each in parts.servers),
            *((name, partial(self._begin, name, run)) for name, run in reversed(parts.stop_hooks)),
            *(
                (repr(each.provider), each.close)
                for each in reversed(parts.living)
                if not each.task.done()
            ),
        ]
        for index, (name, begin) in enumerate(closings):
            until = partial(self._share, self._now(), len(closings) - index)
            chance = min(_LAST_CHANCE, max(until() - self._now(), 0.0) / 4)
            await self._settle([(name, begin())], until, "not closed in time", chance)

    async def _flush(self) -> None:
        parts = self._parts
        left = parts.threads.statistics().running
        if left:
            self._cut = True
            self._notes.append(f"threads still running: {', '.join(left)}")
        parts.threads.shutdown()
        for scope in (parts.calls, parts.background, parts.jobs, parts.workers, parts.work):
            scope.close()
        parts.life.close()
        parts.root.close()

    def _under_way(self, tasks: list[asyncio.Task[Any]]) -> list[str]:
        """What `tasks` do, for a person: the method of a call says more than a task's name."""
        calls = [f"call {scope.name!r}" for scope in self._parts.calls.children()]
        of_calls = set(self._parts.calls.tasks())
        return calls + [task.get_name() for task in tasks if task not in of_calls]

    # --- waiting --------------------------------------------------------------------------------

    def _elapsed(self) -> float:
        return self._now() - self._began

    def _now(self) -> float:
        return self._effects.clock.monotonic()

    def _end(self, phase: Phase) -> float:
        """When `phase` ends at the latest. Absolute, because a wait for a difference of times may
        come back too early by a rounding error, again and again."""
        return self._began + self._plan.ends[phase]

    def _share(self, start: float, number: int) -> float:
        """When the first of `number` closings ends that divide what is left of their phase."""
        return start + max(self._end(Phase.CLOSE) - start, 0.0) / number

    def _begin(self, name: str, run: Runner) -> asyncio.Task[Any]:
        return self._parts.life.start(run(), name)

    async def _wait(self, tasks: Iterable[asyncio.Task[Any]], until: _Until) -> None:
        """Wait for `tasks` until the time that `until` says, which `force` may bring forward.

        They get one turn at least: what needs no time is done even when there is none.
        """
        pending = {task for task in tasks if not task.done()}
        left = 1.0
        while pending and left > 0:
            left = max(until() - self._now(), 0.0)
            hurry = set() if self._forced.done() else {self._forced}
            await asyncio.wait(
                {*pending, *hurry}, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            pending = {task for task in pending if not task.done()}

    async def _wait_out(self, tasks: _Tasks, until: _Until) -> None:
        """Wait for `tasks`, and for those that they begin meanwhile."""
        while (pending := list(tasks())) and until() > self._now():
            await self._wait(pending, until)

    async def _settle(
        self, work: _Named, until: _Until, late: str, chance: float = _LAST_CHANCE
    ) -> None:
        """Wait for `work`; cancel what is late, `chance` seconds before the end; note what is
        wrong."""
        await self._wait([task for _, task in work], lambda: until() - chance)
        overdue = [(name, task) for name, task in work if not task.done()]
        for name, task in overdue:
            self._notes.append(f"{name} {late}")
            self._cut = True
            _scope_of(self._parts.life, task).cancel(ShuttingDown(f"{name} took too long"))
        if overdue:
            await asyncio.wait([task for _, task in overdue], timeout=chance)
            await few_turns(lambda: not all(task.done() for _, task in overdue))
        for name, task in work:
            if not task.done():
                self._left_behind(name, task)
            elif not task.cancelled() and (error := task.exception()) is not None:
                self._failed(name, error)

    def _failed(self, name: str, error: BaseException) -> None:
        # What it was to finish may be lost: the exit code must not say that all is well.
        self._failure = self._failure or error
        self._notes.append(f"{name} failed: {error}")
        _log.error("%s failed while stopping", name, exc_info=error)

    def _left_behind(self, name: str, task: asyncio.Task[Any]) -> None:
        self._cut = True
        self._notes.append(f"{name} left behind")
        _log.error("%s does not end and is left behind:\n%s", name, task_stack(task))
        task.add_done_callback(see)  # what becomes of it later is no news


def _scope_of(holder: Scope, task: asyncio.Task[Any]) -> Scope:
    return next((each for each in holder.children() if task in each.tasks()), holder)


def _names(found: list[str], most: int = 5) -> str:
    names = sorted(set(found))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")
