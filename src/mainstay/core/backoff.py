"""How long to wait before the next try."""

from __future__ import annotations

import random
from dataclasses import dataclass

from mainstay.errors import UsageError

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential waits, spread so that many who failed together do not return together.

    Attributes:
        initial: seconds before the first retry.
        factor: each wait is this many times the one before.
        maximum: no wait is longer, before it is spread.
        jitter: the share by which a wait is spread: 0.2 gives 80 % to 120 %.

    The defaults are those of process supervisors (s6 waits 1 s, einhorn grows by 1.5 up to 30 s).
    """

    initial: float = 1.0
    factor: float = 1.5
    maximum: float = 30.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if self.initial <= 0 or self.factor < 1 or self.maximum < self.initial:
            message = f"{self} needs initial > 0, factor >= 1 and maximum >= initial"
            raise UsageError(message)
        if not 0 <= self.jitter < 1:
            message = f"{self} needs a jitter of at least 0 and below 1"
            raise UsageError(message)

    def delay(self, failures: int, source: random.Random) -> float:
        """Seconds to wait after `failures` failures in a row (1 is the first)."""
        exponent = min(max(failures, 1) - 1, 1000)
        try:
            wait = min(self.maximum, self.initial * self.factor**exponent)
        except OverflowError:
            wait = self.maximum
        return wait * source.uniform(1 - self.jitter, 1 + self.jitter)
