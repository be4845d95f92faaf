"""Facts about `mainstay.http.websocket_options`; the effect of each is in the tests of its user."""

from __future__ import annotations

import pytest

from mainstay.errors import PermissionDenied
from mainstay.http.websocket_options import WebSocketOptions, is_own_origin


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


@pytest.mark.parametrize(
    ("origin", "authority", "own"),
    [
        ("https://example.org", "example.org", True),
        ("http://example.org", "Example.org", True),
        ("https://example.org", "example.org:443", True),
        ("http://example.org:80", "example.org", True),
        ("http://example.org:8000", "example.org:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://example.org:8000", "example.org", False),
        ("https://evil.example", "example.org", False),
        ("https://example.org.evil.example", "example.org", False),
        ("https://sub.example.org", "example.org", False),
        ("null", "example.org", False),
        ("file://", "", False),
        ("https://", "", False),
        ("", "example.org", False),
    ],
)
def test_a_page_belongs_to_its_own_host(origin: str, authority: str, own: bool) -> None:
    """Host and port decide, the default ports left out; a page without a host belongs nowhere."""
    assert is_own_origin(origin, authority) is own
