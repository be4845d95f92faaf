"""What can become of a request, and how it is counted.

Every request ends in exactly one `Outcome`. Its time runs from the moment at which it *should* have
been sent, so a server that stands still is seen by all requests of that time, and not by the one
that happens to wait (coordinated omission).
"""

from __future__ import annotations

import asyncio
import ssl
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

__all__ = ["FAILURES", "Failed", "Outcome", "Recorder", "Tally", "outcome_of", "quantile"]


class Outcome(StrEnum):
    """What became of a request.

    Two are counted apart, since no server can prevent them. ``IDLE_CLOSED`` has to be expected in
    any protocol whose idle connections both sides may close (RFC 9112 §9.3.1): the server had closed
    before the request came. ``GIVEN_UP`` is a call that grpcio gave up by itself; `tap` sees whether
    everything that it did send was answered.
    """

    OK = "ok"
    REFUSED = "refused"
    RESET = "reset"
    CUT = "cut"
    ERROR = "5xx"
    HANG = "hang"
    IDLE_CLOSED = "idle_closed"
    GIVEN_UP = "given_up"


FAILURES: Final = (Outcome.REFUSED, Outcome.RESET, Outcome.CUT, Outcome.ERROR, Outcome.HANG)


class Failed(Exception):
    """A request has failed. Args: its outcome, and what is known."""

    def __init__(self, outcome: Outcome, detail: str = "") -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome
        self.detail = detail


def outcome_of(error: BaseException) -> Outcome:
    """What an exception of a stream means for the request on it."""
    if isinstance(error, Failed):
        return error.outcome
    if isinstance(error, TimeoutError):
        return Outcome.HANG
    if isinstance(error, ConnectionRefusedError | FileNotFoundError):
        return Outcome.REFUSED
    if isinstance(error, asyncio.IncompleteReadError | EOFError | ssl.SSLError):
        return Outcome.CUT
    if isinstance(error, OSError):
        return Outcome.RESET
    return Outcome.ERROR


@dataclass
class Tally:
    """All requests of one kind in one phase.

    Attributes:
        outcomes: how many of each.
        seconds: of those that were answered.
        left: times that the server asked a client to leave, and it left.
        resent: messages sent again on the next connection, as they had no answer when it was told.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: array[float] = field(default_factory=lambda: array("d"))
    left: int = 0
    resent: int = 0

    @property
    def requests(self) -> int:
        """All of them."""
        return self.outcomes.total()

    @property
    def failed(self) -> int:
        """Those that the server has lost."""
        return sum(self.outcomes[each] for each in FAILURES)

    def to_dict(self) -> dict[str, Any]:
        """For another process."""
        outcomes = {str(name): number for name, number in self.outcomes.items()}
        return {
            "outcomes": outcomes,
            "seconds": self.seconds.tolist(),
            "left": self.left,
            "resent": self.resent,
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Tally:
        """From another process."""
        return cls(
            Counter(found["outcomes"]), array("d", found["seconds"]), found["left"], found["resent"]
        )


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which that part of them is; 0 without any."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


MOST_FAILURES: Final = 200
"""Described one by one; more are only counted."""


class Recorder:
    """Where a load generator writes what it saw.

    Attributes:
        phase: of requests that are due from now on.
        tallies: by phase and kind.
        failures: what is known of the first ones.
        pids: processes that have answered.
        late: seconds by which requests were sent later than they should have been, by fault of the
            generator or the machine.
    """

    def __init__(self) -> None:
        self.phase = "warm-up"
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.failures: list[str] = []
        self.pids: set[int] = set()
        self.late: dict[str, array[float]] = {}

    def tally(self, kind: str, phase: str | None = None) -> Tally:
        """That of a kind, in this phase or another."""
        key = (phase or self.phase, kind)
        if key not in self.tallies:
            self.tallies[key] = Tally()
        return self.tallies[key]

    def ok(self, kind: str, phase: str, seconds: float) -> None:
        """A request was answered as it should be, that long after it was due."""
        tally = self.tally(kind, phase)
        tally.outcomes[Outcome.OK] += 1
        tally.seconds.append(seconds)

    def failed(self, kind: str, phase: str, outcome: Outcome, detail: str) -> None:
        """A request was not."""
        self.tally(kind, phase).outcomes[outcome] += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(f"{phase} {kind} {outcome}: {detail}")

    def to_dict(self) -> dict[str, Any]:
        """For the process that asked for the load."""
        tallies = [
            {"phase": phase, "kind": kind, **tally.to_dict()}
            for (phase, kind), tally in self.tallies.items()
        ]
        late = {phase: quantile(values, 0.99) for phase, values in self.late.items()}
        return {
            "tallies": tallies,
            "failures": self.failures,
            "pids": sorted(self.pids),
            "late": late,
        }
