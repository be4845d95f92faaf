"""The whole document: paths, names, tags, security."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from mainstay.core.call import Call, Handler
from mainstay.errors import UsageError
from mainstay.http.middleware.auth import bearer, tokens
from mainstay.http.middleware.principal import require
from mainstay.http.openapi.build import Documented, Info, build
from mainstay.http.routes import Routes
from mainstay.http.websocket import WebSocket
from tests.http.openapi.world import document


class Item(Struct):
    """A thing."""

    name: str
    tags: list[str] = []


def empty() -> Routes:
    return Routes()


async def ping() -> str:
    """Say whether it works.

    It always does.
    """
    return "pong"


def test_an_empty_service_has_a_document() -> None:
    """Title, version and description are as given."""
    made = document(empty(), title="Shop", version="1.2.3", description="Things.")
    assert made["openapi"] == "3.1.1"
    assert made["info"] == {"title": "Shop", "version": "1.2.3", "description": "Things."}
    assert (made["paths"], made["servers"]) == ({}, [{"url": "/"}])


def test_the_docstring_says_what_an_operation_does() -> None:
    """Its first line is the summary, the rest the description; options of the route win."""
    routes = empty()
    routes.get("/ping")(ping)
    routes.get("/other", summary="Other", description="Words.")(ping)
    paths = document(routes)["paths"]
    said = paths["/ping"]["get"]
    assert (said["summary"], said["description"]) == ("Say whether it works", "It always does.")
    said = paths["/other"]["get"]
    assert (said["summary"], said["description"]) == ("Other", "Words.")


def test_a_function_without_a_docstring_is_called_by_its_name() -> None:
    """Its name becomes words."""

    async def read_all_users() -> None: ...

    routes = empty()
    routes.get("/")(read_all_users)
    said = document(routes)["paths"]["/"]["get"]
    assert (said["summary"], said["operationId"]) == ("Read all users", "read_all_users")


def test_operations_have_ids_of_their_own() -> None:
    """A function at two places, and one for several methods, are told apart."""
    routes = empty()
    routes.get("/a")(ping)
    routes.get("/b")(ping)
    routes.route("/c", ["GET", "POST"])(ping)
    paths = document(routes)["paths"]
    ids = [each["operationId"] for path in paths.values() for each in path.values()]
    assert ids == ["ping", "ping_2", "get_ping", "post_ping"]


def test_tags_and_deprecation_are_told() -> None:
    """Tags stand in the order in which they come."""
    routes = Routes(tags=["b"])
    routes.get("/", tags=["a"], deprecated=True)(ping)
    made = document(routes)
    assert made["tags"] == [{"name": "b"}, {"name": "a"}]
    said = made["paths"]["/"]["get"]
    assert (said["tags"], said["deprecated"]) == (["b", "a"], True)


def test_what_is_not_documented_is_left_out() -> None:
    """So are mounted applications and methods that OpenAPI has no word for."""

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    routes = empty()
    routes.get("/hidden", documented=False)(ping)
    routes.mount("/old", app)
    routes.route("/dav", ["PROPFIND"])(ping)
    assert document(routes)["paths"] == {}


def test_paths_that_differ_by_their_converters_are_all_there() -> None:
    """OpenAPI allows each template once; the others are told apart by a fragment."""
    routes = empty()

    @routes.get("/a/{id:int}")
    async def by_number(id: int) -> None: ...

    @routes.get("/a/{id}")
    async def by_name(id: str) -> None: ...

    assert set(document(routes)["paths"]) == {"/a/{id}", "/a/{id}#2"}


def test_a_route_with_a_host_says_where_it_answers() -> None:
    """The parameters of the host are variables of the server."""
    routes = empty()

    @routes.get("/", host="{tenant}.example.org")
    async def home(tenant: str) -> None: ...

    said = document(routes)["paths"]["/"]["get"]
    assert said["servers"] == [
        {"url": "//{tenant}.example.org", "variables": {"tenant": {"default": "tenant"}}}
    ]
    assert "parameters" not in said


def test_security_is_told_and_brings_its_problems() -> None:
    """Known schemes describe themselves; 401 and 403 can come."""
    routes = empty()
    routes.get("/", security=[{"bearer": ["read"]}])(ping)
    made = document(routes)
    said = made["paths"]["/"]["get"]
    assert said["security"] == [{"bearer": ["read"]}]
    assert {"401", "403"} <= set(said["responses"])
    assert made["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}


def test_middleware_says_how_it_secures() -> None:
    """Its requirements hold besides those of the route."""

    class Keys:
        security = ({"key": ()},)
        security_schemes = {"key": {"type": "apiKey", "in": "header", "name": "x-key"}}  # noqa: RUF012

        async def __call__(self, call: Call, next: Handler) -> Any:
            return await next(call)

    routes = empty()
    routes.get("/", security=[{"bearer": []}], middleware=[Keys()])(ping)
    made = document(routes)
    assert made["paths"]["/"]["get"]["security"] == [{"key": [], "bearer": []}]
    assert set(made["components"]["securitySchemes"]) == {"key", "bearer"}


def test_required_scopes_are_shown_with_the_scheme_around_them() -> None:
    """Of the one authentication that the route stands in; of several, nobody knows whose."""
    routes = Routes(middleware=[bearer(tokens({"t": "ada"}))])
    routes.get("/one", middleware=[require("read"), require("list")])(ping)
    routes.get("/two", security=[{"basic": []}], middleware=[require("read")])(ping)
    paths = document(routes)["paths"]
    assert paths["/one"]["get"]["security"] == [{"bearer": ["read", "list"]}]
    assert paths["/two"]["get"]["security"] == [{"basic": [], "bearer": []}]
    alone = empty()
    alone.get("/", middleware=[require("read")])(ping)
    assert "security" not in document(alone)["paths"]["/"]["get"]


def test_a_scheme_that_nobody_described_is_refused() -> None:
    """The message names the route and the scheme."""
    routes = empty()
    routes.get("/", security=[{"magic": []}])(ping)
    with pytest.raises(UsageError, match=r"GET /.*'magic'"):
        build([Documented(each) for each in routes.routes()], Info(title="x"))


def test_websockets_are_listed_beside_the_operations() -> None:
    """In a member of our own, with what they take and send."""
    routes = empty()

    @routes.websocket("/rooms/{room}")
    async def chat(room: str, socket: WebSocket[Item, str]) -> None:
        """Talk."""

    said = document(routes)["paths"]["/rooms/{room}"]["x-websocket"]
    assert said["summary"] == "Talk"
    assert said["receives"] == {"$ref": "#/components/schemas/Item"}
    assert said["sends"] == {"type": "string"}
    assert [each["name"] for each in said["parameters"]] == ["room"]
