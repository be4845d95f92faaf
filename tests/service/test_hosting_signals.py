"""S2: real processes and real signals, at every phase of a life.

The cases that were chosen run four at a time before the first of them is judged, since most of
their time is waiting.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from signal import SIGHUP, SIGINT, SIGQUIT, SIGTERM, Signals
from typing import Any

import pytest

from tests.service.processes import Victim

SLACK = 3.0
"""Seconds of a busy machine, on top of what the service may take."""

APART = 0.6
"""Seconds after which a second signal is a second wish."""

CLOSED = ["closed second", "closed first"]


@dataclass(frozen=True)
class Case:
    """One story.

    Attributes:
        stuck: where the service gets stuck.
        steps: a line to wait for, seconds to let pass, a signal to send; in turn.
        code: the exit code.
        timeout: of the shutdown, seconds.
        delay: its `pre_stop_delay`.
        within: the most seconds that the end may take after the last step.
        closed: whether the resources are closed.
        dumped: whether the log shows all stacks.
    """

    stuck: str
    steps: tuple[str | float | Signals, ...]
    code: int
    timeout: float = 1.5
    delay: float = 0.0
    within: float | None = None
    closed: bool = True
    dumped: bool = False
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        steps = [
            each.name if isinstance(each, Signals) else str(each)
            for each in self.steps
            if each not in ("ready", "here")
        ]
        options = "".join(f" {option}" for option in self.options)
        return f"{self.stuck or 'well'}: {' '.join(steps)}{options}"

    @property
    def killed(self) -> bool:
        """Whether the process is ended without a word."""
        return self.code > 128


@dataclass(frozen=True)
class Outcome:
    """How it went."""

    code: int
    seconds: float
    said: list[str]
    log: str
    records: list[dict[str, Any]]


def play(case: Case) -> Outcome:
    """Run one story to its end."""
    flags = [
        f"mainstay.shutdown.timeout={case.timeout}",
        f"mainstay.shutdown.pre_stop_delay={case.delay}",
    ]
    with Victim(case.stuck, *flags, **case.options) as victim:
        for step in case.steps:
            if step == "hang up":
                victim.hang_up()
            elif isinstance(step, str):
                victim.wait_for(step)
            elif isinstance(step, Signals):
                victim.send(step)
            else:
                victim.let_run(step)
        seconds = victim.end()
        return Outcome(victim.code, seconds, victim.said, victim.log(), victim.records())


def first_signals() -> Iterator[Case]:
    """One signal to a service that is well."""
    for number in (SIGTERM, SIGINT):
        yield Case("", ("ready", number), 0)
        yield Case("half a second of drain", ("ready", number, 0.05, number), 0)
    yield Case("half a second of drain", ("ready", SIGINT, 0.05, SIGTERM), 0)
    yield Case("", ("ready", SIGQUIT), 0, dumped=True)
    yield Case("", ("ready", SIGHUP), 0, options={"terminal": True})
    yield Case("", ("ready", "hang up"), 0, options={"terminal": True})
    yield Case("", ("ready", SIGHUP, 0.3, SIGTERM), 0, options={"nohup": True})


# Where a second signal can find a service: what makes it stay there, and what it says there.
PLACES: dict[str, tuple[str, float]] = {
    "propagate": ("", 1.0),
    "stop accepting": ("stop accepting", 0.6),
    "drain": ("drain", 0.0),
    "cancel": ("cancel", 0.0),
    "close": ("close", 0.0),
    "closing": ("closing", 0.0),
}


def second_signals() -> Iterator[Case]:
    """A signal, and another at each phase of the shutdown; and a third."""
    for place, (stuck, delay) in PLACES.items():
        there: tuple[str | float, ...] = (APART, "here") if stuck else (APART,)
        if stuck == "closing":
            there = (APART, "here")
        cut = 124 if stuck else 0
        for number in (SIGTERM, SIGINT, SIGQUIT):
            yield Case(
                stuck,
                ("ready", SIGTERM, *there, number),
                cut,
                timeout=2.5,
                delay=delay,
                within=1.2,
                closed=place != "closing",
                dumped=number is SIGQUIT,
            )
        yield Case(
            stuck,
            ("ready", SIGTERM, *there, SIGHUP),
            cut,
            timeout=2.5,
            delay=delay,
            closed=place != "closing",
        )


def third_signals() -> Iterator[Case]:
    """Two more signals while the loop is stuck at each place: the last one kills."""
    numbers = (SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGTERM)
    for place, number in zip(list(PLACES)[1:], numbers, strict=True):
        yield Case(
            f"loop at {place}",
            ("ready", SIGTERM, "here", APART, SIGINT, APART, number),
            128 + number,
            timeout=2.5,
            within=0.0,
            closed=False,
            options={"terminal": number is SIGHUP},
        )


def without_uvloop() -> Iterator[Case]:
    """The main stories again, on asyncio's own loop."""
    plain = {"plain": True}
    yield Case("", ("ready", SIGTERM), 0, options=plain)
    yield Case("", ("ready", SIGQUIT), 0, dumped=True, options=plain)
    yield Case("start", ("here", SIGINT), 0, options=plain)
    yield Case("drain", ("ready", SIGTERM, "here", APART, SIGINT), 124, options=plain)
    yield Case(
        "loop while running",
        ("here", SIGTERM),
        124,
        closed=False,
        dumped=True,
        options=plain,
    )


