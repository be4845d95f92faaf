"""How everything here is measured.

An experiment is a few cases that do the same thing in several ways. Rules this file keeps:

* **Rounds are short and interleaved.** Each round runs every case once, beginning with another one
  each time, so that a slow second of the machine hits them all. What is reported is the minimum of
  all rounds, which is the work itself, and the median, which is a usual day. Ratios are between
  minima of one run; those hold on another machine, while the absolute numbers do not.
* **CPU time** of the process, all its threads included, unless an experiment says otherwise.
* **The same for all**: one core, the same event loop, a fresh one for each round, and no cycle
  collection while the time is taken. What the collector finds afterwards is counted instead.
* **Setting up is free.** A case says with its `Lap` what is to be measured.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from types import TracebackType
from typing import Final

__all__ = [
    "Case",
    "Experiment",
    "Figures",
    "Lap",
    "Work",
    "in_loop",
    "measure",
    "on_one_core",
    "seconds",
    "size",
    "table",
]

LAP: Final = 0.008
"""CPU seconds that one case runs in one round: long against the clock, short against the noise."""


class Lap:
    """Takes the CPU time of its block, and counts the cyclic garbage that the block leaves.

    What was there before is left frozen: see `_thawed_afterwards`.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.garbage = 0
        self._began = 0.0

    def __enter__(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()
        self._began = time.process_time()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.process_time() - self._began
        self.garbage = gc.collect()
        gc.enable()


@contextmanager
def _thawed_afterwards() -> Iterator[None]:
    """Thaw what laps have frozen, unless something was frozen before: it would thaw as well.

    Not in each lap, since to ask takes a walk through all that is frozen.
    """
    frozen_before = gc.get_freeze_count() > 0
    try:
        yield
    finally:
        if not frozen_before:
            gc.unfreeze()


Work = Callable[[int, Lap], Awaitable[None]]
"""Does something that many times, within the lap."""

NewLoop = Callable[[], asyncio.AbstractEventLoop]


@dataclass(frozen=True)
class Sample:
    """What one round of one case gave: the total of all its operations, and garbage objects."""

    total: float
    garbage: int = 0


@dataclass(frozen=True)
class Case:
    """One way to do it.

    Attributes:
        name: as it stands in the table.
        sample: does it that many times.
    """

    name: str
    sample: Callable[[int, NewLoop], Sample]


def in_loop(name: str, work: Work) -> Case:
    """A case that is a coroutine, run in an event loop of its own each round."""

    def sample(times: int, new_loop: NewLoop) -> Sample:
        lap = Lap()
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_awaited(work, times, lap))
        return Sample(lap.seconds, lap.garbage)

    return Case(name, sample)


async def _awaited(work: Work, times: int, lap: Lap) -> None:
    await work(times, lap)


@dataclass(frozen=True)
class Figures:
    """What came out for one case, for one operation.

    Attributes:
        least: the minimum of all rounds.
        usual: their median.
        garbage: objects in reference cycles that one operation leaves to the collector.
    """

    least: float
    usual: float
    garbage: float = 0.0


def seconds(value: float) -> str:
    """A duration for people: three digits, and the unit that fits."""
    for factor, unit in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")):
        if value * factor < 1000:
            return f"{value * factor:.3g} {unit}"
    return f"{value:.3g} s"


def size(value: float) -> str:
    """Bytes for people."""
    return f"{value:,.0f} B"


@dataclass(frozen=True)
class Experiment:
    """Some cases, side by side.

    Attributes:
        key: its name on the command line.
        title: what one operation is.
        cases: the ways to do it.
        reference: the case that the others are compared with, by name.
        rounds: how many.
        times: operations in a round; found by trying, so that a lap has its length, unless given.
        show: how a figure is written.
        remarks: lines below the table, computed from the figures.
    """

    key: str
    title: str
    cases: Sequence[Case]
    reference: str
    rounds: int = 30
    times: int | None = None
    show: Callable[[float], str] = seconds
    remarks: Callable[[Mapping[str, Figures]], Sequence[str]] = field(default=lambda figures: ())


def measure(
    experiment: Experiment, new_loop: NewLoop, *, rounds: int | None = None, lap: float = LAP
) -> dict[str, Figures]:
    """Run the rounds and return the figures of each case, by name.

    Args:
        experiment: what to run.
        new_loop: makes the event loop of each round.
        rounds: how many, instead of the experiment's own number.
        lap: CPU seconds for one case in one round.
    """
    cases = list(experiment.cases)
    samples: dict[str, list[Sample]] = {case.name: [] for case in cases}
    with _thawed_afterwards():
        times = {case.name: experiment.times or _calibrate(case, new_loop, lap) for case in cases}
        for _ in range(experiment.rounds if rounds is None else rounds):
            for case in cases:
                samples[case.name].append(case.sample(times[case.name], new_loop))
            cases.append(cases.pop(0))
    return {name: _figures(samples[name], times[name]) for name in times}


def _calibrate(case: Case, new_loop: NewLoop, lap: float) -> int:
    case.sample(1, new_loop)  # what is imported or made at first use is not the work
    times = 1
    while (taken := case.sample(times, new_loop).total) < lap / 4:
        times *= 4
    return max(1, round(times * lap / taken))


def _figures(samples: Sequence[Sample], times: int) -> Figures:
    totals = [sample.total / times for sample in samples]
    return Figures(
        min(totals), median(totals), median(sample.garbage for sample in samples) / times
    )


def table(experiment: Experiment, figures: Mapping[str, Figures]) -> Iterator[str]:
    """The lines to print."""
    reference = figures[experiment.reference].least
    width = max(map(len, figures))
    yield f"{experiment.key}: {experiment.title}"
    yield f"  {'':{width}}  {'minimum':>9}  {'median':>9}  {'ratio':>7}  garbage"
    for name, each in figures.items():
        garbage = f"{each.garbage:7.1f}" if each.garbage >= 0.1 else ""
        yield (
            f"  {name:{width}}  {experiment.show(each.least):>9}  {experiment.show(each.usual):>9}"
            f"  {each.least / reference:7.2f}  {garbage}".rstrip()
        )
    for remark in experiment.remarks(figures):
        yield f"  {remark}"


@contextmanager
def on_one_core() -> Iterator[int | None]:
    """Stay on one core, and so do the processes started meanwhile; yields its number, or None
    where the system cannot do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    before = os.sched_getaffinity(0)
    # The last one: the first gets most of the interrupts.
    core = max(before)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, before)
