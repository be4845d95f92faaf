"""Server-sent events (WHATWG HTML §9.2): an async generator becomes a stream that browsers follow.

A handler annotated ``-> EventStream[Tick]`` yields `Event` objects, or values that become the data
of one. Rules this file keeps:

* **The generator runs in one task of its own**, a child of the call's scope, so that a comment can
  be sent while it waits, and scopes and cancellation inside it work as anywhere. It is at most
  `AHEAD` events ahead of the peer.
* **A silence of `KEEP_ALIVE` seconds ends with a comment**, so that proxies keep the connection
  and a peer that vanished is noticed.
* **The drain ends the stream**: an event that comes after it began is the last one. A generator
  that can say goodbye watches ``Scope.current().wait_draining()``; one that yields nothing for
  `DRAIN_GRACE` seconds is cancelled. The browser comes back, to another instance, with the last
  id in the ``last-event-id`` field of its request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeAlias, TypeVar

from mainstay.core.scope import Scope
from mainstay.core.seen import see
from mainstay.errors import UsageError
from mainstay.http.encode import encode_json
from mainstay.http.response import Response

__all__ = ["AHEAD", "DRAIN_GRACE", "EVENTS", "KEEP_ALIVE", "Event", "EventStream", "event_response"]

KEEP_ALIVE: Final = 15.0
"""Seconds of silence before a comment; below the idle limits of common proxies (60 s)."""

DRAIN_GRACE: Final = 1.0
"""Seconds that a generator has to yield once more, or to end, after the drain began."""

AHEAD: Final = 16
"""Events that a generator may be ahead of its peer."""

T = TypeVar("T")

EVENTS: Final = "server-sent events"

if TYPE_CHECKING:
    # Python itself knows the default from 3.13 on.
    D_co = TypeVar("D_co", covariant=True, default=Any)
    # An `Event` may be yielded beside the values that it carries.
    EventStream: TypeAlias = "AsyncIterator[T | Event]"
else:
    D_co = TypeVar("D_co", covariant=True)
    EventStream = Annotated[AsyncIterator[T], EVENTS]
"""What a handler returns, or is as an async generator, to stream events with data of type T."""

_COMMENT: Final = b":\n\n"


@dataclass(frozen=True, slots=True)
class Event(Generic[D_co]):
    """One event; ``Event[Sample]`` says of what type its data is.

    Attributes:
        data: text as it is, of any number of lines; anything else as JSON.
        event: its type; ``message`` for browsers when it is None.
        id: what the browser sends as ``last-event-id`` when it comes back.
        retry: seconds after which the browser tries to come back.

    Raises: UsageError for a line break in `event` or `id`, for NUL in `id`, for a negative `retry`.
    """

    data: D_co
    event: str | None = None
    id: str | None = None
    retry: float | None = None

    if not TYPE_CHECKING:
        # `Generic`'s own would let ``Event[int](1)`` fail before Python 3.13: it writes to what is
        # made, and a frozen class with slots answers that with an error it does not expect.
        __class_getitem__ = classmethod(GenericAlias)

    def __post_init__(self) -> None:
        for name, value in (("event", self.event), ("id", self.id)):
            if value is not None and any(each in value for each in "\r\n\0"):
                raise UsageError(f"the {name} of an Event has no line break or NUL: {value!r}")
        if self.retry is not None and not 0 <= self.retry < float("inf"):
            raise UsageError(f"the retry of an Event is seconds from 0 on, not {self.retry}")

    def encode(self, encode: Callable[[Any], bytes] = encode_json) -> bytes:
        """The event as it goes over the wire; `encode` makes JSON of data that is no text."""
        lines = []
        if self.event is not None:
            lines.append(f"event: {self.event}\n".encode())
        if self.id is not None:
            lines.append(f"id: {self.id}\n".encode())
        if self.retry is not None:
            lines.append(f"retry: {round(self.retry * 1000)}\n".encode())
        if isinstance(self.data, str):
            # Not `splitlines`, which also splits where the format does not, as at U+2028.
            text = self.data.replace("\r\n", "\n").replace("\r", "\n")
            lines += [f"data: {line}\n".encode() for line in text.split("\n")]
        else:
            lines.append(b"data: " + encode(self.data) + b"\n")
        lines.append(b"\n")
        return b"".join(lines)


def event_response(
    source: AsyncIterable[Any],
    *,
    status: int = 200,
    keep_alive: float = KEEP_ALIVE,
    encode: Callable[[Any], bytes] = encode_json,
) -> Response:
    """A response that streams the events of `source`.

    Args:
        source: yields `Event` objects, or what becomes the data of one. Closed at the end.
        status: of the reply.
        keep_alive: seconds of silence before a comment is sent.
        encode: makes JSON of data that is no text.
    """
    return Response(
        _stream(source, keep_alive, encode),
        status,
        # The last is for nginx, which would collect a buffer full of events before it sends one.
        {"cache-control": "no-store", "x-accel-buffering": "no"},
        content_type="text/event-stream",
    )


async def _stream(
    source: AsyncIterable[Any], keep_alive: float, encode: Callable[[Any], bytes]
) -> AsyncIterator[bytes]:
    """What goes over the wire: events, those that are ready together in one piece."""
    queue = _Queue()
    scope = Scope.current()
    pump = scope.start(_pump(source, queue, encode), f"events of {scope.name or 'a call'}")
    pump.add_done_callback(lambda _: queue.end())
    watch = scope.start(_watch(queue), "drain of events")
    for task in (pump, watch):
        task.add_done_callback(see)  # what is raised here, or nobody listens any more
    try:
        while True:
            ready = await queue.take(keep_alive)
            if ready is None:
                yield _COMMENT
            elif ready:
                yield ready
            else:
                break
        # Raises what the generator raised, so that the peer sees a stream that broke off.
        if pump.done() and not pump.cancelled():
            pump.result()
    finally:
        await _stop(watch, pump)


async def _pump(source: AsyncIterable[Any], queue: _Queue, encode: Callable[[Any], bytes]) -> None:
    try:
        async for item in source:
            event = item if isinstance(item, Event) else Event(item)
            await queue.put(event.encode(encode))
            if queue.draining:
                break
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


async def _watch(queue: _Queue) -> None:
    await Scope.current().wait_draining()
    queue.draining = True
    await asyncio.sleep(DRAIN_GRACE)
    queue.end()


async def _stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


class _Queue:
    """Between the generator's task and the call's: bounded, and what is ready is taken at once."""

    __slots__ = ("_ended", "_items", "_news", "_room", "draining")

    def __init__(self) -> None:
        self.draining = False
        self._ended = False
        self._items: list[bytes] = []
        self._news: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    async def put(self, item: bytes) -> None:
        """Add an item; waits while the peer is `AHEAD` behind."""
        while len(self._items) >= AHEAD:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        self._items.append(item)
        _wake(self._news)

    async def take(self, patience: float) -> bytes | None:
        """Everything that is ready; ``b""`` at the end, None after `patience` seconds."""
        if not self._items and not self._ended:
            loop = asyncio.get_running_loop()
            self._news = loop.create_future()
            timer = loop.call_later(patience, _wake, self._news)
            try:
                await self._news
            finally:
                timer.cancel()
            if not self._items and not self._ended:
                return None
        ready = b"".join(self._items)
        self._items.clear()
        _wake(self._room)
        return ready

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        _wake(self._news)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
