"""Unary calls on the wire: what goes, what comes, what ends them."""

import asyncio
import math
import zlib
from contextvars import Context

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import Code, DeadlineExceeded
from mainstay.rpc.client.failures import (
    CancelledFailure,
    DeadlineExceededFailure,
    InternalFailure,
    PermissionDeniedFailure,
    ResourceExhaustedFailure,
    RpcFailed,
    UnimplementedFailure,
)
from mainstay.rpc.client.limits import ChannelLimits
from mainstay.rpc.method import Kind
from mainstay.wire.envelopes import seal
from mainstay.wire.http2 import ErrorCode
from tests.rpc.client.world import HEAD, OK, World, settle, unary


async def failing(world: World, body: bytes, **options: object) -> RpcFailed:
    """The failure of a call that is answered with `body`."""
    world.answers = False
    async with world.channel(**options) as channel:
        call = asyncio.create_task(unary(channel)(b"q"))
        await settle()
        side = world.side
        side.engine.respond(1, 200, HEAD, False)
        side.say(1, body)
        side.engine.send_trailers(1, OK)
        side.flush()
        with pytest.raises(RpcFailed) as caught:
            await call
        return caught.value


@pytest.mark.parametrize(
    ("body", "expected", "words"),
    [
        (b"", UnimplementedFailure, "one reply, not none"),
        (seal(b"a") + seal(b"b"), UnimplementedFailure, "one reply, not more"),
        (seal(b"abc")[:-1], InternalFailure, "middle of a message"),
        (seal(b"abc")[:3], InternalFailure, "middle of a message"),
        (seal(b"abc", 4), InternalFailure, "flags 0x04"),
        (seal(b"abc", 1), InternalFailure, "nobody said how"),
    ],
)
async def test_a_reply_that_is_not_one_message(
    body: bytes, expected: type[RpcFailed], words: str
) -> None:
    """None and two are UNIMPLEMENTED, a cut or mislabelled one is INTERNAL (statuscodes.md)."""
    error = await failing(World(), body)
    assert type(error) is expected
    assert words in error.message


async def test_a_reply_that_is_too_long_is_stopped() -> None:
    """RESOURCE_EXHAUSTED as soon as its length is known; the stream is reset."""
    world = World()
    world.answers = False
    async with world.channel(limits=ChannelLimits(receive_size=100)) as channel:
        call = asyncio.create_task(unary(channel)(b"q"))
        await settle()
        world.side.engine.respond(1, 200, HEAD, False)
        world.side.say(1, seal(bytes(101))[:5])
        with pytest.raises(ResourceExhaustedFailure, match="101 bytes"):
            await call
        await settle()
        assert world.side.resets == {1: ErrorCode.CANCEL}


async def test_a_long_reply_needs_more_than_the_window() -> None:
    """What is collected is credited, so a message may be longer than every window."""
    world = World()
    world.answers = False
    async with world.channel(limits=ChannelLimits(window=65_536)) as channel:
        call = asyncio.create_task(unary(channel)(b"q"))
        await settle()
        side = world.side
        side.engine.respond(1, 200, HEAD, False)
        data = seal(bytes(1_000_000))
        sent = 0
        while sent < len(data):
            sent += side.engine.send(1, data, sent, False)
            side.flush()
            await settle(3)
        side.engine.send_trailers(1, OK)
        side.flush()
        assert await call == bytes(1_000_000)


async def test_a_long_request_goes_through_every_window() -> None:
    """1 MB to a server with a window of 64 KiB."""
    world = World()
    async with world.channel() as channel:
        call = unary(channel)
        world.react = None
        world.answers = False
        task = asyncio.create_task(call(bytes(1_000_000)))
        for _ in range(200):
            await settle(5)
            if world.side.held:
                break
        world.side.answer(1, b"ok")
        assert await task == b"ok"
        assert len(world.side.bodies[1]) == 1_000_005


async def test_compression_both_ways() -> None:
    """A request is compressed if asked, and from `compress_from` on; the reply is undone."""
    world = World()
    world.answers = False
    async with world.channel(compression="gzip") as channel:
        call = asyncio.create_task(unary(channel)(bytes(5000)))
        await settle()
        side = world.side
        assert side.heads[1][b"grpc-encoding"] == b"gzip"
        assert side.bodies[1][0] == 1
        assert zlib.decompress(side.bodies[1][5:], 31) == bytes(5000)
        side.engine.respond(1, 200, [*HEAD, (b"grpc-encoding", b"gzip")], False)
        side.say(1, side.bodies[1])
        side.engine.send_trailers(1, OK)
        side.flush()
        assert await call == bytes(5000)
        small = asyncio.create_task(unary(channel)(b"small"))
        plain = asyncio.create_task(unary(channel)(bytes(5000), compression="identity"))
        await settle()
        assert side.bodies[3][0] == 0
        assert b"grpc-encoding" not in side.heads[5]
        for stream in (3, 5):
            side.answer(stream, b"ok")
        assert await small == await plain == b"ok"


async def test_a_reply_compressed_in_an_unknown_way_is_internal() -> None:
    """We said what we take (statuscodes.md)."""
    world = World()
    world.answers = False
    async with world.channel() as channel:
        call = asyncio.create_task(unary(channel)(b"q"))
        await settle()
        world.side.engine.respond(1, 200, [*HEAD, (b"grpc-encoding", b"snappy")], False)
        world.side.say(1, seal(b"x", 1))
        world.side.engine.send_trailers(1, OK)
        world.side.flush()
        with pytest.raises(InternalFailure, match="snappy"):
            await call


