"""Routes are found by the rules, and conflicts are refused where they arise."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any
from uuid import UUID

import pytest

from mainstay.errors import WiringError
from mainstay.http.router import ANY_METHOD, WEBSOCKET, Miss, Router, Slashes

ID = "0b0bf8f5-3f4f-4b0e-9f0e-0a3b2c1d4e5f"
NOTHING = Miss()


def router(*patterns: str, slashes: Slashes = "strict") -> Router[str]:
    """GET routes whose values are their own patterns."""
    made: Router[str] = Router(slashes)
    for pattern in patterns:
        made.add("GET", pattern, pattern)
    return made


def found(made: Router[str], path: str, method: str = "GET", host: str = "") -> Any:
    """The match with its parameters as a plain dict, or the miss."""
    match = made.match(method, path, host)
    return match if isinstance(match, Miss) else (match[0], dict(match[1]))


# --- paths --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path", "params"),
    [
        ("/", "/", {}),
        ("/a/b", "/a/b", {}),
        ("/a/", "/a/", {}),
        ("//a", "//a", {}),
        ("/a b/ü", "/a%20b/%C3%BC", {}),
        ("/a", "/%61", {}),
        ("/{name}", "/x", {"name": "x"}),
        ("/{name}", "/a%2Fb", {"name": "a/b"}),
        ("/{name}", "/%EF%BF%BD", {"name": "\N{REPLACEMENT CHARACTER}"}),
        ("/{name}", "/..", {"name": ".."}),
        ("/{name}", "/a+b", {"name": "a+b"}),
        ("/{name}", "/100%", {"name": "100%"}),
        ("/{name}/", "/x/", {"name": "x"}),
        ("/{id:int}", "/42", {"id": 42}),
        ("/{id:int}", "/%34%32", {"id": 42}),
        ("/{id:uuid}/x", f"/{ID}/x", {"id": UUID(ID)}),
        ("/{a}/{b:int}/{c}", "/x/1/y", {"a": "x", "b": 1, "c": "y"}),
        ("/f/{name}.json", "/f/a.b.json", {"name": "a.b"}),
        ("/@{user}", "/@ada", {"user": "ada"}),
        ("/v{n:int}-x", "/v12-x", {"n": 12}),
        ("/f/{rest:path}", "/f/a/b", {"rest": "a/b"}),
        ("/f/{rest:path}", "/f/", {"rest": ""}),
        ("/f/{rest:path}", "/f//a%2Fb/%20", {"rest": "/a/b/ "}),
        ("/{rest:path}", "/", {"rest": ""}),
    ],
)
def test_a_path_that_fits_gives_the_parameters(
    pattern: str, path: str, params: dict[str, Any]
) -> None:
    """Segments are split, then decoded, then converted."""
    assert found(router(pattern), path) == (pattern, params)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/a", "/a/"),
        ("/a/", "/a"),
        ("/a/b", "/a//b"),
        ("/a/b", "/a%2Fb"),
        ("/a", "/A"),
        ("/a/b", "/a/./b"),
        ("/a", "/b/../a"),
        ("/{name}", "/"),
        ("/{name}/b", "//b"),
        ("/{id:int}", "/x"),
        ("/f/{name}.json", "/f/.json"),
        ("/f/{name}.json", "/f/a.txt"),
        ("/aba{name}ba", "/ababa"),
        ("/f/{rest:path}", "/f"),
        ("/", "*"),
        ("/", ""),
        ("/{name}", "example.org:443"),
    ],
)
def test_a_path_that_does_not_fit_is_missed(pattern: str, path: str) -> None:
    """Slashes, case, dots and borders are taken as they are; ``*`` and authorities are no paths."""
    assert found(router(pattern), path) == NOTHING


@pytest.mark.parametrize("slashes", ["strict", "redirect", "ignore"])
def test_a_path_that_is_not_utf_8_is_malformed_where_it_would_fit(slashes: Slashes) -> None:
    """Nobody gets a text that was not sent, and that others' texts would be as well; where nothing
    would fit, it is missed like any other path."""
    made = router("/{name}", "/f/{rest:path}", "/\N{REPLACEMENT CHARACTER}/x", slashes=slashes)
    malformed = Miss(malformed=True)
    for path in ("/%ff", "/a%C3", "/%ED%A0%80", "/f/%e9/x", "/f/a/%c0%af", "/%ff/x"):
        assert found(made, path) == malformed
        assert found(made, path, "PUT") == Miss(("GET", "HEAD", "OPTIONS"))
    assert found(made, "/%ff/y/z") == NOTHING
    assert found(made, "/%ff/") == (NOTHING if slashes == "strict" else malformed)


def test_a_lenient_value_gets_the_rest_of_a_path_that_is_not_utf_8() -> None:
    """With U+FFFD in it, as applications of ASGI get it from other servers."""
    made: Router[str] = Router("redirect", lambda value: value == "mount")
    made.add("*", "/m/{rest:path}", "mount")
    made.add("GET", "/m/own/{name}", "own")
    assert found(made, "/m/%e9/a%20b") == ("mount", {"rest": "\ufffd/a b"})
    assert found(made, "/m/own/%e9") == Miss(malformed=True)


PRECEDENCE = (
    "/u/me",
    "/u/{name}.json",
    "/u/{id:uuid}",
    "/u/{day:date}",
    "/u/{id:int}",
    "/u/{amount:float}",
    "/u/{slug:slug}",
    "/u/{name}",
    "/u/{rest:path}",
)


@pytest.mark.parametrize("order", [PRECEDENCE, PRECEDENCE[::-1]])
def test_the_narrower_pattern_wins(order: tuple[str, ...]) -> None:
    """Fixed text, then fixed text around a parameter, then types, then any text, then the rest,
    whatever was registered first."""
    made = router(*order)
    paths = ("me", "a.json", ID, "2026-01-31", "7", "7.5", "a-b", "ä", "a/b")
    assert [made.match("GET", f"/u/{path}")[0] for path in paths] == [*PRECEDENCE]  # type: ignore[index]


def test_more_fixed_text_goes_before_less() -> None:
    """Of two surroundings the longer is tried first."""
    made = router("/{a}.gz", "/{a}.tar.gz", "/x{a}.gz")
    assert found(made, "/a.tar.gz") == ("/{a}.tar.gz", {"a": "a"})
    assert found(made, "/xa.gz") == ("/x{a}.gz", {"a": "a"})
    assert found(made, "/a.gz") == ("/{a}.gz", {"a": "a"})


def test_a_way_that_leads_nowhere_is_given_up() -> None:
    """What fits first and fails later is left for the next, at every depth."""
    made = router("/a/b/c", "/{x}/b/{y:int}", "/a/{x}/{y:slug}/d", "/{rest:path}")
    assert found(made, "/a/b/c") == ("/a/b/c", {})
    assert found(made, "/a/b/7") == ("/{x}/b/{y:int}", {"x": "a", "y": 7})
    assert found(made, "/a/b/7/d") == ("/a/{x}/{y:slug}/d", {"x": "b", "y": "7"})
    assert found(made, "/a/b/%C3%A4") == ("/{rest:path}", {"rest": "a/b/ä"})


def test_defaults_fill_what_a_shorter_path_leaves_out() -> None:
    """A value for a parameter can come with the route; the path's own wins."""
    made: Router[str] = Router()
    made.add("GET", "/posts", "short", defaults={"page": 1})
    made.add("GET", "/posts/{page:int}", "long", defaults={"page": 1, "size": 10})
    assert found(made, "/posts") == ("short", {"page": 1})
    assert found(made, "/posts/3") == ("long", {"page": 3, "size": 10})


