"""The two middlewares as plain ASGI, the cheapest shape there is: for all who speak ASGI."""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["ASGIApp", "RequestId", "Timing", "counts"]

Message = MutableMapping[str, Any]
ASGIApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[Message]],
        Callable[[Message], Awaitable[None]],
    ],
    Awaitable[None],
]


class Counts:
    """What `Timing` adds up: requests, and seconds spent on them."""

    def __init__(self) -> None:
        self.requests = 0
        self.seconds = 0.0


counts = Counts()


class RequestId:
    """Adds ``x-request-id`` to every reply."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.next = itertools.count(1).__next__

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        value = b"%016x" % self.next()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", value)]
            await send(message)

        await self.app(scope, receive, send_with_id)


class Timing:
    """Counts the requests and the time they take."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        began = time.monotonic()
        try:
            await self.app(scope, receive, send)
        finally:
            counts.requests += 1
            counts.seconds += time.monotonic() - began
