"""What an operator may ask of a service in one process: `Controlled` for a `Running`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from mainstay.core.effects import Effects
from mainstay.errors import Conflict, UsageError
from mainstay.interfaces.controlled import (
    Outcome,
    Progress,
    RestartKind,
    Snapshot,
    WorkerSnapshot,
)
from mainstay.process.memory import resident
from mainstay.process.offspring import Offspring
from mainstay.service.running import Running, State
from mainstay.service.succession import Succession
from mainstay.version import VERSION

__all__ = ["Controls"]

_PROCESS: Final = {
    State.NEW: "starting",
    State.STARTING: "starting",
    State.RUNNING: "serving",
    State.STOPPING: "stopping",
    State.STOPPED: "stopping",
}


class Controls:
    """See `mainstay.interfaces.controlled.Controlled`. It answers while the service starts, too.

    Args:
        name: of the service.
        target: as it was named on the command line, if it was.
        effects: the world.
        running: gives the service once there is one.
        succession: gives what restarts it once that is possible.
        stop: asks it to stop: why, and whether work is cut.
        reopen: opens log files anew.
    """

    def __init__(
        self,
        name: str,
        target: str,
        effects: Effects,
        *,
        running: Callable[[], Running | None],
        succession: Callable[[], Succession | None],
        stop: Callable[[str, bool], object],
        reopen: Callable[[], object],
    ) -> None:
        self._name = name
        self._target = target
        self._effects = effects
        self._running = running
        self._succession = succession
        self._stop = stop
        self._reopen = reopen
        self._began = effects.clock.monotonic()
        self._started = effects.clock.time()
        self._pausing: asyncio.Task[None] | None = None

    def status(self) -> Snapshot:
        """See `Controlled`."""
        succession = self._succession()
        generation = 0 if succession is None else succession.generation
        running = self._running()
        workers = [self._itself(running, generation)]
        if succession is not None and succession.busy and succession.handover is not None:
            workers.append(_successor(succession.handover.child, generation + 1))
        return Snapshot(
            role="single",
            name=self._name,
            version=VERSION,
            target=self._target,
            pid=self._effects.process.pid(),
            generation=generation,
            started=self._started if succession is None else succession.started,
            state=self._state(running, succession),
            listeners=[] if running is None else list(running.addresses),
            workers=workers,
            restarts=[] if succession is None else list(succession.outcomes),
        )

    def _state(self, running: Running | None, succession: Succession | None) -> str:
        if running is None:
            return "starting"
        if running.state is not State.RUNNING:
            return _PROCESS[running.state]
        # Asked, but not begun: whoever asks for the state next need not know the difference.
        if running.reason:
            return "stopping"
        if succession is not None and succession.busy:
            return "restarting"
        return "draining" if running.paused else "running"

    def _itself(self, running: Running | None, generation: int) -> WorkerSnapshot:
        pid, uptime = self._effects.process.pid(), self._effects.clock.monotonic() - self._began
        if running is None:
            return WorkerSnapshot(pid, 0, generation, "starting", uptime, memory=resident())
        numbers = running.numbers()
        state = "stopping" if running.reason else _PROCESS[running.state]
        return WorkerSnapshot(
            pid,
            0,
            generation,
            "paused" if running.paused and state == "serving" else state,
            uptime,
            numbers.in_flight,
            numbers.connections,
            numbers.requests,
            resident(),
        )

    def stop(self, reason: str, force: bool) -> None:
        """See `Controlled`."""
        self._stop(reason, force)

    async def restart(self, kind: RestartKind, progress: Progress) -> Outcome:
        """See `Controlled`."""
        succession = self._succession()
        if succession is not None:
            return await succession.restart(kind, progress)
        clock, pid = self._effects.clock, self._effects.process.pid()
        return Outcome(clock.time(), kind, False, 0.0, "the service is starting", 0, pid)

    async def scale(self, workers: int) -> int:
        """See `Controlled`."""
        raise UsageError(
            "this service runs in one process; to have workers, start it with --workers"
        )

    def drain(self, draining: bool) -> None:
        """See `Controlled`."""
        running, succession = self._running(), self._succession()
        if running is None or running.state is not State.RUNNING:
            raise UsageError(f"the service is {self._state(running, succession)}")
        if succession is not None and succession.busy:
            raise Conflict("a restart is under way, which decides who accepts")
        if self._pausing is not None:
            # One that has not begun would come after what is asked for now.
            self._pausing.cancel()
            self._pausing = None
        if draining:
            running.paused = True
            self._pausing = asyncio.get_running_loop().create_task(running.pause(), name="drain")
        else:
            running.resume()

    def reopen_logs(self) -> None:
        """See `Controlled`."""
        self._reopen()


def _successor(child: Offspring, generation: int) -> WorkerSnapshot:
    """The next generation, as far as it has told."""
    beat = child.beat
    if beat is None:
        return WorkerSnapshot(
            child.pid, 0, generation, child.state.value, 0.0, memory=resident(child.pid)
        )
    return WorkerSnapshot(
        child.pid,
        0,
        generation,
        child.state.value,
        0.0,
        beat.in_flight,
        beat.connections,
        beat.requests,
        beat.memory,
    )
