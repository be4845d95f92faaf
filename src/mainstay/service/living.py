"""One open resource of a service.

It lives in a task of its own, from before its opening to after its closing. So what it does around
its ``yield`` (task groups, cancel scopes, context variables) starts and ends in the same task, as
those require, and nothing it does leaks into another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from mainstay.core.scope import Scope
from mainstay.errors import UsageError
from mainstay.service.provider import Provider
from mainstay.service.starting import abandon

__all__ = ["Living"]


class Living:
    """A resource from its opening to its closing.

    Args:
        provider: its declaration.
        arguments: given the scope of its life, what it is opened with.
        scope: the parent of that scope.

    Attributes:
        value: what it provides, once open.
        task: ends when it has closed; ending before `close` is a failure of the resource.
    """

    def __init__(
        self,
        provider: Provider,
        arguments: Callable[[Scope], Mapping[str, Any]],
        scope: Scope,
    ) -> None:
        self.provider = provider
        self.value: Any = None
        self._arguments = arguments
        self._open = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self._told = False
        self._scope = own = scope.child(repr(provider)).open()
        self.task = own.start(self._live(), repr(provider))
        self.task.add_done_callback(lambda _: own.close())

    async def wait_open(self) -> None:
        """Wait until the value is there.

        Raises: whatever the opening raised.
        """
        await asyncio.wait([self._open, self.task], return_when=asyncio.FIRST_COMPLETED)
        if not self._open.done():
            # A cancellation from inside is no cancellation of whoever waits here.
            if not self.task.cancelled():
                self._told = True
                self.task.result()
            message = f"{self.provider!r} ended before it provided anything"
            raise UsageError(message)

    async def abandon(self, cause: Exception) -> None:
        """Give up its opening; see `mainstay.service.starting.abandon`.

        Nothing is left to do when `wait_open` has raised what it ended with.
        """
        if not self._told:
            await abandon(self._scope, self.task, cause)

    def close(self) -> asyncio.Task[None]:
        """Begin to close; the task returned ends when it is closed."""
        self._closing.set()
        return self.task

    @property
    def closing(self) -> bool:
        """Whether it was asked to close."""
        return self._closing.is_set()

    def __repr__(self) -> str:
        state = "closed" if self.task.done() else "closing" if self.closing else "open"
        return f"<{self.provider!r} {state}>"

    async def _live(self) -> None:
        async with self.provider.open(**self._arguments(Scope.current())) as value:
            self.value = self.provider.checked(value)
            self._open.set_result(None)
            await self._closing.wait()
