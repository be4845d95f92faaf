"""Conditions and ranges, as RFC 9110 weighs them."""

from __future__ import annotations

import pytest

from mainstay.core.metadata import Metadata
from mainstay.http.conditional import (
    MOST_RANGES,
    Verdict,
    format_date,
    judge,
    may_send_ranges,
    parse_date,
    parse_ranges,
)

ETAG = '"v1"'
MODIFIED = 1_700_000_000
BEFORE, SAME, AFTER = (format_date(MODIFIED + each) for each in (-1, 0, 1))
SEND, NOT_MODIFIED, FAILED = Verdict.SEND, Verdict.NOT_MODIFIED, Verdict.FAILED


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, SEND),
        ({"if-none-match": '"v1"'}, NOT_MODIFIED),
        ({"if-none-match": 'W/"v1"'}, NOT_MODIFIED),
        ({"if-none-match": '"a", "b" ,"v1"'}, NOT_MODIFIED),
        ({"if-none-match": '"with, comma", "v1"'}, NOT_MODIFIED),
        ({"if-none-match": "*"}, NOT_MODIFIED),
        ({"if-none-match": '"v2"'}, SEND),
        ({"if-none-match": "v1"}, SEND),
        ({"if-modified-since": SAME}, NOT_MODIFIED),
        ({"if-modified-since": AFTER}, NOT_MODIFIED),
        ({"if-modified-since": BEFORE}, SEND),
        ({"if-modified-since": "yesterday"}, SEND),
        ({"if-none-match": '"v2"', "if-modified-since": AFTER}, SEND),
        ({"if-match": '"v1"'}, SEND),
        ({"if-match": "*"}, SEND),
        ({"if-match": '"v2"'}, FAILED),
        ({"if-match": 'W/"v1"'}, FAILED),
        ({"if-unmodified-since": SAME}, SEND),
        ({"if-unmodified-since": BEFORE}, FAILED),
        ({"if-match": '"v1"', "if-unmodified-since": BEFORE}, SEND),
        ({"if-match": '"v2"', "if-none-match": '"v1"'}, FAILED),
        ({"if-match": '"v1"', "if-none-match": '"v1"'}, NOT_MODIFIED),
    ],
    ids=str,
)
def test_the_conditions_are_weighed_in_order(fields: dict[str, str], verdict: Verdict) -> None:
    """Tags before dates, conditions for change before those for reading (§13.2.2)."""
    assert judge("GET", Metadata(fields.items()), ETAG, MODIFIED) is verdict


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"if-none-match": '"v1"'}, FAILED),
        ({"if-none-match": "*"}, FAILED),
        ({"if-none-match": '"v2"'}, SEND),
        ({"if-modified-since": AFTER}, SEND),
    ],
    ids=str,
)
def test_a_change_is_not_told_that_nothing_changed(
    fields: dict[str, str], verdict: Verdict
) -> None:
    """For PUT the tag that matches is a failure, and the date of reading means nothing."""
    assert judge("PUT", Metadata(fields.items()), ETAG, MODIFIED) is verdict


def test_what_has_no_tag_matches_none() -> None:
    """Not even the star: nothing is there."""
    assert judge("PUT", Metadata([("if-match", "*")]), None, None) is FAILED
    assert judge("PUT", Metadata([("if-none-match", "*")]), None, None) is SEND
    assert judge("GET", Metadata([("if-none-match", '"v1"')]), None, None) is SEND
    assert judge("GET", Metadata([("if-match", 'W/"v1"')]), 'W/"v1"', None) is FAILED


def test_fields_that_come_twice_are_one_list() -> None:
    """As with every list (§5.3)."""
    headers = Metadata([("if-none-match", '"a"'), ("if-none-match", '"v1"')])
    assert judge("GET", headers, ETAG, None) is NOT_MODIFIED


@pytest.mark.parametrize(
    ("condition", "sent"),
    [
        (None, True),
        ('"v1"', True),
        ('"v2"', False),
        ('W/"v1"', False),
        (SAME, True),
        (BEFORE, False),
        (AFTER, False),
        ("nonsense", False),
    ],
)
def test_ranges_are_sent_of_the_same_thing_only(condition: str | None, sent: bool) -> None:
    """``if-range`` is compared strongly, its date exactly."""
    headers = Metadata([] if condition is None else [("if-range", condition)])
    assert may_send_ranges(headers, ETAG, MODIFIED) is sent


@pytest.mark.parametrize(
    ("field", "found"),
    [
        (None, None),
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-99", [(0, 100)]),
        ("bytes=90-1000", [(90, 100)]),
        ("bytes=50-", [(50, 100)]),
        ("bytes=-1", [(99, 100)]),
        ("bytes=-1000", [(0, 100)]),
        ("Bytes = 0-1", [(0, 2)]),
        ("bytes=0-1, 4-5", [(0, 2), (4, 6)]),
        ("bytes=4-5,0-1", [(4, 6), (0, 2)]),
        ("bytes=0-10,5-20,50-60", [(0, 21), (50, 61)]),
        ("bytes=20-30,0-25", [(0, 31)]),
        ("bytes=0-,0-,0-", [(0, 100)]),
        ("bytes=100-", []),
        ("bytes=100-200,300-", []),
        ("bytes=0-1,200-", [(0, 2)]),
        ("bytes=-0", []),
        ("bytes=5-4", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1", None),
        ("bytes=0-1;2-3", None),
        ("bytes=--1", None),
        ("bytes=\u0661-\u0662", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("lines=0-1", None),
        ("0-1", None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_ranges_are_read(field: str | None, found: object) -> None:
    """Of 100 bytes; None is for the whole, an empty list for 416."""
    assert parse_ranges(field, 100) == found


def test_the_number_of_ranges_is_bounded() -> None:
    """Above it the whole is sent, once."""
    members = [f"{first}-{first}" for first in range(0, 2 * MOST_RANGES + 2, 2)]
    assert len(parse_ranges("bytes=" + ",".join(members[1:]), 100) or ()) == MOST_RANGES
    assert parse_ranges("bytes=" + ",".join(members), 100) is None


def test_nothing_has_no_ranges() -> None:
    """An empty file is sent whole."""
    assert parse_ranges("bytes=0-", 0) is None


def test_dates_are_read_in_every_form() -> None:
    """The form of today and the two older ones (§5.6.7); what is none counts for nothing."""
    for text in ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                 "Sun Nov  6 08:49:37 1994"):  # fmt: skip
        assert parse_date(text) == 784111777
    assert format_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
    for wrong in (None, "", "x", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 99999 08:49:37 GMT"):
        assert parse_date(wrong) is None
