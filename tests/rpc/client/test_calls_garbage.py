"""What calls leave behind: nothing that only the collector could find."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from types import FrameType
from typing import Any

import pytest

from mainstay.errors import Code, RpcError
from mainstay.net.client_streams import StreamConnection
from mainstay.rpc.client.calls import WireCall
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.client.failures import RpcFailed
from mainstay.rpc.client.rpc_stream import RpcStream
from mainstay.rpc.method import Kind
from mainstay.wire.http2 import Event, RequestHead
from tests.rpc.client.world import HEAD, Side, World, chat, collect, settle, unary

CALLS = 5
FAILED = [(b"grpc-status", b"5"), (b"grpc-message", b"not here")]

OURS = (WireCall, RpcStream, StreamConnection, BaseException, FrameType, asyncio.Future)

Act = Callable[[World, Channel], Awaitable[None]]


def refuse(side: Side, event: Event) -> None:
    """Answer every request with an error at once."""
    if isinstance(event, RequestHead):
        side.engine.respond(event.stream, 200, [*HEAD, *FAILED], True)


async def unary_error(world: World, channel: Channel) -> None:
    world.react = refuse
    with pytest.raises(RpcFailed):
        await unary(channel)(b"x")


async def unary_deadline(world: World, channel: Channel) -> None:
    world.answers = False
    with pytest.raises(RpcFailed):
        await unary(channel)(b"x", timeout=0.1)


async def unary_cancelled(world: World, channel: Channel) -> None:
    world.answers = False
    task = asyncio.create_task(unary(channel)(b"x"))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def unary_lost(world: World, channel: Channel) -> None:
    world.answers = False
    task = asyncio.create_task(unary(channel)(b"x"))
    await settle()
    world.side.transport.abort()
    world.sides.clear()
    await asyncio.wait([task])  # not awaited: its error would know this frame, and that the task
    assert isinstance(task.exception(), RpcFailed)


async def unary_refused(world: World, channel: Channel) -> None:
    world.refused = 1
    async with world.channel() as other:
        with pytest.raises(RpcFailed):
            await unary(other)(b"x")


async def unary_not_decoded(world: World, channel: Channel) -> None:
    def decode(data: bytes) -> bytes:
        raise ValueError("none of ours")

    with pytest.raises(RpcFailed, match="cannot be decoded"):
        await channel.method_at("/test.Service/Unary", Kind.UNARY, bytes, decode)(b"x")


async def replies_not_decoded(world: World, channel: Channel) -> None:
    def decode(data: bytes) -> bytes:
        raise ValueError("none of ours")

    method = channel.method_at("/test.Service/Replies", Kind.SERVER_STREAM, bytes, decode)
    with pytest.raises(RpcFailed, match="cannot be decoded"):
        async for _ in method(b"x"):
            pass


async def stream_error(world: World, channel: Channel) -> None:
    world.react = refuse
    async with chat(channel)() as stream:
        for _ in range(2):
            with pytest.raises(RpcFailed):
                await stream.receive()
        with pytest.raises(RpcFailed):
            await stream.send(b"x")


async def stream_deadline(world: World, channel: Channel) -> None:
    world.answers = False
    with pytest.raises(RpcFailed):
        async with chat(channel)(timeout=0.1) as stream:
            await stream.receive()


async def requests_refused(world: World, channel: Channel) -> None:
    world.react = refuse

    async def requests() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)
            await asyncio.sleep(0)

    with pytest.raises(RpcFailed):
        await collect(channel)(requests())


async def stream_refused_by_middleware(world: World, channel: Channel) -> None:
    with pytest.raises(RpcError):
        async with chat(channel)(metadata={"refuse": "this"}) as stream:
            await stream.receive()


async def middleware(call: Any, handler: Any) -> Any:
    if call.metadata:
        raise RpcError(Code.UNAUTHENTICATED, "no token")
    return await handler(call)


@pytest.mark.parametrize(
    "act",
    [
        unary_error,
        unary_deadline,
        unary_cancelled,
        unary_lost,
        unary_refused,
        unary_not_decoded,
        replies_not_decoded,
        stream_error,
        stream_deadline,
        requests_refused,
    ],
)
async def test_a_call_that_fails_leaves_no_cycle(act: Act) -> None:
    """What a call held is free as soon as nobody holds the call: no error that is kept knows, by
    its traceback, the frames that know the call."""
    await prove_clean(act)


@pytest.mark.parametrize("act", [unary_error, stream_error, stream_refused_by_middleware])
async def test_a_call_that_fails_in_middleware_leaves_no_cycle(act: Act) -> None:
    """The same for a call in a task of its own."""
    await prove_clean(act, middleware=[middleware])


async def prove_clean(act: Act, **options: Any) -> None:
    world = World()
    async with world.channel(**options) as channel:
        await act(world, channel)
        await settle()
        world.heads.clear()
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(CALLS):
                await act(world, channel)
            await asyncio.sleep(2)
            gc.collect()
            # The servers of this test are in cycles themselves.
            found = [type(each).__name__ for each in gc.garbage if isinstance(each, OURS)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert found == []
