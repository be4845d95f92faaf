"""What a mounted application sees, and what becomes of what it sends."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.core.call import Call, Handler
from mainstay.core.scope import Scope
from mainstay.errors import TooLarge
from mainstay.http.asgi.types import AsgiScope, Receive, Send
from mainstay.http.response import Response
from mainstay.testing.exchange import MemoryExchange
from tests.http.asgi.world import answered, echo, mounted, part, reply, start


async def test_a_whole_reply_is_sent_at_once() -> None:
    """Status, fields and body are those of the application; the length is the connection's."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        fields = [
            (b"Content-Type", b"text/x"),
            (b"content-length", b"5"),
            (b"date", b"today"),
            (b"Connection", b"close"),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", "b=é".encode()),
        ]
        await reply(send, b"hello", *fields, status=201)

    got = await answered(mounted(app), MemoryExchange())
    assert (got.status, got.body, got.content_type, got.length) == (201, b"hello", b"text/x", 5)
    assert got.fields == [(b"set-cookie", b"a=1"), (b"set-cookie", "b=é".encode())]


async def test_a_body_is_received_as_it_comes() -> None:
    """Each part of the request is a message, and the last says so."""
    seen: list[Any] = []

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        while not seen or seen[-1]["more_body"]:
            seen.append(await receive())
        await reply(send, b"")

    await answered(mounted(app), MemoryExchange("POST", chunks=[b"ab", b"c"]))
    assert [(each["body"], each["more_body"]) for each in seen] == [
        (b"ab", True),
        (b"c", True),
        (b"", False),
    ]


async def test_a_body_that_came_with_the_head_is_one_message() -> None:
    """Nothing has to be waited for."""
    got = await answered(mounted(echo), MemoryExchange("POST", body=b"whole"))
    assert got.body == b"whole"


async def test_a_reply_in_parts_is_sent_part_by_part() -> None:
    """The parts stay parts; empty ones are left out."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await send(start((b"content-type", b"text/plain")))
        for each in (b"a", b"", b"b"):
            await send(part(each))
        await send(part(b"c", more=False))

    got = await answered(mounted(app), MemoryExchange())
    assert got.parts == [b"a", b"b", b"c"]
    assert got.finished
    assert (b"content-type", b"text/plain") in got.fields
    assert got.length is None


async def test_the_application_waits_for_a_slow_client() -> None:
    """While the client takes nothing, the application is at most one part ahead of it."""
    produced: list[int] = []

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await send(start((b"content-length", b"100")))
        for number in range(100):
            produced.append(number)
            await send(part(b"x", more=number < 99))

    application, exchange = mounted(app), MemoryExchange()
    exchange.hold()
    asyncio.get_running_loop().call_soon(application.begin, exchange)
    await asyncio.sleep(10)
    assert len(produced) <= 3
    exchange.release()
    got = await exchange.wait_finished()
    assert (len(got.body), got.length) == (100, 100)
    while application.tasks:
        await asyncio.wait(application.tasks)


async def test_head_tells_the_length_of_what_is_left_out() -> None:
    """An application that answers HEAD without a body still says how long it would be."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await reply(send, b"", (b"content-length", b"1234"))

    got = await answered(mounted(app), MemoryExchange("HEAD"))
    assert (got.length, got.body, got.finished) == (1234, b"", True)


async def test_background_work_begins_after_the_reply_and_belongs_to_the_call() -> None:
    """What the application does after its reply delays nothing, and the call lasts until its end."""
    sent_before: list[bool] = []
    exchange = MemoryExchange()

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await reply(send, b"now")
        sent_before.append(exchange.reply.finished)
        await asyncio.sleep(60)
        sent_before.append(True)

    application = mounted(app)
    asyncio.get_running_loop().call_soon(application.begin, exchange)
    await exchange.wait_finished()
    await asyncio.sleep(1)
    assert len(application.tasks) == 1
    await asyncio.wait(application.tasks)
    assert sent_before == [True, True]


async def test_a_client_that_leaves_is_a_message_and_no_cancellation() -> None:
    """The application learns of it by `receive`, and does what it wants then."""
    said: list[str] = []

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await receive()
        said.append((await receive())["type"])
        await asyncio.sleep(5)
        await reply(send, b"nobody hears it")
        said.append("done")

    application, exchange = mounted(app), MemoryExchange()
    asyncio.get_running_loop().call_soon(application.begin, exchange)
    await asyncio.sleep(1)
    exchange.leave()
    await asyncio.sleep(1)
    assert said == ["http.disconnect"]
    while application.tasks:
        await asyncio.wait(application.tasks)
    assert said == ["http.disconnect", "done"]


async def test_a_client_that_leaves_a_stream_ends_it() -> None:
    """Whoever produces for ever hears of the disconnect, and sending does nothing from then on."""
    ended = asyncio.Event()

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            producer.cancel()

        async def produce() -> None:
            await send(start())
            while True:
                await send(part(b"x"))
                await asyncio.sleep(0.1)

        producer = asyncio.ensure_future(produce())
        await listen()
        await asyncio.wait([producer])
        ended.set()

    application, exchange = mounted(app), MemoryExchange()
    asyncio.get_running_loop().call_soon(application.begin, exchange)
    await asyncio.sleep(1)
    exchange.leave()
    while application.tasks:
        await asyncio.wait(application.tasks)
    assert ended.is_set()


async def test_the_end_of_the_reply_is_a_disconnect() -> None:
    """Who still listens when the reply is complete does not listen for ever."""
    types: list[str] = []

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await receive()
        await reply(send, b"")
        types.append((await receive())["type"])

    await answered(mounted(app), MemoryExchange())
    assert types == ["http.disconnect"]


