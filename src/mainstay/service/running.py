"""A service that runs: how it starts, answers and is asked to stop. How it ends: `stopping`.

The scopes of a running service, each a holder of those below it::

    hello                     the service: values, effects
    ├── work                  what the cancel phase cancels
    │   ├── calls             one scope a call
    │   ├── background        one a task
    │   ├── jobs              one a job, drained first
    │   └── workers           one a worker
    └── life                  one a resource or hook; never cancelled from above
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mainstay.core.call import Call
from mainstay.core.effects import Effects
from mainstay.core.ids import identify
from mainstay.core.metadata import EMPTY, Metadata, Peer
from mainstay.core.scope import Scope
from mainstay.core.seen import failure_of
from mainstay.core.threads import THREADS, ThreadPool
from mainstay.errors import ShuttingDown, StartError, UsageError
from mainstay.net.registry import HANDED_OVER, LISTENERS, ListenerRegistry, Upstream
from mainstay.process.forks import keep_from_forks
from mainstay.service.background import Background
from mainstay.service.declaration import Declaration
from mainstay.service.dispatch import Dispatcher
from mainstay.service.failing import Failing
from mainstay.service.living import Living
from mainstay.service.local import LocalStream, collect
from mainstay.service.phases import StopReport
from mainstay.service.probes import Check, ProbeKind, ProbeResult, ask
from mainstay.service.settings import Settings, ShutdownSettings
from mainstay.service.starting import Lifeline, step
from mainstay.service.stopping import Components, Shutdown
from mainstay.service.web import Front, Web
from mainstay.service.wiring import Runner, Wiring
from mainstay.service.workers import Job, Worker, run_job, run_worker

__all__ = ["Numbers", "Running", "State"]

_log = logging.getLogger(__name__)
_LOCAL = Peer("local")


class State(Enum):
    """Where in its life a service is."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Numbers:
    """A moment's numbers of a running service.

    Attributes:
        in_flight: calls begun and not ended.
        connections: open.
        requests: calls that came by HTTP or RPC since the start.
        trouble: which of the service's workers fails, and why; empty if none does.
    """

    in_flight: int
    connections: int
    requests: int
    trouble: str = ""


