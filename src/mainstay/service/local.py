"""Calls inside the process, through the same middleware, deadline and counting as any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from mainstay.core.call import Call, Handler
from mainstay.core.channel import Channel
from mainstay.core.metadata import EMPTY, Metadata
from mainstay.core.seen import see
from mainstay.errors import Cancelled, ClosedError, EndOfStream

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
    """Run `handler` on `call` beside the caller and yield what it sends, as it is sent, and then
    what it returns, if anything: the reply to a stream of messages.

    Left early, it cancels the call's scope, which the caller's own code must not be in, and waits
    for the handler's end.

    Raises: what the handler raises; the cause if the call was cancelled.
    """
    work = call.scope.start(_answer(handler, call, stream), call.method)
    work.add_done_callback(see)  # a caller who has left does not ask
    try:
        async for message in stream.replies:
            yield message
        await asyncio.wait([work])
        if work.cancelled():
            # Raised as it is, the caller would take it for a cancellation of its own.
            raise call.scope.cause or Cancelled(f"{call.method} was cancelled")
        reply = work.result()
        if reply is not None:
            yield reply
    finally:
        if not work.done():
            call.scope.cancel("the caller stopped listening")
            await _wait(work)


async def _wait(work: asyncio.Task[Any]) -> None:
    interrupted: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted


async def _answer(handler: Handler, call: Call, stream: LocalStream) -> Any:
    try:
        return await handler(call)
    finally:
        stream.replies.close()
