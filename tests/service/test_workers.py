"""Facts about `mainstay.service.workers`."""

import asyncio
import logging
import random
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from mainstay import Backoff, Scope
from mainstay.errors import BrokenError, Code, ShuttingDown, UsageError
from mainstay.rpc.client.failures import failure
from mainstay.service.schedule import Cron, Every
from mainstay.service.workers import STABLE, Job, Restart, Worker, run_job, run_worker
from mainstay.testing import VirtualClock
from tests.service.parts import FOR_EVER, now

STEADY = Backoff(initial=1, factor=2, maximum=8, jitter=0)


def nothing() -> None: ...


class Work:
    """Runs as told, one entry a run: an error to raise, or seconds to work; then for ever.

    Attributes:
        starts: when each run began.
    """

    def __init__(self, *plan: float | BaseException) -> None:
        self._plan = list(plan)
        self.starts: list[float] = []
        self.ended = 0

    async def __call__(self) -> None:
        self.starts.append(now())
        step = self._plan.pop(0) if self._plan else FOR_EVER
        try:
            if isinstance(step, BaseException):
                raise step
            await asyncio.sleep(step)
        finally:
            self.ended += 1


def worker(restart: Restart = "on-failure", give_up_after: int | None = 5) -> Worker:
    """A worker with waits of 1, 2, 4, 8, 8, … seconds."""
    return Worker("w", nothing, restart, STEADY, give_up_after)


async def let_run(work: Coroutine[Any, Any, None], seconds: float) -> asyncio.Task[None]:
    """Run `work` in a scope of its own for `seconds`, then drain it, and end it if need be."""
    with Scope("workers") as scope:
        task = scope.start(work, "work")
        await asyncio.wait([task], timeout=seconds)
        scope.drain()
        await asyncio.wait([task], timeout=FOR_EVER)
    return task


