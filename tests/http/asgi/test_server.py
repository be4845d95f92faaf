"""The server without sockets, through its life."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import UsageError
from mainstay.http.app import HttpApplication
from mainstay.http.asgi.server import AsgiServer
from mainstay.http.compile import compile_routes
from mainstay.http.response import Response
from mainstay.http.routes import Routes
from mainstay.net.limits import Limits
from tests.http.asgi.test_exchange import BASE, Other, request


def make(gate: asyncio.Event) -> AsgiServer:
    routes = Routes()

    @routes.get("/{rest:path}")
    async def answer(rest: str) -> None: ...

    compiled = compile_routes(routes)

    async def handler(call: Any) -> Response:
        await gate.wait()
        return Response(b"hi")

    compiled.endpoints[0].handler = handler
    return AsgiServer(HttpApplication(compiled.router, compiled.endpoints), Limits())


async def never(call: Any) -> Any:
    raise AssertionError


async def test_a_drain_waits_for_what_is_under_way() -> None:
    """And what comes later gets 503."""
    gate = asyncio.Event()
    server = make(gate)
    assert await server.open(never, Scope.current()) == ["asgi"]
    server.accept()
    first = Other(request())
    serving = asyncio.ensure_future(server.serve(dict(BASE), first.receive, first.send))
    await asyncio.sleep(1)
    assert server.statistics().in_flight == 1
    await server.stop_accepting()
    late = Other(request())
    await server.serve(dict(BASE), late.receive, late.send)
    assert late.said[0]["status"] == 503
    draining = asyncio.ensure_future(server.drain())
    await asyncio.sleep(1)
    assert not draining.done()
    gate.set()
    await draining
    await serving
    assert [each.get("body") for each in first.said] == [None, b"hi"]
    await server.aclose()


async def test_a_websocket_that_comes_too_early_is_closed() -> None:
    """1012 asks it to come again."""
    other = Other()
    await make(asyncio.Event()).serve({**BASE, "type": "websocket"}, other.receive, other.send)
    assert other.said == [{"type": "websocket.close", "code": 1012}]


async def test_a_server_lives_once() -> None:
    """The service makes a new one for each life."""
    server = make(asyncio.Event())
    await server.open(never, Scope.current())
    with pytest.raises(UsageError):
        await server.open(never, Scope.current())
    await server.aclose()