def bad_ends() -> Iterator[Case]:
    """Starts that are interrupted or fail, and code that nothing but the guard can end."""
    yield Case("opening", ("here", SIGTERM), 0, closed=False)
    yield Case("start", ("here", SIGTERM), 0)
    yield Case("start", ("here", SIGINT), 0)
    yield Case("start", ("here", SIGQUIT), 0, dumped=True)
    yield Case("start", ("here", SIGHUP, 0.2, SIGTERM), 0)
    yield Case("failing start", (), 3)
    yield Case("thread", ("here", SIGTERM), 124)
    yield Case("loop while running", ("here", SIGTERM), 124, closed=False, dumped=True)
    yield Case("loop while running", ("here", SIGQUIT), 124, closed=False, dumped=True)
    yield Case(
        "loop while running", ("here", SIGTERM, APART, SIGINT, APART, SIGINT), 130, closed=False
    )
    yield Case("loop at opening", ("here", SIGTERM), 124, closed=False, dumped=True)
    yield Case("loop at close", ("ready", SIGTERM), 124, closed=False, dumped=True)
    yield Case("loop at closing", ("ready", SIGTERM), 124, closed=False, dumped=True)
    yield Case("user thread", ("ready", SIGTERM), 0)


CASES = [*first_signals(), *second_signals(), *third_signals(), *bad_ends(), *without_uvloop()]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[Case, Future[Outcome]]]:
    """The outcome of each case that a chosen test asks for."""
    chosen = [
        item.callspec.params["case"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
        if hasattr(item, "callspec")
    ]
    with ThreadPoolExecutor(4) as pool:
        yield {case: pool.submit(play, case) for case in dict.fromkeys(map(_case, chosen))}


def _case(parameter: object) -> Case:
    assert isinstance(parameter, Case)
    return parameter


@pytest.mark.parametrize("case", CASES, ids=str)
def test_signals(case: Case, outcomes: dict[Case, Future[Outcome]]) -> None:
    """The exit code is that of the table, in time; resources are closed, and the log is whole."""
    outcome = outcomes[case].result()
    assert outcome.code == case.code, outcome.log
    budget = case.timeout + 2 if case.within is None else case.within
    assert outcome.seconds < budget + SLACK
    closed = [line for line in outcome.said if line.startswith("closed")]
    if case.closed:
        assert closed == CLOSED
    if case.dumped:
        assert "thread MainThread" in outcome.log
        assert "tests/service/victim.py" in outcome.log
    if case.killed:
        assert "returned" not in outcome.said[-1]
    elif case.code != 124 or case.closed:
        assert f"returned {case.code}" in outcome.said
        last = outcome.records[-1]["message"]
        if case.code == 3:
            assert "could not be started: no" in last
        else:
            assert last.startswith("victim stopped in ")
            assert last.endswith(f"exit code {case.code}")
