"""Sanic in one process, on a server of its own; msgspec decodes, since it has no validation."""

import itertools
import sys
import time
from typing import Annotated

import msgspec
from sanic import HTTPResponse, Request, Sanic
from sanic.response import json, raw, text

__all__ = ["app"]

TEN_KB = b"x" * 10_240

app = Sanic("bench")
next_id = itertools.count(1).__next__
counts = {"requests": 0, "seconds": 0.0}


class Item(msgspec.Struct):
    """What is uploaded."""

    name: str
    price: Annotated[float, msgspec.Meta(ge=0)]
    tags: list[str]


decoder = msgspec.json.Decoder(Item)
encoder = msgspec.json.Encoder()


@app.on_request
async def began(request: Request) -> None:
    """Take the time; Sanic's middlewares come in two halves."""
    request.ctx.began = time.monotonic()


@app.on_response
async def timing(request: Request, response: HTTPResponse) -> None:
    """Count the requests and the time they take."""
    counts["requests"] += 1
    counts["seconds"] += time.monotonic() - request.ctx.began


@app.on_response
async def request_id(request: Request, response: HTTPResponse) -> None:
    """Add ``x-request-id`` to every reply."""
    response.headers["x-request-id"] = f"{next_id():016x}"


@app.get("/hello/<name:str>")
async def hello(request: Request, name: str) -> HTTPResponse:
    """A greeting."""
    excited = request.args.get("excited", "false") in ("true", "1")
    return json({"message": f"Hello, {name}{'!' if excited else '.'}"})


@app.get("/plain")
async def plain(request: Request) -> HTTPResponse:
    """A line of text."""
    return text("Hello, world!")


@app.get("/ten-kb")
async def ten_kb(request: Request) -> HTTPResponse:
    """10 KiB."""
    return raw(TEN_KB)


@app.post("/items")
async def items(request: Request) -> HTTPResponse:
    """The item that was uploaded."""
    try:
        item = decoder.decode(request.body)
    except msgspec.ValidationError as error:
        return json({"detail": str(error)}, status=422)
    return raw(encoder.encode(item), content_type="application/json")


@app.get("/count")
async def count(request: Request) -> HTTPResponse:
    """How many requests were answered."""
    return text(str(counts["requests"]))


if __name__ == "__main__":
    app.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        single_process=True,
        access_log=False,
        motd=False,
        debug=False,
    )
