"""The service that is restarted: a call of each kind that a restart could lose.

Every quick answer names its process, so that the load can tell generations apart. A file named by
``RESTART_PROOF_FAULT`` makes the next start fail, in the way its content says.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from mainstay import Scope, Service
from mainstay.http import Event, EventStream, Request, WebSocket
from mainstay.rpc import Rpc

__all__ = ["service"]

PID: Final = os.getpid()
FAULT: Final = "RESTART_PROOF_FAULT"
PIECES: Final = 20
"""In which a slow reply streams, or a slow upload is read."""


def misbehave(moment: str) -> None:
    """Fail, if this start is to fail at this moment; and leave a mark that it did."""
    path = os.environ.get(FAULT)
    if path is None:
        return
    fault = Path(path)
    if fault.read_text() != moment:
        return
    with fault.with_suffix(".seen").open("a") as seen:
        seen.write(f"{PID} {moment}\n")
    if moment == "exit":
        os._exit(7)
    raise RuntimeError(f"the {moment} fails, as it was told to")


misbehave("import")
misbehave("exit")

service = Service("subject")
subject = Rpc("restart.v1.Subject")
service.add_rpc(subject)


class Number(Struct):
    """A number to be sent back."""

    value: int = 0


class Answer(Struct):
    """Who answered, and what came: bytes, or seconds."""

    pid: int
    value: float = 0


@service.resource
async def store() -> AsyncIterator[Path]:
    """Something that has to be opened before the service can serve."""
    misbehave("resource")
    yield Path()


@service.get("/quick")
async def quick() -> Answer:
    """Answer at once."""
    return Answer(PID)


@service.get("/slow")
async def slow(seconds: float = 2.0) -> Answer:
    """Answer late."""
    await asyncio.sleep(seconds)
    return Answer(PID, seconds)


@service.get("/stream", timeout=60)
async def stream(seconds: float = 2.0) -> AsyncIterator[bytes]:
    """A reply in pieces of equal length."""
    for number in range(PIECES):
        yield b"%07d\n" % number
        await asyncio.sleep(seconds / PIECES)


@service.post("/upload", timeout=60)
async def upload(request: Request) -> Answer:
    """Read slowly, and say how much came."""
    size = 0
    async for chunk in request.chunks():
        size += len(chunk)
        await asyncio.sleep(0.01)
    return Answer(PID, size)


@service.get("/feed", timeout=3600)
async def feed(request: Request) -> EventStream[Number]:
    """Numbers from where the client left off."""
    at = int(request.headers.get("last-event-id") or 0)
    while True:
        at += 1
        yield Event(Number(at), id=str(at))
        await asyncio.sleep(0.1)


@service.websocket("/echo")
async def echo(socket: WebSocket[str, str]) -> None:
    """Send back what comes."""
    async for text in socket:
        await socket.send(text)


@subject.method(name="Quick")
async def quick_number(request: Number) -> Number:
    """The same number."""
    return request


@subject.method(name="Slow", timeout=60)
async def slow_number(request: Number) -> Number:
    """The same number, two seconds later."""
    await asyncio.sleep(2)
    return request


@subject.method(timeout=60)
async def count(request: Number) -> AsyncIterator[Number]:
    """Numbers up to that one, over two seconds."""
    for number in range(request.value):
        yield Number(number)
        await asyncio.sleep(2 / request.value)


@subject.method(timeout=3600)
async def talk(requests: AsyncIterator[Number], scope: Scope) -> AsyncIterator[Number]:
    """Send back what comes, until the service wants its callers to go elsewhere."""
    leaving = asyncio.ensure_future(scope.wait_draining())
    asking: asyncio.Future[Number] | None = None
    try:
        while True:
            asking = asyncio.ensure_future(anext(requests))
            await asyncio.wait([asking, leaving], return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                return
            try:
                yield asking.result()
            except StopAsyncIteration:
                return
    finally:
        leaving.cancel()
        if asking is not None:
            asking.cancel()
