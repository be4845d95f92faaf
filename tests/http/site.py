"""An HTTP server on a real socket with handlers of a test, and a client that shows everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from mainstay.core.call import Handler, Middleware, chain
from mainstay.core.scope import Scope
from mainstay.http.app import HttpApplication
from mainstay.http.endpoint import Endpoint
from mainstay.http.route import Route
from mainstay.http.router import Router, Slashes
from mainstay.http.server import HttpServer
from mainstay.net.limits import Limits
from tests.net.serving import PATIENCE, Client


class Site:
    """A server at work."""

    def __init__(self, server: HttpServer, calls: Scope, number: int) -> None:
        self.server = server
        self.app = cast("HttpApplication", server.application)
        self.calls = calls
        self.number = number
        self.clients: list[Client] = []

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.number))
        self.clients.append(client)
        return client

    async def get(
        self, path: str, method: str = "GET", fields: str = ""
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, fields and the body up to the end of the connection."""
        client = await self.connect()
        head = f"{method} {path} HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n{fields}\r\n"
        await client.send(head.encode())
        status, found = await client.head()
        body = await client.rest()
        await client.aclose()
        return status, found, body

    async def wait_for(self, condition: Callable[[], Any]) -> None:
        """Wait until `condition` holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - what it asks about has no event
                await asyncio.sleep(0.005)

    async def wait_in_flight(self, number: int = 1) -> None:
        """Wait until so many calls are at work."""
        await self.wait_for(lambda: self.server.statistics().in_flight == number)

    def counts(self, method_name: str) -> dict[int, int]:
        """The statuses that were counted of a route."""
        endpoints = {each.method_name: each for each in self.app.endpoints}
        return endpoints[method_name].counts.statuses


@asynccontextmanager
async def running(
    handlers: dict[str, Handler],
    *,
    middleware: Sequence[Middleware] = (),
    options: dict[str, Any] | None = None,
    call_timeout: float | None = 30.0,
    slashes: Slashes = "redirect",
    **limits: Any,
) -> AsyncIterator[Site]:
    """A server of `handlers`, by ``GET /path``; at its end every connection is closed."""
    router: Router[Endpoint] = Router(slashes)
    endpoints = []
    for name, handler in handlers.items():
        method, path = name.split(" ")
        route = Route(path=path, function=handler, methods=(method,), **(options or {}))
        endpoint = Endpoint(name, chain(middleware, handler), route)
        endpoints.append(endpoint)
        router.add(method, path, endpoint)
    app = HttpApplication(router, endpoints, lambda each: chain(middleware, each), call_timeout)
    server = HttpServer(["tcp://127.0.0.1:0"], app, limits=Limits(**{"lame_duck": 0.05, **limits}))
    with Scope("service", parent=None) as scope:
        calls = scope.child("calls").open()
        addresses = await server.open(chain(middleware, _nobody), calls)
        server.accept()
        site = Site(server, calls, int(addresses[0].rpartition(":")[2]))
        try:
            yield site
        finally:
            await server.aclose()
            for client in site.clients:
                await client.aclose()
            calls.close()


async def _nobody(call: Any) -> None:
    raise AssertionError("every endpoint has a handler of its own")
