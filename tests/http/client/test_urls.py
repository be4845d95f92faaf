import pytest

from mainstay.errors import UsageError
from mainstay.http.client.urls import Url, join_base, parse_url, resolve, with_params


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://a", Url("http", "a", 80, "/")),
        ("HTTPS://A.Example:8443/x", Url("https", "a.example", 8443, "/x")),
        ("http://[::1]:80/", Url("http", "::1", 80, "/")),
        ("http://a?b=c", Url("http", "a", 80, "/?b=c")),
        ("http://a/ä?ö=ü", Url("http", "a", 80, "/%C3%A4?%C3%B6=%C3%BC")),
        ("http://a/%C3%A4?x=%20", Url("http", "a", 80, "/%C3%A4?x=%20")),
        ("http://bücher.example/", Url("http", "xn--bcher-kva.example", 80, "/")),
        ("http://a/#fragment", Url("http", "a", 80, "/")),
        ('http://a/"<>"', Url("http", "a", 80, "/%22%3C%3E%22")),
    ],
)
def test_urls(text: str, url: Url) -> None:
    """Split, completed and encoded; what is encoded already is left alone."""
    assert parse_url(text) == url


def test_credentials_are_a_field_and_not_in_texts() -> None:
    """User and password, unquoted, by Basic."""
    url = parse_url("http://us%40er:hunter2@a/x")
    assert url.authorization == "Basic dXNAZXI6aHVudGVyMg=="
    assert str(url) == "http://a/x"
    assert "dXNA" not in repr(url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/path",
        "ftp://a/",
        "http://",
        "http:///x",
        "http://a b/",
        "http://a/\r\nx: y",
        "http://a/b c",
        "http://a\\b",
        "http://a:0/",
        "http://a:65536/",
        "http://a:x/",
        "http://[::1/",
        "http://a%0d%0a/",
        "http://a..é/",
    ],
)
def test_what_is_no_url_is_refused(text: str) -> None:
    """Rather than mended; the URL is quoted."""
    with pytest.raises(UsageError, match="the URL '"):
        parse_url(text)


def test_a_refusal_hides_the_password() -> None:
    """It ends up in logs."""
    with pytest.raises(UsageError) as caught:
        parse_url("ftp://user:hunter2@a/")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("base", "url", "joined"),
    [
        ("", "http://a/", "http://a/"),
        ("http://a", "x", "http://a/x"),
        ("http://a/v1/", "/x", "http://a/v1/x"),
        ("http://a/v1", "?q=1", "http://a/v1?q=1"),
        ("http://a/v1", "", "http://a/v1"),
        ("http://a/v1", "https://b/x", "https://b/x"),
    ],
)
def test_relative_urls_stand_below_the_base(base: str, url: str, joined: str) -> None:
    """The base's path is kept whole."""
    assert join_base(base, url) == joined


def test_parameters() -> None:
    """Lists come several times, None not at all, and everything is encoded."""
    params = {"a": [1, "x&y"], "b": None, "c": True, "d": "ä b"}
    assert with_params("http://h/", params) == "http://h/?a=1&a=x%26y&c=true&d=%C3%A4%20b"
    assert with_params("http://h/?z", [("a", 1)]) == "http://h/?z&a=1"
    assert with_params("http://h/", {"a": None}) == "http://h/"


def test_references() -> None:
    """Of redirects: relative to the URL that redirects (RFC 3986 §5)."""
    base = parse_url("http://a/b/c?d")
    assert str(resolve(base, "e")) == "http://a/b/e"
    assert str(resolve(base, "//f/g")) == "http://f/g"
    with pytest.raises(UsageError):
        resolve(base, "javascript:alert(1)")


def test_origins() -> None:
    """Scheme, host and port."""
    a = parse_url("http://a/")
    assert a.same_origin(parse_url("http://a:80/x"))
    assert not a.same_origin(parse_url("https://a/"))
    assert parse_url("http://[::1]:8/").authority == "[::1]:8"
