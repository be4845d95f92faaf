"""Facts about a tighter deadline."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from mainstay.core.call import Call
from mainstay.core.scope import Scope
from mainstay.errors import DeadlineExceeded, UsageError
from mainstay.http.middleware.timeout import timeout
from mainstay.http.response import Response
from tests.http.middleware.desk import Desk


async def test_what_takes_too_long_is_cancelled_and_answered_with_504() -> None:
    """The handler is interrupted where it waits, and its clean-up runs."""
    ended = []

    async def slow(call: Any) -> Response:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(asyncio.get_running_loop().time())
        raise AssertionError("nobody waits that long")

    desk = Desk([timeout(2)], {"GET /": slow})
    started = asyncio.get_running_loop().time()
    reply = await desk.ask()
    assert reply.status == 504
    assert reply.headers.get("content-type") == "application/problem+json"
    assert ended[0] - started == pytest.approx(2, abs=0.1)
    assert desk.calls.children() == []


async def test_the_tighter_deadline_holds_and_is_seen_inside() -> None:
    """Calls to others inherit it; a looser one changes nothing."""
    seen = []

    async def look(call: Any) -> Response:
        seen.append(Scope.current().remaining())
        return Response("ok")

    await Desk([timeout(2), timeout(50)], {"GET /": look}).ask()
    await Desk([timeout(50)], {"GET /": look}).ask()
    assert seen == pytest.approx([2, 30], abs=0.1)


async def test_it_works_for_every_transport_but_conversations() -> None:
    """A WebSocket has no deadline."""

    async def slow(call: Call) -> str:
        await asyncio.sleep(5)
        return "done"

    with Scope() as scope:
        with pytest.raises(DeadlineExceeded):
            await timeout(1)(Call("local", "x", scope), slow)
        assert await timeout(1)(Call("websocket", "x", scope), slow) == "done"


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_what_is_no_time_is_refused(seconds: float) -> None:
    """When it is made."""
    with pytest.raises(UsageError, match="more than 0"):
        timeout(seconds)
