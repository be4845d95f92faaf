"""A process that holds the listeners of a service and has workers serve it.

It runs no code of the application, so that nothing the application does can bring it down or make
it old: what is replaced in a restart is everything else. Each worker is this program again, started
by exec; all of them accept from the same sockets, so a worker that dies loses what it was doing and
nothing that waits.

Three things can be replaced, one at a time (`restarts`):

* ``restart``: all workers at once, by a new generation of them (`generations`).
* ``reload``: the same, worker by worker; it ends at the first that does not start.
* ``replace``: this process as well, by another supervisor (`replacement`), which brings its own
  workers. The old one leaves after the probation.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any, Final

from mainstay.errors import Error, ShuttingDown, UsageError
from mainstay.interfaces.controlled import Outcome, Progress, RestartKind, Snapshot
from mainstay.process.generations import Generations
from mainstay.process.host_notifier import HostNotifier
from mainstay.process.launch import Launch
from mainstay.process.lifeline import ParentLifeline
from mainstay.process.messages import Confirmed, Failed, FromParent, Pause, Reopen, Resume, Stopping
from mainstay.process.offspring import ChildFailed
from mainstay.process.pool import SHUTDOWN
from mainstay.process.pool_worker import MARGIN
from mainstay.process.replacement import Replacement
from mainstay.process.restarts import Restarts
from mainstay.process.sockets import Sockets

__all__ = ["NOT_ALONE", "REFUSED", "Supervisor"]

_log = logging.getLogger(__name__)

REFUSED: Final = 75
"""Exit code of a process that was to take over and was not let."""

NOT_ALONE: Final = "the supervisor before has not left yet"

_CUT: Final = 124


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
        self._size = size
        self._target = target
        self._version = version
        self._notifier = notifier or HostNotifier({})
        self._tell_ready = ready
        self._tell_left = left
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
        self._generations = Generations(worker, self._sockets, gave_up=self._gave_up, said=said)
        self._replacement = Replacement(own, self._generations, self._sockets)
        self._restarts = Restarts(
            self._generations,
            self._replacement,
            self._replace,
            self._notifier,
            obstacle=self._obstacle,
            text=self._text,
        )
        self._asked: asyncio.Future[int] = self._loop.create_future()
        self._reason = ""
        self._trouble = ""
        self._force = False
        self.failure = ""
        self._ready = False
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._asked.done()

    @property
    def draining(self) -> bool:
        """Whether the workers are to accept nothing for now."""
        return self._generations.draining

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
        upstream, generations = self._upstream, self._generations
        if upstream is not None:
            await upstream.greeted()
            generations.number = upstream.generation
            generations.started = upstream.started or generations.started
        pool = generations.begin(self._size)
        _log.info("starting %s", _workers(self._size))
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
            upstream.beat(generations.numbers)
            self._sockets.keep(pool.asked)
            pool.supervise()
        self._ready = True
        _log.info("%s runs on %s", pool.name, ", ".join(self._sockets.addresses) or "no address")
        self._notifier.ready(self._text(), "" if upstream is None else "successor")
        if upstream is None:
            self._notifier.keep(self._sockets.descriptors)
        self._tell_ready()
        self._restarts.try_again()

    def _not_started(self, error: BaseException) -> None:
        reason = str(error) or type(error).__name__
        pool = self._generations.current
        if self._upstream is not None:
            code = REFUSED if isinstance(error, ShuttingDown) else 1
            if isinstance(error, ChildFailed) and pool is not None:
                code = pool.lost[1]
            self._upstream.say(Failed(reason, code))
            self._notifier.failed(reason, code)
            self._finish(reason, code)
        elif not isinstance(error, ChildFailed):
            _log.critical("the supervisor failed", exc_info=error)
            self._finish(reason, 1)

    def _gave_up(self, reason: str, code: int) -> None:
        """The workers of the generation that serves do not start any more."""
        pool = self._generations.current
        assert pool is not None
        self._trouble = f"a worker does not start: {reason}"
        if pool.serving:
            _log.critical(
                "giving up on a worker that does not start, while %d others serve: %s; mend it and "
                "restart, reload or scale",
                pool.serving,
                reason,
            )
            return
        if self._asked.done():
            return  # it is ending already, for the first of those that failed
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
            self._generations.ending = True

    async def _end(self) -> int:
        code = self._asked.result()
        level = logging.INFO if code in (0, REFUSED) else logging.ERROR
        _log.log(level, "stopping: %s", self._reason)
        if not self._sockets.handed_over:
            pool = self._generations.current
            timeout = SHUTDOWN if pool is None else pool.shutdown_timeout
            self._notifier.stopping(f"stopping: {self._reason}", timeout + MARGIN)
        if self._upstream is not None:
            self._upstream.say(Stopping(0, self._reason, code != 0))
        await self._restarts.give_up(self._reason)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        handover = self._sockets.handed_over
        codes = await self._generations.end(self._reason, handover=handover, force=self._force)
        self._sockets.close(unlink=not self._notifier.keeps_descriptors)
        self._replacement.leave()
        if self._upstream is not None:
            self._upstream.close()
        if code == 0:
            code = _code_of(codes)
            if not self._ready:
                reason = f"asked to stop before it was ready: {self._reason}"
                self._notifier.failed(reason, code or 1)
        _log.info("stopped, exit code %d", code)
        return code

    # --- what an operator may ask for -----------------------------------------------------------

    def status(self) -> Snapshot:
        """See `Controlled`."""
        generations = self._generations
        pool = generations.current
        return Snapshot(
            "supervisor",
            "" if pool is None else pool.name,
            self._version,
            self._target,
            os.getpid(),
            generations.number,
            generations.started,
            self._state(),
            self._sockets.addresses,
            generations.snapshot(),
            list(self._restarts.outcomes),
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
            self._generations.stop(reason, handover=self._sockets.handed_over, force=True)

    async def restart(self, kind: RestartKind, progress: Progress) -> Outcome:
        """See `Controlled`."""
        return await self._restarts.run(kind, progress)

    def _obstacle(self) -> str:
        """Why nothing can be replaced now, one restart under way apart; empty if it can."""
        if self.stopping or not self._ready:
            return f"it is {self._state()}"
        return "" if self._alone else NOT_ALONE

    async def scale(self, workers: int) -> int:
        """See `Controlled`."""
        if workers < 1:
            raise UsageError(f"{workers} workers cannot serve; one is the least")
        async with self._generations.turn:
            if self._generations.current is None or self.stopping:
                raise UsageError(f"the number of workers cannot change while it is {self._state()}")
            before = await self._generations.scale(workers)
            if workers != before:
                _log.info("%s, %d before", _workers(workers), before)
            return before

    def drain(self, draining: bool) -> None:
        """See `Controlled`."""
        self._generations.drain(draining)
        self._replacement.drain(draining)

    def reopen_logs(self) -> None:
        """See `Controlled`."""
        self._notifier.reopen()
        self._generations.reopen()
        self._replacement.reopen()

    # --- for signals ----------------------------------------------------------------------------

    def wish_restart(self, kind: RestartKind, why: str) -> None:
        """Replace something, as soon as nothing is in the way of it; nobody waits for it."""
        self._restarts.wish(kind, why)

    def wish_scale(self, by: int, why: str) -> None:
        """Have `by` workers more, or less; nobody waits for it."""
        task = self._loop.create_task(self._shift(by, why))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _shift(self, by: int, why: str) -> None:
        pool = self._generations.current
        size = self._size if pool is None else pool.size
        try:
            await self.scale(size + by)
        except Error as error:
            _log.warning("%s: %s", why, error)

    def signal_workers(self, number: int) -> None:
        """Send a signal to every worker."""
        self._generations.signal(number)
        self._replacement.signal(number)

    # --- replaced, and replacing ----------------------------------------------------------------

    def _told(self, message: FromParent) -> None:
        """The supervisor before this one says something."""
        if isinstance(message, Confirmed):
            self._restarts.outcomes.extendleft(reversed(message.outcomes))
        elif isinstance(message, Reopen):
            self.reopen_logs()
        elif isinstance(message, Pause | Resume):
            self.drain(isinstance(message, Pause))

    async def _replace(self, progress: Progress) -> None:
        """Another supervisor. Raises: ChildFailed, when this one goes on."""
        child = await self._replacement.run(progress)
        if child.leaving is not None:
            # Somebody has asked the new one to stop, and means the service.
            self._finish(child.leaving.reason)
        why = f"process {child.pid} serves"
        try:
            if self._restarts.wished is not None:
                # Whoever wants it has changed something since the new one was started.
                self._replacement.wish(self._restarts.wished)
            self._sockets.keep(self._replacement.asked)
            await self._notifier.succeeded_by(child.pid, why)
        except OSError as error:  # such as a full table of descriptors: it serves all the same
            _log.warning("the new supervisor serves, and not all were told: %s", error)
        finally:
            # Whatever happens from here on, there must not be two of them.
            if self.stopping and child.leaving is None:
                child.kill(signal.SIGTERM)  # asked for in this very moment, of the service
            self._sockets.handed_over = True
            self._finish(why)
            self._tell_left()

    def _orphaned(self, role: str) -> None:
        """The supervisor before this one has left."""
        _log.info("in charge alone, since the supervisor before has left")
        self._alone = True
        self._notifier.freed(self._text())
        self._restarts.try_again()

    def _given_up(self, reason: str) -> None:
        """The supervisor before this one wants it to end, or is gone too early."""
        self._finish(reason, REFUSED)

    def _text(self) -> str:
        """How things are, for people."""
        pool = self._generations.current
        assert pool is not None
        where = ", ".join(self._sockets.addresses) or "no address"
        return f"{pool.name} serves on {where} with {_workers(pool.size)}"

    def _state(self) -> str:
        if self.stopping:
            return "stopping"
        if not self._ready:
            return "starting"
        if self._restarts.under_way:
            return "restarting"
        return "draining" if self.draining else "running"

    def __repr__(self) -> str:
        number = self._generations.number
        return f"<Supervisor of {self._target!r} {self._state()} generation={number}>"


def _workers(number: int) -> str:
    return "1 worker" if number == 1 else f"{number} workers"


def _code_of(codes: list[int]) -> int:
    """The exit code of a supervisor whose workers have ended with these."""
    if any(code == _CUT or code < 0 for code in codes):
        return _CUT
    return 1 if any(codes) else 0
