"""Work that outlives the call that began it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from mainstay.core.scope import Scope
from mainstay.core.seen import failure_of
from mainstay.errors import Cancelled, ShuttingDown

__all__ = ["Background"]

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Background:
    """Starts tasks that belong to the service and not to a call; ask for it by type::

        @service.handler("register")
        async def register(request: User, background: Background) -> str:
            background.start(send_welcome(request), "welcome")
            return "welcome"

    The drain waits for them. A failure is logged.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def start(self, work: Coroutine[Any, Any, T], name: str = "") -> asyncio.Task[T]:
        """Run `work` until it ends or the service's drain is over.

        Raises: ShuttingDown once the service cancels what is left.
        """
        if self._scope.cancelled:
            work.close()
            message = "the service has stopped and starts no more background work"
            raise ShuttingDown(message)
        task = self._scope.start(work, name)
        task.add_done_callback(self._report)
        return task

    def __len__(self) -> int:
        return len(self._scope.children())

    def _report(self, task: asyncio.Task[Any]) -> None:
        error = failure_of(task)
        if error is None or (self._scope.cancelled and isinstance(error, Cancelled | ShuttingDown)):
            return  # the drain has said what it cut
        _log.error("background work %r failed", task.get_name(), exc_info=error)
