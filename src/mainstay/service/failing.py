"""Which workers of a service fail: what a restart wants to know before it is confirmed.

A worker that has failed is said to fail until it has run well since: twice as long as its failures
took to show, so that one whose every connection times out is not well between two of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["WELL", "Failing"]

WELL: Final = 1.0
"""Seconds of a run, at the least, after which a worker that had failed is well."""


@dataclass(slots=True)
class _Case:
    """A worker that has failed.

    Attributes:
        error: the last one.
        longest: seconds of the longest run that failed.
        since: monotonic seconds at which it runs again; None while it waits for that.
    """

    error: Exception
    longest: float
    since: float | None = None


class Failing:
    """See the top of the file.

    Attributes:
        tell: called when one more worker has failed.
    """

    def __init__(self) -> None:
        self.tell: Callable[[], object] = lambda: None
        self._cases: dict[object, _Case] = {}

    def failed(self, worker: object, error: Exception, ran: float) -> None:
        """It failed after so many seconds, and is to be tried again."""
        known = self._cases.get(worker)
        longest = ran if known is None else max(ran, known.longest)
        self._cases[worker] = _Case(error, longest)
        self.tell()

    def runs(self, worker: object, now: float) -> None:
        """It runs, for the first time or again, from `now` on."""
        case = self._cases.get(worker)
        if case is not None:
            case.since = now

    def well(self, worker: object) -> None:
        """It has run well, whatever was before."""
        self._cases.pop(worker, None)

    def text(self, now: float) -> str:
        """Which one fails, and why; empty if none does."""
        for worker, case in list(self._cases.items()):
            if case.since is not None and now - case.since >= max(WELL, 2 * case.longest):
                del self._cases[worker]
                continue
            return f"{worker!r} fails: {type(case.error).__name__}: {case.error}"
        return ""
