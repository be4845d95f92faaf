"""Streams of messages both ways: order, independence, windows, memory, ends."""

import asyncio
import zlib

import pytest

from mainstay.core.metadata import Metadata
from mainstay.errors import ClosedError, EndOfStream, UsageError
from mainstay.rpc.client.failures import (
    InternalFailure,
    NotFoundFailure,
    ResourceExhaustedFailure,
    UnavailableFailure,
)
from mainstay.rpc.client.limits import ChannelLimits
from mainstay.rpc.method import Kind, RpcMethod
from mainstay.wire.envelopes import seal
from mainstay.wire.http2 import ErrorCode, Event, RequestHead
from tests.rpc.client.world import HEAD, OK, Side, World, chat, collect, replies, settle
from tests.rpc.schema.zoo import Everything, Square, codecs


async def test_both_directions_are_independent() -> None:
    """What is sent arrives before our end, replies come before it, and receiving goes on after."""
    world = World()
    world.answers = False
    async with world.channel() as channel, chat(channel)() as stream:
        await stream.send(b"one")
        await settle()
        side = world.side
        assert side.messages(1) == [b"one"]
        side.engine.respond(1, 200, HEAD, False)
        side.say(1, seal(b"first"))
        assert await stream.receive() == b"first"
        await stream.send(b"two")
        await stream.done_sending()
        await settle()
        assert side.held == [1]
        side.say(1, seal(b"second"))
        side.engine.send_trailers(1, OK)
        side.flush()
        assert await stream.receive() == b"second"
        with pytest.raises(EndOfStream):
            await stream.receive()
        with pytest.raises(ClosedError):
            await stream.send(b"three")


async def test_messages_come_however_frames_cut_them() -> None:
    """One byte a frame, and several messages in one."""
    world = World()
    world.answers = False
    async with world.channel() as channel, replies(channel)(b"q") as stream:
        await settle()
        side = world.side
        side.engine.respond(1, 200, HEAD, False)
        for byte in seal(b"abc") + seal(b""):
            side.say(1, bytes([byte]))
            await settle(3)
        side.say(1, seal(b"d") + seal(b"e"))
        side.engine.send_trailers(1, OK)
        side.flush()
        assert [each async for each in stream] == [b"abc", b"", b"d", b"e"]


async def test_a_sender_waits_for_a_server_that_does_not_read() -> None:
    """What waits on our side is bounded by a message and a frame, whatever is sent."""
    world = World()
    world.answers = False
    world.credits = False
    async with world.channel() as channel, collect(channel)() as stream:
        sent = 0

        async def produce() -> None:
            nonlocal sent
            while True:
                await stream.send(bytes(10_000))
                sent += 1

        task = asyncio.create_task(produce())
        await settle(500)
        before = sent
        await settle(500)
        assert sent == before
        # The window of the stream, and a little that waits behind it.
        assert before * 10_000 < 65_536 + 40_000
        assert not task.done()
        side = world.side
        side.engine.credit(1, len(side.bodies[1]))
        side.flush()
        await settle(500)
        assert sent > before
        task.cancel()


async def test_a_reader_that_does_not_read_stops_the_server() -> None:
    """The server can send a window and not more; what is read makes room."""
    world = World()
    world.answers = False
    limits = ChannelLimits(window=65_536)
    async with world.channel(limits=limits) as channel, replies(channel)(b"q") as stream:
        await settle()
        side = world.side
        side.engine.respond(1, 200, HEAD, False)
        data = seal(bytes(1000)) * 1000
        sent = 0
        for _ in range(50):
            sent += side.engine.send(1, data, sent, False)
            side.flush()
            await settle(5)
        assert sent <= 65_536
        for _ in range(70):
            assert await stream.receive() == bytes(1000)
            await settle(5)
            sent += side.engine.send(1, data, sent, False)
            side.flush()
        assert 65_536 < sent <= 3 * 65_536


async def test_a_stream_left_unread_gives_its_bytes_back() -> None:
    """Many streams that are left with bytes unread do not use up the connection's window."""
    world = World()
    world.answers = False
    limits = ChannelLimits(window=65_536)
    async with world.channel(limits=limits) as channel:
        for number in range(40):
            async with replies(channel)(b"q") as stream:
                await settle()
                side = world.side
                current = 1 + 2 * number
                side.engine.respond(current, 200, HEAD, False)
                side.say(current, seal(bytes(60_000)))
                side.say(current, seal(b"more"))
                if number % 2:
                    side.engine.send_trailers(current, OK)
                    side.flush()
                await settle()
            assert stream.wire.over
        await settle()
        assert world.side.engine.window(0) > 65_536


async def test_messages_before_a_failure_are_delivered() -> None:
    """And then the failure, however often it is asked for."""
    world = World()
    world.answers = False
    async with world.channel() as channel, replies(channel)(b"q") as stream:
        await settle()
        status = [(b"grpc-status", b"5"), (b"grpc-message", b"no more"), (b"x-why", b"none")]
        world.side.answer(1, b"one", b"two", trailers=status)
        assert await stream.receive() == b"one"
        assert await stream.receive() == b"two"
        for _ in range(2):
            with pytest.raises(NotFoundFailure, match="no more"):
                await stream.receive()
        assert ("x-why", "none") in stream.trailing_metadata