async def test_a_reply_that_cannot_be_decoded_is_internal() -> None:
    """And says what the decoder said."""

    def decode(data: bytes) -> bytes:
        raise ValueError("not mine")

    world = World()
    async with world.channel() as channel:
        with pytest.raises(InternalFailure, match="not mine"):
            await channel.method_at("/a.B/C", Kind.UNARY, bytes, decode)(b"q")


async def test_a_timeout_is_sent_and_kept() -> None:
    """As grpc-timeout; when it is over the call ends, and the stream is reset."""
    world = World()
    world.answers = False
    async with world.channel(timeout=9) as channel:
        with pytest.raises(DeadlineExceededFailure) as caught:
            await unary(channel)(b"q", timeout=2.5)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.ours is False
        await settle()
        assert world.heads[0][b"grpc-timeout"] == b"2500m"
        assert world.side.resets == {1: ErrorCode.CANCEL}
        with pytest.raises(TimeoutError):
            await unary(channel)(b"q")
        assert world.heads[1][b"grpc-timeout"] == b"9000m"


@pytest.mark.parametrize("timeout", [math.inf, math.nan])
async def test_a_timeout_that_limits_nothing_is_none(timeout: float) -> None:
    """Neither is it sent; no scope limits these calls either."""
    world = World()
    async with world.channel() as channel:
        method = unary(channel)
        for _ in range(2):
            call = asyncio.create_task(method(b"q", timeout=timeout), context=Context())
            assert await call
    assert b"grpc-timeout" not in world.heads[0]


async def test_a_page_in_the_place_of_a_reply_is_unknown_each_time() -> None:
    """Also when its bytes are those of the pages before: its body is no message."""
    world = World()
    world.answers = False
    page = [(b"content-type", b"text/html")]
    async with world.channel() as channel:
        for number in range(20):
            call = asyncio.create_task(unary(channel)(b"q"))
            await settle()
            side, stream = world.side, 2 * number + 1
            side.engine.respond(stream, 200, page, False)
            side.say(stream, b"<html>")
            side.engine.send_trailers(stream, OK)
            side.flush()
            with pytest.raises(RpcFailed) as caught:
                await call
            assert caught.value.code is Code.UNKNOWN


async def test_the_deadline_of_the_scope_is_sent_and_ends_the_call() -> None:
    """The scope raises what it raises everywhere, and the server hears of both."""
    world = World()
    world.answers = False
    async with world.channel() as channel:
        with pytest.raises(DeadlineExceeded), Scope(timeout=3):
            await unary(channel)(b"q", timeout=60)
        await settle()
        assert world.heads[0][b"grpc-timeout"] == b"3000m"
        assert world.side.resets == {1: ErrorCode.CANCEL}


async def test_a_deadline_that_is_over_sends_nothing() -> None:
    """It is DEADLINE_EXCEEDED at once."""
    world = World()
    async with world.channel() as channel:
        with pytest.raises(DeadlineExceededFailure, match="before the call began"):
            await unary(channel)(b"q", timeout=0)
    assert world.dials == []


async def test_cancelling_resets_the_stream() -> None:
    """A task that is cancelled leaves nothing behind, on a connection or waiting for one."""
    world = World()
    world.answers = False
    async with world.channel() as channel:
        waiting = asyncio.create_task(unary(channel)(b"q"))
        await asyncio.sleep(0)
        waiting.cancel()
        call = asyncio.create_task(unary(channel)(b"q"))
        await settle()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await settle()
        assert world.side.resets == {1: ErrorCode.CANCEL}
        assert len(world.heads) == 1
        assert channel.statistics().streams == 0


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ErrorCode.NO_ERROR, InternalFailure),
        (ErrorCode.INTERNAL_ERROR, InternalFailure),
        (ErrorCode.CANCEL, CancelledFailure),
        (ErrorCode.ENHANCE_YOUR_CALM, ResourceExhaustedFailure),
        (ErrorCode.INADEQUATE_SECURITY, PermissionDeniedFailure),
    ],
)
async def test_a_reset_by_the_server(code: ErrorCode, expected: type[RpcFailed]) -> None:
    """After the head as well as before, it is the code that PROTOCOL-HTTP2.md names."""
    world = World()
    world.answers = False
    async with world.channel() as channel:
        for after_head in (False, True):
            call = asyncio.create_task(unary(channel)(b"q"))
            await settle()
            number = max(world.side.heads)
            if after_head:
                world.side.engine.respond(number, 200, HEAD, False)
            world.side.engine.reset(number, code)
            world.side.flush()
            with pytest.raises(expected, match="was reset"):
                await call


async def test_what_never_left_is_sent_again_when_the_connection_dies() -> None:
    """Nothing of it was written, so it is as good as new."""
    world = World()
    async with world.channel() as channel:
        await unary(channel)(b"first")
        world.answers = False
        # Two, so that the second waits for its turn to be written.
        one, two = (asyncio.create_task(unary(channel)(text)) for text in (b"1", b"2"))
        await asyncio.sleep(0)
        assert channel._connector is not None
        connection = channel._connector._connections[0]
        connection.connection_lost(None)
        world.answers = True
        with pytest.raises(RpcFailed):
            await one
        assert await two == b"2"
        assert len(world.sides) == 2