# --- methods ------------------------------------------------------------------------------------


def test_another_method_is_told_what_is_allowed() -> None:
    """A path that exists is no unknown path: the methods of all patterns that fit are listed."""
    made: Router[str] = Router()
    made.add("GET", "/a/b", "one")
    made.add("DELETE", "/a/{x}", "two")
    made.add("PUT", "/{x}/b", "three")
    assert found(made, "/a/b", "POST") == Miss(("DELETE", "GET", "HEAD", "OPTIONS", "PUT"))
    assert found(made, "/nothing", "POST") == NOTHING


def test_a_fixed_path_leaves_other_methods_to_a_parameter() -> None:
    """A candidate without the method is passed over."""
    made: Router[str] = Router()
    made.add("GET", "/users/me", "me")
    made.add("DELETE", "/users/{name}", "remove")
    assert found(made, "/users/me", "DELETE") == ("remove", {"name": "me"})


def test_get_answers_head_unless_head_has_its_own() -> None:
    """The order of the two does not matter."""
    assert found(router("/a"), "/a", "HEAD") == ("/a", {})
    for methods in (("GET", "HEAD"), ("HEAD", "GET")):
        made: Router[str] = Router()
        for method in methods:
            made.add(method, "/a/{x}", method)
        assert found(made, "/a/1", "HEAD") == ("HEAD", {"x": "1"})
        assert found(made, "/a/1", "GET") == ("GET", {"x": "1"})


