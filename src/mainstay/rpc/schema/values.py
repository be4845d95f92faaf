"""Values that protobuf has in another form than Python: how each is read and written.

Times are ``google.protobuf.Timestamp`` and ``Duration``, in nanoseconds; Python's have microseconds,
and what is finer is cut. Everything else here is text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

__all__ = ["CONVERSIONS", "Conversion"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 86400


@dataclass(frozen=True, slots=True)
class Conversion:
    """How the values of one Python type go over the wire.

    Attributes:
        wire: protobuf's scalar, or the full name of a message.
        read: from what protobuf gives. Raises: ValueError.
        write: to what it takes. Raises: TypeError, ValueError.
        what: for a person, who has sent something else.
    """

    wire: str
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    what: str


def _read_time(message: Any) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    except OverflowError:
        raise ValueError("a time outside of the years 1 to 9999") from None


def _write_time(value: datetime) -> dict[str, int]:
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone, so nobody can know which moment it means")
    return _write_duration(value - _EPOCH)


def _read_duration(message: Any) -> timedelta:
    try:
        # Toward zero, as the two parts of a Duration have the same sign.
        return timedelta(seconds=message.seconds, microseconds=int(message.nanos / 1000))
    except OverflowError:
        raise ValueError("a duration that is too long") from None


def _write_duration(value: timedelta) -> dict[str, int]:
    seconds = value.days * _DAY + value.seconds
    micros = value.microseconds
    return {"seconds": seconds, "nanos": micros * 1000}


def _write_signed(value: timedelta) -> dict[str, int]:
    """A Duration's seconds and nanoseconds have the same sign; a Timestamp's nanoseconds none."""
    parts = _write_duration(value)
    if parts["seconds"] < 0 and parts["nanos"]:
        return {"seconds": parts["seconds"] + 1, "nanos": parts["nanos"] - 1_000_000_000}
    return parts


def _read_decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("no number") from None


def _write_as(kind: type, text: Callable[[Any], str]) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        if not isinstance(value, kind):
            raise TypeError(f"{type(value).__qualname__} is no {kind.__qualname__}")
        return text(value)

    return write


CONVERSIONS: Final = {
    datetime: Conversion("google.protobuf.Timestamp", _read_time, _write_time, "a time"),
    timedelta: Conversion("google.protobuf.Duration", _read_duration, _write_signed, "a duration"),
    date: Conversion(
        "string", date.fromisoformat, _write_as(date, date.isoformat), "a date such as 2026-01-31"
    ),
    time: Conversion(
        "string", time.fromisoformat, _write_as(time, time.isoformat), "a time such as 23:59:00"
    ),
    UUID: Conversion("string", UUID, _write_as(UUID, str), "a UUID"),
    Decimal: Conversion("string", _read_decimal, _write_as(Decimal, str), "a decimal number"),
}
"""By Python type."""