async def test_a_failure_before_the_reply_is_a_problem() -> None:
    """An application that raises answers as a handler that raises."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret")

    got = await answered(mounted(app), MemoryExchange())
    assert (got.status, got.content_type) == (500, b"application/problem+json")
    assert b"secret" not in got.body


async def test_an_application_that_says_nothing_is_a_problem() -> None:
    """Returning without a reply is a fault of the program."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Say nothing."""

    assert (await answered(mounted(app), MemoryExchange())).status == 500


@pytest.mark.parametrize("fails", [True, False])
async def test_a_failure_in_the_middle_breaks_the_reply_off(fails: bool) -> None:
    """The client sees that the body is not whole, whether the application raised or returned."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(part(b"half"))
        if fails:
            raise RuntimeError

    got = await answered(mounted(app), MemoryExchange())
    assert (got.body, got.broken, got.finished) == (b"half", True, False)


async def test_a_failure_after_the_reply_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client has its reply; the stack is in the log."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await reply(send, b"fine")
        raise RuntimeError("too late")

    with caplog.at_level(logging.ERROR, "mainstay.http"):
        got = await answered(mounted(app), MemoryExchange())
    assert (got.status, got.body, got.broken) == (200, b"fine", False)
    assert "too late" in caplog.text


async def test_what_is_wrong_with_the_request_is_answered_by_the_service() -> None:
    """A body that is too long gets 413, whatever the application makes of it."""
    seen: list[str] = []

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        seen.append((await receive())["type"])
        await reply(send, b"", status=500)

    exchange = MemoryExchange("POST", chunks=[TooLarge("it is too long")])
    got = await answered(mounted(app), exchange)
    assert (got.status, seen) == (413, ["http.disconnect"])


async def test_a_failure_that_is_not_the_reply_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An application that does not take the end of a bad request well."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.disconnect"
        raise LookupError("where is the body?")

    with caplog.at_level(logging.ERROR, "mainstay.http"):
        got = await answered(mounted(app), MemoryExchange("POST", chunks=[TooLarge("it is long")]))
    assert got.status == 413
    assert "where is the body?" in caplog.text


@pytest.mark.parametrize(
    "messages",
    [
        [part(b"")],
        [start(), start()],
        [start(), part(b"", more=True), start()],
        [{"type": "websocket.accept"}],
        [start(status=99)],
        [start((b"bad name", b"x")), part(b"", more=False)],
        [start((b"x", b"a\r\nb: c")), part(b"", more=False)],
    ],
)
async def test_messages_in_the_wrong_place_are_refused(
    messages: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """An application that does not keep to the protocol fails, and nothing odd goes out. Its failure is
    told of once: by who called it, and not by the loop again."""
    told: list[Any] = []
    caplog.set_level(logging.CRITICAL, "mainstay.http")  # records would keep the task
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        await send(part(b"", more=False))

    got = await answered(mounted(app), MemoryExchange())
    assert got.status == 500 or got.broken
    gc.collect()
    assert told == []


async def test_early_hints_go_out_before_the_reply() -> None:
    """The extension is there, and becomes 103."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        assert "http.response.early_hint" in scope["extensions"]
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        await reply(send, b"")

    got = await answered(mounted(app), MemoryExchange())
    assert got.interim == [(103, [(b"link", b"</a.css>; rel=preload")])]


async def test_middleware_sees_and_changes_the_reply() -> None:
    """A mounted application's reply is a `Response` like any other."""

    async def mark(call: Call, next: Handler) -> Response:
        response: Response = await next(call)
        response.headers.set("x-status", str(response.status))
        return response

    got = await answered(mounted(echo, "", mark), MemoryExchange("POST", body=b"a"))
    assert got.headers.get("x-status") == "200"


@pytest.mark.parametrize("streams", [True, False])
async def test_a_reply_that_middleware_drops_leaves_nobody_waiting(streams: bool) -> None:
    """The application goes on to its end when another response takes the place of its own."""
    ended = asyncio.Event()

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(part(b"dropped", more=streams))
        if streams:
            await send(part(b"", more=False))
        ended.set()

    async def replace(call: Call, next: Handler) -> Response:
        await next(call)
        return Response(b"other")

    got = await answered(mounted(app, "", replace), MemoryExchange())
    assert got.body == b"other"
    await asyncio.wait_for(ended.wait(), 1)


async def test_the_deadline_of_the_route_cancels_the_application() -> None:
    """A mount has no deadline, unless its route has."""
    cancelled = asyncio.Event()

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        await reply(send, b"slow")

    got = await answered(mounted(app, timeout=5.0), MemoryExchange())
    assert (got.status, cancelled.is_set()) == (504, True)
    got = await answered(mounted(app), MemoryExchange())
    assert (got.status, got.body) == (200, b"slow")


async def test_the_scope_of_the_call_is_around_the_application() -> None:
    """Deadlines, values and ids of the service reach into mounted code."""
    names: list[str] = []

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        above = Scope.current().parent
        assert above is not None
        names.append(above.name)
        await reply(send, b"")

    await answered(mounted(app, "/old"), MemoryExchange(target="/old/x"))
    assert names == ["MOUNT /old"]


async def test_an_upload_is_read_as_fast_as_the_application_reads() -> None:
    """No part is taken from the connection before it is asked for."""
    taken: list[int] = []

    async def chunks() -> AsyncIterator[bytes | Exception]:
        for number in range(3):
            taken.append(number)
            yield b"x"

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await receive()
        assert taken == [0]
        await reply(send, b"enough")

    got = await answered(mounted(app), MemoryExchange("POST", chunks=chunks()))
    assert (got.body, taken) == (b"enough", [0])
