"""Background work that is kept alive: workers, and jobs by interval or cron.

A worker that fails is started again after a wait that grows; one that keeps failing soon after its
start is given up, and that ends the service, because a service whose worker is dead only looks
alive. A job that fails is logged and runs again at its next time; runs never overlap, and times
missed meanwhile are skipped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from mainstay.core.backoff import Backoff
from mainstay.core.scope import Scope
from mainstay.errors import (
    BrokenError,
    Cancelled,
    DeadlineExceeded,
    ShuttingDown,
    UpstreamError,
    UsageError,
)
from mainstay.service.attempt import attempt
from mainstay.service.failing import Failing
from mainstay.service.schedule import Trigger

__all__ = ["STABLE", "Job", "Restart", "Worker", "run_job", "run_worker"]

_log = logging.getLogger(__name__)

Restart: TypeAlias = Literal["on-failure", "always", "never"]
_RESTARTS: Final = ("on-failure", "always", "never")

STABLE: Final = 60.0
"""Seconds after which a worker counts as having started well; its failures count from 0 again."""


@dataclass(frozen=True, eq=False)
class Worker:
    """Work without a caller.

    Attributes:
        name: for logs.
        function: the user's; parameters are filled by type.
        restart: ``on-failure``; ``always``, also when it returns; ``never``: a failure ends the
            service at once.
        backoff: the waits between its starts.
        give_up_after: failures in a row after which the service stops; None to try for ever.
        drain: whether it ends by itself once `Scope.draining` is set, and is waited for. Others
            are cancelled as soon as the last call has ended.
    """

    name: str
    function: Callable[..., Any]
    restart: Restart = "on-failure"
    backoff: Backoff = field(default_factory=Backoff)
    give_up_after: int | None = 5
    drain: bool = False

    def __post_init__(self) -> None:
        if self.restart not in _RESTARTS:
            message = f"worker {self.name!r}: restart is one of {', '.join(_RESTARTS)}"
            raise UsageError(message)
        if self.give_up_after is not None and self.give_up_after < 1:
            message = f"worker {self.name!r}: give_up_after is at least 1, or None for never"
            raise UsageError(message)

    def __repr__(self) -> str:
        return f"worker {self.name!r}"


@dataclass(frozen=True, eq=False)
class Job:
    """Work that is due at times.

    Attributes:
        name: for logs.
        function: the user's; parameters are filled by type.
        trigger: when.
        timeout: seconds for one run; None for no bound.
        jitter: seconds by which a run may be late, at random, so that a fleet does not run at once.
    """

    name: str
    function: Callable[..., Any]
    trigger: Trigger
    timeout: float | None = None
    jitter: float = 0.0

    def __repr__(self) -> str:
        return f"job {self.name!r}"


async def run_worker(
    worker: Worker, run: Callable[[], Awaitable[Any]], failing: Failing | None = None
) -> None:
    """Keep `worker` running until it is done, given up, or the scope drains.

    Args:
        worker: what it is.
        run: runs it once.
        failing: told how it fares.

    Raises: the last error of a worker that is given up.
    """
    scope = Scope.current()
    clock, source = scope.effects.clock, scope.effects.random
    failing = failing or Failing()
    failures = 0
    while True:
        started = clock.monotonic()
        failing.runs(worker, started)
        failed = await attempt(run)
        ran = clock.monotonic() - started
        if failed is None or ran >= STABLE:
            failures = 0
            failing.well(worker)
        if scope.draining or (failed is None and worker.restart != "always"):
            if failed is not None:
                raise failed
            if not scope.draining:
                _log.info("%r has returned: its work is done", worker)
            return
        if failed is not None:
            failures += 1
            if worker.restart == "never" or failures == worker.give_up_after:
                raise failed
            if worker.give_up_after is not None:
                # Else the service is meant to serve without it, and what it waits for must not keep
                # a new release away.
                failing.failed(worker, failed, ran)
        wait = worker.backoff.delay(failures, source)
        _tell(worker, failed, failures, wait)
        if await _drained_within(scope, wait):
            return


def _tell(worker: Worker, failed: Exception | None, failures: int, wait: float) -> None:
    if failed is None:
        _log.info("%r starts again in %.1f s", worker, wait)
        return
    said = "%r failed (failures in a row: %d) and starts again in %.1f s"
    if isinstance(failed, UpstreamError | BrokenError) and failed.retryable:
        # A server that it calls is away: its message says which, and our stack nothing more. Said
        # at failure 1, 2, 4, 8, …, or minutes of it would bury all else.
        level = logging.DEBUG if failures & (failures - 1) else logging.WARNING
        _log.log(level, f"{said}: %s", worker, failures, wait, failed)
    else:
        _log.error(said, worker, failures, wait, exc_info=failed)


async def run_job(job: Job, run: Callable[[], Awaitable[Any]]) -> None:
    """Run `job` whenever it is due, until the scope drains."""
    scope = Scope.current()
    clock, source = scope.effects.clock, scope.effects.random
    due = job.trigger.first(clock)
    while True:
        late = source.uniform(0, job.jitter) if job.jitter else 0.0
        while (wait := due.remaining(clock) + late) > 0:
            # Wall clocks are set now and then: look again at least once a minute. And not at once:
            # a rest that rounding left is too small to move a clock.
            if await _drained_within(scope, min(max(wait, 0.001), 60.0)):
                return
        if scope.draining:
            return
        started = clock.monotonic()
        try:
            with Scope(job.name, timeout=job.timeout):
                failed = await attempt(run)
        except DeadlineExceeded as error:
            failed = error
        if failed is None:
            _log.debug("%r ran for %.3f s", job, clock.monotonic() - started)
        elif scope.cancelled and isinstance(failed, Cancelled | ShuttingDown):
            return  # the drain has said what it cut
        else:
            _log.error("%r failed; it runs again when it is next due", job, exc_info=failed)
        due = job.trigger.after(due, clock)


async def _drained_within(scope: Scope, seconds: float) -> bool:
    waiting = asyncio.ensure_future(scope.wait_draining())
    try:
        await asyncio.wait([waiting], timeout=seconds)
    finally:
        waiting.cancel()
    return scope.draining
