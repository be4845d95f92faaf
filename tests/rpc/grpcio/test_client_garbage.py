"""What calls of generated stubs leave behind: nothing that only the collector could find."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import grpc.aio
import pytest

from mainstay.rpc.client.calls import WireCall
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.grpcio.client import StubCall
from mainstay.wire.http2 import Event, RequestHead
from tests.rpc.client.world import HEAD, Side, World, settle

CALLS = 5
OURS = (WireCall, StubCall, BaseException, FrameType, asyncio.Future)
FAILED = [(b"grpc-status", b"5"), (b"grpc-message", b"not here")]

Act = Callable[[Channel], Awaitable[None]]


def refuse(side: Side, event: Event) -> None:
    """Answer every request with an error at once."""
    if isinstance(event, RequestHead):
        side.engine.respond(event.stream, 200, [*HEAD, *FAILED], True)


async def passes(call: Any, handler: Any) -> Any:
    return await handler(call)


async def unary(channel: Channel) -> None:
    call = channel.unary_unary("/a.B/Unary")(b"x")
    for _ in range(2):
        with pytest.raises(grpc.aio.AioRpcError, match="not here"):
            await call
    assert await call.code() is grpc.StatusCode.NOT_FOUND


async def collect(channel: Channel) -> None:
    call = channel.stream_unary("/a.B/Collect")(iter([b"x"]))
    for _ in range(2):
        with pytest.raises(grpc.aio.AioRpcError, match="not here"):
            await call


async def replies(channel: Channel) -> None:
    call = channel.unary_stream("/a.B/Replies")(b"x")
    with pytest.raises(grpc.aio.AioRpcError, match="not here"):
        async for _ in call:
            pass


async def chat(channel: Channel) -> None:
    call = channel.stream_stream("/a.B/Chat")()
    for _ in range(2):
        with pytest.raises(grpc.aio.AioRpcError, match="not here"):
            await call.read()


@pytest.mark.parametrize("middleware", [(), (passes,)])
@pytest.mark.parametrize("act", [unary, collect, replies, chat])
async def test_a_stubs_call_that_fails_leaves_no_cycle(act: Act, middleware: Any) -> None:
    """However often its error is asked for, no error that is kept knows who keeps it."""
    world = World(refuse)
    async with world.channel(middleware=middleware) as channel:
        await act(channel)
        await settle()
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(CALLS):
                await act(channel)
            await asyncio.sleep(2)
            gc.collect()
            found = [type(each).__name__ for each in gc.garbage if isinstance(each, OURS)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert found == []
