"""Conditions and ranges of requests, decided from fields and numbers alone (RFC 9110 §13, §14)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from enum import Enum
from itertools import pairwise
from typing import Final

from mainstay.core.metadata import Metadata

__all__ = ["MOST_RANGES", "Verdict", "format_date", "judge", "may_send_ranges", "parse_date",
           "parse_ranges"]  # fmt: skip

MOST_RANGES: Final = 16
"""Ranges in one request; above it the whole is sent (RFC 9110 §14.2 on their abuse)."""

_ETAG: Final = re.compile(r'[ \t]*((?:W/)?"[!#-~\x80-\xff]*")[ \t]*(?:,|$)')
_RANGE: Final = re.compile(r"[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")


class Verdict(Enum):
    """What the conditions of a request ask for."""

    SEND = "send"
    NOT_MODIFIED = "304"
    FAILED = "412"


def judge(method: str, headers: Metadata, etag: str | None, modified: int | None) -> Verdict:
    """Weigh the conditions in the order of RFC 9110 §13.2.2.

    Args:
        method: of the request.
        headers: of the request.
        etag: of what would be sent, with its quotes; None for none.
        modified: when it was last changed, in whole seconds since the epoch; None for unknown.
    """
    reads = method in ("GET", "HEAD")
    if_match = headers.get_all("if-match")
    if if_match:
        if not _matches(if_match, etag, weak=False):
            return Verdict.FAILED
    elif modified is not None:
        limit = parse_date(headers.get("if-unmodified-since"))
        if limit is not None and modified > limit:
            return Verdict.FAILED
    if_none_match = headers.get_all("if-none-match")
    if if_none_match:
        if _matches(if_none_match, etag, weak=True):
            return Verdict.NOT_MODIFIED if reads else Verdict.FAILED
    elif reads and modified is not None:
        since = parse_date(headers.get("if-modified-since"))
        if since is not None and modified <= since:
            return Verdict.NOT_MODIFIED
    return Verdict.SEND


def may_send_ranges(headers: Metadata, etag: str | None, modified: int | None) -> bool:
    """Whether ``if-range`` lets ranges be sent: the peer's other parts must be of the same thing,
    so tags are compared strongly and dates exactly (RFC 9110 §13.1.5)."""
    condition = headers.get("if-range")
    if condition is None:
        return True
    condition = condition.strip()
    if condition.endswith('"'):
        return condition == etag and not condition.startswith("W/")
    return modified is not None and parse_date(condition) == modified


def parse_ranges(
    field: str | None, size: int, most: int = MOST_RANGES
) -> list[tuple[int, int]] | None:
    """The parts that a ``range`` field asks for, as (first, one behind the last).

    Ranges that overlap are joined, so that no byte is sent twice.

    Args:
        field: None when there was none.
        size: bytes of the whole.
        most: ranges that are honoured.

    Returns None when the whole should be sent: no field, another unit, malformed, too many; an
    empty list when none of the ranges is in the content (416).
    """
    unit, _, listed = (field or "").partition("=")
    if unit.strip().lower() != "bytes" or not size:
        return None
    members = [member for member in listed.split(",") if member.strip()]
    if not members or len(members) > most:
        return None
    found = []
    for member in members:
        match = _RANGE.fullmatch(member)
        if match is None or not (match[1] or match[2]):
            return None
        if not match[1]:
            first, end = max(0, size - int(match[2])), size
        else:
            first, last = int(match[1]), int(match[2]) if match[2] else size - 1
            if last < first and match[2]:
                return None
            end = min(last + 1, size)
        if first < end:
            found.append((first, end))
    return _joined(found)


def format_date(seconds: int) -> str:
    """Seconds since the epoch as HTTP writes them (RFC 9110 §5.6.7)."""
    return formatdate(seconds, usegmt=True)


def parse_date(text: str | None) -> int | None:
    """Seconds since the epoch, or None for what is no date: such a condition does not count."""
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _matches(fields: Sequence[str], etag: str | None, *, weak: bool) -> bool:
    text = ",".join(fields)
    if text.strip() == "*":
        return etag is not None
    if etag is None:
        return False
    if weak:
        return any(_opaque(tag) == _opaque(etag) for tag in _ETAG.findall(text))
    return not etag.startswith("W/") and etag in _ETAG.findall(text)


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/")


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    ordered = sorted(ranges)
    # Apart from each other they keep the order in which the peer wants them.
    if all(one[1] <= two[0] for one, two in pairwise(ordered)):
        return ranges
    joined = [ordered[0]]
    for first, end in ordered[1:]:
        before, until = joined[-1]
        if first <= until:
            joined[-1] = (before, max(until, end))
        else:
            joined.append((first, end))
    return joined
