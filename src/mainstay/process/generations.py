"""The workers of a supervisor, one generation after the other.

One generation is current. In a restart the next one comes beside it: all of its workers have to be
prepared before the first serves; then the current one pauses, and for ``probation`` seconds it takes
over again should a new worker fail; then it drains, and is seen to its end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from mainstay.errors import ResourceError, UsageError
from mainstay.interfaces.controlled import Progress, WorkerSnapshot
from mainstay.process.launch import Launch
from mainstay.process.memory import resident
from mainstay.process.messages import Heartbeat
from mainstay.process.offspring import ChildFailed
from mainstay.process.pool import Pool
from mainstay.process.settings import ProcessSettings
from mainstay.process.sockets import Sockets

__all__ = ["Generations"]


class Generations:
    """See the top of the file. Use it on one loop.

    Args:
        worker: how a worker is started.
        sockets: where they get their listeners.
        gave_up: called, with why and the exit code, when no worker is started any more.
        said: called with the settings that a worker says.

    Attributes:
        current: the generation that serves, or stands by; None before `begin`.
        number: of the generation that serves, which is the number of restarts before it.
        started: seconds since the epoch when the first generation started.
        turn: held while anything replaces workers, so that one thing at a time does.
        draining: whether the workers are to accept nothing for now.
        ending: whether all are to end; a restart that fails for it leaves both generations to `end`.
    """

    def __init__(
        self,
        worker: Launch,
        sockets: Sockets,
        *,
        gave_up: Callable[[str, int], object],
        said: Callable[[Mapping[str, Any]], object],
    ) -> None:
        self.current: Pool | None = None
        self.number = 0
        self.started = time.time()
        self.turn = asyncio.Lock()
        self.draining = False
        self.ending = False
        self._worker = worker
        self._sockets = sockets
        self._gave_up = gave_up
        self._said = said
        self._coming: Pool | None = None
        self._standby: Pool | None = None
        self._old: list[Pool] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # --- all of them ----------------------------------------------------------------------------

    @property
    def pools(self) -> list[Pool]:
        """All that have processes, the oldest first."""
        return [
            *self._old,
            *(pool for pool in (self.current, self._coming) if pool is not None),
        ]

    def snapshot(self) -> list[WorkerSnapshot]:
        """Every process of them."""
        return [each for pool in self.pools for each in pool.snapshot()]

    def numbers(self) -> Heartbeat:
        """How things are, for another process."""
        workers = self.snapshot()
        return Heartbeat(
            sum(each.in_flight for each in workers),
            sum(each.connections for each in workers),
            sum(each.requests for each in workers),
            resident(),
            self.draining,
            next(filter(None, (pool.failing for pool in self.pools)), ""),
        )

    def reopen(self) -> None:
        """Let them open their logs anew."""
        for pool in self.pools:
            pool.reopen()

    def signal(self, number: int) -> None:
        """Send a signal to every worker."""
        for pool in self.pools:
            pool.signal(number)

    def stop(self, reason: str, *, handover: bool, force: bool) -> None:
        """Let all of them drain and end; see `Pool.stop`."""
        for pool in self.pools:
            pool.stop(reason, handover=handover, force=force)

    async def end(self, reason: str, *, handover: bool, force: bool) -> list[int]:
        """Stop all of them, of which none is being replaced any more, and wait for their end.

        Returns the exit codes of those that ran until then, negative for a signal.
        """
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        # The workers accept until they have left; with the last of them the sockets close.
        self._sockets.let_go()
        pools = self.pools
        for pool in pools:
            pool.codes.clear()
        self.stop(reason, handover=handover, force=force)
        await asyncio.gather(*(pool.wait_ended() for pool in pools))
        return [code for pool in pools for code in pool.codes]

    # --- the one that serves --------------------------------------------------------------------

    def begin(self, size: int) -> Pool:
        """The first one here, of so many workers; nothing of it is started."""
        pool = self.current = self._new(size, None)
        return pool

    async def scale(self, workers: int) -> int:
        """Change the number of workers; hold the turn. Returns the number before.

        Raises: UsageError for more than the settings allow; ResourceError, and the number stays.
        """
        pool = self.current
        assert pool is not None
        before, most = pool.size, pool.settings.workers_most
        if workers <= before:
            pool.shrink(workers, "scaled down")
            return before
        if workers > most:
            raise UsageError(
                f"{workers} workers are more than mainstay.process.workers_most allows ({most}); "
                "ask for fewer, or raise it and restart"
            )
        try:
            await pool.grow(workers)
        except ChildFailed as error:
            raise ResourceError(f"the number of workers stays {before}: {error}") from error
        return before

    def drain(self, draining: bool) -> None:
        """Let those that do not stand by accept nothing for now, or accept again."""
        self.draining = draining
        for pool in (self.current, self._coming):
            if pool is not None and pool is not self._standby:
                (pool.pause if draining else pool.resume)()

    def stand_by(self) -> None:
        """Let the current one accept nothing and start nobody, as others serve: until it is to
        `resume`, or to end."""
        pool = self._standby = self.current
        assert pool is not None
        pool.rest()
        pool.pause()

    def resume(self) -> None:
        """Let the current one serve on."""
        self._standby = None
        pool = self.current
        assert pool is not None
        if not self.draining:
            pool.resume()
        pool.supervise()

    # --- replacing workers ----------------------------------------------------------------------

    async def restart(self, progress: Progress) -> None:
        """A new generation; hold the turn. Raises: ChildFailed, when the current one serves on."""
        old = self.current
        assert old is not None
        for pool in list(self._old):
            progress(f"waiting for generation {pool.generation} to finish")
            await pool.wait_ended()
        self.number += 1
        new = self._coming = self._new(old.size, old.settings)
        try:
            workers = "1 worker" if new.size == 1 else f"{new.size} workers"
            progress(f"starting {workers} of generation {self.number}")
            await new.prepare(progress)
            if self.draining:
                new.pause()
            progress("all are prepared; committing")
            await new.commit()
            self.stand_by()
            await self._probe(new, progress)
        except BaseException as error:
            self.number -= 1
            self._coming = self._standby = None
            if self.ending:
                # Both have calls to finish, and are told to at the same time.
                self._old.append(new)
                raise
            self.resume()
            # Those of the new ones that are well finish their calls.
            self._let_drain(new, str(error) or "given up")
            raise
        self._coming = self._standby = None
        self.current = new
        new.supervise()
        self._sockets.keep(new.asked)
        self._let_drain(old, f"generation {self.number} serves")
        progress(f"generation {self.number} serves")

    async def reload(self, progress: Progress) -> None:
        """One worker after the other; hold the turn. The first one has a probation, beside the one
        in whose place it is to be: what is wrong with it is wrong with all of them.

        Raises: ChildFailed, for the first that does not start, or if the first fails its probation.
        """
        pool = self.current
        assert pool is not None
        # What is asked for anew is not known to be all before the last one is replaced.
        pool.asked.clear()
        for done, index in enumerate(range(pool.size), 1):
            old = await pool.replace(index, "reloaded", prove=not index)
            progress(f"worker {index} is replaced, {done} of {pool.size}")
            if old is not None:
                await old.wait_ended()
        self._sockets.keep(pool.asked)
        pool.try_again()

    async def _probe(self, new: Pool, progress: Progress) -> None:
        """Raises: ChildFailed when a worker of `new` fails in the probation, or has something at its
        end that fails."""
        seconds = new.settings.probation
        progress(f"the new one serves; the old one stands by for {seconds:g} s")
        await new.wait_fault(seconds)
        if new.failing:
            raise ChildFailed(f"rolled back: {new.failing}")

    def _let_drain(self, old: Pool, reason: str) -> None:
        self._old.append(old)
        old.stop(reason, handover=True)

        async def wait() -> None:
            await old.wait_ended()
            self._old.remove(old)

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _new(self, size: int, settings: ProcessSettings | None) -> Pool:
        return Pool(
            self._worker,
            self._sockets,
            generation=self.number,
            started=self.started,
            size=size,
            settings=settings,
            gave_up=self._gave_up,
            turn=self.turn,
            said=self._said,
        )

    def __repr__(self) -> str:
        return f"<Generations number={self.number} pools={len(self.pools)}>"
