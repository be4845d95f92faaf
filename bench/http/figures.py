"""From samples to figures: CPU time for one request, and how peers compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.harness import seconds
from bench.http.peers import OURS

__all__ = ["Figures", "Sample", "figures", "ratio", "summary", "table"]


@dataclass(frozen=True)
class Sample:
    """One round of one peer.

    Attributes:
        cpu: seconds that the server's processes used.
        requests: answered meanwhile.
        seconds: that the round took.
    """

    cpu: float
    requests: int
    seconds: float


@dataclass(frozen=True)
class Figures:
    """What came out for one peer.

    Attributes:
        least: CPU seconds for one request, in the best round.
        usual: the same, the median of all rounds.
        rate: requests answered in a second, the median.
        busy: the share of its core that the server used, the median; far below 1 the load
            generator was the limit, and `rate` is the generator's.
    """

    least: float
    usual: float
    rate: float
    busy: float


def figures(samples: Sequence[Sample]) -> Figures:
    """The figures of at least one round."""
    costs = [each.cpu / each.requests for each in samples]
    return Figures(
        min(costs),
        median(costs),
        median(each.requests / each.seconds for each in samples),
        median(each.cpu / each.seconds for each in samples),
    )


def ratio(found: Mapping[str, Figures], other: str) -> float | None:
    """How many times the CPU time of `other` ours is, between minima; None if one is missing."""
    if OURS not in found or other not in found:
        return None
    return found[OURS].least / found[other].least


def table(title: str, found: Mapping[str, Figures], unit: str = "requests/s") -> Iterator[str]:
    """The lines to print; the last column is how many times the peer's time ours is."""
    width = max(map(len, found))
    yield title
    yield f"  {'':{width}}  {'minimum':>9}  {'median':>9}  {unit:>10}  {'core':>5}  ours/it"
    for key, each in found.items():
        times = ratio(found, key)
        compared = "" if times is None else f"{times:7.2f}"
        yield (
            f"  {key:{width}}  {seconds(each.least):>9}  {seconds(each.usual):>9}"
            f"  {each.rate:10,.0f}  {each.busy:5.0%}  {compared}".rstrip()
        )


def summary(found: Mapping[str, Figures]) -> str:
    """The line for machines."""
    parts = []
    for other in ("gin", "starlette", "fastapi"):
        times = ratio(found, other)
        parts.append(f"http_vs_{other}={'n/a' if times is None else f'{times:.2f}'}")
    return " ".join(parts)
