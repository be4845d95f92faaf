"""FastAPI with the middlewares as plain ASGI; `tutorial` is the same as its tutorial has them."""

import itertools
import time
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from bench.http.programs.asgi_middleware import RequestId, Timing, counts

__all__ = ["app", "tutorial"]

TEN_KB = b"x" * 10_240
Next = Callable[[Request], Awaitable[Response]]


class Greeting(BaseModel):
    """What is answered."""

    message: str


class Item(BaseModel):
    """What is uploaded."""

    name: str
    price: float = Field(ge=0)
    tags: list[str]


def add_routes(app: FastAPI) -> None:
    """The routes of the bench."""

    @app.get("/hello/{name}")
    async def hello(name: str, excited: bool = False) -> Greeting:
        return Greeting(message=f"Hello, {name}{'!' if excited else '.'}")

    @app.get("/plain", response_class=PlainTextResponse)
    async def plain() -> str:
        return "Hello, world!"

    @app.get("/ten-kb")
    async def ten_kb() -> Response:
        return Response(TEN_KB, media_type="application/octet-stream")

    @app.post("/items")
    async def items(item: Item) -> Item:
        return item

    @app.get("/count", response_class=PlainTextResponse)
    async def count() -> str:
        return str(counts.requests)


app = FastAPI()
add_routes(app)
app.add_middleware(Timing)
app.add_middleware(RequestId)

tutorial = FastAPI()
add_routes(tutorial)
next_id = itertools.count(1).__next__


@tutorial.middleware("http")
async def timing(request: Request, call_next: Next) -> Response:
    """Count the requests and the time they take."""
    began = time.monotonic()
    try:
        return await call_next(request)
    finally:
        counts.requests += 1
        counts.seconds += time.monotonic() - began


@tutorial.middleware("http")
async def request_id(request: Request, call_next: Next) -> Response:
    """Add ``x-request-id`` to every reply."""
    response = await call_next(request)
    response.headers["x-request-id"] = f"{next_id():016x}"
    return response