def test_any_method_is_for_those_without_their_own() -> None:
    """A mount takes every method, and lets a route of its own path pass."""
    made: Router[str] = Router()
    made.add(ANY_METHOD, "/a/{rest:path}", "mount")
    made.add("GET", "/a/{rest:path}", "route")
    assert found(made, "/a/x", "PROPFIND") == ("mount", {"rest": "x"})
    assert found(made, "/a/x") == ("route", {"rest": "x"})


def test_a_websocket_is_no_method() -> None:
    """It has its own entry, is not listed as allowed, and a miss says that there is one."""
    made: Router[str] = Router()
    made.add(WEBSOCKET, "/ws", "socket")
    assert found(made, "/ws", WEBSOCKET) == ("socket", {})
    assert found(made, "/ws") == Miss(websocket=True)
    made.add("GET", "/ws", "page")
    assert found(made, "/ws", "POST") == Miss(("GET", "HEAD", "OPTIONS"), websocket=True)


# --- slashes ------------------------------------------------------------------------------------


def test_a_redirect_names_the_path_with_the_other_ending() -> None:
    """A slash too much or too little is mended, only where nothing else fits."""
    made = router("/a", "/b/", "/x/{n:int}", slashes="redirect")
    assert found(made, "/a/") == Miss(redirect="/a")
    assert found(made, "/b") == Miss(redirect="/b/")
    assert found(made, "/x/1/") == Miss(redirect="/x/1")
    assert found(made, "/x/a/") == NOTHING
    assert found(made, "/") == NOTHING
    assert found(made, "/b", "POST") == NOTHING


def test_a_redirect_stays_on_this_host() -> None:
    """No path can be made that a browser reads as another host."""
    made = router("/{name}", "//{name}", slashes="redirect")
    assert found(made, "//evil.example/") == NOTHING
    assert found(made, "/\\evil.example/") == Miss(redirect="/%5Cevil.example")
    assert found(made, "/%2Fevil.example/") == Miss(redirect="/%2Fevil.example")


def test_slashes_can_be_ignored() -> None:
    """Both endings answer then, and the one that was written goes first."""
    made = router("/a", "/b/", "/b", slashes="ignore")
    assert found(made, "/a/") == ("/a", {})
    assert found(made, "/b/") == ("/b/", {})
    assert found(made, "/a/", "POST") == Miss(("GET", "HEAD", "OPTIONS"))


# --- hosts --------------------------------------------------------------------------------------


def hosts() -> Router[str]:
    """Routes of two hosts, and for any."""
    made: Router[str] = Router()
    made.add("GET", "/", "any")
    made.add("GET", "/{page}", "any page")
    made.add("GET", "/", "api", "API.example.org")
    made.add("GET", "/", "tenant", "{tenant}.example.org")
    made.add("GET", "/{page}", "tenant page", "{tenant}.example.org")
    made.add("GET", "/", "local", "[::1]")
    return made