async def test_a_cut_message_is_internal() -> None:
    """Trailers in the middle of a message: it is not whole."""
    world = World()
    world.answers = False
    async with world.channel() as channel, replies(channel)(b"q") as stream:
        await settle()
        side = world.side
        side.engine.respond(1, 200, HEAD, False)
        side.say(1, seal(b"whole") + seal(b"cut")[:-1])
        side.engine.send_trailers(1, OK)
        side.flush()
        assert await stream.receive() == b"whole"
        with pytest.raises(InternalFailure, match="in the middle of a message"):
            await stream.receive()


async def test_a_message_that_is_too_long_ends_the_call() -> None:
    """Its length alone is enough, and the server is told."""
    world = World()
    world.answers = False
    limits = ChannelLimits(receive_size=10)
    async with world.channel(limits=limits) as channel, replies(channel)(b"q") as stream:
        await settle()
        side = world.side
        side.engine.respond(1, 200, HEAD, False)
        side.say(1, seal(bytes(11))[:6])
        with pytest.raises(ResourceExhaustedFailure, match="11 bytes"):
            await stream.receive()
        await settle()
        assert side.resets == {1: ErrorCode.CANCEL}


async def test_a_compressed_message_bomb_is_refused() -> None:
    """The limit holds for what it becomes."""
    world = World()
    world.answers = False
    limits = ChannelLimits(receive_size=1000)
    async with world.channel(limits=limits) as channel, replies(channel)(b"q") as stream:
        await settle()
        side = world.side
        side.engine.respond(1, 200, [*HEAD, (b"grpc-encoding", b"deflate")], False)
        side.say(1, seal(zlib.compress(bytes(900)), 1))
        side.say(1, seal(zlib.compress(bytes(100_000)), 1))
        assert await stream.receive() == bytes(900)
        with pytest.raises(ResourceExhaustedFailure, match="1000 bytes"):
            await stream.receive()


async def test_a_refused_stream_is_sent_again_with_its_messages() -> None:
    """Also what was sent before the refusal; the caller does not notice."""
    refused: list[int] = []

    def react(side: Side, event: Event) -> None:
        if isinstance(event, RequestHead) and not refused:
            refused.append(event.stream)
            side.engine.reset(event.stream, ErrorCode.REFUSED_STREAM)

    world = World(react)
    async with world.channel() as channel, chat(channel)() as stream:
        await stream.send(b"a")
        await settle()
        await stream.send(b"b")
        await settle()
        assert world.side.messages(3) == [b"a", b"b"]


async def test_more_than_is_kept_is_not_sent_again() -> None:
    """Beyond `ChannelLimits.replay` a refusal is UNAVAILABLE."""
    world = World()
    world.answers = False
    limits = ChannelLimits(replay=100)
    async with world.channel(limits=limits) as channel, chat(channel)() as stream:
        await settle()
        await stream.send(bytes(200))
        await settle()
        world.side.engine.reset(1, ErrorCode.REFUSED_STREAM)
        world.side.flush()
        with pytest.raises(UnavailableFailure, match="REFUSED_STREAM"):
            await stream.receive()


async def test_messages_sent_together_leave_together() -> None:
    """Twenty small messages without a pause are one frame, and one write."""
    world = World()
    world.answers = False
    async with world.channel() as channel, chat(channel)() as stream:
        await settle()
        pieces = []
        world.react = lambda side, event: pieces.append(event)
        for number in range(20):
            await stream.send(b"%d" % number)
        await settle()
        assert len(pieces) == 1


async def test_one_reader_at_a_time() -> None:
    """Two that wait at once would tear the order apart."""
    world = World()
    world.answers = False
    async with world.channel() as channel, chat(channel)() as stream:
        first = asyncio.create_task(stream.receive())
        await settle()
        with pytest.raises(UsageError, match="two tasks"):
            await stream.receive()
        first.cancel()
        await settle()
        # A receive that was given up loses nothing.
        world.side.engine.respond(1, 200, HEAD, False)
        world.side.say(1, seal(b"x"))
        assert await stream.receive() == b"x"


async def test_sending_after_the_servers_end() -> None:
    """The failure that ended it; ClosedError after success."""
    world = World()
    world.answers = False
    async with world.channel() as channel:
        for status, expected in ((b"0", ClosedError), (b"5", NotFoundFailure)):
            async with chat(channel)() as stream:
                await settle()
                side = world.side
                number = max(side.heads)
                side.engine.respond(number, 200, [*HEAD, (b"grpc-status", status)], True)
                side.flush()
                await settle()
                with pytest.raises(expected):
                    await stream.send(b"x")


async def test_the_stream_of_the_shape_of_calls() -> None:
    """`open` is there for middleware that call it, and does nothing for a call of ours."""
    world = World()
    async with world.channel() as channel, chat(channel)() as stream:
        await stream.wire.open(Metadata())
        await stream.wire.close()
        with pytest.raises(EndOfStream):
            await stream.receive()


async def test_a_message_of_too_many_elements_ends_the_call() -> None:
    """Of a type whose objects are made one by one."""
    world = World()
    world.answers = False
    message = codecs(Everything).message_type(Everything)
    method = RpcMethod(
        service="a.B", name="C", kind=Kind.SERVER_STREAM, request=message, response=message
    )
    data = message.encode(Everything(squares={each: Square(1) for each in range(20_000)}))
    limits = ChannelLimits(receive_elements=19_999)
    async with (
        world.channel(limits=limits) as channel,
        channel.method(method)(Everything()) as stream,
    ):
        await settle()
        side = world.side
        side.engine.respond(1, 200, [*HEAD, (b"grpc-encoding", b"deflate")], False)
        side.say(1, seal(zlib.compress(data), 1))
        with pytest.raises(ResourceExhaustedFailure, match="more than the 19999 elements"):
            await stream.receive()
