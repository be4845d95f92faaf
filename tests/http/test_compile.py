"""Declared routes become a router of endpoints."""

import pytest

from mainstay.errors import WiringError
from mainstay.http.compile import compile_routes
from mainstay.http.router import WEBSOCKET, Miss, Router
from mainstay.http.routes import Routes


async def handler() -> None: ...


async def other() -> None: ...


def at(router: Router, method: str, path: str) -> object:  # type: ignore[type-arg]
    """The function that answers, with the parameters; None for a miss."""
    found = router.match(method, path)
    return None if isinstance(found, Miss) else (found[0].route.function, dict(found[1]))


def test_every_route_is_found() -> None:
    """By each of its methods, as a WebSocket, or by everything at and below a mount."""
    routes = Routes("/v1")
    routes.route("/{id:int}", ["PUT", "POST"])(handler)
    routes.websocket("/ws")(other)
    routes.mount("/app", other)
    router = compile_routes(routes).router
    assert at(router, "PUT", "/v1/7") == at(router, "POST", "/v1/7") == (handler, {"id": 7})
    assert at(router, WEBSOCKET, "/v1/ws") == (other, {})
    assert at(router, "GET", "/v1/ws") is None
    assert at(router, "GET", "/v1/app") == (other, {})
    assert at(router, "PROPFIND", "/v1/app/") == (other, {"path": ""})
    assert at(router, WEBSOCKET, "/v1/app/a/b") == (other, {"path": "a/b"})


def test_a_mount_of_everything_leaves_the_routes_alone() -> None:
    """What has a route of its own is not the mount's."""
    routes = Routes()
    routes.mount("", other)
    routes.get("/a/{id}")(handler)
    router = compile_routes(routes).router
    assert at(router, "GET", "/a/1") == (handler, {"id": "1"})
    assert at(router, "POST", "/a/1") == (other, {"path": "a/1"})
    assert at(router, "GET", "/") == (other, {"path": ""})


def test_one_endpoint_stands_for_a_route() -> None:
    """It has what the server asks of it per call, for all the methods."""
    routes = Routes(timeout=2.0, detached=True)
    routes.route("/a", ["PUT", "POST"], body_limit=10)(handler)
    compiled = compile_routes(routes)
    (endpoint,) = compiled.endpoints
    found = compiled.router.match("PUT", "/a"), compiled.router.match("POST", "/a")
    assert [match[0] for match in found] == [endpoint, endpoint]  # type: ignore[index]
    assert endpoint.method_name == "PUT|POST /a"
    assert (endpoint.body_limit, endpoint.timeout, endpoint.detached) == (10, 2.0, True)


def test_defaults_are_parameters_of_a_shorter_route() -> None:
    """The match has them."""
    routes = Routes()
    routes.get("/posts", defaults={"page": 1})(handler)
    routes.get("/posts/{page:int}")(handler)
    router = compile_routes(routes).router
    assert at(router, "GET", "/posts") == (handler, {"page": 1})
    assert at(router, "GET", "/posts/2") == (handler, {"page": 2})


def test_the_policy_for_slashes_is_a_redirect_unless_said() -> None:
    """Whoever types an address gets there."""
    routes = Routes()
    routes.get("/a")(handler)
    assert compile_routes(routes).router.match("GET", "/a/") == Miss(redirect="/a")
    assert compile_routes(routes, "strict").router.match("GET", "/a/") == Miss()


def test_all_faults_are_told_at_once() -> None:
    """Conflicts between groups, patterns that a prefix made impossible, names given twice."""
    routes, group = Routes(), Routes()
    routes.get("/a", name="n")(handler)
    group.get("/{id}")(handler)
    group.get("/b", name="n")(other)
    routes.include(group, "/{id}")
    again = Routes()
    again.get("/a")(other)
    routes.include(again)
    routes.get("")(handler)
    with pytest.raises(WiringError) as caught:
        compile_routes(routes)
    lines = caught.value.message.splitlines()
    assert len(lines) == 4
    assert "GET /{id}/{id} of handler" in lines[0]
    assert "the parameter 'id' is there twice" in lines[0]
    assert "GET /a of other" in lines[1]
    assert "answers to the same requests as GET /a of handler" in lines[1]
    assert "begins with a slash" in lines[2]
    assert "is named 'n', and so is" in lines[3]
