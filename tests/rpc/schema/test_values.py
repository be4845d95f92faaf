"""Facts about values that protobuf has in another form."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from mainstay.rpc.schema.values import CONVERSIONS


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 5, 17, 8, 30, 1, 5, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_a_time_is_as_protobuf_itself_writes_it(moment: datetime) -> None:
    """Before and after 1970, to the microsecond."""
    theirs = Timestamp()
    theirs.FromDatetime(moment)
    conversion = CONVERSIONS[datetime]
    assert Timestamp(**conversion.write(moment)) == theirs
    assert conversion.read(theirs) == moment


@pytest.mark.parametrize("micros", [0, 1, -1, -1_500_000, 1_500_000, -86_400_000_001, 10**15])
def test_a_duration_is_as_protobuf_itself_writes_it(micros: int) -> None:
    """Its two parts have the same sign."""
    lasts = timedelta(microseconds=micros)
    theirs = Duration()
    theirs.FromTimedelta(lasts)
    conversion = CONVERSIONS[timedelta]
    assert Duration(**conversion.write(lasts)) == theirs
    assert conversion.read(theirs) == lasts


def test_a_time_without_a_zone_is_refused() -> None:
    """Nobody knows which moment it means."""
    with pytest.raises(ValueError, match="no time zone"):
        CONVERSIONS[datetime].write(datetime(2026, 1, 1))  # noqa: DTZ001 - the point
    east = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert CONVERSIONS[datetime].read(Timestamp(**CONVERSIONS[datetime].write(east))) == east


def test_what_python_cannot_hold_is_a_value_error() -> None:
    """Years before 1 and after 9999, and durations of a hundred million centuries."""
    with pytest.raises(ValueError, match="years"):
        CONVERSIONS[datetime].read(Timestamp(seconds=1 << 40))
    with pytest.raises(ValueError, match="too long"):
        CONVERSIONS[timedelta].read(Duration(seconds=1 << 60))


@pytest.mark.parametrize(
    ("value", "text", "wrong"),
    [
        (date(2026, 1, 31), "2026-01-31", "2026-13-01"),
        (time(23, 59), "23:59:00", "25:00"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005", "5"),
        (Decimal("1.50"), "1.50", "one"),
    ],
)
def test_the_rest_is_text(value: Any, text: str, wrong: str) -> None:
    """ISO 8601 for dates and times; other text is a ValueError, another type a TypeError."""
    conversion = CONVERSIONS[type(value)]
    assert conversion.write(value) == text
    assert conversion.read(text) == value
    with pytest.raises(ValueError):
        conversion.read(wrong)
    with pytest.raises(TypeError):
        conversion.write(5)
