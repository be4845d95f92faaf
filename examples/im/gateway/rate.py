"""How fast somebody may be."""

from __future__ import annotations


class Rate:
    """A bucket of `burst` tokens that fills again evenly (GCRA: one number, and no timer).

    Args:
        per_second: tokens that come back.
        burst: tokens of a full bucket.
    """

    __slots__ = ("_ahead", "_interval", "_used_up")

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = 1 / per_second
        self._ahead = (burst - 1) * self._interval
        self._used_up = 0.0

    def take(self, now: float, tokens: int = 1) -> float:
        """Take tokens at `now`, in seconds of a clock that does not go back.

        Args:
            now: the time.
            tokens: up to `burst`.

        Returns: 0.0 if they were there; otherwise the seconds until they will be.
        """
        begins = max(self._used_up, now) + (tokens - 1) * self._interval
        wait = begins - now - self._ahead
        if wait > 1e-9:  # sums of fractions are not exact  # noqa: PLR2004
            return wait
        self._used_up = begins + self._interval
        return 0.0

    def reserve(self, now: float) -> float:
        """Take a token in any case, at `now` as for `take`.

        Returns: the seconds until it is there, for who waits.
        """
        begins = max(self._used_up, now)
        self._used_up = begins + self._interval
        return max(0.0, begins - now - self._ahead)
