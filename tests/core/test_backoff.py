"""How long to wait before the next try: longer each time, never too long, never all at once."""

from __future__ import annotations

import random
from math import inf

import pytest

from mainstay.core.backoff import Backoff
from mainstay.errors import UsageError


def test_without_jitter_waits_grow_by_the_factor_up_to_the_maximum() -> None:
    """The first wait is `initial`; from some failure on it is `maximum`."""
    backoff = Backoff(initial=1, factor=2, maximum=10, jitter=0)
    waits = [backoff.delay(failures, random.Random(0)) for failures in range(1, 8)]
    assert waits == [1, 2, 4, 8, 10, 10, 10]


def test_zero_failures_wait_like_one() -> None:
    """There is no wait shorter than the first."""
    backoff = Backoff(jitter=0)
    assert backoff.delay(0, random.Random(0)) == backoff.delay(1, random.Random(0)) == 1


@pytest.mark.parametrize("failures", [1, 2, 5, 50, 10_000, 10**9])
def test_the_jitter_spreads_within_its_share(failures: int) -> None:
    """Every wait is within the share around its middle, and they are not all the same."""
    backoff = Backoff(initial=0.5, factor=3, maximum=20, jitter=0.25)
    middle = Backoff(initial=0.5, factor=3, maximum=20, jitter=0).delay(failures, random.Random())
    chance = random.Random(7)
    waits = [backoff.delay(failures, chance) for _ in range(500)]
    assert middle * 0.75 <= min(waits) < middle * 0.8
    assert middle * 1.2 < max(waits) <= middle * 1.25


def test_the_source_of_chance_repeats_the_waits() -> None:
    """The same seed gives the same waits, so that a test run repeats."""
    backoff = Backoff()

    def waits(seed: int) -> list[float]:
        chance = random.Random(seed)
        return [backoff.delay(failures, chance) for failures in range(10)]

    assert waits(1) == waits(1) != waits(2)


def test_the_defaults_are_those_of_a_supervisor() -> None:
    """A second at first, half a minute at most, a fifth of jitter."""
    chance = random.Random(3)
    first = [Backoff().delay(1, chance) for _ in range(200)]
    last = [Backoff().delay(100, chance) for _ in range(200)]
    assert 0.8 <= min(first) <= max(first) <= 1.2
    assert 24 <= min(last) <= max(last) <= 36


def test_huge_factors_stay_below_the_maximum() -> None:
    """Powers beyond a float's range are the maximum and no error."""
    backoff = Backoff(initial=1, factor=1e300, maximum=60, jitter=0)
    assert [backoff.delay(n, random.Random(0)) for n in (1, 2, 3, 1000)] == [1, 60, 60, 60]
    endless = Backoff(initial=1, factor=10, maximum=inf, jitter=0)
    assert endless.delay(3, random.Random(0)) == 100


def test_it_never_goes_back() -> None:
    """Without jitter, one failure more never waits less."""
    backoff = Backoff(initial=0.1, factor=1.01, maximum=1e6, jitter=0)
    waits = [backoff.delay(failures, random.Random(0)) for failures in range(1, 2000)]
    assert waits == sorted(waits)
    assert Backoff(factor=1, jitter=0).delay(50, random.Random(0)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial": 0},
        {"initial": -1},
        {"factor": 0.9},
        {"maximum": 0.5},
        {"jitter": -0.1},
        {"jitter": 1},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    """At once and by name, not when the first retry is due."""
    with pytest.raises(UsageError, match=r"Backoff\(.* needs"):
        Backoff(**wrong)
