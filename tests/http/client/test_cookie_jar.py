import pytest

from mainstay.http.client.cookie_jar import CookieJar
from mainstay.http.client.urls import parse_url


class World:
    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.jar = CookieJar(lambda: self.now)

    def store(self, url: str, *lines: str) -> None:
        for line in lines:
            self.jar.store(parse_url(url), line)

    def sent(self, url: str) -> str | None:
        return self.jar.header(parse_url(url))


def test_a_cookie_goes_back_to_its_host_only() -> None:
    """Without a domain it is for no other host, not even below."""
    world = World()
    world.store("http://a.example/", "x=1")
    assert world.sent("http://a.example/y") == "x=1"
    assert world.sent("http://b.example/") is None
    assert world.sent("http://c.a.example/") is None


def test_a_cookie_for_a_domain_goes_below_it() -> None:
    """With or without the leading dot."""
    world = World()
    world.store("http://a.example.org/", "x=1; Domain=.Example.org")
    assert world.sent("http://b.example.org/") == "x=1"
    assert world.sent("http://notexample.org/") is None


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://a.example/", "x=1; Domain=b.example"),
        ("http://a.example/", "x=1; Domain=example"),
        ("http://127.0.0.1/", "x=1; Domain=0.0.1"),
        ("http://a.example/", "x=1; Secure"),
        ("https://a.example/", "__Host-x=1; Secure; Path=/; Domain=a.example"),
        ("https://a.example/", "__Host-x=1; Secure; Path=/y"),
        ("https://a.example/", "__Secure-x=1"),
        ("http://a.example/", "x"),
        ("http://a.example/", "=1"),
        ("http://a.example/", "x=" + "1" * 5000),
        ("http://a.example/", "x=a\x01b"),
    ],
)
def test_what_may_not_be_set(url: str, line: str) -> None:
    """For others, insecurely, or against what its name promises (RFC 6265bis §4.1.3)."""
    world = World()
    world.store(url, line)
    assert len(world.jar) == 0


def test_secure_cookies_need_https() -> None:
    """They are not sent in the clear."""
    world = World()
    world.store("https://a.example/", "x=1; Secure", "__Host-y=2; Secure; Path=/")
    assert world.sent("https://a.example/") == "x=1; __Host-y=2"
    assert world.sent("http://a.example/") is None


def test_paths() -> None:
    """A cookie is for its path and below, the longer path first; by default for the URL's folder."""
    world = World()
    world.store("http://a.example/b/c", "x=1", "y=2; Path=/", "z=3; Path=/b/c")
    assert world.sent("http://a.example/b/d") == "x=1; y=2"
    assert world.sent("http://a.example/b/c/e") == "z=3; x=1; y=2"
    assert world.sent("http://a.example/bc") == "y=2"


def test_expiry() -> None:
    """By age, or by date; the age wins; one that is over removes the cookie."""
    world = World()
    world.store("http://a.example/", "x=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    world.store("http://a.example/", "y=2; Expires=Thu, 15-Jan-1970 00:00:00 GMT", "z=3")
    assert world.sent("http://a.example/") == "x=1; y=2; z=3"
    world.now += 11
    assert world.sent("http://a.example/") == "y=2; z=3"
    world.now += 14 * 86400
    assert world.sent("http://a.example/") == "z=3"
    world.store("http://a.example/", "z=; Max-Age=0")
    assert world.sent("http://a.example/") is None
    assert [each.name for each in world.jar] == ["x", "y"]


def test_it_is_bounded() -> None:
    """Oldest first, in a domain and in all."""
    world = World()
    for number in range(150):
        world.store("http://a.example/", f"x{number}=1")
    assert len(world.jar) == 100
    assert (world.sent("http://a.example/") or "").startswith("x50=1")
    for number in range(1500):
        world.store(f"http://h{number}.example/", "x=1")
    assert len(world.jar) == 1000
    world.jar.clear()
    assert len(world.jar) == 0


def test_no_value_in_texts() -> None:
    """Cookies are credentials."""
    world = World()
    world.store("http://a.example/", "session=hunter2")
    assert "hunter2" not in repr([*world.jar, world.jar])
