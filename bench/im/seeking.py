"""The highest rate that a chat sustains: steps up until one fails, then halves between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from bench.im.load import Talk

__all__ = ["highest", "sustained_most"]

GROWTH: Final = 1.5
PRECISION: Final = 1.05
"""The answer is at most this factor too low."""


def highest(talk: Callable[[float], Talk], first: float) -> list[Talk]:
    """Every run that it takes, the first one at the rate `first`.

    A rate that fails is tried once more: on a machine that does other things, one bad second says
    nothing about the chat.
    """
    talks: list[Talk] = []

    def sustains(rate: float) -> bool:
        for _ in range(2):
            talks.append(talk(rate))
            if talks[-1].sustained:
                return True
        return False

    good, bad = 0.0, first
    while sustains(bad):
        good, bad = bad, bad * GROWTH
    while good and bad / good > PRECISION:
        between = (good * bad) ** 0.5
        if sustains(between):
            good = between
        else:
            bad = between
    return talks


def sustained_most(talks: Sequence[Talk]) -> float:
    """The highest rate among those that were sustained; 0 for none."""
    return max((each.rate for each in talks if each.sustained), default=0.0)
