"""How a service in one process is succeeded by its next generation: who may ask, and what follows.

One restart at a time, and never three generations: while one is under way, and while the generation
before this one has not left, a restart is refused. A signal has nobody to tell that to, and an
operator's script sends one after each change: so a signal that comes too early is remembered, once,
and obeyed when it can be, here or by the successor.

The successor gets what it asks for by the configured address; what this service does not have, it
binds by itself. What it did not ask for ends with this generation.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import deque
from collections.abc import Callable
from typing import Final

from mainstay.interfaces.controlled import Outcome, Progress, RestartKind
from mainstay.process.handover import Handover, HandoverState, Verdict
from mainstay.process.host_notifier import HostNotifier
from mainstay.process.launch import Launch
from mainstay.process.messages import Listen, Listener, Welcome
from mainstay.process.offspring import Answer, Offspring
from mainstay.service.running import Running, State

__all__ = ["KEPT", "NOT_ALONE", "UNDER_WAY", "Succession", "refusal"]

_log = logging.getLogger("mainstay.service")

KEPT: Final = 20
"""Outcomes that are remembered."""

UNDER_WAY: Final = "a restart is under way"
NOT_ALONE: Final = "the generation before has not left yet"


def refusal(*, state: State, worker: bool, alone: bool, busy: bool) -> str:
    """Why a restart cannot begin now, for the operator; empty if it can.

    Args:
        state: of the service.
        worker: whether a supervisor has started it.
        alone: whether the generation before has left.
        busy: whether a restart is under way.
    """
    if worker:
        return "this process is a worker, which its supervisor restarts"
    if busy:
        return UNDER_WAY
    if state is not State.RUNNING:
        return f"the service is {state.value}"
    return "" if alone else NOT_ALONE


class Succession:
    """See the top of the file. Make it on the loop of `running`.

    Args:
        running: the service of this generation.
        launch: how the program is started again.
        role: ``worker`` or ``successor`` of another process, or empty.
        generation: the number of restarts before this process.
        started: seconds since the epoch when the first generation started.
        told: called with each state of a restart and its successor; must not block.
        notifier: tells whoever hosts this process of a restart.

    Attributes:
        outcomes: of the last restarts that began, the newest last.
        alone: whether the generation before has left.
        generation, started: as given.
    """

    def __init__(
        self,
        running: Running,
        launch: Launch,
        *,
        role: str = "",
        generation: int = 0,
        started: float = 0.0,
        told: Callable[[HandoverState, Offspring], object] = lambda state, child: None,
        notifier: HostNotifier | None = None,
    ) -> None:
        self.outcomes: deque[Outcome] = deque(maxlen=KEPT)
        self.alone = role != "successor"
        self.generation = generation
        self.started = started
        self._running = running
        self._launch = launch
        self._worker = role == "worker"
        self._told = told
        self._notifier = notifier or HostNotifier({})
        self._handover: Handover | None = None
        self._task: asyncio.Task[Outcome] | None = None
        self._pending = ""

    @property
    def handover(self) -> Handover | None:
        """The restart that is under way, or the one that ended last."""
        return self._handover

    @property
    def busy(self) -> bool:
        """Whether a restart is under way."""
        return self._task is not None and not self._task.done()

    @property
    def succeeded(self) -> bool:
        """Whether a generation after this one serves for good."""
        return self._handover is not None and self._handover.state is HandoverState.DONE

    def refusal(self) -> str:
        """Why a restart cannot begin now; empty if it can."""
        # Asked to stop is as good as stopping: the shutdown begins a moment later.
        state = State.STOPPING if self._running.reason else self._running.state
        return refusal(state=state, worker=self._worker, alone=self.alone, busy=self.busy)

    async def restart(
        self, kind: RestartKind = "restart", progress: Progress = lambda text: None
    ) -> Outcome:
        """See `Controlled.restart`."""
        reason = self.refusal()
        if reason:
            return self._outcome(kind, Verdict(HandoverState.ROLLED_BACK, reason, 0.0))
        return await asyncio.shield(self._begin(kind, progress))

    def wish(self, who: str) -> None:
        """A signal wants a restart; `who` is its name."""
        reason = self.refusal()
        if not reason:
            _log.info("%s: restarting", who)
            self._begin("restart", lambda text: None)
        elif reason in (UNDER_WAY, NOT_ALONE):
            _log.info("%s: %s; another restart follows", who, reason)
            self._pending = who
        else:
            _log.warning("%s: no restart, because %s", who, reason)

    def freed(self) -> None:
        """The generation before has left: its listeners are this one's alone."""
        self.alone = True
        self._running.listeners.shared.clear()
        self._obey_pending()

    def reopen(self) -> None:
        """Let a generation that is coming open its log files anew as well."""
        if self._handover is not None:
            self._handover.child.reopen()

    def abort(self, reason: str) -> None:
        """End a restart that is under way, as the service ends; nothing without one."""
        if self._handover is not None and self._handover.state is not HandoverState.DONE:
            # Nobody serves on behind a Unix path, so it goes with this generation's listener.
            self._running.listeners.shared.clear()
        if self._handover is not None and self.busy:
            # A successor that serves already has calls to finish, as long as this one has.
            serves = self._handover.state is HandoverState.PROBATION
            self._handover.abort(reason, self._running.shutdown_timeout if serves else None)

    async def wait_idle(self) -> None:
        """Wait until no restart is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def close(self) -> None:
        """Let go of a successor that goes on by itself; it sees the end of this process."""
        if self._handover is not None and self._handover.state is HandoverState.DONE:
            self._handover.child.leave()

    # --- one restart ----------------------------------------------------------------------------

    def _begin(self, kind: RestartKind, progress: Progress) -> asyncio.Task[Outcome]:
        # Made at once, so that there is something to abort from now on.
        handover = self._handover = self._new_handover(progress)
        task = asyncio.get_running_loop().create_task(self._run(handover, kind), name="restart")
        task.add_done_callback(lambda _: self._obey_pending())
        self._task = task
        return task

    def _obey_pending(self) -> None:
        if self._pending and not self.refusal():
            who, self._pending = self._pending, ""
            self.wish(who)

    def _new_handover(self, progress: Progress) -> Handover:
        running = self._running
        settings = running.settings.process
        was_paused = running.paused
        welcome = Welcome(
            0,
            "successor",
            self.generation + 1,
            heartbeat=settings.heartbeat,
            started=self.started,
        )
        child = Offspring(self._launch, welcome, self._answer)

        def say(text: str) -> None:
            if not handover.state.over:
                _log.info("restart: %s", text)  # the end has a line of its own
            self._told(handover.state, child)
            progress(text)

        handover = Handover(
            child,
            settings,
            pause=running.pause,
            resume=lambda: None if was_paused else running.resume(),
            progress=say,
        )
        return handover

    async def _run(self, handover: Handover, kind: RestartKind) -> Outcome:
        running, child = self._running, handover.child
        self._notifier.reloading(f"restarting into generation {self.generation + 1}")
        verdict = await handover.run()
        outcome = self._outcome(kind, verdict)
        self.outcomes.append(outcome)
        if verdict.state is HandoverState.DONE:
            if self._pending:
                # Whoever wished it changed something since the successor was started.
                child.kill(signal.SIGUSR2)
            why = f"generation {outcome.generation} serves as process {outcome.pid}"
            try:
                child.confirm(self.outcomes)
                child.tie()
                _log.info("restarted in %.1f s: %s", verdict.seconds, why)
                await self._notifier.succeeded_by(child.pid, why)
            except OSError as error:  # such as a full table of descriptors: it serves all the same
                _log.warning("the new generation serves, and was not told all of it: %s", error)
            finally:
                # Whatever happens from here on, there must not be two of them.
                running.hand_over(why, running.settings.process.handover_timeout)
            return outcome
        if running.reason:
            _log.info(
                "the restart was given up after %.1f s, because generation %d stops as well: %s",
                verdict.seconds,
                self.generation,
                verdict.reason,
            )
            # The PID file is this generation's again, to be removed.
            self._notifier.reloaded(f"stopping: {running.reason}")
            return outcome
        running.listeners.shared.clear()
        if verdict.state is HandoverState.STOPPED:
            running.stop(f"the generation that was to follow was asked to stop: {verdict.reason}")
        else:
            _log.error(
                "the restart was rolled back after %.1f s, and generation %d serves on: %s",
                verdict.seconds,
                self.generation,
                verdict.reason,
            )
            self._notifier.reloaded(f"the restart was rolled back: {verdict.reason}")
        return outcome

    async def _answer(self, question: Listen) -> Answer:
        if self._running.reason:
            return Listener(question.number, False, "the service is stopping"), []
        listener = self._running.listeners.find(question.address)
        if listener is None:
            return Listener(question.number, False), []
        self._running.listeners.shared.add(listener)
        answer = Listener(
            question.number, True, address=str(listener.address), inode=listener.inode
        )
        return answer, [listener.fileno()]

    def _outcome(self, kind: RestartKind, verdict: Verdict) -> Outcome:
        effects = self._running.scope.effects
        ok = verdict.state is HandoverState.DONE
        child = self._handover.child if ok and self._handover is not None else None
        return Outcome(
            time=effects.clock.time(),
            kind=kind,
            ok=ok,
            seconds=verdict.seconds,
            reason=verdict.reason,
            generation=self.generation + (1 if ok else 0),
            pid=effects.process.pid() if child is None else child.pid,
        )
