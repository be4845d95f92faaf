"""A tighter deadline for what is inside."""

from __future__ import annotations

from typing import Any

from mainstay.core.call import Call, Handler, Middleware
from mainstay.core.scope import Scope
from mainstay.errors import UsageError

__all__ = ["timeout"]


def timeout(seconds: float) -> Middleware:
    """Give what is inside `seconds`; then it is cancelled, and the peer gets 504.

    It is a scope below the call's, so the tighter of both holds, calls to other services inherit
    it, and work in threads hears of it. Works for calls of every transport. A body that is
    streamed is sent after the chain of middleware has returned, within the call's own deadline;
    WebSockets have no deadline, and pass.

    Args:
        seconds: more than 0.

    Raises: UsageError for a number that is no time.
    """
    if not seconds > 0:
        raise UsageError(f"a timeout is more than 0 seconds, not {seconds}")

    async def middleware(call: Call, next: Handler) -> Any:
        if call.transport == "websocket":
            return await next(call)
        # Below the current scope, not the call's: another timeout may stand between.
        with Scope(f"timeout of {call.method}", timeout=seconds):
            return await next(call)

    return middleware
