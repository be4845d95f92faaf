"""One generation of workers: how many there are, and what happens when one of them goes.

A worker has a place. Whoever is in it serves, or is about to; who has left it (because it was
replaced, or is not needed any more, or says that it stops) finishes its work elsewhere, while the
place is filled again. What is decided, and why, stands in `pool_policy`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import msgspec

from mainstay.errors import Error
from mainstay.interfaces.controlled import Progress, WorkerSnapshot
from mainstay.process.handover import Event, probation
from mainstay.process.launch import WORKER, Launch
from mainstay.process.messages import FromChild, Heartbeat, Listen, Listener, Stopping, Welcome
from mainstay.process.offspring import ChildFailed, Offspring
from mainstay.process.pool_policy import Limits, Respawn, Verdict, is_hanging
from mainstay.process.pool_worker import MARGIN, Worker
from mainstay.process.settings import ProcessSettings
from mainstay.process.sockets import Sockets

__all__ = ["FORCED", "SHUTDOWN", "Pool"]

_log = logging.getLogger(__name__)

_LOOK: Final = 0.25
"""Seconds between two looks for workers that hang, at the least."""

_MOMENT: Final = 0.2
"""Seconds before a worker that somebody has asked to stop is replaced."""

SHUTDOWN: Final = 25.0
"""Seconds that a worker has for its end while it has not said how many."""

FORCED: Final = 4.0
"""Seconds that a worker has for its end when its work is cancelled."""


class Pool:
    """See the top of the file. Use it on one loop.

    Args:
        launch: how a worker is started.
        sockets: where they get their listeners.
        generation: the number of restarts before it.
        started: seconds since the epoch when the first generation started.
        size: how many workers there are to be.
        settings: of the process, until a worker says what they are.
        gave_up: called, with why and the exit code, when no worker is started any more.
        turn: held while anything replaces workers, so that one thing at a time does.
        said: called with the settings that a worker says.
        chance: the source of jitter.

    Attributes:
        size: how many workers there are to be.
        settings: of the process.
        name: of the service.
        asked: the addresses that its workers have asked for.
        lost: why the last worker failed, and its exit code.
        codes: exit codes of the workers that were asked to stop, negative for a signal.
    """

    def __init__(
        self,
        launch: Launch,
        sockets: Sockets,
        *,
        generation: int,
        started: float,
        size: int,
        settings: ProcessSettings | None = None,
        gave_up: Callable[[str, int], object],
        turn: asyncio.Lock,
        said: Callable[[Mapping[str, Any]], object] = lambda settings: None,
        chance: random.Random | None = None,
    ) -> None:
        self.generation = generation
        self.size = size
        self.settings = settings or ProcessSettings()
        self.name = ""
        self.asked: set[str] = set()
        self.lost: tuple[str, int] = ("", 1)
        self.codes: list[int] = []
        self._launch = launch
        self._sockets = sockets
        self._started = started
        self._gave_up = gave_up
        self._turn = turn
        self._told_settings = said
        self._chance = chance or random.Random()  # noqa: S311 - jitter
        self._loop = asyncio.get_running_loop()
        self._fault: asyncio.Future[str] = self._loop.create_future()
        self._shutdown = SHUTDOWN
        self._respawn = Respawn()
        self._places: dict[int, Worker] = {}
        self._others: set[Worker] = set()
        self._supervised = False
        self._unbound = ""
        self._paused = False
        self._due: dict[int, asyncio.TimerHandle] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._news: asyncio.Future[None] = self._loop.create_future()

    # --- looking --------------------------------------------------------------------------------

    @property
    def serving(self) -> int:
        """How many of its workers serve."""
        return sum(worker.serves for worker in self._places.values())

    @property
    def given_up(self) -> bool:
        """Whether no worker is started any more, because too many starts have failed."""
        return self._respawn.gave_up

    @property
    def trouble(self) -> str:
        """Why fewer workers serve than there are to be; empty unless one has failed."""
        if self.serving >= self.size or not self.lost[0]:
            return ""
        return f"{self.serving} of {self.size} workers serve; {self.lost[0]}"

    @property
    def failing(self) -> str:
        """Which of its workers was the first to fail, or has something that fails and is tried
        again, and why; empty if there is none."""
        if self._fault.done():
            return self._fault.result()
        for worker in self._places.values():
            worker.offspring.catch_up()
        for worker in self._places.values():
            if worker.offspring.trouble:
                return f"{worker}: {worker.offspring.trouble}"
        return ""

    @property
    def processes(self) -> int:
        """How many processes of it there are."""
        return sum(each.runs for each in self._all())

    @property
    def shutdown_timeout(self) -> float:
        """Seconds that its workers have for their end, as they say."""
        return self._shutdown

    def snapshot(self) -> list[WorkerSnapshot]:
        """Every process of it."""
        return [
            each.snapshot()
            for each in sorted(self._all(), key=lambda each: (each.index, each.offspring.pid))
            if each.runs
        ]

    def _all(self) -> set[Worker]:
        return self._others | set(self._places.values())

    # --- a generation as a whole ----------------------------------------------------------------

    async def prepare(self, progress: Progress) -> None:
        """Start all workers, and wait until every one could serve.

        Failed or cancelled: none of them is left.

        Raises: ChildFailed, for the first that fails.
        """
        workers = [self._make(index) for index in range(self.size)]
        self._places = {worker.index: worker for worker in workers}
        tasks = [self._loop.create_task(self._prepare(each, progress)) for each in workers]
        try:
            await asyncio.gather(*tasks)
        except BaseException as error:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self.discard(str(error) or "the start was given up")
            raise

    async def _prepare(self, worker: Worker, progress: Progress) -> None:
        await self._start(worker)
        progress(f"{worker} is prepared")

    async def commit(self) -> None:
        """Let all of them serve. Raises: ChildFailed, for the first that does not."""
        await asyncio.gather(*(worker.serve(self.settings) for worker in self._places.values()))
        for worker in list(self._places.values()):
            self._ready(worker)

    async def discard(self, reason: str) -> None:
        """End all of them, none of which has served, whatever they do."""
        self.rest()
        workers = self._all()
        await asyncio.gather(*(each.discard(reason, self.settings.kill_grace) for each in workers))
        await self._settle()

    def supervise(self) -> None:
        """Keep the number from now on."""
        self._supervised = True
        self._fill()
        if self._watch is None:
            self._look(self._loop.time())

    def rest(self) -> None:
        """Replace nobody, for now."""
        self._supervised = False
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def pause(self) -> None:
        """Let nobody accept for now."""
        self._paused = True
        for worker in self._all():
            if worker.serves:
                worker.offspring.pause()

    def resume(self) -> None:
        """Let them accept again."""
        self._paused = False
        for worker in self._all():
            if worker.serves:
                worker.offspring.resume()

    def reopen(self) -> None:
        """Let them open their logs anew."""
        for worker in self._all():
            worker.offspring.reopen()

    def signal(self, number: int) -> None:
        """Send a signal to all of them."""
        for worker in self._all():
            worker.offspring.kill(number)

    def stop(self, reason: str, *, handover: bool, force: bool = False) -> None:
        """Let all of them drain and end. Repeated, it can only be harder.

        Args:
            reason: for their logs.
            handover: whether others serve on.
            force: cancel their work.
        """
        self.rest()
        for worker in self._all():
            if worker.has_served:
                self._send_off(worker, reason, handover=handover, force=force)
            else:
                self._spawn(worker.discard(reason, self.settings.kill_grace))
        self._others |= set(self._places.values())
        self._places.clear()

    async def wait_ended(self) -> None:
        """Wait until no process of it is left; after `stop` or `discard`."""
        while self.processes or self._tasks:
            await self._wait_news()
        await self._settle()

    async def wait_fault(self, seconds: float) -> None:
        """Wait until a worker fails, or for so long."""
        await asyncio.wait([self._fault], timeout=seconds)

    async def wait_ready(self, size: int) -> None:
        """Wait until so many workers serve. Raises: ChildFailed when they never will."""
        while self.serving < size:
            if self._respawn.gave_up:
                raise ChildFailed(self.lost[0])
            await self._wait_news()

    # --- one worker after the other -------------------------------------------------------------

    async def replace(self, index: int, reason: str, *, prove: bool = False) -> Worker | None:
        """Put a new worker into a place; when it serves, let go of the one that was there.

        Args:
            index: of the place.
            reason: for the log of the old one.
            prove: whether the new one has to pass its probation first, beside the old one.

        Returns the old one, which is about to end, or None if there was none.

        Raises: ChildFailed, when the new one is none; the old one stays.
        """
        worker = self._make(index)
        self._others.add(worker)
        try:
            await self._start(worker)
            await worker.serve(self.settings)
        except BaseException as error:
            await worker.discard(str(error) or "it is not needed", self.settings.kill_grace)
            raise
        if prove:
            await self._prove(worker)
        self._others.discard(worker)
        old = self._places.get(index)
        if index >= self.size:
            self._others.add(worker)
            self._send_off(worker, "it is not needed any more", handover=True)
            return None
        self._places[index] = worker
        self._ready(worker)
        if old is not None:
            self._others.add(old)
            self._send_off(old, reason, handover=True)
        return old

    async def _prove(self, worker: Worker) -> None:
        """See a worker that has just begun to serve through its probation; one that fails ends when
        its calls have. Raises: ChildFailed."""
        if self._paused:
            worker.offspring.pause()
        try:
            event, why = await probation(worker.offspring, self.settings)
            if event is not Event.SETTLED:
                raise ChildFailed(f"{worker} failed its probation: {why}")
        except BaseException as error:
            self._send_off(worker, str(error) or "it is not needed", handover=True)
            raise

    async def grow(self, size: int) -> None:
        """Add workers. Raises: ChildFailed, and the number stays."""
        before, self.size = self.size, size
        self._respawn.reset()
        tasks = [
            self._loop.create_task(self.replace(index, "scaled")) for index in range(before, size)
        ]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self.shrink(before, "the others did not start")
            raise
        self._fill()

    def shrink(self, size: int, reason: str) -> None:
        """Let go of the last workers."""
        self.size = size
        for index in [index for index in self._places if index >= size]:
            worker = self._places.pop(index)
            self._others.add(worker)
            if worker.has_served:
                self._send_off(worker, reason, handover=True)
            else:
                self._spawn(worker.discard(reason, self.settings.kill_grace))

    def try_again(self) -> None:
        """Forget how often the start has failed, and start what is missing."""
        self._respawn.reset()
        self._fill()

    # --- inside ---------------------------------------------------------------------------------

    def _make(self, index: int) -> Worker:
        heartbeat = self.settings.heartbeat
        welcome = Welcome(0, "worker", self.generation, index, heartbeat, self._started)
        environ = {**self._launch.environ, WORKER: str(index)}
        launch = replace(self._launch, environ=environ)
        holder: list[Worker] = []

        def told(child: Offspring, message: FromChild) -> None:
            self._told(holder[0], message)

        worker = Worker(index, self.generation, Offspring(launch, welcome, self._answer, told))
        holder.append(worker)
        return worker

    async def _answer(self, question: Listen) -> tuple[Listener, list[int]]:
        self.asked.add(question.address)
        try:
            return await self._sockets.answer(question)
        except Error as error:
            # Every other worker would be told the same.
            self._unbound = str(error)
            raise

    async def _start(self, worker: Worker) -> None:
        """Start it, watch over it, and wait until it could serve. Raises: ChildFailed."""
        try:
            await worker.prepare(self.settings)
        except OSError as error:
            raise ChildFailed(f"{worker} cannot be started: {error}") from error
        finally:
            if worker.offspring.pid:
                self._spawn(self._follow(worker))
            if worker.offspring.settings:
                self._adopt(worker.offspring)

    def _adopt(self, child: Offspring) -> None:
        """Go by what a worker says about the process from now on."""
        self.name = child.name or self.name
        said = dict(child.settings)
        self._told_settings(said)
        shutdown = said.get("shutdown_timeout")
        if isinstance(shutdown, int | float):
            self._shutdown = float(shutdown)
        known = {name: said[name] for name in ProcessSettings.__struct_fields__ if name in said}
        try:
            self.settings = msgspec.convert(known, ProcessSettings)
        except msgspec.ValidationError as error:
            _log.warning("a worker has settings that cannot be understood: %s", error)

    async def _bring_up(self, worker: Worker) -> None:
        if self._places.get(worker.index) is not worker:
            return  # not wanted any more
        try:
            await self._start(worker)
            await worker.serve(self.settings)
        except ChildFailed as error:
            asked = worker.offspring.asked  # by somebody else, before it is by us
            await worker.discard(str(error), self.settings.kill_grace)
            if self._vacate(worker):
                code = worker.offspring.exit_code or 1
                self._failed(worker, str(error), code if code > 0 else 128 - code, asked=asked)
            self._tell_news()
            return
        if self._places.get(worker.index) is worker:
            self._ready(worker)

    def _ready(self, worker: Worker) -> None:
        self._respawn.ready()
        if self.serving >= self.size:
            self.lost = ("", 1)  # mended
        worker.limits = Limits.of(self.settings, self._chance)
        if self._paused:
            worker.offspring.pause()
        _log.info("%s of generation %d serves", worker, self.generation)
        self._tell_news()

    async def _follow(self, worker: Worker) -> None:
        """Wait for the end of a worker, whenever that is."""
        status = await worker.wait_ended()
        if worker.leaving and worker.since is not None:
            self.codes.append(status)
        if worker.since is not None and self._vacate(worker):
            self._died(worker, worker.fate or str(worker.offspring.failure()))
        self._others.discard(worker)
        self._tell_news()

    def _told(self, worker: Worker, message: FromChild) -> None:
        if isinstance(message, Stopping):
            if worker.since is not None and not worker.leaving and self._vacate(worker):
                self._others.add(worker)
                self._send_off(worker, message.reason, handover=True)
                self._died(worker, f"it stops: {message.reason}", asked=not message.failed)
        elif isinstance(message, Heartbeat) and self._supervised and worker.serves:
            why = worker.limits.exceeded(message.requests, message.memory)
            if why and self._loop.time() >= worker.retire_after:
                # Not again before this attempt is decided.
                worker.retire_after = float("inf")
                self._spawn(self._recycle(worker, why))

    async def _recycle(self, worker: Worker, why: str) -> None:
        async with self._turn:
            if not self._supervised or self._places.get(worker.index) is not worker:
                return
            _log.info("replacing %s: %s", worker, why)
            try:
                await self.replace(worker.index, why)
            except ChildFailed as error:
                if worker.leaving:
                    return  # it was told to end meanwhile, and the new one with it
                delay = self.settings.respawn_most
                worker.retire_after = self._loop.time() + delay
                _log.error(
                    "%s could not be replaced, and goes on: %s; trying again in %g s",
                    worker,
                    error,
                    delay,
                )

    def _vacate(self, worker: Worker) -> bool:
        """Take it out of its place; whether it had one."""
        if self._places.get(worker.index) is not worker:
            return False
        del self._places[worker.index]
        return True

    def _died(self, worker: Worker, why: str, *, asked: bool = False) -> None:
        self._note(worker, why)
        if not (asked and self._supervised):
            self._blame(f"{worker}: {why}")
        if not self._supervised:
            return
        verdict = self._respawn.died(
            worker.lived, self._loop.time(), self.settings, last=not self._places
        )
        if asked and verdict.delay is not None:
            # By a signal to the whole process group, perhaps, which this process hears in a moment.
            verdict = Verdict(max(verdict.delay, _MOMENT), verdict.failures)
        _log.log(
            logging.WARNING if asked else logging.ERROR,
            "%s is gone after %.1f s: %s%s",
            worker,
            worker.lived,
            why,
            _then(verdict),
        )
        self._decide(worker.index, verdict)

    def _failed(self, worker: Worker, why: str, code: int, *, asked: bool) -> None:
        self._note(worker, why, code)
        if not self._supervised:
            self._blame(f"{worker}: {why}")
            return
        if self._unbound:
            why, self._unbound = self._unbound, ""
            self._note(worker, why, code)
            verdict = self._respawn.failed(code, self.settings, hopeless=True)
        else:
            verdict = self._respawn.failed(code, self.settings)
        if verdict.delay is not None:
            if asked:  # see `_died`
                verdict = Verdict(max(verdict.delay, _MOMENT), verdict.failures)
            level = logging.WARNING if asked else logging.ERROR
            _log.log(level, "%s did not start: %s%s", worker, why, _then(verdict))
        self._decide(worker.index, verdict)

    def _note(self, worker: Worker, why: str, code: int = 1) -> None:
        if not self._respawn.gave_up:
            self.lost = (why, code)

    def _blame(self, why: str) -> None:
        if not self._fault.done():
            self._fault.set_result(why)

    def _decide(self, index: int, verdict: Verdict) -> None:
        if verdict.delay is None:
            self._gave_up(*self.lost)
            return
        # Each place has a time of its own: one that has to wait puts no other one off.
        earlier = self._due.pop(index, None)
        if earlier is not None:
            earlier.cancel()
        self._due[index] = self._loop.call_later(verdict.delay, self._fill_place, index)

    def _fill(self) -> None:
        """Start what is missing, whenever it was due."""
        for index in range(self.size):
            self._fill_place(index)

    def _fill_place(self, index: int) -> None:
        timer = self._due.pop(index, None)
        if timer is not None:
            timer.cancel()
        if not self._supervised or self._respawn.gave_up:
            return
        if index < self.size and index not in self._places:
            worker = self._places[index] = self._make(index)
            self._spawn(self._bring_up(worker))

    def _look(self, planned: float) -> None:
        """Look for workers that hang."""
        now = self._loop.time()
        for worker in list(self._places.values()):
            child = worker.offspring
            if worker.serves and is_hanging(now - child.heard, now - planned, self.settings):
                _log.error(
                    "%s has not been heard for %.1f s; killing it", worker, now - child.heard
                )
                worker.kill()
        again = now + max(_LOOK, self.settings.heartbeat / 2)
        self._watch = self._loop.call_at(again, self._look, again)

    def _send_off(
        self, worker: Worker, reason: str, *, handover: bool, force: bool = False
    ) -> None:
        timeout = self.settings.handover_timeout if handover else None
        seconds = self._shutdown if timeout is None else timeout
        if force:
            seconds = min(seconds, FORCED)
        worker.leave(reason, timeout, handover=handover, force=force, patience=seconds + MARGIN)

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.critical("seeing to a worker failed", exc_info=task.exception())
        self._tell_news()

    async def _settle(self) -> None:
        """Wait for what is under way here."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _wait_news(self) -> None:
        if self._news.done():
            self._news = self._loop.create_future()
        with suppress(asyncio.InvalidStateError):
            await asyncio.wait([self._news])

    def _tell_news(self) -> None:
        if not self._news.done():
            self._news.set_result(None)


def _then(verdict: Verdict) -> str:
    if verdict.delay is None:
        return ""
    return "; starting another" + (f" in {verdict.delay:.2g} s" if verdict.delay else "")
