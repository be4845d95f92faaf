"""One worker of a supervisor: a process, its place, and what it may do before it is replaced."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from mainstay.interfaces.controlled import WorkerSnapshot
from mainstay.process.memory import resident
from mainstay.process.offspring import ChildState, Offspring
from mainstay.process.pool_policy import Limits
from mainstay.process.settings import ProcessSettings

__all__ = ["MARGIN", "Worker"]

_log = logging.getLogger(__name__)

MARGIN: Final = 5.0
"""Seconds beyond the time that a worker has for its end, after which it is killed: its own guard
ends it 2 s after, and this is for a worker whose guard cannot run."""


class Worker:
    """See the top of the file. Use it on one loop.

    Args:
        index: its place, from 0.
        generation: the number of restarts before it.
        offspring: the process, not started yet.

    Attributes:
        since: loop time at which it began to serve; None before.
        limits: what it may do; see `Limits`.
        leaving: whether it was told to end.
        fate: why it was killed; empty unless it was.
        retire_after: loop time before which it is not replaced for its limits.
    """

    def __init__(self, index: int, generation: int, offspring: Offspring) -> None:
        self.index = index
        self.generation = generation
        self.offspring = offspring
        self.since: float | None = None
        self.limits = Limits()
        self.leaving = False
        self.fate = ""
        self.retire_after = 0.0
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def serves(self) -> bool:
        """Whether it answers, and was not told to end."""
        return self.offspring.state is ChildState.SERVING and not self.leaving

    @property
    def has_served(self) -> bool:
        """Whether it may have calls to finish."""
        return self.since is not None or self.offspring.state is ChildState.SERVING

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self.offspring.state not in (ChildState.NEW, ChildState.ENDED)

    @property
    def lived(self) -> float:
        """Seconds for which it has served."""
        return 0.0 if self.since is None else self._loop.time() - self.since

    async def prepare(self, settings: ProcessSettings) -> None:
        """Start it, and wait until it could serve. Raises: ChildFailed, OSError."""
        self._began = self._loop.time()
        self.offspring.start()
        await self.offspring.wait_prepared(settings.child_timeout, settings.child_timeout_most)

    async def serve(self, settings: ProcessSettings) -> None:
        """Let it serve, and wait until it does. Raises: ChildFailed."""
        self.offspring.commit()
        await self.offspring.wait_serving(settings.commit_timeout)
        self.since = self._loop.time()

    def leave(
        self,
        reason: str,
        timeout: float | None,
        *,
        handover: bool,
        patience: float,
        force: bool = False,
    ) -> None:
        """Let it drain and end; see `Stop`. Repeated, it can only be harder.

        Args:
            reason: see `Stop`.
            timeout: see `Stop`.
            handover: see `Stop`.
            patience: seconds after which it is killed.
            force: see `Stop`.
        """
        self.leaving = True
        self.offspring.stop(reason, timeout, handover=handover, force=force)
        until = self._loop.time() + patience
        if self._deadline is not None:
            if self._deadline.when() <= until:
                return
            self._deadline.cancel()
        self._deadline = self._loop.call_at(until, self._expire)

    def _expire(self) -> None:
        if self.offspring.state is not ChildState.ENDED:
            _log.warning("%s did not end in time; killing it", self)
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self.offspring.kill()

    async def discard(self, reason: str, grace: float) -> None:
        """End it, whatever it does, before it was of use; see `Offspring.end`."""
        self.leaving = True
        await self.offspring.end(reason, grace)

    async def wait_ended(self) -> int:
        """Wait for its end; its exit code, negative for a signal."""
        status = await self.offspring.wait_ended()
        if self._deadline is not None:
            self._deadline.cancel()
        return status

    def snapshot(self) -> WorkerSnapshot:
        """How it is."""
        child = self.offspring
        beat = child.beat
        state = child.state.value
        if child.state is ChildState.NEW:
            state = ChildState.STARTING.value
        elif child.state is ChildState.COMMITTED:
            state = ChildState.PREPARED.value
        elif child.state is ChildState.SERVING and beat is not None and beat.paused:
            state = "paused"
        uptime = self._loop.time() - self._began
        if beat is None:
            memory = resident(child.pid) if child.pid else 0
            return WorkerSnapshot(
                child.pid, self.index, self.generation, state, uptime, memory=memory
            )
        return WorkerSnapshot(
            child.pid,
            self.index,
            self.generation,
            state,
            uptime,
            beat.in_flight,
            beat.connections,
            beat.requests,
            beat.memory,
        )

    def __str__(self) -> str:
        return f"worker {self.index} (process {self.offspring.pid})"
