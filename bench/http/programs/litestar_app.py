"""Litestar, with msgspec types and the middlewares as plain ASGI, which its docs prefer."""

from typing import Annotated

import msgspec
from litestar import Litestar, MediaType, Response, get, post

from bench.http.programs.asgi_middleware import RequestId, Timing, counts

__all__ = ["app"]

TEN_KB = b"x" * 10_240


class Greeting(msgspec.Struct):
    """What is answered."""

    message: str


class Item(msgspec.Struct):
    """What is uploaded."""

    name: str
    price: Annotated[float, msgspec.Meta(ge=0)]
    tags: list[str]


@get("/hello/{name:str}")
async def hello(name: str, excited: bool = False) -> Greeting:
    """A greeting."""
    return Greeting(f"Hello, {name}{'!' if excited else '.'}")


@get("/plain", media_type=MediaType.TEXT)
async def plain() -> str:
    """A line of text."""
    return "Hello, world!"


@get("/ten-kb")
async def ten_kb() -> Response[bytes]:
    """10 KiB."""
    return Response(TEN_KB, media_type="application/octet-stream")


@post("/items", status_code=200)
async def items(data: Item) -> Item:
    """The item that was uploaded."""
    return data


@get("/count", media_type=MediaType.TEXT)
async def count() -> str:
    """How many requests were answered."""
    return str(counts.requests)


app = Litestar(
    route_handlers=[hello, plain, ten_kb, items, count],
    middleware=[RequestId, Timing],
    openapi_config=None,
)