@pytest.mark.parametrize(
    ("host", "path", "match"),
    [
        ("api.example.org", "/", ("api", {})),
        ("API.Example.ORG.:8000", "/", ("api", {})),
        ("api.example.org", "/x", ("tenant page", {"tenant": "api", "page": "x"})),
        ("acme.example.org", "/", ("tenant", {"tenant": "acme"})),
        ("acme.example.org", "/a%20b", ("tenant page", {"tenant": "acme", "page": "a b"})),
        ("a.b.example.org", "/", ("any", {})),
        ("example.org", "/x", ("any page", {"page": "x"})),
        ("[::1]:80", "/", ("local", {})),
        ("", "/", ("any", {})),
    ],
)
def test_a_host_is_matched_before_its_paths(host: str, path: str, match: Any) -> None:
    """The narrower host goes first, and what it has not is looked for in the next."""
    made = hosts()
    for _ in range(2):  # the second time from what is remembered about the host
        assert found(made, path, host=host) == match


def test_no_peer_makes_the_router_remember_more_and_more_hosts() -> None:
    """Hosts are the peers' choice: what is kept about them is bounded."""
    made = hosts()
    for number in range(1000):
        assert found(made, "/", host=f"t{number}.example.org") == (
            "tenant",
            {"tenant": f"t{number}"},
        )
    assert len(made._known) <= 256


def test_a_route_that_is_added_counts_for_hosts_seen_before() -> None:
    """What is remembered about a host is forgotten when routes change."""
    made = hosts()
    assert found(made, "/", host="new.example.org") == ("tenant", {"tenant": "new"})
    made.add("GET", "/", "new", "new.example.org")
    assert found(made, "/", host="new.example.org") == ("new", {})


# --- conflicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a", "/a"),
        ("/a/{x}", "/a/{y}"),
        ("/a/{x:int}/b", "/a/{y:int}/b"),
        ("/{x}.json", "/{y}.json"),
        ("/a/{x:path}", "/a/{y:path}"),
    ],
)
def test_two_routes_for_the_same_requests_are_refused(one: str, other: str) -> None:
    """Both are quoted, as they were described."""
    made: Router[int] = Router()
    made.add("GET", one, 1, said="GET of first (a.py:1)")
    with pytest.raises(WiringError) as caught:
        made.add("GET", other, 2, said="GET of second (b.py:2)")
    said = "GET of second (b.py:2) answers to the same requests as GET of first (a.py:1)"
    assert caught.value.message == said


def test_routes_of_one_shape_may_differ_in_method_host_and_names() -> None:
    """Each keeps its own names for the parameters."""
    made: Router[str] = Router()
    made.add("GET", "/a/{x}", "get")
    made.add("PUT", "/a/{y}", "put")
    made.add("GET", "/a/{z}", "host", "example.org")
    assert found(made, "/a/1") == ("get", {"x": "1"})
    assert found(made, "/a/1", "PUT") == ("put", {"y": "1"})
    assert found(made, "/a/1", host="example.org") == ("host", {"z": "1"})


def test_a_name_in_host_and_path_is_refused() -> None:
    """One of the two values would be lost."""
    made: Router[str] = Router()
    with pytest.raises(WiringError, match="'x' in its host and in its path"):
        made.add("GET", "/{x}", "", "{x}.example.org")


# --- cost ---------------------------------------------------------------------------------------


def lines_of(work: Callable[[], object]) -> int:
    """How many lines of Python `work` takes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("path", ["/s7/t", "/p7/42", "/t7/42/x", "/r7/a/b", "/p7/x/y", "/nothing"])
def test_a_match_takes_as_many_steps_among_thousands(path: str) -> None:
    """The cost does not grow with the number of routes, for hits, for misses and for hosts."""

    def made(size: int, host: str | None) -> Router[int]:
        routes: Router[int] = Router()
        for number in range(size):
            routes.add("GET", f"/s{number}/t", number, host)
            routes.add("GET", f"/p{number}/{{x}}", number, host)
            routes.add("GET", f"/t{number}/{{x:int}}/x", number, host)
            routes.add("GET", f"/r{number}/{{x:path}}", number, host)
        return routes

    for host in (None, "example.org"):
        few, many = made(10, host), made(1000, host)
        assert lines_of(lambda: few.match("GET", path, "example.org")) == lines_of(  # noqa: B023
            lambda: many.match("GET", path, "example.org")  # noqa: B023
        )
