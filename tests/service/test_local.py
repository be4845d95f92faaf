"""Facts about `mainstay.service.local`."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from mainstay import Call, Handler, Scope
from mainstay.errors import ClosedError, DeadlineExceeded, EndOfStream, ShuttingDown
from mainstay.service.local import LocalStream, collect
from tests.service.parts import FOR_EVER, Events
from tests.unseen import listen


async def collected(handler: Handler, *messages: Any, **scope: Any) -> list[Any]:
    """Everything that `handler` answers to `messages`."""
    stream = LocalStream(messages)
    with Scope("call", **scope) as own:
        call = Call("local", "m", own, None, stream)
        async with aclosing(collect(handler, call, stream)) as replies:
            return [reply async for reply in replies]


def stream_of(call: Call) -> LocalStream:
    """The call's stream."""
    assert isinstance(call.stream, LocalStream)
    return call.stream


async def test_messages_go_in_and_come_out() -> None:
    """In order; the end of what the caller sends is `EndOfStream`."""

    async def echo(call: Call) -> None:
        stream = stream_of(call)
        await stream.open()
        with pytest.raises(EndOfStream):
            while True:
                await stream.send(await stream.receive())
        await stream.close()
        await stream.close()

    assert await collected(echo, 1, 2, 3) == [1, 2, 3]


async def test_what_the_handler_returns_is_the_last_message() -> None:
    """A client stream: many in, one out."""

    async def total(call: Call) -> int:
        return int(await stream_of(call).receive()) + int(await stream_of(call).receive())

    assert await collected(total, 1, 2) == [3]


async def test_nothing_is_sent_after_the_close() -> None:
    """As on any transport."""

    async def late(call: Call) -> None:
        await stream_of(call).close()
        with pytest.raises(ClosedError, match="closed its direction"):
            await stream_of(call).send(1)

    assert await collected(late) == []


async def test_a_caller_that_reads_slowly_slows_the_handler() -> None:
    """The handler is at most one message ahead."""
    events = Events()

    async def count(call: Call) -> None:
        for number in range(4):
            await stream_of(call).send(number)
            events(f"sent {number}")

    stream = LocalStream()
    with Scope("call") as scope:
        call = Call("local", "m", scope, None, stream)
        async for number in collect(count, call, stream):
            await asyncio.sleep(1)
            events(f"took {number}")
    assert events.index("sent 3") > events.index("took 0")
    assert events.index("sent 2") < events.index("took 1")


async def test_an_error_comes_after_what_was_sent_before() -> None:
    """And it is the handler's own."""

    async def count(call: Call) -> None:
        await stream_of(call).send(1)
        raise ValueError("no")

    stream = LocalStream()
    got = []
    with Scope("call") as scope, pytest.raises(ValueError, match="no"):
        async for number in collect(count, Call("local", "m", scope, None, stream), stream):
            got.append(number)  # noqa: PERF401 - the error comes in between
    assert got == [1]


@pytest.mark.parametrize("reason", [ShuttingDown("it stops"), None])
async def test_a_cancelled_call_says_why(reason: Exception | None) -> None:
    """The caller gets the cause, not a ``CancelledError``, which it would take for its own."""

    async def hanging(call: Call) -> None:
        await stream_of(call).send(1)
        await asyncio.sleep(FOR_EVER)

    stream = LocalStream()
    scope = Scope("call", timeout=None if reason else 3).open()
    if reason is not None:
        asyncio.get_running_loop().call_later(3, scope.cancel, reason)
    with pytest.raises(DeadlineExceeded if reason is None else ShuttingDown):
        async for _ in collect(hanging, Call("local", "m", scope, None, stream), stream):
            pass
    scope.close()


async def test_a_caller_that_leaves_ends_the_handler() -> None:
    """Its ``finally`` has run when the closing of the stream returns."""
    events = Events()

    async def count(call: Call) -> None:
        try:
            while True:
                await stream_of(call).send(1)
        finally:
            await asyncio.sleep(0.1)
            events("ended")

    stream = LocalStream()
    scope = Scope("call").open()
    replies = collect(count, Call("local", "m", scope, None, stream), stream)
    async with aclosing(replies):
        async for _ in replies:
            break
    assert events == ["ended"]
    scope.close()


@pytest.mark.parametrize("early", [True, False])
async def test_what_fails_once_the_caller_has_left_is_nobody_s_news(early: bool) -> None:
    """Before the caller leaves, unknown to it, or because it has left."""
    complaints = listen()

    async def answer(call: Call) -> None:
        try:
            await stream_of(call).send("one")
            await asyncio.sleep(0 if early else FOR_EVER)
        finally:
            raise ValueError("no")

    stream = LocalStream()
    with Scope("caller"):
        own = Scope("call").open()
        call = Call("local", "m", own, None, stream)
        async with aclosing(collect(answer, call, stream)) as replies:
            assert await anext(replies) == "one"
            await asyncio.sleep(1)
        own.close()
    del call, replies, own, stream
    assert complaints() == []
