"""The resources of a call whose reply outlives its handler."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterable, AsyncIterator
from types import TracebackType
from typing import Any, Self

from mainstay.core.seen import failure_of
from mainstay.service.binding import CallResources
from mainstay.service.provider import Provider

__all__ = ["Held"]

_log = logging.getLogger(__name__)


class Held:
    """Closes the resources at the end of its block, or of a body that is still to be sent.

    Args:
        resources: of the call; none is open yet.
    """

    def __init__(self, resources: CallResources) -> None:
        self._resources = resources
        self._body: _HeldBody | None = None
        self.closed = False

    async def __aenter__(self) -> Self:
        self._open = await self._resources.__aenter__()
        return self

    async def open(self, provider: Provider) -> Any:
        """The value of one of them, opened if it is not."""
        return await self._open(provider)

    def until_the_end_of(self, body: Any) -> AsyncIterator[bytes]:
        """`body`, at whose end they are closed, instead of that of the block."""
        self._body = _HeldBody(body, self)
        return self._body

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None or self._body is None:
            await self.close(error)

    async def close(self, error: BaseException | None = None) -> None:
        """Close them, once, telling them of `error`.

        Raises: what they raise as they close.
        """
        if not self.closed:
            self.closed = True
            await self._resources.__aexit__(
                type(error) if error is not None else None,
                error,
                error.__traceback__ if error is not None else None,
            )


class _HeldBody:
    """The parts of a body, and then the end of what they were made of."""

    def __init__(self, body: AsyncIterable[bytes], held: Held) -> None:
        self._parts = aiter(body)
        self._held = held

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._parts)
        except StopAsyncIteration:
            await self._held.close()
            raise
        except BaseException as error:
            await self._held.close(error)
            raise

    async def aclose(self) -> None:
        """End it before its end."""
        close = getattr(self._parts, "aclose", None)
        try:
            if close is not None:
                await close()
        finally:
            await self._held.close(sys.exception())

    def __del__(self) -> None:
        # Middleware put another reply in its place, so nobody will ever come to its end.
        if self._held.closed:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            _log.warning("a reply with resources was thrown away after its event loop")
            return
        task = loop.create_task(self._held.close(), name="resources of a reply nobody sent")
        _closing.add(task)
        task.add_done_callback(_closed)


def _closed(task: asyncio.Task[None]) -> None:
    _closing.discard(task)
    if (error := failure_of(task)) is not None:
        _log.error("the resources of a reply nobody sent failed to close", exc_info=error)


_closing: set[asyncio.Task[None]] = set()
"""The event loop alone does not keep its tasks alive."""
