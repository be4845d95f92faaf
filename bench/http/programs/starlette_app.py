"""Starlette, which has no validation of its own: msgspec decodes, the cheapest there is."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bench.http.programs.asgi_middleware import RequestId, Timing, counts

__all__ = ["app"]

TEN_KB = b"x" * 10_240


class Item(msgspec.Struct):
    """What is uploaded."""

    name: str
    price: Annotated[float, msgspec.Meta(ge=0)]
    tags: list[str]


decoder = msgspec.json.Decoder(Item)
encoder = msgspec.json.Encoder()


async def hello(request: Request) -> Response:
    """A greeting."""
    excited = request.query_params.get("excited", "false") in ("true", "1")
    mark = "!" if excited else "."
    return JSONResponse({"message": f"Hello, {request.path_params['name']}{mark}"})


async def plain(request: Request) -> Response:
    """A line of text."""
    return PlainTextResponse("Hello, world!")


async def ten_kb(request: Request) -> Response:
    """10 KiB."""
    return Response(TEN_KB, media_type="application/octet-stream")


async def items(request: Request) -> Response:
    """The item that was uploaded."""
    try:
        item = decoder.decode(await request.body())
    except msgspec.ValidationError as error:
        return JSONResponse({"detail": str(error)}, status_code=422)
    return Response(encoder.encode(item), media_type="application/json")


async def count(request: Request) -> Response:
    """How many requests were answered."""
    return PlainTextResponse(str(counts.requests))


app = Starlette(
    routes=[
        Route("/hello/{name}", hello),
        Route("/plain", plain),
        Route("/ten-kb", ten_kb),
        Route("/items", items, methods=["POST"]),
        Route("/count", count),
    ],
    middleware=[Middleware(RequestId), Middleware(Timing)],
)
