"""That the measurements run; never what they measure, which is the machine's business."""

import dataclasses
import gc
import math
import re
from collections.abc import Iterator

import pytest
import uvloop

from bench import routes
from bench.__main__ import EXPERIMENTS, main
from bench.harness import Case, Experiment, Figures, Sample, measure, seconds, size, table


@pytest.fixture(autouse=True, scope="module")
def small_heap() -> Iterator[None]:
    """Hide from the collector what earlier tests have left in caches; see tests/conftest.py. A
    hundred thousand routes would be looked through in every later test."""
    gc.collect()
    gc.freeze()
    yield
    routes.router.cache_clear()


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.key)
def test_every_experiment_runs(experiment: Experiment) -> None:
    """One tiny round of each gives a figure for every case, and a table."""
    times = None if experiment.times is None else min(experiment.times, 10)
    tiny = dataclasses.replace(experiment, times=times)
    figures = measure(tiny, uvloop.new_event_loop, rounds=1, lap=1e-5)
    assert list(figures) == [case.name for case in experiment.cases]
    assert all(each.least > 0 for each in figures.values())
    assert len(list(table(tiny, figures))) >= 2 + len(figures)


def test_the_last_line_is_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    """It names each number that is watched, of what was measured."""
    main(["middleware", "--rounds", "1"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"middleware_ns=\d+", last)


def test_rounds_are_interleaved() -> None:
    """Each round runs every case once, and begins with another one."""
    order = []

    def case(name: str) -> Case:
        def sample(times: int, new_loop: object) -> Sample:
            order.append(name)
            return Sample(1.0)

        return Case(name, sample)

    cases = [case(name) for name in "abc"]
    measure(Experiment("x", "x", cases, "a", rounds=3, times=1), uvloop.new_event_loop)
    assert "".join(order) == "abcbcacab"


def test_figures_are_for_one_operation() -> None:
    """The total of a round is divided by its operations; minimum and median are over rounds."""
    totals = iter([40.0, 10.0, 20.0])
    case = Case("a", lambda times, new_loop: Sample(next(totals), garbage=30))
    experiment = Experiment("x", "x", [case], "a", rounds=3, times=10)
    assert measure(experiment, uvloop.new_event_loop) == {"a": Figures(1.0, 2.0, 3.0)}


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.234e-7, "123 ns"), (1.5e-6, "1.5 µs"), (0.02, "20 ms"), (math.pi, "3.14 s")],
)
def test_durations_have_three_digits_and_the_unit_that_fits(value: float, text: str) -> None:
    """A column of them can be read at a glance."""
    assert seconds(value) == text


def test_sizes_are_in_bytes() -> None:
    """Memory is counted to the byte."""
    assert size(12345.6) == "12,346 B"
