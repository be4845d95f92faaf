"""Addresses of routes, by name."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from mainstay.errors import UsageError, WiringError
from mainstay.http.route import Route
from mainstay.http.router import Miss, Router
from mainstay.http.urls import Urls, describe

ID = UUID("0b0bf8f5-3f4f-4b0e-9f0e-0a3b2c1d4e5f")


def page() -> None: ...


def other() -> None: ...


def url(path: str, /, host: str | None = None, **params: Any) -> str:
    """The address of the only route."""
    route = Route(path=path, function=page, methods=("GET",), host=host, name="page")
    return Urls([(route, False)]).url_for("page", params)


@pytest.mark.parametrize(
    ("path", "params", "address"),
    [
        ("/", {}, "/"),
        ("/a b/ü/", {}, "/a%20b/%C3%BC/"),
        ("/{id:int}", {"id": 7}, "/7"),
        ("/{id:int}", {"id": "7"}, "/7"),
        ("/{id:uuid}", {"id": ID}, f"/{ID}"),
        ("/{day:date}", {"day": date(2026, 1, 31)}, "/2026-01-31"),
        ("/{name}", {"name": "a/b?c#d%&ü"}, "/a%2Fb%3Fc%23d%25%26%C3%BC"),
        ("/f/{name}.json", {"name": "x y"}, "/f/x%20y.json"),
        ("/f/{rest:path}", {"rest": "a/b c"}, "/f/a/b%20c"),
        ("/f/{rest:path}", {"rest": ""}, "/f/"),
        ("/s", {"q": "a b&c", "n": 1, "no": None, "ok": True}, "/s?q=a+b%26c&n=1&ok=true"),
        ("/s", {"tag": ["a", "b"], "none": []}, "/s?tag=a&tag=b"),
        ("/{rest:path}", {"rest": "/evil.example"}, "/.//evil.example"),
    ],
)
def test_an_address_is_encoded(path: str, params: dict[str, Any], address: str) -> None:
    """Values cannot leave their place; what the path does not take becomes the query."""
    assert url(path, **params) == address


@pytest.mark.parametrize("value", ["x", "a/b", "100%", "ü?#", " ", "a+b", "%2F", "\\"])
def test_the_router_reads_back_what_was_written(value: str) -> None:
    """An address leads to its route with the same value."""
    router: Router[int] = Router()
    router.add("GET", "/x/{value}.y", 1)
    found = router.match("GET", url("/x/{value}.y", value=value))
    assert not isinstance(found, Miss)
    assert found[1] == {"value": value}


@pytest.mark.parametrize(
    ("path", "params", "message"),
    [
        ("/{a}/{b}", {"b": 1}, "the address of 'page' needs a value for 'a'"),
        ("/{id:int}", {"id": "x"}, r"'x' cannot be 'id' of /\{id:int\}, which is a whole number"),
        ("/{id:int}", {"id": 1.5}, "1.5 cannot be 'id'"),
        ("/{name}", {"name": ""}, "'' cannot be 'name'"),
        ("/{name}", {"name": ".."}, "would be read as a step"),
        ("/f/{rest:path}", {"rest": "a/../b"}, "would be read as a step"),
    ],
)
def test_a_value_that_would_not_match_is_refused(
    path: str, params: dict[str, Any], message: str
) -> None:
    """An address that leads elsewhere is not made."""
    with pytest.raises(UsageError, match=message):
        url(path, **params)


def test_a_host_goes_in_front() -> None:
    """The scheme is that of the page the address stands on."""
    assert url("/{a}", host="{t}.Example.org", t="acme", a=1) == "//acme.example.org/1"
    with pytest.raises(UsageError, match=r"'evil.com/' cannot be a part of a host"):
        url("/", host="{t}.example.org", t="evil.com/")


def test_an_unknown_name_suggests_near_ones() -> None:
    """A slip of the pen is the usual cause."""
    with pytest.raises(UsageError, match="no route named 'pag'; did you mean 'page'"):
        Urls([(Route(path="/", function=page, name="page"), True)]).url_for("pag", {})


def test_of_several_paths_the_one_that_takes_most_is_used() -> None:
    """A function may answer at a short and at a long path."""
    urls = Urls(
        (Route(path=path, function=page, methods=("GET",), name="page"), False)
        for path in ("/posts", "/posts/{n:int}")
    )
    assert urls.url_for("page", {}) == "/posts"
    assert urls.url_for("page", {"n": 2, "q": "x"}) == "/posts/2?q=x"


def test_a_name_that_two_functions_have_is_ambiguous() -> None:
    """It is refused when it is used, since most names are never used; a given name goes before."""
    one = Route(path="/a", function=page, methods=("GET",), name="page")
    two = Route(path="/b", function=other, methods=("GET",), name="page")
    with pytest.raises(UsageError, match="'page' is ambiguous; give names to GET /a of page"):
        Urls([(one, False), (two, False)]).url_for("page", {})
    assert Urls([(one, False), (two, True)]).url_for("page", {}) == "/b"
    with pytest.raises(WiringError, match=r"GET /b of other .* is named 'page', and so is GET /a"):
        Urls([(one, True), (two, True)])


def test_a_mount_has_an_address_for_what_is_below_it() -> None:
    """``path`` is what stands behind its prefix."""
    urls = Urls([(Route(path="/css", function=page, kind="mount", name="css"), True)])
    assert urls.url_for("css", {}) == "/css"
    assert urls.url_for("css", {"path": "dark/a b.css"}) == "/css/dark/a%20b.css"


def test_a_route_is_described_with_its_place() -> None:
    """Messages quote what it answers to, and the file and line of its function."""
    said = describe(Route(path="/a", function=page, methods=("GET", "PUT")))
    assert said.startswith(f"GET|PUT /a of page ({__file__}:")

    class App:
        def __repr__(self) -> str:
            return "<App>"

    assert describe(Route(path="/a", function=App, kind="mount")).startswith("MOUNT /a of ")
