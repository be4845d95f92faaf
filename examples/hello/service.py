"""The service: JSON, validation, events, a WebSocket, slow work, a resource, a job."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from examples.hello.guestbook import Guest, Guestbook, NewGuest
from mainstay import Scope, Service
from mainstay.http import Event, Request, WebSocket

__all__ = ["service"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """What can be set: in ``hello.toml``, or as ``HELLO__GREETING=Moin`` in the environment.

    Attributes:
        greeting: the word to greet with.
    """

    greeting: str = "Hello"


class Greeting(Struct):
    """A word to somebody."""

    message: str


service = Service("hello", config=Config)


@service.resource  # opened before the service answers, closed after its drain
async def guestbook() -> AsyncIterator[Guestbook]:
    """The guests."""
    book = Guestbook(sqlite3.connect(":memory:"))
    yield book
    book.close()


@service.get("/hello/{name}")
async def hello(name: str, config: Config, shout: bool = False) -> Greeting:
    """Greet somebody."""
    message = f"{config.greeting}, {name}!"
    return Greeting(message.upper() if shout else message)


@service.post("/guests", status=201)
async def sign(new: NewGuest, book: Guestbook) -> Guest:
    """Sign the guestbook; what is wrong with a line is told in full, with 422."""
    return await book.sign(new)


@service.get("/guests/{id:int}")
async def read_guest(id: int, book: Guestbook) -> Guest:
    """Read one line of the guestbook."""
    return book.read(id)


@service.get("/guests")
async def list_guests(
    book: Guestbook, after: int = 0, limit: Annotated[int, Meta(ge=1, le=100)] = 20
) -> list[Guest]:
    """Read the guestbook, a page at a time."""
    return book.after(after, limit)


@service.get("/feed", timeout=3600)
async def feed(request: Request, book: Guestbook) -> AsyncIterator[Event]:
    """Follow the guestbook: every line is an event, from the first or where a browser left off."""
    last = int(request.headers.get("last-event-id") or 0)
    while True:
        for guest in book.after(last):
            last = guest.id
            yield Event(guest, event="guest", id=str(last))
        await book.wait_signed()


@service.websocket("/echo")
async def echo(socket: WebSocket[str, str], config: Config) -> None:
    """Talk: every message comes back."""
    await socket.send(f"{config.greeting}! Say something.")
    async for text in socket:
        await socket.send(f"you said: {text}")


@service.get("/work")
def work(scope: Scope, seconds: Annotated[float, Meta(ge=0, le=60)] = 3) -> Greeting:
    """Work in a thread, and stop soon after nobody wants the result any more."""
    for _ in range(int(seconds * 10)):
        scope.sleep(0.1)  # raises once the deadline is over, or the client gone
    return Greeting(f"done, after {seconds:g} s of work")


@service.every(60)
async def report(book: Guestbook) -> None:
    """Say how many there are."""
    guests = len(book.after(0))
    if guests:
        log.info("%d guests so far", guests)
