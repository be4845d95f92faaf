"""Cookies as they are set: what every browser keeps goes out, what it would drop is refused."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.errors import UsageError
from mainstay.http.cookies import delete_cookie, set_cookie
from mainstay.http.headers import Headers
from mainstay.http.response import Response


def written(name: str, value: str, **options: Any) -> str:
    headers = Headers()
    set_cookie(headers, name, value, **options)
    return headers["set-cookie"]


def test_the_defaults_are_the_safe_ones() -> None:
    """Over TLS only, out of reach of scripts, and not sent with what other sites cause."""
    assert written("sid", "abc") == "sid=abc; Path=/; Secure; HttpOnly; SameSite=Lax"


def test_every_attribute_has_its_place() -> None:
    """All of them together, in the spelling of RFC 6265bis."""
    field = written(
        "sid",
        "abc",
        max_age=3600,
        path="/app",
        domain="example.org",
        same_site="none",
        partitioned=True,
    )
    assert field == (
        "sid=abc; Max-Age=3600; Path=/app; Domain=example.org; Secure; HttpOnly; "
        "SameSite=None; Partitioned"
    )


def test_what_is_switched_off_is_left_out() -> None:
    """A cookie without any attribute is possible."""
    options = {"path": None, "secure": False, "http_only": False, "same_site": None}
    assert written("a", "b", **options) == "a=b"


def test_a_deleted_cookie_expires_at_once() -> None:
    """By both attributes, for old browsers too."""
    headers = Headers()
    delete_cookie(headers, "sid", path="/app")
    assert headers["set-cookie"].startswith(
        "sid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/app; Secure"
    )


@pytest.mark.parametrize(
    ("name", "value", "options"),
    [
        ("a b", "x", {}),
        ("", "x", {}),
        ("größe", "x", {}),
        ("a", "x;y", {}),
        ("a", "x y", {}),
        ("a", 'x"y', {}),
        ("a", "x\r\nset-cookie: b=c", {}),
        ("a", "größe", {}),
        ("a", "x" * 4096, {}),
        ("a", "x", {"path": "app"}),
        ("a", "x", {"path": "/a;b"}),
        ("a", "x", {"domain": "a b"}),
        ("a", "x", {"domain": ""}),
        ("a", "x", {"same_site": "none", "secure": False}),
        ("a", "x", {"same_site": "sometimes"}),
        ("a", "x", {"partitioned": True, "secure": False}),
        ("__Secure-a", "x", {"secure": False}),
        ("__Host-a", "x", {"path": "/app"}),
        ("__Host-a", "x", {"domain": "example.org"}),
    ],
)
def test_what_no_browser_would_keep_is_refused(
    name: str, value: str, options: dict[str, Any]
) -> None:
    """Instead of being dropped in silence at the other end."""
    with pytest.raises(UsageError):
        written(name, value, **options)


def test_a_refusal_does_not_tell_the_value() -> None:
    """Cookies are credentials, and messages end up in logs."""
    with pytest.raises(UsageError) as caught:
        written("sid", "top secret")
    assert "secret" not in str(caught.value)


def test_a_response_sets_and_deletes() -> None:
    """Each is a field of its own."""
    response = Response("hi")
    response.set_cookie("a", "1", max_age=60)
    response.delete_cookie("b")
    fields = response.headers.get_all("set-cookie")
    assert [field.partition("=")[0] for field in fields] == ["a", "b"]
    assert "Max-Age=60" in fields[0]
    assert "Max-Age=0" in fields[1]
