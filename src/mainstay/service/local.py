"""Calls inside the process, through the same middleware, deadline and counting as any other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any

from mainstay.core.call import Call, Handler
from mainstay.core.channel import Channel
from mainstay.core.metadata import EMPTY, Metadata
from mainstay.errors import ClosedError, EndOfStream

__all__ = ["LocalStream", "collect"]


class LocalStream:
    """A `mainstay.core.call.Stream` between two tasks of one process.

    Args:
        messages: what the caller sends.
        capacity: messages the handler may be ahead of the caller.
    """

    def __init__(self, messages: Iterable[Any] = (), capacity: int = 1) -> None:
        self.replies: Channel[Any] = Channel(capacity, "replies")
        self._messages = iter(messages)
        self._closed = False

    async def open(self, metadata: Metadata = EMPTY) -> None:
        """See `Stream.open`; in process there is no head to send."""

    async def receive(self) -> Any:
        """See `Stream.receive`."""
        try:
            return next(self._messages)
        except StopIteration:
            raise EndOfStream("the caller sent everything") from None

    async def send(self, message: Any) -> None:
        """See `Stream.send`."""
        if self._closed:
            raise ClosedError("the handler closed its direction before")
        await self.replies.send(message)

    async def close(self, metadata: Metadata = EMPTY) -> None:
        """See `Stream.close`."""
        self._closed = True
        self.replies.close()


async def collect(handler: Handler, call: Call, stream: LocalStream) -> AsyncGenerator[Any, None]:
    """Run `handler` on `call` beside the caller and yield what it sends, as it is sent."""
    work = call.scope.start(_answer(handler, call, stream), call.method)
    try:
        async for message in stream.replies:
            yield message
        await work
    finally:
        if not work.done():
            call.scope.cancel("the caller stopped listening")


async def _answer(handler: Handler, call: Call, stream: LocalStream) -> None:
    try:
        await handler(call)
    finally:
        stream.replies.close()
