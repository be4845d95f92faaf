"""A process that holds the listeners of a service and has workers serve it.

It runs no code of the application, so that nothing the application does can bring it down or make
it old: what is replaced in a restart is everything else. Each worker is this program again, started
by exec; all of them accept from the same sockets, so a worker that dies loses what it was doing and
nothing that waits.

Three things can be replaced, one at a time:

* ``restart``: all workers at once. The new ones have to be prepared, all of them, before the first
  serves; then the old ones pause, and for ``probation`` seconds they take over again should a new
  one fail; then they drain.
* ``reload``: the same, worker by worker; it ends at the first that does not start.
* ``replace``: this process as well. Another supervisor is started as its child, asks it for the
  sockets, and brings its own workers; the old one leaves after the probation.

There are never three generations: while the supervisor before has not left, a restart is refused.
Signals have nobody to tell that to, so what they want is remembered, and done when it can be, here
or by the supervisor that follows.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final

from mainstay.errors import Error, ResourceError, ShuttingDown, UsageError
from mainstay.interfaces.controlled import Outcome, Progress, RestartKind, Snapshot
from mainstay.process.handover import Event, probation
from mainstay.process.host_notifier import HostNotifier
from mainstay.process.launch import SIZE, Launch
from mainstay.process.lifeline import ParentLifeline
from mainstay.process.memory import resident
from mainstay.process.messages import (
    Confirmed,
    Failed,
    FromParent,
    Heartbeat,
    Listen,
    Listener,
    Pause,
    Reopen,
    Resume,
    Stopping,
    Welcome,
)
from mainstay.process.offspring import ChildFailed, Offspring
from mainstay.process.pool import SHUTDOWN, Pool
from mainstay.process.pool_worker import MARGIN
from mainstay.process.settings import ProcessSettings
from mainstay.process.sockets import Sockets

__all__ = ["NOT_ALONE", "REFUSED", "Supervisor"]

_log = logging.getLogger(__name__)

REFUSED: Final = 75
"""Exit code of a process that was to take over and was not let."""

NOT_ALONE: Final = "the supervisor before has not left yet"

_CUT: Final = 124
_HISTORY: Final = 20


class Supervisor:
    """See the top of the file; it is what an operator controls (`Controlled`). Make it, and use it,
    on one loop.

    Args:
        own: how this process was started.
        worker: how a worker is started.
        size: how many workers there are to be.
        target: as it was named on the command line.
        version: of mainstay.
        parent: descriptor and nonce of the supervisor before this one, if there is one.
        notifier: tells whoever hosts this process how things are.
        ready: called once, when all workers serve.
        left: called once, when another supervisor has taken over for good.
        said: called with the settings that a worker says.

    Attributes:
        stopping: whether it was asked to end.
        draining: whether the workers are to accept nothing for now.
        failure: why no worker has ever served; empty unless the start has failed for it.
    """

    def __init__(
        self,
        own: Launch,
        worker: Launch,
        size: int,
        *,
        target: str,
        version: str,
        parent: tuple[int, str] | None = None,
        notifier: HostNotifier | None = None,
        ready: Callable[[], object] = lambda: None,
        left: Callable[[], object] = lambda: None,
        said: Callable[[Mapping[str, Any]], object] = lambda settings: None,
    ) -> None:
        self._own = own
        self._worker = worker
        self._size = size
        self._target = target
        self._version = version
        self._notifier = notifier or HostNotifier({})
        self._tell_ready = ready
        self._tell_left = left
        self._said = said
        self._loop = asyncio.get_running_loop()
        self._alone = parent is None
        self._upstream: ParentLifeline | None = None
        if parent is not None:
            self._upstream = ParentLifeline(
                *parent,
                name=target,
                settings={},
                told=self._told,
                orphaned=self._orphaned,
                given_up=self._given_up,
            )
        upstream = self._notifier.upstream if self._upstream is None else self._upstream.listen
        self._sockets = Sockets(upstream)
        self._turn = asyncio.Lock()
        self._generation = 0
        self._started = time.time()
        self._pool: Pool | None = None
        self._coming: Pool | None = None
        self._standby: Pool | None = None
        self._old: list[Pool] = []
        self._asked: asyncio.Future[int] = self._loop.create_future()
        self._reason = ""
        self._trouble = ""
        self._force = False
        self._handover = False
        self.draining = False
        self.failure = ""
        self._ready = False
        self._restarting: asyncio.Task[Outcome] | None = None
        self._again: RestartKind | None = None
        self._outcomes: deque[Outcome] = deque(maxlen=_HISTORY)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._candidate: Offspring | None = None
        self._successor: Offspring | None = None

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._asked.done()

    # --- from the start to the end --------------------------------------------------------------

    async def run(self) -> int:
        """Start the workers and see to them, until the end is asked for; the exit code."""
        code = 1
        try:
            code = await self._run()
        finally:
            self._notifier.ended(failed=code != 0)
        return code

    async def _run(self) -> int:
        start = self._loop.create_task(self._start(), name="start")
        either: list[asyncio.Future[Any]] = [start, self._asked]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            start.cancel()
        await asyncio.wait([start])
        if not start.cancelled() and (error := start.exception()) is not None:
            self._not_started(error)
        await self._asked
        return await self._end()

    async def _start(self) -> None:
        upstream = self._upstream
        if upstream is not None:
            await upstream.greeted()
            self._generation = upstream.generation
            self._started = upstream.started or self._started
        pool = self._pool = self._new_pool(self._size, None)
        _log.info("starting %d workers", self._size)
        if upstream is None:
            pool.supervise()
            try:
                await pool.wait_ready(self._size)
            except ChildFailed:
                if not pool.serving:
                    raise
        else:
            await pool.prepare(_log.info)
            await upstream.prepared(self._sockets.addresses)
            await pool.commit()
            upstream.serving()
            upstream.beat(self._numbers)
            self._sockets.keep(pool.asked)
            pool.supervise()
        self._ready = True
        _log.info("%s runs on %s", pool.name, ", ".join(self._sockets.addresses) or "no address")
        self._notifier.ready(self._text(), "" if upstream is None else "successor")
        if upstream is None:
            self._notifier.keep(self._sockets.descriptors)
        self._tell_ready()
        self._restart_again()

    def _numbers(self) -> Heartbeat:
        """How things are, for the supervisor before this one."""
        workers = [each for pool in self._pools() for each in pool.snapshot()]
        return Heartbeat(
            sum(each.in_flight for each in workers),
            sum(each.connections for each in workers),
            sum(each.requests for each in workers),
            resident(),
            self.draining,
        )

    def _not_started(self, error: BaseException) -> None:
        reason = str(error) or type(error).__name__
        if self._upstream is not None:
            code = REFUSED if isinstance(error, ShuttingDown) else 1
            if isinstance(error, ChildFailed) and self._pool is not None:
                code = self._pool.lost[1]
            self._upstream.say(Failed(reason, code))
            self._notifier.failed(reason, code)
            self._finish(reason, code)
        elif not isinstance(error, ChildFailed):
            _log.critical("the supervisor failed", exc_info=error)
            self._finish(reason, 1)

    def _new_pool(self, size: int, settings: ProcessSettings | None) -> Pool:
        return Pool(
            self._worker,
            self._sockets,
            generation=self._generation,
            started=self._started,
            size=size,
            settings=settings,
            gave_up=self._gave_up,
            turn=self._turn,
            said=self._said,
        )

    def _gave_up(self, reason: str, code: int) -> None:
        """The workers of the generation that serves do not start any more."""
        assert self._pool is not None
        self._trouble = f"a worker does not start: {reason}"
        if self._pool.serving:
            _log.critical(
                "giving up on a worker that does not start, while %d others serve: %s; mend it and "
                "restart, reload or scale",
                self._pool.serving,
                reason,
            )
            return
        if self._ready:
            _log.critical("no worker starts any more: %s", reason)
        else:
            self.failure = reason
            self._notifier.failed(reason, code)
        self._finish(reason, code)

    def _finish(self, reason: str, code: int = 0, *, force: bool = False) -> None:
        self._force = self._force or force
        if not self._asked.done():
            self._reason = reason
            self._asked.set_result(code)

    async def _end(self) -> int:
        code = self._asked.result()
        _log.info("stopping: %s", self._reason)
        if not self._handover:
            timeout = SHUTDOWN if self._pool is None else self._pool.shutdown_timeout
            self._notifier.stopping(f"stopping: {self._reason}", timeout + MARGIN)
        if self._upstream is not None:
            self._upstream.say(Stopping(0, self._reason, code != 0))
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.wait([self._restarting])
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        # The workers accept until they have left; with the last of them the sockets close.
        self._sockets.let_go()
        pools = [*self._old, *([self._pool] if self._pool is not None else [])]
        for pool in pools:
            pool.codes.clear()
            pool.stop(self._reason, handover=self._handover, force=self._force)
        await asyncio.gather(*(pool.wait_ended() for pool in pools))
        self._sockets.close(unlink=not self._notifier.keeps_descriptors)
        if self._successor is not None:
            self._successor.leave()
        if self._upstream is not None:
            self._upstream.close()
        if code == 0:
            code = _code_of([each for pool in pools for each in pool.codes])
        _log.info("stopped, exit code %d", code)
        return code

    # --- what an operator may ask for -----------------------------------------------------------

    def status(self) -> Snapshot:
        """See `Controlled`."""
        pool = self._pool
        workers = [each for some in self._pools() for each in some.snapshot()]
        return Snapshot(
            "supervisor",
            "" if pool is None else pool.name,
            self._version,
            self._target,
            os.getpid(),
            self._generation,
            self._started,
            self._state(),
            self._sockets.addresses,
            workers,
            list(self._outcomes),
            "" if pool is None else self._trouble if pool.given_up else pool.trouble,
            self._size if pool is None else pool.size,
            0 if pool is None else pool.serving,
        )

    def stop(self, reason: str, force: bool) -> None:
        """See `Controlled`."""
        again = self._asked.done()
        self._finish(reason, force=force)
        if again and force:
            self._force = True
            for pool in self._pools():
                pool.stop(reason, handover=self._handover, force=True)

    async def restart(self, kind: RestartKind, progress: Progress) -> Outcome:
        """See `Controlled`."""
        why = self._refusal()
        if why:
            return self._outcome(kind, 0.0, f"refused: {why}")
        task = self._restarting = self._loop.create_task(self._restart(kind, progress), name=kind)
        task.add_done_callback(self._restarted)
        return await asyncio.shield(task)

    def _refusal(self) -> str:
        """Why nothing can be replaced now; empty if it can."""
        if self.stopping:
            return f"it is {self._state()}"
        if self._restarting is not None:
            return "a restart is under way"
        if not self._ready:
            return f"it is {self._state()}"
        return "" if self._alone else NOT_ALONE

    async def scale(self, workers: int) -> int:
        """See `Controlled`."""
        if workers < 1:
            raise UsageError(f"{workers} workers cannot serve; one is the least")
        async with self._turn:
            pool = self._pool
            if pool is None or self.stopping:
                raise UsageError(f"the number of workers cannot change while it is {self._state()}")
            before = pool.size
            if workers > before:
                _check_most(workers, pool.settings.workers_most)
                try:
                    await pool.grow(workers)
                except ChildFailed as error:
                    raise ResourceError(f"the number of workers stays {before}: {error}") from error
            else:
                pool.shrink(workers, "scaled down")
            if workers != before:
                _log.info("%d workers, %d before", workers, before)
            return before

    def drain(self, draining: bool) -> None:
        """See `Controlled`."""
        self.draining = draining
        for pool in (self._pool, self._coming):
            if pool is not None and pool is not self._standby:
                (pool.pause if draining else pool.resume)()
        if self._candidate is not None:
            (self._candidate.pause if draining else self._candidate.resume)()

    def reopen_logs(self) -> None:
        """See `Controlled`."""
        self._notifier.reopen()
        for pool in self._pools():
            pool.reopen()
        if self._candidate is not None:
            self._candidate.reopen()

    # --- for signals ----------------------------------------------------------------------------

    def wish_restart(self, kind: RestartKind, why: str) -> None:
        """Replace something, as soon as nothing is in the way of it; nobody waits for it."""
        if self._successor is not None:
            self._successor.kill(_WISHES[kind])
            return
        refusal = self._refusal()
        if self.stopping:
            _log.warning("%s: no %s, because %s", why, kind, refusal)
            return
        if refusal:
            _log.info("%s: %s; a %s follows", why, refusal, kind)
            if self._again is None or kind == "replace":
                self._again = kind  # it renews the workers as well
            return
        _log.info("%s: %s", why, kind)
        self._spawn(self.restart(kind, _log.info))

    def wish_scale(self, by: int, why: str) -> None:
        """Have `by` workers more, or less; nobody waits for it."""
        self._spawn(self._shift(by, why))

    async def _shift(self, by: int, why: str) -> None:
        size = self._size if self._pool is None else self._pool.size
        try:
            await self.scale(size + by)
        except Error as error:
            _log.warning("%s: %s", why, error)

    def signal_workers(self, number: int) -> None:
        """Send a signal to every worker."""
        for pool in self._pools():
            pool.signal(number)
        if self._candidate is not None and self._successor is None:
            self._candidate.kill(number)

    def _pools(self) -> list[Pool]:
        """All that have processes, the oldest first."""
        return [
            *self._old,
            *(pool for pool in (self._pool, self._coming) if pool is not None),
        ]

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- replacing ------------------------------------------------------------------------------

    async def _restart(self, kind: RestartKind, progress: Progress) -> Outcome:
        began = self._loop.time()
        steps = {"restart": self._restart_all, "reload": self._reload, "replace": self._replace}
        reason = ""
        self._notifier.reloading(f"{kind}, generation {self._generation} serves meanwhile")
        try:
            async with self._turn:
                await steps[kind](progress)
        except (ChildFailed, ResourceError) as error:
            reason = str(error)
            _log.error(
                "the %s failed, and generation %d goes on: %s", kind, self._generation, error
            )
        except asyncio.CancelledError:
            reason = f"given up: {self._reason or 'the supervisor stops'}"
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            _log.critical("the %s failed", kind, exc_info=error)
        outcome = self._outcome(kind, self._loop.time() - began, reason)
        self._outcomes.append(outcome)
        if self._successor is not None:
            self._successor.confirm(self._outcomes)
        elif not self.stopping:
            failed = f"the {kind} failed, and generation {self._generation} goes on: {reason}"
            self._notifier.reloaded(failed if reason else self._text())
        return outcome

    def _told(self, message: FromParent) -> None:
        """The supervisor before this one says something."""
        if isinstance(message, Confirmed):
            self._outcomes.extendleft(reversed(message.outcomes))
        elif isinstance(message, Reopen):
            self.reopen_logs()
        elif isinstance(message, Pause | Resume):
            self.drain(isinstance(message, Pause))

    def _restarted(self, task: asyncio.Task[Outcome]) -> None:
        self._restarting = None
        self._restart_again()

    def _restart_again(self) -> None:
        if self._again is not None and not self._refusal():
            kind, self._again = self._again, None
            self.wish_restart(kind, "as asked for meanwhile")

    def _outcome(self, kind: RestartKind, seconds: float, reason: str) -> Outcome:
        pid = os.getpid() if self._successor is None else self._successor.pid
        return Outcome(time.time(), kind, not reason, seconds, reason, self._generation, pid)

    async def _restart_all(self, progress: Progress) -> None:
        """A new generation of workers. Raises: ChildFailed, when the old one serves on."""
        old = self._pool
        assert old is not None
        for pool in list(self._old):
            progress(f"waiting for generation {pool.generation} to finish")
            await pool.wait_ended()
        self._generation += 1
        new = self._coming = self._new_pool(old.size, old.settings)
        try:
            progress(f"starting {new.size} workers of generation {self._generation}")
            await new.prepare(progress)
            if self.draining:
                new.pause()
            progress("all are prepared; committing")
            await new.commit()
            old.rest()
            self._standby = old
            old.pause()
            await self._probe(new.fault, new.settings.probation, progress)
        except BaseException as error:
            self._generation -= 1
            self._coming = self._standby = None
            if self.stopping:
                # Both have calls to finish, and are told to at the same time.
                self._old.append(new)
                raise
            if not self.draining:
                old.resume()
            old.supervise()
            # Those of the new ones that are well finish their calls.
            self._let_drain(new, str(error) or "given up")
            raise
        self._coming = self._standby = None
        self._pool = new
        new.supervise()
        self._sockets.keep(new.asked)
        self._let_drain(old, f"generation {self._generation} serves")
        progress(f"generation {self._generation} serves")

    async def _probe(self, fault: asyncio.Future[str], seconds: float, progress: Progress) -> None:
        """Raises: ChildFailed when `fault` is set within so many seconds."""
        progress(f"the new one serves; the old one stands by for {seconds:g} s")
        await asyncio.wait([fault], timeout=seconds)
        if fault.done():
            raise ChildFailed(f"rolled back: {fault.result()}")

    def _let_drain(self, old: Pool, reason: str) -> None:
        self._old.append(old)
        old.stop(reason, handover=True)

        async def wait() -> None:
            await old.wait_ended()
            self._old.remove(old)

        self._spawn(wait())

    async def _reload(self, progress: Progress) -> None:
        """One worker after the other. Raises: ChildFailed, for the first that does not start."""
        pool = self._pool
        assert pool is not None
        # What is asked for anew is not known to be all before the last one is replaced.
        pool.asked.clear()
        for done, index in enumerate(range(pool.size), 1):
            old = await pool.replace(index, "reloaded")
            progress(f"worker {index} is replaced, {done} of {pool.size}")
            if old is not None:
                await old.wait_ended()
        self._sockets.keep(pool.asked)
        pool.try_again()

    async def _replace(self, progress: Progress) -> None:
        """Another supervisor. Raises: ChildFailed, when this one goes on."""
        pool = self._pool
        assert pool is not None
        settings = pool.settings
        asked: set[str] = set()

        async def answer(question: Listen) -> tuple[Listener, list[int]]:
            asked.add(question.address)
            return await self._sockets.answer(question)

        beat = settings.heartbeat
        welcome = Welcome(0, "successor", self._generation + 1, 0, beat, self._started)
        own = replace(self._own, environ={**self._own.environ, SIZE: str(pool.size)})
        child = self._candidate = Offspring(own, welcome, answer)
        progress("starting another supervisor")
        try:
            child.start()
            await child.wait_prepared(settings.child_timeout, settings.child_timeout_most)
            progress(f"process {child.pid} is prepared; committing")
            child.commit()
            if self.draining:
                child.pause()
            await child.wait_serving(settings.commit_timeout + 1.0)
            pool.rest()
            self._standby = pool
            pool.pause()
            progress(f"process {child.pid} serves; standing by for {settings.probation:g} s")
            await self._watch(child, settings)
        except BaseException as error:
            self._standby = None
            if not self.draining:
                pool.resume()
            pool.supervise()
            grace = settings.kill_grace + pool.shutdown_timeout
            await child.end(str(error) or "given up", grace)
            self._candidate = None
            raise
        self._successor = child
        self._generation += 1
        why = f"process {child.pid} serves"
        try:
            if self._again is not None:
                # Whoever wants it has changed something since the new one was started.
                child.kill(_WISHES[self._again])
            self._sockets.keep(asked)
            await self._notifier.succeeded_by(child.pid, why)
        except OSError as error:  # such as a full table of descriptors: it serves all the same
            _log.warning("the new supervisor serves, and not all were told: %s", error)
        finally:
            # Whatever happens from here on, there must not be two of them.
            if self.stopping and child.leaving is None:
                child.kill(signal.SIGTERM)  # asked for in this very moment, of the service
            self._sockets.handed_over = True
            self._handover = True
            self._finish(why)
            self._tell_left()

    async def _watch(self, child: Offspring, settings: ProcessSettings) -> None:
        """Raises: ChildFailed when the new supervisor ends of itself in its probation, or hangs."""
        event, reason = await probation(child, settings)
        if event is Event.FAILED:
            raise ChildFailed(f"rolled back: {reason}")
        if event is Event.LEFT and child.leaving is not None:
            # Somebody has asked the new one to stop, and means the service.
            self._finish(child.leaving.reason)

    def _orphaned(self, role: str) -> None:
        """The supervisor before this one has left."""
        _log.info("in charge alone, since the supervisor before has left")
        self._alone = True
        self._notifier.freed(self._text())
        self._restart_again()

    def _given_up(self, reason: str) -> None:
        """The supervisor before this one wants it to end, or is gone too early."""
        self._finish(reason, REFUSED)

    def _text(self) -> str:
        """How things are, for people."""
        pool = self._pool
        assert pool is not None
        where = ", ".join(self._sockets.addresses) or "no address"
        return f"{pool.name} serves on {where} with {pool.size} workers"

    def _state(self) -> str:
        if self.stopping:
            return "stopping"
        if not self._ready:
            return "starting"
        if self._restarting is not None:
            return "restarting"
        return "draining" if self.draining else "running"

    def __repr__(self) -> str:
        return f"<Supervisor of {self._target!r} {self._state()} generation={self._generation}>"


_WISHES: Final[Mapping[RestartKind, signal.Signals]] = {
    "restart": signal.SIGHUP,
    "reload": signal.SIGHUP,
    "replace": signal.SIGUSR2,
}
"""How a wish is passed on to the supervisor that follows, which hears a hang-up as this one does:
with a terminal there is no wish to restart, but one to stop."""


def _check_most(workers: int, most: int) -> None:
    """Raises: UsageError for more workers than anybody means to have."""
    if workers > most:
        raise UsageError(
            f"{workers} workers are more than mainstay.process.workers_most allows ({most}); ask for "
            "fewer, or raise it and restart"
        )


def _code_of(codes: list[int]) -> int:
    """The exit code of a supervisor whose workers have ended with these."""
    if any(code == _CUT or code < 0 for code in codes):
        return _CUT
    return 1 if any(codes) else 0
