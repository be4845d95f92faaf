"""What stands before the routes of HTTP and the methods of gRPC alike: limits and patience."""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final

from examples.im.api import is_away
from examples.im.gateway.hub import Hub
from examples.im.gateway.patience import patiently
from examples.im.gateway.settings import GatewaySettings
from mainstay import Call, Handler, Middleware, configured
from mainstay.errors import BrokenError, HttpError, Overloaded, UpstreamError
from mainstay.http import Request, rate_limit

COSTLY: Final = 10
"""Questions for which a search counts, and the making of a room."""
OPENING: Final = 5
"""Questions for which it counts to come, by WebSocket or by gRPC: who it is, all their conversations and
what they have missed is asked for. All clients of a user may come back at once, and again soon."""


@configured
def guessing_limited(settings: GatewaySettings) -> Middleware:
    """Passwords are not for trying: so many times a minute from one address, by whatever way."""
    return rate_limit(settings.sign_ins_per_minute, per=60.0, name="sign-in")


@configured
def patient(settings: GatewaySettings) -> Middleware:
    """Ask again while the logic is away; only for what may be asked twice."""

    async def middleware(call: Call, next: Handler) -> Any:
        return await patiently(lambda: next(call), settings.patience)

    return middleware


async def unavailable(call: Call, next: Handler) -> Any:
    """Say in a line that the logic does not answer, to the log and to the client alike.

    Where it was called from is of no interest: a stack for each click would bury what is.
    """
    try:
        return await next(call)
    except (UpstreamError, BrokenError) as error:
        if not is_away(error):
            raise
        message = f"the chat does not answer ({error.code.name}); try again"
        raise Overloaded(message) from error


def count(call: Call, hub: Hub, user: int, questions: int = 1) -> None:
    """Count what a user asks for, together with what they ask for on their WebSockets.

    Raises: Overloaded for who asks too fast; by HTTP it is 429.
    """
    wait = hub.rates_of(user).asks.take(asyncio.get_running_loop().time(), questions)
    if not wait:
        return
    seconds = str(math.ceil(wait))
    message = f"too many questions; ask again in {seconds} s"
    if isinstance(call.request, Request):
        later = {"retry-after": seconds}
        raise HttpError(429, message, headers=later, reason=Overloaded.reason)
    raise Overloaded(message, metadata={"retry_after": seconds})
