"""What is counted of every call, always: how many, with which status, how long."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

__all__ = ["BOUNDS", "Counts"]

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; upper bounds of the histogram's buckets, those of Prometheus' clients and 1 ms."""

_FIRST: Final = BOUNDS[0]


class Counts:
    """The calls of one route, or of one method of RPC.

    Attributes:
        statuses: how many had which status (of HTTP, or gRPC's code); 499 for those whose peer left
            before an HTTP reply (nginx).
        buckets: how many took up to each of `BOUNDS`, and in the last place how many took longer.
        seconds: all together.
    """

    __slots__ = ("buckets", "seconds", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, status: int, seconds: float) -> None:
        """One call has ended."""
        statuses = self.statuses
        try:
            statuses[status] += 1
        except KeyError:
            statuses[status] = 1
        self.buckets[bisect_left(BOUNDS, seconds) if seconds > _FIRST else 0] += 1
        self.seconds += seconds

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.statuses.values())

    def cumulated(self) -> Iterator[tuple[str, int]]:
        """The buckets as Prometheus counts them: an upper bound and all calls up to it."""
        so_far = 0
        for bound, number in zip((*map(str, BOUNDS), "+Inf"), self.buckets, strict=True):
            so_far += number
            yield bound, so_far
