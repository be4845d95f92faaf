"""Streams in the hands of a program: feeding, awaiting, leaving, forgetting."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.core.call import Call, Handler
from mainstay.core.scope import Scope
from mainstay.errors import DeadlineExceeded, UsageError
from mainstay.rpc.client.failures import (
    CancelledFailure,
    DeadlineExceededFailure,
    NotFoundFailure,
    UnimplementedFailure,
)
from mainstay.wire.envelopes import seal
from mainstay.wire.http2 import ErrorCode
from tests.rpc.client.world import HEAD, World, chat, collect, replies, settle

NOT_FOUND = [(b"grpc-status", b"5"), (b"grpc-message", b"gone")]


async def passes(call: Call, next: Handler) -> Any:
    """A middleware that does nothing."""
    return await next(call)


async def test_requests_are_taken_from_anything_to_iterate() -> None:
    """Plain or asynchronous; the replies come through iteration, or the one through await."""

    async def numbers() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number

    world = World()
    async with world.channel() as channel:
        for requests in ([b"0", b"1", b"2"], numbers()):
            assert [each async for each in chat(channel)(requests)] == [b"0", b"1", b"2"]
        assert await collect(channel)([b"all"]) == b"all"


async def test_the_one_reply_of_a_client_stream() -> None:
    """None and two are UNIMPLEMENTED; `reply` ends our side itself."""
    world = World()
    async with world.channel() as channel:
        with pytest.raises(UnimplementedFailure, match="not more"):
            await collect(channel)([b"a", b"b"])
        with pytest.raises(UnimplementedFailure, match="not none"):
            await collect(channel)([])
        async with collect(channel)() as stream:
            await stream.send(b"a")
            assert await stream.reply() == b"a"
        with pytest.raises(UsageError, match="iterate"):
            await replies(channel)(b"q")


async def test_leaving_early_cancels() -> None:
    """`async with` tells the server, whatever the reason."""
    world = World()
    world.answers = False
    async with world.channel() as channel:
        with pytest.raises(KeyError):
            async with replies(channel)(b"q"):
                await settle()
                raise KeyError
        async with replies(channel)(b"q") as stream:
            await settle()
        await settle()
        assert world.side.resets == {1: ErrorCode.CANCEL, 3: ErrorCode.CANCEL}
        with pytest.raises(CancelledFailure):
            await stream.receive()


async def test_a_forgotten_stream_is_cancelled() -> None:
    """Breaking out of a loop leaves nothing open, once the object is gone."""
    world = World()
    world.answers = False
    async with world.channel() as channel:
        stream = replies(channel)(b"q")
        await settle()
        del stream
        gc.collect()
        await settle()
        assert world.side.resets == {1: ErrorCode.CANCEL}


async def test_a_cancelled_reader_of_an_iteration_cancels_the_call() -> None:
    """The loop over the replies is all there is to it."""
    world = World()
    world.answers = False
    async with world.channel() as channel:

        async def read() -> None:
            async for _ in replies(channel)(b"q"):
                pass

        task = asyncio.create_task(read())
        await settle()
        task.cancel()
        await settle()
        assert world.side.resets == {1: ErrorCode.CANCEL}


async def test_what_ends_a_stream_that_was_dropped_is_not_reported() -> None:
    """With middleware the call ends in a task, whose error nobody is there to take."""
    world = World()
    world.answers = False
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: reported.append(what))
    async with world.channel(middleware=[passes]) as channel:
        stream = replies(channel)(b"q")
        await settle()
        del stream
        gc.collect()
        await settle()
        assert world.side.resets == {1: ErrorCode.CANCEL}
    gc.collect()
    assert reported == []


async def test_a_failing_source_of_requests_ends_the_call() -> None:
    """The receiver gets its error, the server a reset."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        await settle()
        raise KeyError("mine")

    world = World()
    world.answers = False
    for middleware in ([], [passes]):
        async with world.channel(middleware=middleware) as channel:
            await channel.wait_ready()
            with pytest.raises(KeyError, match="mine"):
                await collect(channel)(broken())
            await settle()
            assert world.side.resets == {1: ErrorCode.CANCEL}


async def test_deadlines_of_streams() -> None:
    """A timeout ends the stream with DEADLINE_EXCEEDED, the scope's deadline in its own way."""
    world = World()
    world.answers = False
    async with world.channel(timeout=1) as channel:
        with pytest.raises(DeadlineExceededFailure):
            await collect(channel)([b"a"], timeout=5)
        assert world.heads[0][b"grpc-timeout"] == b"5000m"
        with pytest.raises(DeadlineExceeded), Scope(timeout=2):
            async for _ in replies(channel)(b"q"):
                pass
        await settle()
        assert world.side.resets == {1: ErrorCode.CANCEL, 3: ErrorCode.CANCEL}


async def test_metadata_of_the_head_can_be_waited_for() -> None:
    """Before any message; the failure of a call that has no head is raised."""
    world = World()
    world.answers = False
    async with world.channel() as channel:
        async with chat(channel)() as stream:
            waiting = asyncio.create_task(stream.initial_metadata())
            await settle()
            assert not waiting.done()
            world.side.engine.respond(1, 200, [*HEAD, (b"x-a", b"1")], False)
            world.side.flush()
            assert await waiting == (("x-a", "1"),)
            assert stream.trailing_metadata == ()
            assert repr(stream) == "<RpcStream test.Service/Chat open>"
        async with chat(channel)() as stream:
            await settle()
            world.side.engine.reset(3, ErrorCode.INTERNAL_ERROR)
            world.side.flush()
            with pytest.raises(Exception, match="INTERNAL_ERROR"):
                await stream.initial_metadata()


async def test_an_early_failure_reaches_who_only_sends() -> None:
    """A feeder stops, and the reply tells."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.1)

    world = World()
    world.answers = False
    async with world.channel() as channel:
        call = asyncio.ensure_future(collect(channel)(endless()).reply())
        await asyncio.sleep(1)
        world.side.engine.respond(1, 200, HEAD, False)
        world.side.say(1, seal(b"x"))
        world.side.engine.send_trailers(1, NOT_FOUND)
        world.side.flush()
        with pytest.raises(NotFoundFailure):
            await call