class Running:
    """One life of a service; made by `Service.running` and `Service.run`.

    Args:
        declaration: what the service is made of.
        settings: see the attribute.
        config: see the attribute.
        effects: the world; that of the scope around, if there is one, unless given.
        overrides: values that take the place of resources, by type.
        on_stopping: told at the moment at which the shutdown begins.
        front: see `mainstay.service.web.Web`.
        lifeline: decides when it may serve; at once without one.
        upstream: asked for listening sockets before they are bound.

    Attributes:
        state: where in its life it is.
        scope: the root of its scopes.
        settings: the settings of the framework.
        config: the service's own configuration, or None.
        addresses: what its servers are bound to, once it runs.
        listeners: the listening sockets.
        failing: which workers fail.
        paused: whether it accepts no connections for now.
        start_error: why it did not start, if nobody had asked it to stop before.
    """

    def __init__(
        self,
        declaration: Declaration,
        *,
        settings: Settings,
        config: Any = None,
        effects: Effects | None = None,
        overrides: Mapping[Any, Any] | None = None,
        on_stopping: Callable[[], object] | None = None,
        front: Front | None = None,
        lifeline: Lifeline | None = None,
        upstream: Upstream | None = None,
    ) -> None:
        self.state = State.NEW
        self.paused = False
        self.failing = Failing()
        self.start_error: Exception | None = None
        self.listeners = ListenerRegistry(upstream)
        keep_from_forks(self.listeners)
        self._lifeline = lifeline
        self._handover: float | None = None
        self._on_stopping = on_stopping
        self.settings = settings
        self.config = config
        self.addresses: list[str] = []
        self._declaration = declaration
        # Embedded, it lives in the world of whoever embeds it: a test's clock is its clock.
        around = Scope.current_or_none()
        if effects is None and around is not None:
            effects = around.effects
        self.scope = Scope(declaration.name, parent=None, effects=effects)
        self._work = self.scope.child("work")
        self._calls = self._work.child("calls")
        self._background = self._work.child("background")
        self._jobs = self._work.child("jobs")
        self._workers = self._work.child("workers")
        self._life = self.scope.child("life")
        self._threads = ThreadPool(settings.threads)
        self.scope.set(THREADS, self._threads)
        self.scope.set(LISTENERS, self.listeners)
        values: dict[Any, Any] = {
            Settings: settings,
            Effects: self.scope.effects,
            Running: self,
            Background: Background(self._background),
        }
        if config is not None:
            # By the declared type: an instance of a TypedDict is a plain dict.
            values[declaration.config or type(config)] = config
        self._web = Web(declaration, settings, self.probe, front)
        if self._web.health is not None:
            values[type(self._web.health)] = self._web.health
        self._wiring = Wiring(
            declaration,
            values,
            overrides,
            beside=self._web.beside,
            slashes=settings.http.slashes,
        )
        self._dispatcher: Dispatcher | None = None
        self._opened: list[Any] = []
        self._asked = asyncio.get_running_loop().create_future()
        self._shutdown: Shutdown | None = None
        self._hurry = False

    # --- starting -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open resources, run start hooks, bind servers, start workers and jobs, accept calls.

        Cancelled or failed: everything that had started is stopped again, in reverse.

        Raises: StartError that names the component.
        """
        if self.state is not State.NEW:
            message = f"{self!r} cannot be started again; make a new one"
            raise UsageError(message)
        self.state = State.STARTING
        clock = self.scope.effects.clock
        began = clock.monotonic()
        for scope in self._holders():
            scope.open()
        try:
            # In the service's own scope, so that what starts here finds its threads and values.
            await self._life.start(self._start(), "start")
        except BaseException as error:
            if isinstance(error, Exception) and not self._asked.done():
                self.start_error = error
                self._ask("the start failed")  # whoever started it is told why, and says it
            self._ask(f"the start failed: {error}" if str(error) else "the start was cancelled")
            await self.finish()
            raise
        self.state = State.RUNNING
        _log.info(
            "%s runs on %s (started in %.3f s)",
            self._declaration.name,
            ", ".join(self.addresses) or "no address",
            clock.monotonic() - began,
        )

    async def _start(self) -> None:
        timeout = self.settings.start_timeout
        container = self._wiring.container
        try:
            await container.open(self._life, timeout)
        finally:
            # One may have ended while another was opening, or failed to.
            for living in container.living():
                living.task.add_done_callback(functools.partial(self._resource_ended, living))
        for name, run in self._wiring.hooks("start"):
            await step(self._life, name, timeout, run)
        self._dispatcher = Dispatcher(self._wiring.handlers(), self.settings.call_timeout)
        made = self._wiring.servers()
        if self._wiring.endpoints is not None:
            made += self._web.servers(self._wiring.endpoints, self._wiring.rpc)
        for name, make in made:
            server = await step(self._life, name, timeout, make)
            opening = functools.partial(self._open, server, self._dispatcher)
            self.addresses += await step(self._life, repr(server), timeout, opening)
        if self._lifeline is not None:
            # Before the workers: what only one may do is the other generation's until then.
            await self._check_prepared()
            await self._lifeline.prepared(self.addresses)
        for worker in self._declaration.workers:
            run = self._wiring.runner(worker.function)
            task = self._workers.start(run_worker(worker, run, self.failing), worker.name)
            task.add_done_callback(functools.partial(self._work_ended, worker))
        for job in self._declaration.jobs:
            run = self._wiring.runner(job.function)
            task = self._jobs.start(run_job(job, run), job.name)
            task.add_done_callback(functools.partial(self._work_ended, job))
        for server in self._opened:
            try:
                server.accept()
            except Exception as error:
                raise StartError(repr(server), error) from error

        if self._lifeline is not None:
            self._lifeline.serving()

    async def _open(self, server: Any, dispatcher: Dispatcher) -> list[str]:
        addresses: list[str] = await server.open(dispatcher, self._calls)
        # Here, and not where it is waited for: the start may be given up in this very moment.
        self._opened.append(server)
        return addresses

    async def _check_prepared(self) -> None:
        """Ask what the ready probe asks. Raises: StartError."""
        checks = self._wiring.checks("ready")
        result = await ask("ready", checks, self.settings.probe_timeout)
        for each in result.checks:
            if not each.ok:
                error = UsageError(each.reason or "it is not ready")
                raise StartError(f"check {each.name!r}", error)

    def _holders(self) -> tuple[Scope, ...]:
        return (
            self.scope,
            self._work,
            self._calls,
            self._background,
            self._jobs,
            self._workers,
            self._life,
        )

    def _resource_ended(self, living: Living, task: asyncio.Task[None]) -> None:
        if not living.closing:
            self._ended(repr(living.provider), task)

    def _work_ended(self, work: Worker | Job, task: asyncio.Task[None]) -> None:
        # A worker that returned is done, and may be.
        if task.cancelled() or task.exception() is not None:
            self._ended(repr(work), task)

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        """A component's task ended: unless the service is stopping, it ends with it."""
        error = failure_of(task)
        reason = f"{name} ended on its own" if error is None else f"{name} failed: {error!r}"
        if self.state in (State.STARTING, State.RUNNING):
            _log.error("%s; stopping", reason, exc_info=error)
            self.stop(reason, failure=error or UsageError(reason))

    # --- working --------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Calls begun and not ended."""
        return self._web.in_flight + (self._dispatcher.in_flight if self._dispatcher else 0)

    def numbers(self) -> Numbers:
        """What there is to do now, and what was done."""
        connections = sum(server.statistics().connections for server in self._opened)
        trouble = self.failing.text(self.scope.effects.clock.monotonic())
        return Numbers(self.in_flight, connections, self._web.requests, trouble)

    async def call(
        self,
        method: str,
        request: Any = None,
        *,
        timeout: float | None = None,
        metadata: Metadata = EMPTY,
    ) -> Any:
        """Call a handler in process, through its middleware.

        Args:
            method: its name.
            request: handed over as it is.
            timeout: seconds; the caller's own deadline holds as well.
            metadata: pairs that travel with the call.

        Raises: what the handler raises; Unimplemented; DeadlineExceeded; ShuttingDown once the
            drain has begun, except for calls from within calls.
        """
        dispatcher, scope = self._enter(method, timeout, metadata, self.settings.call_timeout)
        with scope:
            return await dispatcher(Call("local", method, scope, request))

    async def stream(
        self,
        method: str,
        *messages: Any,
        timeout: float | None = None,
        metadata: Metadata = EMPTY,
    ) -> AsyncGenerator[Any, None]:
        """Call a streaming handler in process and yield what it sends.

        Args:
            method: its name.
            messages: what the caller sends. A single one is also the request.
            timeout: seconds for the whole stream.
            metadata: pairs that travel with the call.

        Raises: as `call` does. Close it (`contextlib.aclosing`) when leaving before its end.
        """
        dispatcher, scope = self._enter(method, timeout, metadata)
        stream = LocalStream(messages)
        request = messages[0] if len(messages) == 1 else None
        scope.open()
        try:
            call = Call("local", method, scope, request, stream)
            async with aclosing(collect(dispatcher, call, stream)) as replies:
                async for reply in replies:
                    yield reply
        finally:
            scope.close()

    def _enter(
        self,
        method: str,
        timeout: float | None,
        metadata: Metadata,
        default: float | None = None,
    ) -> tuple[Dispatcher, Scope]:
        if self._dispatcher is None:
            message = f"{self!r} has not started; call it inside `async with service.running()`"
            raise UsageError(message)
        caller = Scope.current_or_none()
        nested = caller is not None and _is_below(caller, self._work)
        if not nested and (self._calls.draining or self.state is State.STOPPED):
            message = f"{self._declaration.name} is stopping and takes no new calls"
            raise ShuttingDown(message)
        if timeout is None and (caller is None or caller.deadline is None):
            # Given here, it saves the dispatcher a second scope.
            timeout = default
        scope = Scope(
            method,
            timeout=timeout,
            deadline=None if caller is None else caller.deadline,
            parent=self._calls,
            metadata=metadata,
            peer=_LOCAL,
        )
        identify(scope, caller)
        return self._dispatcher, scope

    async def probe(self, kind: ProbeKind) -> ProbeResult:
        """Ask about the service's health, from inside the process."""
        checks = [Check("state", functools.partial(self._check_state, kind))]
        if self.state is State.RUNNING:
            checks += self._wiring.checks(kind)
        task = self._life.start(ask(kind, checks, self.settings.probe_timeout), f"probe {kind}")
        return await task

    async def _check_state(self, kind: ProbeKind) -> None:
        if kind == "ready" and self.state is not State.RUNNING:
            raise ShuttingDown(f"the service is {self.state.value}")
        if kind == "started" and self.state in (State.NEW, State.STARTING):
            raise ShuttingDown(f"the service is {self.state.value}")

    @property
    def shutdown_timeout(self) -> float:
        """Seconds that the end may take."""
        return self._shutdown_settings().timeout

    @property
    def reason(self) -> str:
        """Why it was asked to stop; empty while it was not."""
        return self._asked.result()[0] if self._asked.done() else ""

    @property
    def failure(self) -> BaseException | None:
        """The error of the component whose end is the reason."""
        return self._asked.result()[1] if self._asked.done() else None

    async def pause(self) -> None:
        """Accept no new connections until `resume`; those there are go on. They wait in the kernel,
        for this process or for another that holds the same sockets."""
        self.paused = True
        stopping = (server.stop_accepting() for server in self._opened)
        outcomes = await asyncio.gather(*stopping, return_exceptions=True)
        for server, outcome in zip(self._opened, outcomes, strict=True):
            if isinstance(outcome, Exception):
                # Nobody waits for this who could do more about it.
                _log.error("%r still accepts: it failed to stop", server, exc_info=outcome)

    def resume(self) -> None:
        """Accept again. Nothing once it stops."""
        if self.paused and self.state is State.RUNNING:
            self.paused = False
            for server in self._opened:
                server.accept()

    # --- stopping -------------------------------------------------------------------------------

    def hand_over(self, reason: str, timeout: float) -> None:
        """Stop because another process serves on: nobody has to look for another place, and the
        paths of listeners in ``listeners.shared`` stay.

        Args:
            reason: for the log.
            timeout: seconds for all of it, in the place of ``shutdown.timeout``.
        """
        self._handover = timeout
        self.scope.set(HANDED_OVER, True)
        self.stop(reason)

    def stop(
        self, reason: str = "asked to", *, force: bool = False, failure: BaseException | None = None
    ) -> None:
        """Ask the service to stop; returns at once.

        Args:
            reason: for the log.
            force: skip the drain; resources are closed all the same.
            failure: the error of the component whose end is the reason.
        """
        self._ask(reason, failure)
        self._hurry = self._hurry or force
        # While it starts there is more to stop at every moment: the start's own end does it.
        if force and self.state not in (State.NEW, State.STARTING):
            self._shutdown_now().force()

    async def wait_stop_asked(self) -> None:
        """Wait until somebody or something asks the service to stop."""
        await asyncio.wait([self._asked])

    async def finish(self) -> StopReport:
        """Go through the phases of the shutdown, once; every caller gets the same report.

        Takes at most ``settings.shutdown.timeout`` and a little. Cancelling the caller does not
        stop it, but makes it hurry.
        """
        self._ask("asked to")
        return await self._shutdown_now().wait()

    def _ask(self, reason: str, failure: BaseException | None = None) -> None:
        if not self._asked.done():
            self._asked.set_result((reason, failure))

    def _shutdown_now(self) -> Shutdown:
        if self._shutdown is None:
            reason, failure = self._asked.result()
            self._shutdown = Shutdown(self._components(), reason, failure)
            if self._hurry:
                self._shutdown.force()
        return self._shutdown

    def _components(self) -> Components:
        return Components(
            settings=self._shutdown_settings(),
            root=self.scope,
            work=self._work,
            calls=self._calls,
            background=self._background,
            jobs=self._jobs,
            workers=self._workers,
            life=self._life,
            draining_workers=frozenset(w.name for w in self._declaration.workers if w.drain),
            servers=tuple(self._opened),
            dispatcher=self._dispatcher or Dispatcher({}, None),
            living=tuple(self._wiring.container.living()),
            drain_hooks=self._hooks("drain"),
            stop_hooks=self._hooks("stop"),
            threads=self._threads,
            on_state=self._set_state,
        )

    def _shutdown_settings(self) -> ShutdownSettings:
        if self._handover is None:
            return self.settings.shutdown
        return ShutdownSettings(timeout=self._handover, pre_stop_delay=0.0)

    def _hooks(self, kind: Any) -> tuple[tuple[str, Runner], ...]:
        # Hooks may ask for any resource: they run only if the start got that far.
        return tuple(self._wiring.hooks(kind)) if self._dispatcher is not None else ()

    def _set_state(self, stopped: bool) -> None:
        self.state = State.STOPPED if stopped else State.STOPPING
        if self._web.health is not None:
            # Before any port is closed: who watches has to leave before calls fail.
            self._web.health.stop()
        if not stopped and self._on_stopping is not None:
            self._on_stopping()

    def __repr__(self) -> str:
        return f"<Running {self._declaration.name!r} {self.state.value} in_flight={self.in_flight}>"


def _is_below(scope: Scope, above: Scope) -> bool:
    return scope is above or (scope.parent is not None and _is_below(scope.parent, above))
