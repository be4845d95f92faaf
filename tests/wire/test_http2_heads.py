"""Well-formed requests, apart from engines; `test_http2` has the malformed ones."""

import pytest

from mainstay.wire.http2 import RequestHead
from mainstay.wire.http2_heads import (
    check_fields,
    decoded_size,
    join_cookies,
    request_head,
    split_pseudo,
)


def head(**given: object) -> RequestHead | None:
    """A request head of which some parts are given."""
    parts: dict[str, object] = {
        "method": "GET",
        "scheme": "https",
        "authority": "a",
        "path": "/",
        "protocol": "",
        "hosts": [],
        "fields": [],
        "length": None,
        "ended": True,
    }
    return request_head(1, **(parts | given))  # type: ignore[arg-type]


def test_size_counts_names_values_and_32_each() -> None:
    """As RFC 9113 §6.5.2 says."""
    assert decoded_size([]) == 0
    assert decoded_size([(b"ab", b"cde"), (b"", b"")]) == 69


def test_crumbs_become_one_cookie_where_the_first_was() -> None:
    """Other fields keep their places."""
    fields = [(b"a", b"1"), (b"cookie", b"x"), (b"b", b"2"), (b"cookie", b"y")]
    assert join_cookies(fields) == [(b"a", b"1"), (b"cookie", b"x; y"), (b"b", b"2")]


def test_an_asterisk_is_a_target_of_options_only() -> None:
    """RFC 9113 §8.3.1."""
    assert head(path="*") is None
    options = head(path="*", method="OPTIONS")
    assert options is not None
    assert options.target == b"*"


@pytest.mark.parametrize("path", ["/ä", "/a\x7f", "/a b", "/\x01", "", "a"])
def test_a_target_is_visible_ascii(path: str) -> None:
    """Anything else was to be escaped (RFC 3986)."""
    assert head(path=path) is None


@pytest.mark.parametrize("scheme", ["ftp", "", None, "HTTP"])
def test_the_scheme_is_one_of_two(scheme: str | None) -> None:
    """A server answers for no others."""
    assert head(scheme=scheme) is None


def test_a_protocol_belongs_to_connect() -> None:
    """RFC 8441 §4."""
    assert head(protocol="websocket", method="CONNECT") is not None
    assert head(protocol="websocket") is None


def test_a_length_is_said_once() -> None:
    """Over HTTP/1.1 two that are equal are refused, too."""
    length = (b"content-length", b"5")
    assert head(fields=[length], length=5) is not None
    assert head(fields=[length, length], length=5) is None


def test_pseudo_fields_come_first_and_once() -> None:
    """And only those that exist (RFC 9113 §8.3)."""
    assert split_pseudo([(b":path", b"/"), (b"a", b"b")]) == ({b":path": "/"}, [(b"a", b"b")])
    assert split_pseudo([(b"a", b"b"), (b":path", b"/")]) is None
    assert split_pseudo([(b":path", b"/"), (b":path", b"/")]) is None
    assert split_pseudo([(b":new", b"/")]) is None


def test_te_says_trailers_or_nothing() -> None:
    """RFC 9113 §8.2.2."""
    check_fields([(b"te", b"trailers")])
    with pytest.raises(ValueError, match="te"):
        check_fields([(b"te", b"trailers, deflate")])
