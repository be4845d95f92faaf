"""What a peer accepts, and what it gets of what is offered."""

from __future__ import annotations

import pytest

from mainstay.http.negotiation import accepts_type, preferred_encoding, qualities


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("", {}),
        ("gzip", {"gzip": 1.0}),
        ("BR ; Q=0.8,gzip;q=0", {"br": 0.8, "gzip": 0.0}),
        ("text/html;level=1;q=0.5", {"text/html": 0.5}),
        ("gzip;q=x, br;q=7, zstd;q=nan, deflate;q=-1", dict.fromkeys(["gzip", "br", "zstd", "deflate"], 0.0)),
    ],
)  # fmt: skip
def test_qualities_are_read(field: str, found: dict[str, float]) -> None:
    """From 0 to 1; what is no quality is none."""
    assert qualities(field) == found


@pytest.mark.parametrize(
    ("field", "chosen"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("gzip, br", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("*", "br"),
        ("*;q=0.5, br;q=0", "gzip"),
        ("gzip;q=0", None),
        ("deflate", None),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
    ],
)
def test_the_peer_and_then_our_order_decide(field: str | None, chosen: str | None) -> None:
    """Between ``br`` and ``gzip``, offered in this order."""
    assert preferred_encoding(field, ["br", "gzip"]) == chosen


@pytest.mark.parametrize(
    ("field", "accepted"),
    [
        (None, True),
        ("*/*", True),
        ("text/*", True),
        ("text/html;q=0, */*", False),
        ("image/png", False),
        ("application/json, text/html;q=0.1", True),
    ],
)
def test_the_narrowest_word_counts(field: str | None, accepted: bool) -> None:
    """For ``text/html``."""
    assert accepts_type(field, "text/html") is accepted
