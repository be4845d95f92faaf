"""An ASGI 3 application as the handler of a route.

The call lasts until the application has returned: background tasks that it runs after its reply
count as in flight, and a drain waits for them. For the same reason the route is detached: when the
client leaves, the application is told (``http.disconnect``), and what it does then is its own
affair. Only the deadline of the call and the end of the service cancel it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from mainstay.core.call import Call
from mainstay.core.seen import failure_of
from mainstay.errors import UsageError
from mainstay.http.asgi.conversation import UNREAD, Conversation, NoParts
from mainstay.http.asgi.scope import depth_of, scope_of
from mainstay.http.asgi.socket import serve_socket
from mainstay.http.asgi.types import AsgiApp
from mainstay.http.call import HttpCall
from mainstay.http.response import Response
from mainstay.net.limits import Limits

__all__ = ["AsgiMount"]

_log = logging.getLogger("mainstay.http")
_NO_STATE: Final[Mapping[str, Any]] = {}


class AsgiMount:
    """Answers calls with an ASGI application.

    Args:
        app: the application.
        path: of its route; what stands before a last ``{name:path}`` is its ``root_path``.
        state: what its lifespan yielded.
        limits: of the server, for WebSockets; the defaults unless given.

    Attributes:
        state: as given; may be set until the first call.
    """

    def __init__(
        self,
        app: AsgiApp,
        path: str = "/",
        state: Mapping[str, Any] = _NO_STATE,
        limits: Limits | None = None,
    ) -> None:
        self.app = app
        self._limits = limits or Limits()
        self.state = state
        self._depth = depth_of(path)

    async def __call__(self, call: Call) -> Response:
        """The application's reply.

        Raises: what the application raises before it has begun to reply; UsageError when it does
        not keep to ASGI.
        """
        if not isinstance(call, HttpCall):
            raise UsageError(f"an ASGI application answers HTTP, and no calls by {call.transport}")
        scope = scope_of(call, self._depth, self.state)
        if call.transport == "websocket":
            return await serve_socket(self.app, scope, call, self._limits)
        conversation = Conversation(call.exchange)
        # What was said before still hears it: other middleware may listen as well.
        call.exchange.gone = _both(call.exchange.gone, conversation.disconnect)
        # In a coroutine, for an application may be any callable that returns an awaitable.
        work = _run(self.app, scope, conversation)
        task = call.scope.start(work, f"ASGI {call.method}")
        conversation.begin(task)
        try:
            response = await conversation.wait_response()
        except BaseException as error:
            conversation.disconnect()
            if isinstance(error, asyncio.CancelledError):
                task.cancel()
            await _settle(task)
            failure = failure_of(task)
            if failure is not None and failure is not error:
                _log.error("%s failed as well: %r", task.get_name(), failure, exc_info=failure)
            raise
        if response.body is UNREAD and call.exchange.method != "HEAD":
            response.body = _Parts(conversation, task)
        else:
            if response.body is UNREAD:
                response.body = NoParts()
            # By now the reply is on its way. Not left to `after` alone: middleware may answer with
            # another response, and forget it.
            asyncio.get_running_loop().call_soon(conversation.sent)
        response.after = _Ending(conversation, task)
        return response


class _Parts:
    """The body of a reply that comes in parts."""

    def __init__(self, conversation: Conversation, task: asyncio.Task[None]) -> None:
        self._conversation = conversation
        self._task = task

    def __aiter__(self) -> _Parts:
        return self

    async def __anext__(self) -> bytes:
        # Empty parts say nothing, and would end a chunked body.
        while (part := await self._conversation.next_part()) == b"":
            pass
        if part is None:
            raise StopAsyncIteration
        return part

    async def aclose(self) -> None:
        """Nobody wants the rest; wait for the application, if there was any."""
        if not self._conversation.complete:
            self._conversation.disconnect()
            await _finish(self._task)

    def __del__(self) -> None:
        # Middleware put another response in its place, and nobody will ever iterate it.
        if not self._conversation.complete:
            self._conversation.disconnect()


class _Ending:
    """Awaited when the reply was sent: the application may go on for as long as it wants."""

    def __init__(self, conversation: Conversation, task: asyncio.Task[None]) -> None:
        self._conversation = conversation
        self._task = task

    async def __call__(self) -> None:
        self._conversation.sent()
        await _finish(self._task)


async def _run(app: AsgiApp, scope: Any, conversation: Conversation) -> None:
    await app(scope, conversation.receive, conversation.send)


async def _settle(task: asyncio.Task[None]) -> None:
    """Wait until `task` has ended, however; a cancellation of who waits cancels it."""
    if task.done():
        return
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        raise


async def _finish(task: asyncio.Task[None]) -> None:
    """Wait for an application whose reply is out, and tell of its failure."""
    await _settle(task)
    error = failure_of(task)
    if error is not None:
        _log.error("%s failed after its reply: %r", task.get_name(), error, exc_info=error)


def _both(first: Callable[[str], None] | None, second: Callable[[], None]) -> Callable[[str], None]:
    def gone(reason: str) -> None:
        second()
        if first is not None:
            first(reason)

    return gone
