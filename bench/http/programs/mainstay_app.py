"""mainstay, as a user writes it."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from mainstay import Call, Handler, Service
from mainstay.http.response import Response

__all__ = ["service"]

TEN_KB = b"x" * 10_240

next_id = itertools.count(1).__next__
counts = {"requests": 0, "seconds": 0.0}


async def request_id(call: Call, next: Handler) -> Any:
    """Add ``x-request-id`` to every reply."""
    response = await next(call)
    response.headers["x-request-id"] = f"{next_id():016x}"
    return response


async def timing(call: Call, next: Handler) -> Any:
    """Count the requests and the time they take."""
    began = time.monotonic()
    try:
        return await next(call)
    finally:
        counts["requests"] += 1
        counts["seconds"] += time.monotonic() - began


service = Service("bench", middleware=[request_id, timing])


@dataclass
class Greeting:
    """What is answered."""

    message: str


class Item(msgspec.Struct):
    """What is uploaded."""

    name: str
    price: Annotated[float, msgspec.Meta(ge=0)]
    tags: list[str]


@service.get("/hello/{name}")
async def hello(name: str, excited: bool = False) -> Greeting:
    """A greeting."""
    return Greeting(f"Hello, {name}{'!' if excited else '.'}")


@service.get("/plain")
async def plain() -> str:
    """A line of text."""
    return "Hello, world!"


@service.get("/ten-kb")
async def ten_kb() -> Response:
    """10 KiB."""
    return Response(TEN_KB, content_type="application/octet-stream")


@service.post("/items")
async def items(item: Item) -> Item:
    """The item that was uploaded."""
    return item


@service.get("/count")
async def count() -> str:
    """How many requests were answered."""
    return str(counts["requests"])
