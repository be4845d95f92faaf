"""A body that is sent while it is made: beside the reply, which may come before its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from contextlib import suppress
from functools import partial

from mainstay.errors import BrokenError, Error, UsageError
from mainstay.net.outgoing import Shared

__all__ = ["Upload"]


class Upload:
    """One body under way, in a task of its own.

    Args:
        shared: of the client.
        where: the server, for messages.
        length: bytes that were promised, or None.

    Attributes:
        sent: whether the whole body was handed to the connection.
    """

    __slots__ = ("_left", "_shared", "_task", "_where", "_writable", "sent")

    def __init__(self, shared: Shared, where: str, length: int | None) -> None:
        self.sent = False
        self._shared = shared
        self._where = where
        self._left = length
        self._writable: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(
        self,
        body: AsyncIterable[bytes],
        send: Callable[[bytes], None],
        end: Callable[[], None],
        fail: Callable[[Exception], None],
    ) -> None:
        """Send the parts of `body` with `send`, then `end`; `fail` gets what stops it."""
        # The client waits for it: the iterable may have something to clean up.
        self._task = self._shared.start(self._run(body, send, end, fail), "upload")

    def pause(self) -> None:
        """The next part has to wait."""
        if self._writable is None:
            self._writable = self._shared.loop.create_future()

    def resume(self) -> None:
        """There is room again."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def stop(self) -> None:
        """Send no more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(
        self,
        body: AsyncIterable[bytes],
        send: Callable[[bytes], None],
        end: Callable[[], None],
        fail: Callable[[Exception], None],
    ) -> None:
        try:
            parts = aiter(body)
            try:
                async for part in parts:
                    self._count(len(part))
                    if part:
                        send(part)
                    while self._writable is not None:
                        await self._wait_writable(self._writable)
                self._count_end()
            finally:
                # Not left to the garbage collector: it would be closed in another task, later.
                close = getattr(parts, "aclose", None)
                if close is not None:
                    await close()
        except Exception as error:
            fail(error)
            return
        self.sent = True
        end()

    async def _wait_writable(self, writable: asyncio.Future[None]) -> None:
        limit = self._shared.limits.write_timeout
        error = BrokenError(f"{self._where} took nothing of the request's body for {limit:g} s")
        end = self._shared.loop.time() + limit
        timer = self._shared.wheel.at(end, partial(_give_up, writable, error))
        try:
            await asyncio.wait([writable])
        finally:
            timer.cancel()
        with suppress(asyncio.CancelledError):
            writable.result()

    def _count(self, size: int) -> None:
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise self._wrong("more")

    def _count_end(self) -> None:
        if self._left:
            raise self._wrong("fewer")

    def _wrong(self, how: str) -> Error:
        message = f"the body for {self._where} has {how} bytes than the length that was promised"
        return UsageError(message)


def _give_up(writable: asyncio.Future[None], error: Exception) -> None:
    if not writable.done():
        writable.set_exception(error)
        writable.exception()  # seen: who waits may be stopped in the same moment
