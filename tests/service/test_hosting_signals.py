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

APART = 0.6
"""Seconds after which a second signal is a second wish."""

AGES = 600.0
"""Seconds of a shutdown that nobody waits for: what ends sooner was ended by a signal."""

CUT = 10.0
"""Seconds of a shutdown that is to run out of time, and still has enough for closing."""

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
        closed: whether the resources are closed.
        dumped: whether the log shows all stacks.
    """

    stuck: str
    steps: tuple[str | float | Signals, ...]
    code: int
    timeout: float = AGES
    delay: float = 0.0
    closed: bool = True
    dumped: bool = False
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        steps = [
            each.name if isinstance(each, Signals) else str(each)
            for each in self.steps
            if each not in ("ready", "here") and not str(each).startswith("heard ")
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
    said: list[str]
    log: str
    records: list[dict[str, Any]]


def play(case: Case) -> Outcome:
    """Run one story to its end. Raises: TimeoutExpired when it does not come."""
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
        victim.end()
        return Outcome(victim.code, victim.said, victim.log(), victim.records())


def heard(number: Signals) -> tuple[Signals, str]:
    """Send it, and wait until it counts: only then the time to the next one does."""
    return number, f"heard {number.name}"


def first_signals() -> Iterator[Case]:
    """One signal to a service that is well."""
    together = {"together": True}
    for number in (SIGTERM, SIGINT):
        yield Case("", ("ready", number), 0)
        steps = ("ready", *heard(number), number)
        yield Case("half a second of drain", steps, 0, options=together)
    steps = ("ready", *heard(SIGINT), SIGTERM)
    yield Case("half a second of drain", steps, 0, options=together)
    yield Case("", ("ready", SIGQUIT), 0, dumped=True)
    yield Case("", ("ready", SIGHUP), 0, options={"terminal": True})
    yield Case("", ("ready", "hang up"), 0, options={"terminal": True})
    yield Case("", ("ready", SIGHUP, 0.3, SIGTERM), 0, options={"nohup": True})


# Where a second signal can find a service: what makes it stay there, and what it says there.
PLACES: dict[str, str] = {
    "propagate": "",
    "stop accepting": "stop accepting",
    "drain": "drain",
    "cancel": "cancel",
    "close": "close",
    "closing": "closing",
}


def second_signals() -> Iterator[Case]:
    """A signal, and another at each phase of the shutdown, which would take ages without it; but a
    hang-up that means a restart shortens nothing."""
    for place, stuck in PLACES.items():
        there = (*heard(SIGTERM), *(("here", APART) if stuck else (APART,)))
        cut = 124 if stuck else 0
        for number in (SIGTERM, SIGINT, SIGQUIT):
            yield Case(
                stuck,
                ("ready", *there, number),
                cut,
                delay=0.0 if stuck else AGES,
                closed=place != "closing",
                dumped=number is SIGQUIT,
            )
        yield Case(
            stuck,
            ("ready", *there, SIGHUP),
            cut,
            timeout=CUT,
            delay=0.0 if stuck else 1.0,
            closed=place != "closing",
        )


def third_signals() -> Iterator[Case]:
    """Two more signals while the loop is stuck at each place: the last one kills."""
    numbers = (SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGTERM)
    for place, number in zip(list(PLACES)[1:], numbers, strict=True):
        yield Case(
            f"loop at {place}",
            ("ready", *heard(SIGTERM), "here", APART, *heard(SIGINT), APART, number),
            128 + number,
            timeout=CUT if place == "cancel" else AGES,
            closed=False,
            options={"terminal": number is SIGHUP},
        )


def without_uvloop() -> Iterator[Case]:
    """The main stories again, on asyncio's own loop."""
    plain = {"plain": True}
    yield Case("", ("ready", SIGTERM), 0, options=plain)
    yield Case("", ("ready", SIGQUIT), 0, dumped=True, options=plain)
    yield Case("start", ("here", SIGINT), 0, options=plain)
    steps = ("ready", *heard(SIGTERM), "here", APART, SIGINT)
    yield Case("drain", steps, 124, options=plain)
    yield Case(
        "loop while running",
        ("here", SIGTERM),
        124,
        timeout=1.5,
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
    yield Case("thread", ("here", SIGTERM), 124, timeout=CUT)
    for number in (SIGTERM, SIGQUIT):
        steps: tuple[str | float | Signals, ...] = ("here", number)
        yield Case("loop while running", steps, 124, timeout=1.5, closed=False, dumped=True)
    steps = ("here", *heard(SIGTERM), APART, *heard(SIGINT), APART, SIGINT)
    yield Case("loop while running", steps, 130, closed=False)
    yield Case("loop at opening", ("here", SIGTERM), 124, timeout=1.5, closed=False, dumped=True)
    yield Case("loop at close", ("ready", SIGTERM), 124, timeout=1.5, closed=False, dumped=True)
    yield Case("loop at closing", ("ready", SIGTERM), 124, timeout=1.5, closed=False, dumped=True)
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
    """The exit code is that of the table; resources are closed, and the log is whole."""
    outcome = outcomes[case].result()
    assert outcome.code == case.code, outcome.log
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
