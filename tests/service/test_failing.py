"""Facts about `mainstay.service.failing`, and what `run_worker` tells it."""

import asyncio

import pytest

from mainstay import Backoff, Scope
from mainstay.service.failing import WELL, Failing
from mainstay.service.workers import Worker, run_worker
from tests.service.parts import FOR_EVER, now


def nothing() -> None: ...


STEADY = Backoff(initial=1, factor=2, maximum=8, jitter=0)


def worker(give_up_after: int | None = 5) -> Worker:
    return Worker("w", nothing, "on-failure", STEADY, give_up_after)


class TestFailing:
    def test_nothing_fails_at_first(self) -> None:
        """Nor while it runs for the first time."""
        failing = Failing()
        failing.runs(worker(), 3.0)
        assert failing.text(100.0) == ""

    def test_one_that_waits_for_its_next_try_fails(self) -> None:
        """However long it waits; the last error is the reason."""
        failing, w = Failing(), worker()
        failing.failed(w, ValueError("first"), 0.1)
        failing.failed(w, OSError("second"), 0.1)
        assert failing.text(1e9) == "worker 'w' fails: OSError: second"

    @pytest.mark.parametrize(("ran", "well"), [(0.0, WELL), (0.6, 1.2), (4.0, 8.0)])
    def test_it_is_well_after_twice_the_time_that_its_failures_took(
        self, ran: float, well: float
    ) -> None:
        """Of a run, and the longest one of them counts."""
        failing, w = Failing(), worker()
        failing.failed(w, ValueError("no"), ran)
        failing.failed(w, ValueError("no"), ran / 2)
        failing.runs(w, 10.0)
        assert failing.text(10.0 + well - 0.01)
        assert failing.text(10.0 + well + 0.01) == ""
        assert failing.text(10.0) == ""  # forgotten

    def test_each_failure_is_told(self) -> None:
        """At once."""
        told: list[str] = []
        failing, w = Failing(), worker()
        failing.tell = lambda: told.append(failing.text(0.0))
        failing.failed(w, ValueError("no"), 0.1)
        assert told == ["worker 'w' fails: ValueError: no"]

    def test_of_several_each_counts(self) -> None:
        """Until all are well."""
        failing, one, other = Failing(), worker(), worker()
        for each in (one, other):
            failing.failed(each, ValueError("no"), 0.1)
        failing.well(one)
        assert failing.text(0.0)
        failing.well(other)
        assert failing.text(0.0) == ""


async def test_a_worker_that_needs_a_while_to_fail_is_never_well() -> None:
    """Whether it waits or runs at the moment of the question."""
    failing, told = Failing(), set()

    async def refused() -> None:
        await asyncio.sleep(0.6)
        raise ConnectionError("refused")

    with Scope("workers") as scope:
        task = scope.start(run_worker(worker(give_up_after=9), refused, failing), "w")
        await asyncio.sleep(1)
        while now() < 20:
            told.add(failing.text(now()))
            await asyncio.sleep(0.1)
        scope.drain()
        await asyncio.wait([task], timeout=FOR_EVER)
    assert told == {"worker 'w' fails: ConnectionError: refused"}


async def test_one_that_is_tried_for_ever_does_not_count() -> None:
    """The service is meant to serve without it, and to be restarted without it as well."""
    failing, tries = Failing(), 0

    async def refused() -> None:
        nonlocal tries
        tries += 1
        raise ConnectionError("refused")

    with Scope("workers") as scope:
        task = scope.start(run_worker(worker(give_up_after=None), refused, failing), "w")
        await asyncio.sleep(0.5)
        assert (tries, failing.text(now())) == (1, "")
        scope.drain()
        await asyncio.wait([task], timeout=FOR_EVER)


@pytest.mark.parametrize("returns", [False, True])
async def test_a_worker_that_fails_once_is_well_again(returns: bool) -> None:
    """Soon after its next try began; at once when it is done."""
    failing, tries = Failing(), 0

    async def once() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ConnectionError("refused")
        if not returns:
            await asyncio.sleep(FOR_EVER)

    with Scope("workers") as scope:
        task = scope.start(run_worker(worker(), once, failing), "w")
        await asyncio.sleep(0.5)
        assert failing.text(now())
        await asyncio.sleep(0.6)
        assert bool(failing.text(now())) is not returns
        await asyncio.sleep(2)
        assert failing.text(now()) == ""
        scope.drain()
        task.cancel()
        await asyncio.wait([task], timeout=FOR_EVER)
