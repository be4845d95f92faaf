"""From a call to its handler: the one entry for every transport.

Counts what is in flight, gives ids and a deadline to calls that came without, runs the middleware.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping
from typing import Any

from mainstay.core.call import Call, Handler
from mainstay.core.ids import REQUEST_ID, identify
from mainstay.core.scope import Scope
from mainstay.errors import Unimplemented

__all__ = ["Dispatcher"]


class Dispatcher:
    """The `Handler` that servers are opened with.

    Args:
        handlers: by method, middleware included.
        timeout: seconds for a unary call that came without a deadline; None for no bound.

    Attributes:
        in_flight: calls begun and not ended.
    """

    def __init__(self, handlers: Mapping[str, Handler], timeout: float | None) -> None:
        self.in_flight = 0
        self._handlers = handlers
        self._timeout = timeout
        self._idle: asyncio.Future[None] | None = None

    async def __call__(self, call: Call) -> Any:
        """Answer `call`.

        Raises: Unimplemented when no handler has that name; whatever the handler raises.
        """
        handler = self._handlers.get(call.method)
        if handler is None:
            raise self._unknown(call.method)
        if not call.scope.has_own(REQUEST_ID):
            identify(call.scope)
        self.in_flight += 1
        try:
            if call.scope.deadline is None and call.stream is None and self._timeout is not None:
                with Scope(call.method, timeout=self._timeout, parent=call.scope):
                    return await handler(call)
            return await handler(call)
        finally:
            self.in_flight -= 1
            if self.in_flight == 0 and self._idle is not None and not self._idle.done():
                self._idle.set_result(None)

    async def wait_idle(self) -> None:
        """Wait until no call is in flight."""
        while self.in_flight:
            if self._idle is None or self._idle.done():
                self._idle = asyncio.get_running_loop().create_future()
            # Not `await self._idle`: one that is cancelled would cancel it for the others.
            await asyncio.wait([self._idle])

    def _unknown(self, method: str) -> Unimplemented:
        near = difflib.get_close_matches(method, self._handlers, 1)
        hint = f"; there is {near[0]!r}" if near else ""
        return Unimplemented(f"nothing answers to {method!r}{hint}")
