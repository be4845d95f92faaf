"""What a supervisor decides about its workers: when one is started again, and when it is replaced.

Pure: times and numbers go in, decisions come out.

* **A worker that never was ready** is the sign of something that a new try may not mend: the delay
  grows from the first failure on, and after so many failures in a row the answer is to give up.
* **A worker that served and died** is replaced at once, since its peers carry its load meanwhile.
  If its successors die young as well, the delay grows; but whoever can serve for a while is never
  given up. A worker that has lived for `STEADY` seconds makes everything before it forgotten.
* **Workers that die together** have died of one thing, which counts once: what counts next is the
  early death of one that began after it. When nobody is left, the delay stays at its floor: a
  service that answers for a moment is better than none.
* Failures are counted for all workers together: they run the same code.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from mainstay.process.settings import ProcessSettings

__all__ = ["GROWTH", "PERMANENT", "STEADY", "Limits", "Respawn", "Verdict", "is_hanging"]

GROWTH: Final = 1.5
"""How much longer each delay is than the one before it; that of s6 and gunicorn's users alike is
between this and 2, and five tries take 13 s with it."""

STEADY: Final = 30.0
"""Seconds of service after which a worker did not die young."""

PERMANENT: Final = frozenset((2, 4, 78))
"""Exit codes of a start that no repetition mends: wrong usage, a module that cannot be imported, a
wrong configuration."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about a worker that is gone.

    Attributes:
        delay: seconds before another one is started; None to give up.
        failures: starts in a row that have failed, this one included.
    """

    delay: float | None
    failures: int


class Respawn:
    """Remembers how the workers of one generation have fared.

    Attributes:
        failures: starts in a row that have failed.
        gave_up: whether no worker is to be started any more.
        served: whether any worker ever was ready.
    """

    def __init__(self) -> None:
        self.failures = 0
        self.gave_up = False
        self.served = False
        self._young = 0
        self._counted = float("-inf")

    def ready(self) -> None:
        """A worker serves."""
        self.failures = 0
        self.gave_up = False
        self.served = True

    def reset(self) -> None:
        """Somebody wants it to be tried again."""
        self.failures = 0
        self._young = 0
        self._counted = float("-inf")
        self.gave_up = False

    def failed(
        self, code: int | None, settings: ProcessSettings, *, hopeless: bool = False
    ) -> Verdict:
        """A worker was never ready.

        Args:
            code: its exit code, if it has one.
            settings: of the process.
            hopeless: whether it failed for something that no other one would find better, such as
                an address that cannot be had.
        """
        self.failures += 1
        hopeless = (hopeless or code in PERMANENT) and not self.served
        # Once it is given up, others that were on their way fail as well.
        if hopeless or self.gave_up or self.failures >= settings.give_up_after:
            self.gave_up = True
            return Verdict(None, self.failures)
        return Verdict(_delay(self.failures, settings), self.failures)

    def died(
        self, lived: float, now: float, settings: ProcessSettings, *, last: bool = False
    ) -> Verdict:
        """A worker ended that had served.

        Args:
            lived: seconds for which it had served.
            now: monotonic seconds.
            settings: of the process.
            last: whether no other one serves or is about to.
        """
        if lived >= STEADY:
            self._young = 0
            self._counted = now
        elif now - lived >= self._counted:
            self._young += 1
            self._counted = now
        if self.gave_up:
            return Verdict(None, self.failures)
        if self._young <= 1:
            return Verdict(0.0, self.failures)
        delay = _delay(self._young - 1, settings)
        return Verdict(min(delay, settings.respawn_floor) if last else delay, self.failures)


def _delay(count: int, settings: ProcessSettings) -> float:
    # The exponent is bounded before the power is taken: a count has no bound.
    growth = GROWTH ** min(count - 1, 100)
    return min(settings.respawn_floor * growth, settings.respawn_most)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one worker may do before it is replaced.

    Attributes:
        requests: calls; None for any number.
        memory: bytes resident; None for any number.
    """

    requests: int | None = None
    memory: int | None = None

    @classmethod
    def of(cls, settings: ProcessSettings, chance: random.Random) -> Limits:
        """Those of a new worker: within ``jitter`` below the setting, never above it."""
        return cls(
            _jittered(settings.requests, settings.jitter, chance),
            _jittered(settings.memory, settings.jitter, chance),
        )

    def exceeded(self, requests: int, memory: int) -> str:
        """Which one is reached, in words; empty if none is."""
        if self.requests is not None and requests >= self.requests:
            return f"it has answered {requests} calls"
        if self.memory is not None and memory >= self.memory:
            return f"it takes {memory} bytes of memory"
        return ""


def _jittered(limit: int | None, jitter: float, chance: random.Random) -> int | None:
    return None if limit is None else max(1, round(limit * (1 - jitter * chance.random())))


def is_hanging(silent: float, late: float, settings: ProcessSettings) -> bool:
    """Whether a worker hangs.

    Args:
        silent: seconds since its last word.
        late: seconds by which this very question comes later than planned: a supervisor that was
            stopped itself has heard nobody, and blames nobody.
        settings: of the process.
    """
    return settings.hang_timeout is not None and silent - late >= settings.hang_timeout
