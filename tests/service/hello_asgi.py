"""A program for other servers, which tests start: ``tests.service.hello_asgi:app``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from mainstay import Service
from mainstay.http.request import Request
from mainstay.http.sse import EventStream
from mainstay.http.websocket import WebSocket

service = Service("hello")


class Database:
    """Something to open and to close."""


@service.resource
async def database() -> AsyncIterator[Database]:
    print("opened", flush=True)  # noqa: T201 - the test reads it
    yield Database()
    print("closed", flush=True)  # noqa: T201


@service.get("/hello/{name}")
async def hello(name: str, request: Request, database: Database, excited: bool = False) -> str:
    return f"hello {name}{'!' if excited else ''} from {request.host}"


@service.post("/size")
async def size(chunks: AsyncIterator[bytes]) -> int:
    found = 0
    async for chunk in chunks:
        found += len(chunk)
    return found


@service.get("/numbers")
async def numbers() -> EventStream[int]:
    for number in range(3):
        yield number
        await asyncio.sleep(0)


@service.websocket("/echo")
async def echo(socket: WebSocket[str, str]) -> None:
    async for message in socket:
        await socket.send(message.upper())


app = service.asgi
