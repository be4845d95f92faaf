"""The service. Its ``.proto`` is printed by ``mainstay proto export examples.greeter.service``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from msgspec import Struct

from mainstay import Scope, Service
from mainstay.rpc import Code, Get, Rpc, RpcError

greeter = Rpc("hello.v1.Greeter")
service = Service("greeter", title="A greeter", version="1.0.0")
service.add_rpc(greeter)


class HelloRequest(Struct):
    """Who is to be greeted."""

    name: str = ""


class HelloReply(Struct):
    """The greeting."""

    message: str = ""


class Summary(Struct):
    """How many were greeted, and who."""

    count: int = 0
    names: list[str] = []


@greeter.method(http=Get("/v1/hello/{name}"), idempotent=True)
async def say_hello(request: HelloRequest) -> HelloReply:
    """One greeting for one name."""
    if not request.name:
        raise RpcError(Code.INVALID_ARGUMENT, "whom shall I greet? name is empty")
    return HelloReply(f"Hello, {request.name}!")


@greeter.method
async def count_down(request: HelloRequest, scope: Scope) -> AsyncIterator[HelloReply]:
    """A greeting a second for ten seconds; fewer when the service stops."""
    for left in range(10, 0, -1):
        yield HelloReply(f"{left}, {request.name}")
        if scope.draining:
            yield HelloReply("the service stops; goodbye")
            return
        await asyncio.sleep(1)


@greeter.method
async def greet_all(requests: AsyncIterator[HelloRequest]) -> Summary:
    """One answer to any number of names."""
    names = [each.name async for each in requests]
    return Summary(len(names), names)


@greeter.method
async def chat(requests: AsyncIterator[HelloRequest]) -> AsyncIterator[HelloReply]:
    """A greeting for each name, as it comes."""
    async for each in requests:
        yield HelloReply(f"Hello, {each.name}!")
