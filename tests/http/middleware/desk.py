"""HTTP calls through middleware, without a connection: the application, and exchanges in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mainstay.core.call import Handler, Middleware, chain
from mainstay.core.metadata import Peer
from mainstay.core.scope import Scope
from mainstay.core.wheel import Wheel
from mainstay.http.app import HttpApplication
from mainstay.http.endpoint import Endpoint
from mainstay.http.response import Response
from mainstay.http.route import Route
from mainstay.http.router import Router
from mainstay.net.limits import Limits
from mainstay.net.port import Port
from mainstay.testing import virtual_effects
from mainstay.testing.exchange import MemoryExchange, Reply

Fields = Iterable[tuple[str | bytes, str | bytes]]


async def ok(call: Any) -> Response:
    """Answers at once."""
    return Response("ok")


class Desk:
    """An application that answers exchanges in memory; its clock is that of the loop.

    Args:
        middleware: around everything, as a service has it.
        routes: handlers by ``GET /path``.
        prefix: of the application.
    """

    def __init__(
        self,
        middleware: Sequence[Middleware] = (),
        routes: Mapping[str, Handler] | None = None,
        prefix: str = "",
    ) -> None:
        router: Router[Endpoint] = Router("redirect")
        endpoints = []
        for name, handler in (routes or {"GET /": ok, "POST /": ok}).items():
            method, path = name.split(" ")
            route = Route(path=path, function=handler, methods=(method,))
            endpoint = Endpoint(name, chain(middleware, handler), route)
            endpoints.append(endpoint)
            router.add(method, path, endpoint)
        self.app = HttpApplication(
            router, endpoints, lambda each: chain(middleware, each), prefix=prefix
        )
        loop = asyncio.get_running_loop()
        effects = virtual_effects(loop)  # type: ignore[arg-type]  # a VirtualLoop
        self.calls = Scope("calls", parent=None, effects=effects)
        self.calls.open()
        clock = effects.clock
        wheel = Wheel(loop, clock.monotonic)
        port = Port(self.app, Limits(), wheel, clock.monotonic, clock.time)
        self.app.open(port, self.calls, ok)

    async def ask(
        self,
        target: str | bytes = "/",
        method: str = "GET",
        fields: Fields = (),
        *,
        peer: str = "192.0.2.7:5000",
        **options: Any,
    ) -> Reply:
        """What is answered."""
        exchange = MemoryExchange(
            method, target, fields, peer=Peer(peer, options.pop("identity", None)), **options
        )
        # As a connection does it: in a callback, where no task is current.
        asyncio.get_running_loop().call_soon(self.app.begin, exchange)
        return await exchange.wait_finished()
