"""Facts about problems that outer middleware sees."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.core.call import Call, Handler
from mainstay.errors import HttpError, Overloaded, PeerGone
from mainstay.http.middleware.recover import recover
from mainstay.http.response import Response
from mainstay.testing.exchange import MemoryExchange
from tests.http.logged import ours
from tests.http.middleware.desk import Desk


async def test_outer_middleware_sees_a_response() -> None:
    """With the status and the fields of the error."""
    seen = []

    async def watch(call: Call, next: Handler) -> Any:
        response = await next(call)
        seen.append((response.status, response.headers.get("x-why")))
        return response

    async def fail(call: Any) -> Response:
        raise HttpError(418, "short and stout", headers={"x-why": "tea"})

    reply = await Desk([watch, recover()], {"GET /": fail}).ask()
    assert seen == [(418, "tea")]
    assert reply.status == 418
    assert b"short and stout" in reply.body
    assert (await Desk([watch, recover()]).ask("/nope")).status == 404
    assert seen[1][0] == 404


async def test_a_bug_is_logged_once_and_told_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The stack stays in the log; a rule's refusal has none."""

    async def fail(call: Any) -> Response:
        raise ValueError("the password is swordfish")

    async def refuse(call: Any) -> Response:
        raise Overloaded("full")

    desk = Desk([recover()], {"GET /": fail, "GET /full": refuse})
    with caplog.at_level(logging.INFO, "mainstay.http"):
        reply = await desk.ask()
        assert (await desk.ask("/full")).status == 503
    assert reply.status == 500
    assert b"swordfish" not in reply.body
    bug, full = ours(caplog)
    assert (bug.levelno, full.levelno) == (logging.ERROR, logging.WARNING)
    assert bug.exc_info is not None
    assert not full.exc_info


async def test_what_nobody_waits_for_goes_on() -> None:
    """A peer that left, a cancellation, and what happens after the reply has begun."""
    seen: list[BaseException] = []

    async def watch(call: Call, next: Handler) -> Any:
        try:
            return await next(call)
        except BaseException as error:
            seen.append(error)
            raise

    async def gone(call: Any) -> Response:
        raise PeerGone("bye")

    async def begun(call: Any) -> Response:
        call.begun = True
        raise ValueError("late")

    async def wait(call: Any) -> Response:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits any more")

    desk = Desk([watch, recover()], {"GET /gone": gone, "GET /begun": begun, "GET /wait": wait})
    await desk.ask("/gone")
    assert (await desk.ask("/begun")).broken
    exchange = MemoryExchange("GET", "/wait")
    desk.app.begin(exchange)
    exchange.leave()
    await asyncio.sleep(0.1)
    assert [type(each) for each in seen] == [PeerGone, ValueError, asyncio.CancelledError]


async def test_a_stream_that_fails_is_still_broken_off() -> None:
    """It is sent after the chain has returned."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        raise ValueError("late")

    async def stream(call: Any) -> Response:
        return Response(parts())

    reply = await Desk([recover()], {"GET /": stream}).ask()
    assert (reply.status, reply.body, reply.broken) == (200, b"one", True)
