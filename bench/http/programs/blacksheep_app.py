"""BlackSheep, with pydantic for the upload, which it binds itself."""

import itertools
import time
from collections.abc import Awaitable, Callable

from blacksheep import Application, Content, Request, Response, text
from pydantic import BaseModel, Field

__all__ = ["app"]

TEN_KB = b"x" * 10_240
Next = Callable[[Request], Awaitable[Response]]

app = Application()
next_id = itertools.count(1).__next__
counts = {"requests": 0, "seconds": 0.0}


class Greeting(BaseModel):
    """What is answered."""

    message: str


class Item(BaseModel):
    """What is uploaded."""

    name: str
    price: float = Field(ge=0)
    tags: list[str]


async def request_id(request: Request, handler: Next) -> Response:
    """Add ``x-request-id`` to every reply."""
    response = await handler(request)
    response.add_header(b"x-request-id", b"%016x" % next_id())
    return response


async def timing(request: Request, handler: Next) -> Response:
    """Count the requests and the time they take."""
    began = time.monotonic()
    try:
        return await handler(request)
    finally:
        counts["requests"] += 1
        counts["seconds"] += time.monotonic() - began


app.middlewares.append(request_id)
app.middlewares.append(timing)


@app.router.get("/hello/{name}")
async def hello(name: str, excited: bool = False) -> Greeting:
    """A greeting."""
    return Greeting(message=f"Hello, {name}{'!' if excited else '.'}")


@app.router.get("/plain")
async def plain() -> Response:
    """A line of text."""
    return text("Hello, world!")


@app.router.get("/ten-kb")
async def ten_kb() -> Response:
    """10 KiB."""
    return Response(200, content=Content(b"application/octet-stream", TEN_KB))


@app.router.post("/items")
async def items(item: Item) -> Item:
    """The item that was uploaded."""
    return item


@app.router.get("/count")
async def count() -> Response:
    """How many requests were answered."""
    return text(str(counts["requests"]))
