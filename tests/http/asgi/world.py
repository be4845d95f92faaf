"""What the tests of ASGI share: an application of HTTP around one mounted application."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

from mainstay.core.call import Middleware, chain
from mainstay.core.scope import Scope
from mainstay.core.wheel import Wheel
from mainstay.http.app import HttpApplication
from mainstay.http.asgi.mount import AsgiMount
from mainstay.http.asgi.types import AsgiApp, AsgiScope, Message, Receive, Send
from mainstay.http.compile import compile_routes
from mainstay.http.routes import Routes
from mainstay.net.limits import Limits
from mainstay.net.port import Port
from mainstay.testing.exchange import MemoryExchange, Reply


async def echo(scope: AsgiScope, receive: Receive, send: Send) -> None:
    """Answer with what was received, all of it at once."""
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    await reply(send, body)


async def reply(send: Send, body: bytes, *fields: tuple[bytes, bytes], status: int = 200) -> None:
    """Send a whole reply."""
    await send(start(*fields, status=status))
    await send({"type": "http.response.body", "body": body})


def start(*fields: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(fields)}


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def mounted(
    app: AsgiApp, path: str = "", *middleware: Middleware, **options: Any
) -> HttpApplication:
    """An application of HTTP that answers at and below `path` with `app`; open, in this scope."""
    routes = Routes()
    routes.mount(path, app, **options)
    compiled = compile_routes(routes)
    (endpoint,) = compiled.endpoints
    mount = AsgiMount(app, path)
    endpoint.timeout = endpoint.timeout or inf
    endpoint.handler = chain(middleware, mount)
    application = HttpApplication(compiled.router, compiled.endpoints)
    scope = Scope.current()
    clock = scope.effects.clock
    wheel = Wheel(asyncio.get_running_loop(), clock.monotonic)
    application.open(Port(application, Limits(), wheel, clock.monotonic, clock.time), scope, mount)
    return application


async def answered(application: HttpApplication, exchange: MemoryExchange) -> Reply:
    """Let `application` answer, and wait for the reply and for the call."""
    asyncio.get_running_loop().call_soon(application.begin, exchange)
    reply = await exchange.wait_finished()
    while application.tasks:
        await asyncio.wait(application.tasks)
    return reply
