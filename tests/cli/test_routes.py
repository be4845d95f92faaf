"""Facts about ``mainstay routes``: every route in its order, for people and for scripts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.world import GOOD, mainstay, write

SHOP = """
    from mainstay import Service
    from mainstay.http.routes import Routes
    from mainstay.http.websocket import WebSocket

    async def authenticated(call, next):
        return await next(call)

    class Counted:
        async def __call__(self, call, next):
            return await next(call)

    async def old(scope, receive, send): ...

    users = Routes("/users", host="{tenant}.example.org", middleware=[authenticated])

    @users.route("/{id:int}", ["PUT", "PATCH"], name="write", middleware=[Counted()])
    async def write_user(id: int, tenant: str) -> None: ...

    service = Service("shop")
    service.include(users, "/v1")
    service.mount("/old", old)

    @service.websocket("/chat")
    async def chat(socket: WebSocket[str, str]) -> None: ...

    @service.get("/hello/{name}")
    async def hello(name: str) -> str: ...
    """


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write(tmp_path, shop=SHOP, good=GOOD)
    return tmp_path


def test_every_route_has_a_row(shop: Path) -> None:
    """In columns, in the order of declaration; how a mount and a WebSocket are called is shown."""
    done = mainstay("routes", "shop", cwd=shop)
    assert (done.code, done.err) == (0, "")
    rows = [re.split(r" {2,}", line) for line in done.out.splitlines()]
    assert rows == [
        ["method", "path", "host", "name", "function", "middleware"],
        [
            "PUT, PATCH",
            "/v1/users/{id:int}",
            "{tenant}.example.org",
            "write",
            "shop.write_user",
            "shop.authenticated, shop.Counted",
        ],
        ["*", "/old", "shop.old"],
        ["WEBSOCKET", "/chat", "chat", "shop.chat"],
        ["GET", "/hello/{name}", "hello", "shop.hello"],
    ]


def test_scripts_get_an_object_a_route(shop: Path) -> None:
    """With lists for what may be several, and null for no host."""
    done = mainstay("routes", "shop", "--json", cwd=shop)
    first, _, _, last = map(json.loads, done.out.splitlines())
    assert first["method"] == ["PUT", "PATCH"]
    assert first["middleware"] == ["shop.authenticated", "shop.Counted"]
    assert last == {
        "method": ["GET"],
        "path": "/hello/{name}",
        "host": None,
        "name": "hello",
        "function": "shop.hello",
        "middleware": [],
    }


def test_a_service_without_routes_says_so(shop: Path) -> None:
    """To people; for scripts there is nothing."""
    assert mainstay("routes", "good", cwd=shop).out == "no routes\n"
    assert mainstay("routes", "good", "--json", cwd=shop).out == ""


def test_what_would_fail_at_a_start_fails(shop: Path) -> None:
    """A table of routes that do not work is worth nothing."""
    write(
        shop,
        wrong="""
        from mainstay import Service
        service = Service("wrong")

        class Unknown: ...

        @service.get("/a")
        async def a(what: Unknown) -> str: ...
        """,
    )
    done = mainstay("routes", "wrong", cwd=shop)
    assert (done.code, done.out) == (2, "")
    assert "'what'" in done.err
    assert "wrong.py:7" in done.err


GREETER = """
    from dataclasses import dataclass

    from mainstay import Service
    from mainstay.rpc import Get, Rpc

    @dataclass
    class Hello:
        name: str = ""

    greeter = Rpc("hello.v1.Greeter")

    @greeter.method(http=Get("/v1/hello/{name}"))
    async def say_hello(request: Hello) -> Hello:
        return request

    @greeter.method(idempotent=True)
    async def look(request: Hello) -> Hello:
        return request

    service = Service("hello")
    service.add_rpc(greeter)
    """


def test_methods_of_rpc_are_listed_by_every_path(tmp_path: Path) -> None:
    """Those that they have for JSON come first, then their own."""
    write(tmp_path, hello=GREETER)
    done = mainstay("routes", "hello", "--json", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [(row["method"], row["path"]) for row in rows] == [
        (["GET"], "/v1/hello/{name}"),
        (["POST"], "/hello.v1.Greeter/SayHello"),
        (["POST", "GET"], "/hello.v1.Greeter/Look"),
    ]
    assert {row["name"] for row in rows[:2]} == {"hello.v1.Greeter/SayHello"}
    assert rows[0]["function"] == "hello.say_hello"


def test_methods_are_asked_by_get_only_where_connect_is_spoken(tmp_path: Path) -> None:
    """What changes nothing has POST only without it."""
    write(tmp_path, hello=GREETER)
    done = mainstay(
        "routes", "hello", "--json", "--set", "mainstay.rpc.connect=false", cwd=tmp_path
    )
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out.splitlines()[-1])["method"] == ["POST"]
