"""A bounded queue between producers and consumers, with an end.

Rules this file keeps:

* What `send` has accepted is received by somebody, whatever is closed or cancelled meanwhile:
  items wait in the channel and never in a waiter, so a consumer cancelled at the moment it is
  woken has taken nothing.
* `close` ends the sending side at once. Producers that wait have not been accepted and get
  ClosedError; consumers first get everything accepted, then EndOfStream.
* Items of one producer arrive in its order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mainstay.errors import BusyError, ClosedError, EndOfStream, UsageError

__all__ = ["Channel", "ChannelStatistics"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """A moment's numbers of a channel.

    Attributes:
        capacity: items it holds at most.
        waiting: items accepted and not yet received.
        senders: producers that wait for room.
        receivers: consumers that wait for an item.
    """

    capacity: int
    waiting: int
    senders: int
    receivers: int


class Channel(Generic[T]):
    """Holds up to `capacity` items between any number of producers and consumers::

        async for order in channel:      # ends when the channel is closed and empty
            ...

    Args:
        capacity: items; a full channel makes producers wait, which is the backpressure.
        name: shown in errors.
    """

    def __init__(self, capacity: int, name: str = "channel") -> None:
        if capacity < 1:
            message = f"{name} needs a capacity of at least 1, not {capacity}"
            raise UsageError(message)
        self._capacity = capacity
        self._name = name
        self._items: deque[T] = deque()
        self._senders: deque[asyncio.Future[None]] = deque()
        self._receivers: deque[asyncio.Future[None]] = deque()
        self._closed = False

    async def send(self, item: T) -> None:
        """Hand over `item`, waiting for room.

        Cancelled: the item was not accepted. Raises: ClosedError once the channel is closed.
        """
        # Who comes later does not overtake who waits.
        if not self._closed and (self._senders or self._full()):
            await _wait(self._senders, self._full)
        self._accept(item)
        if not self._full():
            _wake(self._senders)

    def send_nowait(self, item: T) -> None:
        """Hand over `item` now.

        Raises: BusyError when the channel is full; ClosedError once it is closed.
        """
        if not self._closed and (self._senders or self._full()):
            message = f"{self!r} is full; use `await send()` to wait for room"
            raise BusyError(message)
        self._accept(item)

    async def receive(self) -> T:
        """The next item, waiting for one. Cancelled: nothing was taken.

        Raises: EndOfStream when the channel is closed and everything was received.
        """
        if not self._closed and (self._receivers or self._empty()):
            await _wait(self._receivers, self._empty)
        item = self._take()
        if self._items:
            _wake(self._receivers)
        return item

    def receive_nowait(self) -> T:
        """The next item now.

        Raises: BusyError when there is none yet; EndOfStream at the end.
        """
        if not self._items and not self._closed:
            message = f"{self!r} is empty; use `await receive()` to wait for an item"
            raise BusyError(message)
        return self._take()

    def close(self) -> None:
        """Accept no more items; what was accepted can still be received. Idempotent."""
        self._closed = True
        for waiter in (*self._senders, *self._receivers):
            if not waiter.done():
                waiter.set_result(None)

    @property
    def closed(self) -> bool:
        """Whether `close` was called; items may still be waiting."""
        return self._closed

    def statistics(self) -> ChannelStatistics:
        """The numbers of this moment."""
        return ChannelStatistics(
            self._capacity, len(self._items), len(self._senders), len(self._receivers)
        )

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except EndOfStream:
            raise StopAsyncIteration from None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Channel {self._name!r} {state} {len(self._items)}/{self._capacity}>"

    def _full(self) -> bool:
        return len(self._items) >= self._capacity and not self._closed

    def _empty(self) -> bool:
        return not self._items and not self._closed

    def _accept(self, item: T) -> None:
        if self._closed:
            message = f"{self!r} takes no more items"
            raise ClosedError(message)
        self._items.append(item)
        _wake(self._receivers)

    def _take(self) -> T:
        if not self._items:
            message = f"{self!r} has no more items"
            raise EndOfStream(message)
        item = self._items.popleft()
        _wake(self._senders)
        return item


async def _wait(line: deque[asyncio.Future[None]], blocked: Callable[[], bool]) -> None:
    """Stand in `line` until it is our turn and there is something to do."""
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()
    line.append(waiter)
    while True:
        try:
            await waiter
        except asyncio.CancelledError:
            line.remove(waiter)
            if not blocked():
                # What it was woken for, or what came meanwhile, is the next one's.
                _wake(line)
            raise
        place = line.index(waiter)
        if not blocked():
            del line[place]
            return
        # A `_nowait` was quicker; keep the place in the line.
        waiter = line[place] = loop.create_future()


def _wake(line: deque[asyncio.Future[None]]) -> None:
    """Wake the first in `line` who is not awake yet."""
    for waiter in line:
        if not waiter.done():
            waiter.set_result(None)
            return
