"""Facts about `mainstay.service.schedule`."""

import threading
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mainstay.errors import UsageError
from mainstay.service.schedule import Cron, Due, Every, Trigger

VIENNA = ZoneInfo("Europe/Vienna")


class HandClock:
    """A clock that is set by hand: `wall` and `elapsed` seconds."""

    def __init__(self, wall: str = "2000-01-01T00:00:00+00:00", elapsed: float = 0.0) -> None:
        self.wall = datetime.fromisoformat(wall).timestamp()
        self.elapsed = elapsed

    def monotonic(self) -> float:
        return self.elapsed

    def time(self) -> float:
        return self.wall

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        raise NotImplementedError


def runs(trigger: Trigger, start: str, number: int, zone: ZoneInfo = VIENNA) -> list[str]:
    """The first times after `start`, for runs that take no time."""
    clock = HandClock()
    clock.wall = datetime.fromisoformat(start).replace(tzinfo=zone).timestamp()
    due = trigger.first(clock)
    times = []
    for _ in range(number):
        clock.wall = due.time
        times.append(datetime.fromtimestamp(due.time, zone).isoformat())
        due = trigger.after(due, clock)
    return times


class TestEvery:
    def test_it_counts_from_the_start(self) -> None:
        """First after one interval; a run that takes some of it does not shift the next."""
        clock = HandClock(elapsed=100)
        trigger = Every(10)
        first = trigger.first(clock)
        assert first == Due(110, wall=False)
        clock.elapsed = 117
        assert trigger.after(first, clock) == Due(120, wall=False)

    @pytest.mark.parametrize(("ended", "next"), [(119.9, 120), (120.1, 130), (155, 160)])
    def test_missed_times_are_skipped(self, ended: float, next: float) -> None:
        """A run longer than the interval is followed by the next time still to come."""
        clock = HandClock(elapsed=ended)
        assert Every(10).after(Due(110, wall=False), clock).time == next

    def test_it_does_not_drift(self) -> None:
        """A thousand runs, each late by a bit, are due at the thousandfold of the interval."""
        clock = HandClock()
        trigger = Every(60)
        due = trigger.first(clock)
        for _ in range(999):
            clock.elapsed = due.time + 0.37
            due = trigger.after(due, clock)
        assert due.time == 60_000

    @pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
    def test_an_interval_that_is_none(self, seconds: float) -> None:
        """Refused where it is declared."""
        with pytest.raises(UsageError, match="above 0"):
            Every(seconds)

    @pytest.mark.parametrize(
        ("seconds", "says"),
        [
            ("5s", "above 0, not '5s'"),
            (None, "above 0, not None"),
            (print, "@service.every\\(60\\)"),
        ],
    )
    def test_what_is_no_number(self, seconds: Any, says: str) -> None:
        """And a decorator without its parentheses, which is given the function."""
        with pytest.raises(UsageError, match=says):
            Every(seconds)

    def test_the_wall_clock_is_not_asked(self) -> None:
        """It may be set at any time."""
        clock = HandClock(elapsed=5)
        due = Every(10).first(clock)
        clock.wall += 86_400
        assert due.remaining(clock) == 10


