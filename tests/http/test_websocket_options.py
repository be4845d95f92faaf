"""Facts about `mainstay.http.websocket_options`; the effect of each is in the tests of its user."""

from __future__ import annotations

import pytest

from mainstay.errors import PermissionDenied
from mainstay.http.websocket_options import WebSocketOptions


def test_by_default_only_pages_of_the_own_host_connect() -> None:
    """And clients that are no browsers."""
    options = WebSocketOptions()
    options.verify_origin([], "example.org")
    options.verify_origin(["https://example.org"], "example.org")
    with pytest.raises(PermissionDenied, match=r"pages from https://evil\.example"):
        options.verify_origin(["https://evil.example"], "example.org")


def test_two_origins_are_none() -> None:
    """A browser sends one (RFC 6454 §7.3)."""
    with pytest.raises(PermissionDenied):
        WebSocketOptions(origins=["*"]).verify_origin(["https://a.example", "x"], "example.org")
