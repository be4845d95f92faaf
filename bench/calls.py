"""A call inside the process: scope, deadline, middleware and injection, and no bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from bench.harness import Experiment, Lap, Work, in_loop
from mainstay import Call, Handler, Middleware, Scope, Service

__all__ = ["EXPERIMENT"]


class Database:
    """Something to inject."""


class Session:
    """Something to inject that lives for one call."""


async def empty(call: Call, next: Handler) -> Any:
    return await next(call)


def service(middleware: Sequence[Middleware] = ()) -> Service:
    """A service that echoes, in four ways."""
    service = Service("bench", middleware=middleware)

    @service.resource
    async def database() -> AsyncIterator[Database]:
        yield Database()

    @service.resource(lifetime="call")
    async def session(database: Database) -> AsyncIterator[Session]:
        yield Session()

    @service.handler("echo")
    async def echo(text: str) -> str:
        return text

    @service.handler("injected")
    async def injected(text: str, database: Database) -> str:
        return text

    @service.handler("scoped")
    async def scoped(text: str, database: Database, scope: Scope) -> str:
        return text

    @service.handler("session")
    async def with_session(text: str, session: Session) -> str:
        return text

    return service


def calling(method: str, middleware: Sequence[Middleware] = ()) -> Work:
    async def work(times: int, lap: Lap) -> None:
        async with service(middleware).running() as running:
            with lap:
                for _ in range(times):
                    await running.call(method, "Ada")

    return work


async def echo(text: str) -> str:
    return text


async def bare(times: int, lap: Lap) -> None:
    with lap:
        for _ in range(times):
            await echo("Ada")


async def bounded(times: int, lap: Lap) -> None:
    with lap:
        for _ in range(times):
            async with asyncio.timeout(30):
                await echo("Ada")


EXPERIMENT = Experiment(
    "call",
    "call a handler of a running service in process",
    [
        in_loop("await echo(…), no service", bare),
        in_loop("the same in asyncio.timeout(30)", bounded),
        in_loop("Running.call", calling("echo")),
        in_loop("… with 2 middleware", calling("echo", (empty, empty))),
        in_loop("… with a resource injected", calling("injected")),
        in_loop("… with a resource and the scope", calling("scoped")),
        in_loop("… with a resource of the call", calling("session")),
    ],
    reference="the same in asyncio.timeout(30)",
)