class TestCron:
    def test_it_is_in_utc_unless_told(self) -> None:
        """So no run is skipped or doubled by daylight saving."""
        clock = HandClock("2026-03-28T12:00:00+00:00")
        trigger = Cron("30 2 * * *")
        due = trigger.first(clock)
        assert datetime.fromtimestamp(due.time, UTC).isoformat() == "2026-03-29T02:30:00+00:00"
        assert due.wall

    def test_seconds_come_last(self) -> None:
        """A sixth field."""
        assert runs(Cron("* * * * * 30", "Europe/Vienna"), "2026-06-01T12:00:00", 2) == [
            "2026-06-01T12:00:30+02:00",
            "2026-06-01T12:01:30+02:00",
        ]

    def test_spring_in_vienna(self) -> None:
        """The hour from 2 to 3 does not exist: what is due in it runs at 3, once; hourly work goes
        on hour by hour."""
        assert runs(Cron("30 2 * * *", "Europe/Vienna"), "2026-03-28T12:00:00", 2) == [
            "2026-03-29T03:00:00+02:00",
            "2026-03-30T02:30:00+02:00",
        ]
        assert runs(Cron("0 * * * *", "Europe/Vienna"), "2026-03-29T00:30:00", 3) == [
            "2026-03-29T01:00:00+01:00",
            "2026-03-29T03:00:00+02:00",
            "2026-03-29T04:00:00+02:00",
        ]

    def test_autumn_in_vienna(self) -> None:
        """The hour from 2 to 3 comes twice, and what is due in it runs twice; hourly work goes on
        hour by hour."""
        assert runs(Cron("30 2 * * *", "Europe/Vienna"), "2026-10-24T12:00:00", 3) == [
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-26T02:30:00+01:00",
        ]
        assert runs(Cron("0 * * * *", "Europe/Vienna"), "2026-10-25T01:30:00", 3) == [
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T03:00:00+01:00",
        ]

    @pytest.mark.parametrize("day", ["2026-03-28T12:00:00", "2026-10-24T12:00:00"])
    def test_a_daily_run_outside_of_the_changing_hour(self, day: str) -> None:
        """Runs once a day, at its local time, across both changes."""
        times = runs(Cron("0 4 * * *", "Europe/Vienna"), day, 3)
        assert [time[11:16] for time in times] == ["04:00"] * 3
        assert len({time[:10] for time in times}) == 3

    def test_missed_times_are_skipped(self) -> None:
        """After a run of three hours, or a clock set forward, the next hour still to come."""
        clock = HandClock("2026-06-01T12:30:00+00:00")
        trigger = Cron("0 * * * *")
        due = trigger.first(clock)
        clock.wall = due.time + 3 * 3600 + 1
        assert trigger.after(due, clock).time == due.time + 4 * 3600

    def test_a_clock_set_back_does_not_run_a_job_twice(self) -> None:
        """The next time is after the one that was run, whatever the clock says now."""
        clock = HandClock("2026-06-01T12:30:00+00:00")
        trigger = Cron("0 * * * *")
        due = trigger.first(clock)
        clock.wall = due.time - 1800
        assert trigger.after(due, clock).time == due.time + 3600

    @pytest.mark.parametrize(
        ("expression", "says"),
        [
            ("every day", "no cron expression"),
            ("61 * * * *", "no cron expression"),
            ("", "no cron expression"),
            ("0 0 31 2 *", "never"),
        ],
    )
    def test_an_expression_that_is_none(self, expression: str, says: str) -> None:
        """Refused where it is declared, a day that never comes too; the error shows the text."""
        with pytest.raises(UsageError, match=says) as caught:
            Cron(expression)
        assert repr(expression) in caught.value.message

    @pytest.mark.parametrize(
        ("expression", "says"), [(5, "5 is no cron expression"), (print, "@service.cron\\('0 4")]
    )
    def test_what_is_no_text(self, expression: Any, says: str) -> None:
        """And a decorator without its parentheses, which is given the function."""
        with pytest.raises(UsageError, match=says):
            Cron(expression)

    @pytest.mark.parametrize("zone", ["Europe/Wien", "../../etc/passwd", ""])
    def test_a_time_zone_that_is_none(self, zone: str) -> None:
        """Refused where it is declared, with one that exists."""
        with pytest.raises(UsageError, match="no time zone; one is 'Europe/Vienna'"):
            Cron("* * * * *", zone)

    def test_it_shows_itself(self) -> None:
        """As it was written."""
        assert repr(Cron("0 4 * * *", "Europe/Vienna")) == "Cron('0 4 * * *', 'Europe/Vienna')"
