"""Facts about what a peer did wrong on the wire."""

from __future__ import annotations

from mainstay.wire.errors import WireError


def test_it_has_the_status_that_tells_the_peer() -> None:
    """And a message, which is also its text."""
    error = WireError(431, "the head is longer than 10 bytes")
    assert (error.status, error.message) == (431, str(error))
