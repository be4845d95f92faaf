"""When jobs are due: every so many seconds, or by a cron expression."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mainstay.core.effects import Clock
from mainstay.core.signature import where
from mainstay.errors import UsageError

__all__ = ["Cron", "Due", "Every", "Trigger"]


@dataclass(frozen=True, slots=True)
class Due:
    """One time at which a job is due.

    Attributes:
        time: seconds of the clock that the trigger goes by.
        wall: whether that is the wall clock; the monotonic one otherwise.
    """

    time: float
    wall: bool

    def remaining(self, clock: Clock) -> float:
        """Seconds until then; negative when it has passed."""
        return self.time - (clock.time() if self.wall else clock.monotonic())


class Trigger(Protocol):
    """Decides when a job is due. Pure: time comes from the clock given."""

    def first(self, clock: Clock) -> Due:
        """The first time, for a job that begins to wait now."""

    def after(self, due: Due, clock: Clock) -> Due:
        """The next time after `due` that is still to come: what was missed is skipped."""


@dataclass(frozen=True, slots=True)
class Every:
    """Due each `seconds`, counted from the start, so that slow runs do not shift later ones."""

    seconds: float

    def __post_init__(self) -> None:
        given: object = self.seconds
        if callable(given):
            message = f"{where(given)} has no interval: write @service.every(60), with the seconds"
            raise UsageError(message)
        if not isinstance(given, int | float) or not (given > 0 and math.isfinite(given)):
            message = f"an interval is a number of seconds above 0, not {given!r}"
            raise UsageError(message)

    def first(self, clock: Clock) -> Due:
        """See `Trigger.first`."""
        return Due(clock.monotonic() + self.seconds, wall=False)

    def after(self, due: Due, clock: Clock) -> Due:
        """See `Trigger.after`."""
        missed = max(0.0, clock.monotonic() - due.time) // self.seconds
        return Due(due.time + self.seconds * (missed + 1), wall=False)


class Cron:
    """Due by a cron expression in a time zone; daylight saving is croniter's care.

    Args:
        expression: five fields (minute, hour, day of month, month, day of week), or six with
            seconds last.
        timezone: an IANA name; UTC unless given, so that no run is skipped or doubled.

    Raises: UsageError when either does not exist.
    """

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        # Here and not above: only services with cron jobs need it.
        from croniter import CroniterBadDateError, croniter  # noqa: PLC0415

        given: object = expression
        if callable(given):
            message = f"{where(given)} has no times: write @service.cron('0 4 * * *')"
            raise UsageError(message)
        if not isinstance(given, str) or not croniter.is_valid(expression):
            message = f"{expression!r} is no cron expression; one is '*/5 * * * *'"
            raise UsageError(message)
        try:
            self._zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError):
            message = f"{timezone!r} is no time zone; one is 'Europe/Vienna'"
            raise UsageError(message) from None
        self._expression = expression
        self._iterator = croniter
        try:
            croniter(expression, datetime(2000, 1, 1, tzinfo=self._zone)).get_next(float)
        except CroniterBadDateError:
            message = f"{expression!r} is never due: no such day exists"
            raise UsageError(message) from None

    def first(self, clock: Clock) -> Due:
        """See `Trigger.first`."""
        now = datetime.fromtimestamp(clock.time(), self._zone)
        return Due(self._iterator(self._expression, now).get_next(float), wall=True)

    def after(self, due: Due, clock: Clock) -> Due:
        """See `Trigger.after`."""
        # Not before `due` itself: a wall clock set back must not run the job twice.
        base = datetime.fromtimestamp(max(due.time, clock.time()), self._zone)
        return Due(self._iterator(self._expression, base).get_next(float), wall=True)

    def __repr__(self) -> str:
        return f"Cron({self._expression!r}, {self._zone.key!r})"
