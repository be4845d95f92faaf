"""What a parameter of a path may be: ``{name:int}`` names a converter.

A converter takes decoded text and gives the value, or None for text that it does not stand for: the
router then looks for another route. Each value has one type, and text that is written in a
surprising way (``1_000``, ``+5``, Arabic digits) stands for nothing, although Python would read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from math import inf
from typing import Any, Final
from uuid import UUID

__all__ = ["CONVERTERS", "PATH", "PLAIN", "Converter"]

_FLOAT: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_SLUG: Final = re.compile(r"[A-Za-z0-9_-]+")
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True, slots=True)
class Converter:
    """One kind of parameter.

    Attributes:
        name: as it stands behind the colon.
        rank: among the converters of one place the lower is tried first: the narrower one.
        type: of the values.
        convert: from text to value; None for text that does not fit.
        meaning: for a person.
    """

    name: str
    rank: int
    type: type
    convert: Callable[[str], Any]
    meaning: str


def _plain(text: str) -> str | None:
    return text or None


def _int(text: str) -> int | None:
    if not text.isascii() or not text.removeprefix("-").isdigit():
        return None
    try:
        return int(text)
    except ValueError:  # more digits than sys.get_int_max_str_digits() allows
        return None


def _float(text: str) -> float | None:
    value = float(text) if _FLOAT.fullmatch(text) else inf
    return value if value < inf else None  # so many digits are no number either


def _uuid(text: str) -> UUID | None:
    return UUID(text) if _UUID.fullmatch(text) else None


def _slug(text: str) -> str | None:
    return text if _SLUG.fullmatch(text) else None


def _date(text: str) -> date | None:
    # Python reads 20260131 and 2026-W05-6 too.
    if len(text) != len("2026-01-31") or text[4] != "-" or text[7] != "-":
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


PLAIN: Final = Converter("str", 9, str, _plain, "text without a slash")
PATH: Final = Converter("path", 10, str, str, "the rest of the path, slashes included")

CONVERTERS: Final[Mapping[str, Converter]] = {
    each.name: each
    for each in (
        Converter("uuid", 0, UUID, _uuid, "a UUID in its usual form"),
        Converter("date", 1, date, _date, "a date such as 2026-01-31"),
        Converter("int", 2, int, _int, "a whole number"),
        Converter("float", 3, float, _float, "a number such as 12 or 0.5"),
        Converter("slug", 4, str, _slug, "letters, digits, dashes and underscores"),
        PLAIN,
        PATH,
    )
}
"""By name, in the order in which they are tried."""
