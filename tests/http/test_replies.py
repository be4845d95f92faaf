"""Answers that a handler makes itself."""

from __future__ import annotations

import pytest

from mainstay.errors import UsageError
from mainstay.http.replies import Created, Html, NoContent, Redirect


def test_html_is_a_page_in_utf8() -> None:
    """With the content type that says so."""
    page = Html("<p>Größe</p>", 404)
    assert (page.status, page.content_type) == (404, "text/html; charset=utf-8")
    assert page.body == "<p>Größe</p>".encode()


def test_a_redirect_is_303_unless_said() -> None:
    """The form after which every client sends a GET."""
    assert (Redirect("/a").status, Redirect("/a").headers["location"]) == (303, "/a")
    assert Redirect("/a", 308).status == 308


def test_a_redirect_escapes_what_a_url_lacks_and_nothing_else() -> None:
    """Escapes that are there stay as they are."""
    url = "https://example.org/ü b?x=1&y=%20#z"
    assert Redirect(url).headers["location"] == "https://example.org/%C3%BC%20b?x=1&y=%20#z"


def test_a_line_break_in_a_redirect_is_no_new_field() -> None:
    """It is escaped like any other character that a URL lacks."""
    assert Redirect("/a\r\nset-cookie: b=c").headers["location"] == "/a%0D%0Aset-cookie:%20b=c"


@pytest.mark.parametrize("status", [200, 300, 304, 404])
def test_a_redirect_has_a_status_of_redirects(status: int) -> None:
    """304 is none: it is about what the peer has already."""
    with pytest.raises(UsageError, match=str(status)):
        Redirect("/a", status)


def test_created_says_what_and_where() -> None:
    """201, the value as JSON and its URL."""
    made = Created({"id": 7}, "/users/7", {"x-a": "b"})
    assert (made.status, made.body, made.content_type) == (201, b'{"id":7}', "application/json")
    assert (made.headers["location"], made.headers["x-a"]) == ("/users/7", "b")


def test_created_may_say_nothing() -> None:
    """No body and no content type then."""
    made = Created(location="/users/7")
    assert (made.body, made.content_type) == (b"", None)


def test_no_content_is_204() -> None:
    """Without a body."""
    assert (NoContent().status, NoContent().body) == (204, b"")
