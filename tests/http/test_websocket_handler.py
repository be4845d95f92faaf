"""Facts about `mainstay.http.websocket_handler`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.core.call import Call, Handler
from mainstay.core.scope import Scope
from mainstay.errors import (
    BusyError,
    DeadlineExceeded,
    EndOfStream,
    HttpError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    ShuttingDown,
    TooLarge,
    Unauthenticated,
    WiringError,
)
from mainstay.http.call import HttpCall
from mainstay.http.response import Response
from mainstay.http.websocket import WebSocket
from mainstay.http.websocket_handler import (
    WebSocketPlan,
    close_code_of,
    is_socket,
    websocket_handler,
)
from mainstay.http.websocket_options import WebSocketOptions
from mainstay.net.registry import HANDED_OVER
from mainstay.testing.exchange import MemoryExchange
from tests.http.conversation import talking
from tests.http.logged import ours

Text = WebSocket[str, str]


async def greet(socket: Text) -> None:
    await socket.send("hello")


# --- before it is accepted ----------------------------------------------------------------------


async def test_an_error_before_the_accept_is_an_http_answer() -> None:
    """It leaves the handler as it is, and nothing was sent."""

    async def refuse(socket: Text) -> None:
        raise Unauthenticated("who are you?")

    async with talking(refuse) as peer:
        with pytest.raises(Unauthenticated):
            await peer.done()
        assert peer.exchange.reply.status == 0
        assert not peer.call.begun


async def test_middleware_may_answer_instead() -> None:
    """Its response goes out as it is, and the handler does not run."""

    async def closed(call: Call, next: Handler) -> Response:
        return Response("closed on sundays", 403)

    async with talking(greet, middleware=[closed]) as peer:
        response = await peer.done()
        assert response.status == 403
        assert not peer.call.begun


async def test_a_request_that_is_none_is_told_what_is_spoken_here() -> None:
    """426 with the way to do it (RFC 9110 §15.5.22)."""
    async with talking(greet, protocol="") as peer:
        with pytest.raises(HttpError, match="WebSockets only") as caught:
            await peer.done()
    assert (caught.value.status, caught.value.reason) == (426, "UPGRADE_REQUIRED")
    assert caught.value.headers == {"upgrade": "websocket", "connection": "upgrade"}


async def test_a_bad_handshake_is_refused() -> None:
    """With the status for what is wrong."""
    async with talking(greet, fields=[(b"sec-websocket-version", b"8")]) as peer:
        with pytest.raises(HttpError):
            await peer.done()
    async with talking(greet, fields=[(b"sec-websocket-version", b"13")]) as peer:
        with pytest.raises(InvalidRequest):
            await peer.done()


@pytest.mark.parametrize(
    ("origins", "sent", "let_in"),
    [
        (None, [], True),
        (None, [b"https://example.org"], True),
        (None, [b"https://evil.example"], False),
        (None, [b"null"], False),
        (None, [b"https://example.org", b"https://example.org"], False),
        (["*"], [b"https://evil.example"], True),
        (["https://app.example"], [b"https://app.example"], True),
        (["https://app.example"], [b"https://example.org"], False),
        (["https://app.example"], [], True),
        ([], [b"https://example.org"], False),
    ],
)
async def test_pages_from_elsewhere_are_kept_out(
    origins: list[str] | None, sent: list[bytes], let_in: bool
) -> None:
    """Unless the route lets them in: a browser sends its cookies along from any page."""
    options = WebSocketOptions(origins=origins)
    more = [(b"origin", origin) for origin in sent]
    async with talking(greet, options=options, more=more) as peer:
        if let_in:
            await peer.done()
            assert peer.call.begun
        else:
            with pytest.raises(PermissionDenied, match="may not open this WebSocket"):
                await peer.done()


# --- afterwards ---------------------------------------------------------------------------------


async def test_a_handler_that_returns_says_goodbye() -> None:
    """1000; also if it never sent or received, so that the peer knows that it was served."""

    async def nothing(socket: Text) -> None:
        pass

    for function, said in ((greet, ["hello"]), (nothing, [])):
        async with talking(function) as peer:
            response = await peer.done()
            assert response.status == 101
            assert peer.call.begun
            for message in said:
                assert await peer.hears() == message
            assert await peer.hears_goodbye() == (1000, "")
            assert peer.tunnel.closed


async def test_a_fault_of_ours_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """The peer gets 1011 without a word."""

    async def broken(socket: Text) -> None:
        await socket.open()
        raise ZeroDivisionError("the password is 1234")

    async with talking(broken) as peer:
        await peer.done()
        assert await peer.hears_goodbye() == (1011, "")
    (record,) = ours(caplog)
    assert record.levelname == "ERROR"
    assert record.exc_info is not None


async def test_a_bad_message_is_answered_with_what_is_wrong_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """1007 and the place; the log says so without alarm."""
    caplog.set_level(logging.INFO, "mainstay.http")

    async def numbers(socket: WebSocket[list[int], str]) -> None:
        async for _ in socket:
            pass

    async with talking(numbers) as peer:
        peer.say('[1,"two"]')
        code, reason = await peer.hears_goodbye()
        assert code == 1007
        assert "Expected `int`, got `str` - at `$[1]`" in reason
    assert [record.levelname for record in caplog.records] == ["INFO"]


async def test_a_message_of_the_wrong_kind_is_answered_so() -> None:
    """1003: text for bytes."""

    async def binary(socket: WebSocket[bytes, bytes]) -> None:
        await socket.receive()

    async with talking(binary) as peer:
        peer.say("text")
        assert (await peer.hears_goodbye())[0] == 1003


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InvalidRequest("bad"), 1007, True),
        (TooLarge("long"), 1009, True),
        (PermissionDenied("no"), 1008, True),
        (NotFound("where?"), 1008, True),
        (HttpError(403, "no"), 1008, True),
        (Overloaded("full"), 1013, True),
        (DeadlineExceeded("late"), 1013, True),
        (BusyError("db-7 is full"), 1013, False),
        (ShuttingDown("bye"), 1001, False),
        (EndOfStream("it said goodbye"), 1000, False),
        (ValueError("secret"), 1011, False),
    ],
)
async def test_every_error_has_a_code(error: Exception, code: int, told: bool) -> None:
    """Who is at fault decides on it, and on whether the peer reads why."""
    found, reason = close_code_of(error, Scope("call"))
    assert found == code
    assert (reason == str(error)) is told


async def test_a_cancelled_call_says_why() -> None:
    """At the end of a drain the peer is told to go, and the call is over at once."""

    async def stubborn(socket: Text) -> None:
        await socket.open()
        await asyncio.sleep(3600)

    for cause, code in ((ShuttingDown("the time is up"), 1001), (Overloaded("full"), 1013)):
        async with talking(stubborn) as peer:
            peer.scope.cancel(cause)
            response = await peer.done()
            assert response.status == 101
            assert (await peer.hears_goodbye())[0] == code


async def test_a_call_that_a_restart_cuts_is_asked_to_come_back() -> None:
    """1012 instead of 1001, also at the end of the time that a drain has."""

    async def stubborn(socket: Text) -> None:
        await socket.open()
        await asyncio.sleep(3600)

    async with talking(stubborn) as peer:
        peer.scope.set(HANDED_OVER, True)
        peer.scope.cancel(ShuttingDown("the time is up"))
        await peer.done()
        assert await peer.hears_goodbye() == (1012, "the service is restarting")


async def test_a_cancellation_before_the_accept_is_passed_on() -> None:
    """Whoever answers with HTTP translates it."""

    async def slow(socket: Text) -> None:
        await asyncio.sleep(3600)

    async with talking(slow) as peer:
        peer.scope.cancel(DeadlineExceeded("late"))
        with pytest.raises(DeadlineExceeded):
            await peer.done()


async def test_a_cancellation_by_others_is_never_swallowed() -> None:
    """The peer is told to go, and the task is cancelled."""

    async def stubborn(socket: Text) -> None:
        await socket.open()
        await asyncio.sleep(3600)

    async with talking(stubborn) as peer:
        assert peer.answer is not None
        peer.answer.cancel()
        await asyncio.wait([peer.answer])
        assert peer.answer.cancelled()
        assert (await peer.hears_goodbye())[0] == 1001
        peer.answer = asyncio.create_task(_nothing())


async def _nothing() -> Response:
    return Response()


# --- generators ---------------------------------------------------------------------------------


async def test_a_generator_sends_what_it_yields() -> None:
    """As values of its type, and is accepted before its first item."""
    go = asyncio.Event()

    async def feed(start: int) -> AsyncIterator[dict[str, int]]:
        await go.wait()
        yield {"n": start}
        yield {"n": start + 1}

    async with talking(feed, arguments={"start": 7}) as peer:
        assert peer.exchange.reply.status == 101
        go.set()
        assert await peer.hears() == '{"n":7}'
        assert await peer.hears() == '{"n":8}'
        assert await peer.hears_goodbye() == (1000, "")


async def test_a_generator_without_a_socket_takes_no_messages() -> None:
    """Nobody would read them: 1003, and the generator is closed."""
    closed = []

    async def feed() -> AsyncIterator[str]:
        try:
            while True:
                yield "tick"
                await asyncio.sleep(1)
        finally:
            closed.append(1)

    async with talking(feed) as peer:
        assert await peer.hears() == "tick"
        peer.say("hello?")
        assert await peer.hears_goodbye() == (1003, "this endpoint takes no messages")
        await peer.done()
    assert closed == [1]


async def test_a_generator_with_a_socket_may_do_both() -> None:
    """Receive, and answer by yielding."""

    async def double(socket: WebSocket[int, int]) -> AsyncIterator[int]:
        async for number in socket:
            yield number * 2

    async with talking(double) as peer:
        peer.say("1", "2")
        assert await peer.hears() == "2"
        assert await peer.hears() == "4"
        peer.goodbye()
        await peer.done()


# --- wiring -------------------------------------------------------------------------------------


def test_a_function_without_a_socket_is_refused() -> None:
    """Unless it is a generator; two sockets are one too many, and it has to be async."""

    async def none() -> None: ...
    async def two(a: Text, b: Text) -> None: ...
    def blocking(socket: Text) -> None: ...
    async def odd(socket: WebSocket[complex, str]) -> None: ...

    for function in (none, two):
        with pytest.raises(WiringError, match="has one parameter for it"):
            WebSocketPlan(function)
    with pytest.raises(WiringError, match="is an async function"):
        WebSocketPlan(blocking)


def test_a_plan_knows_the_types_of_messages() -> None:
    """For documentation; a bare `WebSocket` says nothing."""

    async def typed(socket: WebSocket[int, list[str]]) -> None: ...
    async def bare(socket: WebSocket) -> None: ...  # type: ignore[type-arg]
    async def feed() -> AsyncIterator[int]:
        yield 1

    plan = WebSocketPlan(typed)
    assert (plan.parameter, plan.incoming, plan.outgoing) == ("socket", int, list[str])
    assert WebSocketPlan(bare).parameter == "socket"
    assert (WebSocketPlan(feed).parameter, WebSocketPlan(feed).outgoing) == (None, int)
    assert "typed" in repr(plan)
    assert is_socket(WebSocket)
    assert is_socket(WebSocket[int, str])
    assert not is_socket(list[int])


async def test_arguments_may_be_found_asynchronously() -> None:
    """And a handler can be had in one piece."""

    async def join(socket: Text, room: str) -> None:
        await socket.send(room)

    async def fill(call: HttpCall) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"room": "lobby"}

    exchange = MemoryExchange(
        protocol="websocket", version="2", fields=[("sec-websocket-version", "13")]
    )
    with Scope("call") as scope:
        call = HttpCall("websocket", "WEBSOCKET /", scope, exchange, None, {})
        response = await websocket_handler(join, fill)(call)
        assert isinstance(response, Response)
    tunnel = exchange.tunnel
    assert tunnel is not None
    assert tunnel.take().startswith(b"\x81\x05lobby")
    await asyncio.sleep(60)