class TestWorkers:
    async def test_one_that_returns_is_done(self) -> None:
        """With ``on-failure`` and ``never``."""
        for restart in ("on-failure", "never"):
            work = Work(1.0)
            await let_run(run_worker(worker(restart), work), 100)
            assert len(work.starts) == 1

    async def test_that_it_returned_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        """Unless it drains, when that is what it should do."""
        caplog.set_level(logging.INFO, "mainstay.service.workers")
        await let_run(run_worker(worker(), Work(10.0)), 5)
        assert "has returned" not in caplog.text
        await let_run(run_worker(worker(), Work(1.0)), 100)
        assert "worker 'w' has returned: its work is done" in caplog.messages

    async def test_one_that_fails_starts_again_after_a_growing_wait(self) -> None:
        """And goes on as if nothing had happened once it works."""
        work = Work(ValueError(), ValueError(), ValueError())
        await let_run(run_worker(worker(), work), 20)
        assert work.starts == [0, 1, 3, 7]

    async def test_its_failure_is_logged_with_its_stack(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """And with how often that was, and when it goes on."""
        await let_run(run_worker(worker(), Work(ValueError("no"), ValueError("no"))), 20)
        first, second = caplog.records
        assert first.getMessage() == (
            "worker 'w' failed (failures in a row: 1) and starts again in 1.0 s"
        )
        assert "(failures in a row: 2) and starts again in 2.0 s" in second.getMessage()
        assert (first.levelname, caplog.text.count("ValueError: no")) == ("ERROR", 2)

    async def test_a_server_that_is_away_is_told_in_a_line(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Whoever starts before what it calls is no mistake of the program; else there is a
        stack."""
        away = failure(Code.UNAVAILABLE, "nobody answers", method="a.v1.B/C")
        wrong = failure(Code.INTERNAL, "oh", method="a.v1.B/C")
        await let_run(run_worker(worker(), Work(away, BrokenError("gone"), wrong)), 20)
        levels = [(each.levelname, each.exc_info is not None) for each in caplog.records]
        assert levels == [("WARNING", False), ("WARNING", False), ("ERROR", True)]
        assert caplog.messages[0].endswith("in 1.0 s: a.v1.B/C: UNAVAILABLE: nobody answers")

    async def test_one_that_is_long_away_is_told_less_and_less(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """At its first failure in a row, and whenever their number has doubled."""
        work = Work(*[BrokenError("gone")] * 20)
        await let_run(run_worker(worker(give_up_after=None), work), 1000)
        told = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
        assert [each.split(":")[1].split(")")[0] for each in told] == [
            " 1",
            " 2",
            " 4",
            " 8",
            " 16",
        ]

    async def test_waits_are_spread_by_the_source_of_the_scope(self) -> None:
        """Jitter from the effects: the same seed, the same waits."""
        spread = Backoff(initial=1, jitter=0.5)
        work = Work(ValueError())
        await let_run(run_worker(Worker("w", nothing, backoff=spread), work), 5)
        assert work.starts[1] == spread.delay(1, random.Random(0))

    async def test_one_that_keeps_failing_is_given_up(self) -> None:
        """After `give_up_after` failures in a row its last error comes out."""
        errors = [ValueError(str(number)) for number in range(9)]
        task = await let_run(run_worker(worker(give_up_after=3), Work(*errors)), 100)
        assert task.exception() is errors[2]

    async def test_one_may_be_tried_for_ever(self) -> None:
        """With None."""
        work = Work(*[ValueError()] * 100)
        await let_run(run_worker(worker(give_up_after=None), work), 10_000)
        assert len(work.starts) == 101

    async def test_never_means_that_the_first_failure_counts(self) -> None:
        """Its error comes out at once."""
        task = await let_run(run_worker(worker("never"), Work(ValueError("no"))), 100)
        assert str(task.exception()) == "no"

    async def test_always_means_also_when_it_returns(self) -> None:
        """After the first wait each time: a return is not a failure, and the waits do not grow."""
        work = Work(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
        await let_run(run_worker(worker("always"), work), 11)
        assert work.starts == [0, 2, 4, 6, 8, 10]

    async def test_returns_do_not_hide_failures_from_the_count(self) -> None:
        """One that returned often and fails from then on is given up like any other."""
        work = Work(*[1.0] * 7, *[ValueError()] * 9)
        task = await let_run(run_worker(worker("always", give_up_after=3), work), 1000)
        assert isinstance(task.exception(), ValueError)
        assert len(work.starts) == 10

    async def test_a_long_run_forgives(self) -> None:
        """Failures count from 0 again after a run of `STABLE` seconds."""

        class Crash(Work):
            async def __call__(self) -> None:
                await super().__call__()
                raise ValueError

        work = Crash(*[ValueError()] * 2, STABLE, *[ValueError()] * 2, STABLE)
        await let_run(run_worker(worker(give_up_after=4), work), 3 * STABLE)
        assert len(work.starts) > 6

    async def test_a_stray_cancellation_is_a_failure(self) -> None:
        """A ``CancelledError`` that nobody sent to the worker, such as from a task that it waits
        for and somebody cancelled, does not end it silently."""
        work = Work(asyncio.CancelledError())
        await let_run(run_worker(worker(), work), 20)
        assert work.starts == [0, 1]

    async def test_a_cancelled_scope_ends_it(self) -> None:
        """That is no failure, and it does not start again."""
        work = Work()
        with Scope("workers") as scope:
            task = scope.start(run_worker(worker(), work), "work")
            await asyncio.sleep(1)
            scope.children()[0].cancel("enough")
            await asyncio.wait([task])
        assert task.cancelled()
        assert work.ended == len(work.starts) == 1

    async def test_a_drain_ends_the_wait_for_the_next_start(self) -> None:
        """At once."""
        with Scope("workers") as scope:
            task = scope.start(run_worker(worker(), Work(*[ValueError()] * 4)), "work")
            await asyncio.sleep(3.5)
            scope.drain()
            await task
        assert now() == 3.5

    async def test_one_that_fails_while_draining_is_not_started_again(self) -> None:
        """Its error is that of the task: what it was to finish may be lost."""

        async def work() -> None:
            await Scope.current().wait_draining()
            raise ValueError("no")

        task = await let_run(run_worker(worker(), work), 1)
        assert isinstance(task.exception(), ValueError)

    def test_a_policy_that_is_none_is_refused(self) -> None:
        """With the ones there are."""
        with pytest.raises(UsageError, match="'w': restart is one of on-failure, always, never"):
            worker(cast("Restart", "sometimes"))
        with pytest.raises(UsageError, match="'w': give_up_after is at least 1, or None"):
            worker(give_up_after=0)


def every(seconds: float, **more: Any) -> Job:
    """A job by interval."""
    return Job("j", nothing, Every(seconds), **more)


class TestJobs:
    async def test_it_runs_by_its_interval(self) -> None:
        """First after one; runs that take time do not shift the next."""
        work = Work(3.0, 1.0, 0.0)
        await let_run(run_job(every(10), work), 35)
        assert work.starts == [10, 20, 30]

    async def test_runs_never_overlap(self) -> None:
        """What came due meanwhile is skipped."""
        work = Work(25.0, 1.0)
        await let_run(run_job(every(10), work), 45)
        assert work.starts == [10, 40]

    async def test_one_that_fails_runs_again(self, caplog: pytest.LogCaptureFixture) -> None:
        """At its next time; the failure is logged."""
        work = Work(ValueError("no"), ValueError("no"), 1.0)
        await let_run(run_job(every(10), work), 35)
        assert work.starts == [10, 20, 30]
        assert caplog.text.count("job 'j' failed; it runs again when it is next due") == 2

    async def test_a_stray_cancellation_is_a_failure(self) -> None:
        """It does not end the job for ever."""
        work = Work(asyncio.CancelledError(), 1.0)
        await let_run(run_job(every(10), work), 25)
        assert work.starts == [10, 20]

    async def test_a_run_has_a_timeout(self, caplog: pytest.LogCaptureFixture) -> None:
        """A run that hangs is cut, and the next one comes."""
        work = Work()
        await let_run(run_job(every(10, timeout=3), work), 25)
        assert work.starts == [10, 20]
        assert "'j' was given 3 s, which are over" in caplog.text

    async def test_jitter_delays_a_run_and_not_the_next(self) -> None:
        """Each run is late by up to that; the schedule is not."""
        work = Work(*[0.0] * 100)
        await let_run(run_job(every(10, jitter=5), work), 1005)
        late = [start - 10 * (index + 1) for index, start in enumerate(work.starts)]
        assert len(work.starts) == 100
        assert all(0 <= each <= 5 for each in late)
        assert max(late) - min(late) > 3

    async def test_a_drain_ends_the_wait(self) -> None:
        """No run is begun any more."""
        with Scope("jobs") as scope:
            work = Work()
            task = scope.start(run_job(every(10), work), "job")
            await asyncio.sleep(5)
            scope.drain()
            await task
        assert now() == 5
        assert work.starts == []

    async def test_a_drain_lets_a_run_end(self) -> None:
        """And begins no other."""
        work = Work(7.0)
        await let_run(run_job(every(10), work), 11)
        assert now() == 17
        assert (len(work.starts), work.ended) == (1, 1)

    async def test_a_run_that_is_cut_at_the_end_has_not_failed(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It may be told of the end by an error; there is no next time to speak of."""

        async def run() -> None:
            try:
                await asyncio.sleep(FOR_EVER)
            finally:
                Scope.current().check()

        scope = Scope("jobs").open()
        task = scope.start(run_job(every(10), run), "job")
        await asyncio.sleep(15)
        scope.cancel(ShuttingDown("the service has stopped"))
        await asyncio.wait([task])
        scope.close()
        assert task.exception() is None
        assert caplog.text == ""

    async def test_by_cron_on_the_wall_clock(self) -> None:
        """The virtual wall clock begins with the year 2000, at midnight."""
        work = Work(0.0, 0.0)
        await let_run(run_job(Job("j", nothing, Cron("*/5 * * * *")), work), 700)
        assert work.starts == [300, 600]

    async def test_a_wall_clock_set_forward_is_noticed_within_a_minute(self) -> None:
        """A job due at 5 o'clock runs although the clock jumps from 1 to 6."""
        clock = cast("VirtualClock", Scope.current().effects.clock)
        asyncio.get_running_loop().call_later(3600, _set, clock, 5 * 3600)
        work = Work(0.0)
        await let_run(run_job(Job("j", nothing, Cron("0 5 * * *")), work), 2 * 3600)
        assert len(work.starts) == 1
        assert 3600 <= work.starts[0] <= 3660

    async def test_a_wall_clock_set_back_runs_nothing_twice(self) -> None:
        """After the run at 1:00 the clock goes back to 0:30: the next run is at 2:00."""
        clock = cast("VirtualClock", Scope.current().effects.clock)
        asyncio.get_running_loop().call_later(3601, _set, clock, -1801)
        work = Work(0.0, 0.0)
        await let_run(run_job(Job("j", nothing, Cron("0 * * * *")), work), 3 * 3600)
        assert work.starts == [3600, pytest.approx(7200 + 1801)]

    async def test_a_run_is_debugged_by_its_time(self, caplog: pytest.LogCaptureFixture) -> None:
        """For operators who wonder how long a job takes."""
        with caplog.at_level(logging.DEBUG):
            await let_run(run_job(every(10), Work(2.0)), 15)
        assert "job 'j' ran for 2.000 s" in caplog.text


def _set(clock: VirtualClock, seconds: float) -> None:
    clock.epoch += seconds


def test_workers_and_jobs_show_their_names() -> None:
    """As logs and errors name them."""
    assert repr(worker()) == "worker 'w'"
    assert repr(every(1)) == "job 'j'"
