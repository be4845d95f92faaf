"""The parts of a body that have arrived and were not read yet: between a connection and a handler."""

from __future__ import annotations

import asyncio

__all__ = ["Inbox"]


class Inbox:
    """Filled by callbacks of a connection, emptied by one reader.

    Attributes:
        buffered: bytes that wait.
        ended: whether nothing more will come.
    """

    __slots__ = ("_error", "_loop", "_parts", "_waiter", "buffered", "ended")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.buffered = 0
        self.ended = False
        self._loop = loop
        self._parts: list[bytes] = []
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def add(self, part: bytes) -> None:
        """A part has arrived."""
        if part:
            self._parts.append(part)
            self.buffered += len(part)
            self._wake()

    def end(self) -> None:
        """The body is whole."""
        self.ended = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """The rest will not come; told to the reader after what has arrived. The first one stays."""
        if self._error is None and not self.ended:
            self._error = error
        self._wake()

    def take(self) -> bytes | None:
        """What waits; ``b""`` at the end; None when the reader has to `wait`.

        Raises: what `fail` was given.
        """
        parts = self._parts
        if parts:
            self._parts = []
            self.buffered = 0
            return parts[0] if len(parts) == 1 else b"".join(parts)
        if self._error is not None:
            raise self._error
        return b"" if self.ended else None

    async def wait(self) -> None:
        """Wait for news; there is one reader."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
