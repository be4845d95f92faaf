"""Facts about phrases of statuses."""

from __future__ import annotations

import pytest

from mainstay.wire.statuses import phrase_of


@pytest.mark.parametrize(
    ("status", "phrase"),
    [(200, "OK"), (404, "Not Found"), (413, "Content Too Large"), (422, "Unprocessable Content")],
)
def test_phrases_are_those_of_rfc_9110(status: int, phrase: str) -> None:
    """On every version of Python, whose own have changed."""
    assert phrase_of(status) == phrase


def test_a_status_of_nobody_has_none() -> None:
    """Which HTTP allows."""
    assert phrase_of(599) == ""
