"""The tables, and the line for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.restart.load import ON_THE_WIRE
from bench.restart.outcomes import FAILURES, Outcome, Tally, quantile
from bench.restart.run import BASELINE, FAILING, RESTARTS, Found

__all__ = ["last_line", "lines"]

SHOWN = 12
"""Failures that are described."""


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:8.1f}"


def lines(found: Found) -> Iterator[str]:
    """All about one run."""
    yield f"{found.title}: {found.restarts} restarts, {found.rolled_back} rolled back"
    if found.seconds:
        middle, most = quantile(found.seconds, 0.5), max(found.seconds)
        yield (
            f"  a restart took {middle:.2f} s in the middle, {most:.2f} s at most; "
            f"{len(found.answered)} processes answered"
        )
    yield from _by_phase(found)
    outcomes = (Outcome.OK, *FAILURES, Outcome.IDLE_CLOSED, Outcome.GIVEN_UP)
    names = " ".join(f"{name:>7}" for name in outcomes)
    yield f"  {'':<11} {'requests':>8} {names} {'left':>6} {'resent':>6}"
    for kind in dict.fromkeys(kind for _, kind in found.tallies):
        tally = _all(found, kind)
        numbers = " ".join(f"{tally.outcomes[name]:>7}" for name in outcomes)
        yield f"  {kind:<11} {tally.requests:>8} {numbers} {tally.left:>6} {tally.resent:>6}"
    yield (
        f"  {'ms':<11} {'p50':>8} {'p99':>8} | {RESTARTS + ' p50':>12} {'p99':>8} {'most':>8}"
        f" | {FAILING + ' p99':>11}"
    )
    for kind in dict.fromkeys(kind for _, kind in found.tallies):
        without, during, failing = (
            found.tallies.get((phase, kind), Tally()).seconds
            for phase in (BASELINE, RESTARTS, FAILING)
        )
        if not during:
            continue
        yield (
            f"  {kind:<11} {_ms(quantile(without, 0.5))} {_ms(quantile(without, 0.99))} |"
            f" {_ms(quantile(during, 0.5)):>12} {_ms(quantile(during, 0.99))} {_ms(max(during))}"
            f" | {_ms(quantile(failing, 0.99)):>11}"
        )
    late = ", ".join(f"{phase} {seconds * 1000:.1f} ms" for phase, seconds in found.late.items())
    yield f"  the load itself was late (p99): {late}"
    if found.reminders:
        yield f"  {found.reminders} signals had to be sent again"
    for failure in found.failures[:SHOWN]:
        yield f"  ! {failure}"
    for broken in found.broken:
        yield f"  ! {broken}"


def _by_phase(found: Found) -> Iterator[str]:
    """What was lost while restarts succeeded, and what while they failed."""
    for phase, title in ((RESTARTS, "restarts"), (FAILING, "restarts that failed")):
        tallies = [
            tally
            for (each, kind), tally in found.tallies.items()
            if each == phase and kind != ON_THE_WIRE
        ]
        if tallies:
            requests = sum(tally.requests for tally in tallies)
            failed = sum(tally.failed for tally in tallies)
            yield f"  {title}: {failed} of {requests} requests failed"


def _all(found: Found, kind: str) -> Tally:
    """Of all phases."""
    total = Tally()
    for (_, each), tally in found.tallies.items():
        if each == kind:
            total.outcomes.update(tally.outcomes)
            total.left += tally.left
            total.resent += tally.resent
    return total


def last_line(runs: Sequence[Found]) -> str:
    """For machines."""
    restarts = sum(found.restarts for found in runs)
    requests = sum(found.requests for found in runs)
    failed = sum(found.failed for found in runs)
    added = max((found.p99_added() for found in runs), default=0.0)
    return f"restarts={restarts} requests={requests} failed={failed} p99_added_ms={added:.1f}"
