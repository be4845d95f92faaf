"""Methods of a channel, and the middleware around them."""

import asyncio
from typing import Any

import pytest

from mainstay.core.call import Call, Handler, StreamMiddleware
from mainstay.errors import Conflict, UsageError
from mainstay.rpc.client.failures import NotFoundFailure, RpcFailed
from mainstay.rpc.client.methods import OutgoingCall
from mainstay.rpc.method import Kind, MessageType, RpcMethod
from tests.rpc.client.world import World, chat, replies, settle, unary

NOT_FOUND = [(b"grpc-status", b"5"), (b"grpc-message", b"gone")]


async def test_a_described_method() -> None:
    """`Channel.method` takes its path, kind and functions from an `RpcMethod`."""
    text = MessageType(name="t", python_type=str, decode=bytes.decode, encode=str.encode)
    described = RpcMethod(service="a.B", name="C", kind=Kind.UNARY, request=text, response=text)
    world = World()
    async with world.channel() as channel:
        method = channel.method(described)
        assert await method("héllo") == "héllo"
        assert repr(method) == "<UnaryMethod a.B/C>"
    assert world.heads[0][b":path"] == b"/a.B/C"


async def test_what_comes_beside_a_reply() -> None:
    """`with_metadata` returns it, with middleware and without."""

    async def passes(call: Call, next: Handler) -> Any:
        return await next(call)

    for middleware in ([], [passes]):
        world = World()
        world.answers = False
        async with world.channel(middleware=middleware) as channel:
            call = asyncio.create_task(unary(channel).with_metadata(b"q"))
            await settle()
            head = [(b"content-type", b"application/grpc"), (b"x-a", b"1")]
            trailers = [(b"grpc-status", b"0"), (b"y-bin", b"AAE")]
            world.side.answer(1, b"r", head=head, trailers=trailers)
            reply = await call
            assert reply.message == b"r"
            assert reply.initial_metadata == (("x-a", "1"),)
            assert reply.trailing_metadata == (("y-bin", b"\0\1"),)


async def test_middleware_of_unary_calls() -> None:
    """The first is outermost; they see and change request, metadata, reply and error."""
    seen: list[str] = []

    async def outer(call: Call, next: Handler) -> Any:
        seen.append(f"{call.transport} {call.method} {call.request!r}")
        assert call.stream is None
        try:
            return (await next(call)).upper()
        except NotFoundFailure:
            raise Conflict("was gone") from None

    async def inner(call: Call, next: Handler) -> Any:
        assert isinstance(call, OutgoingCall)
        call.metadata.append(("authorization", "Bearer x"))
        call.request += b"!"
        return await next(call)

    world = World()
    async with world.channel(middleware=[outer, inner]) as channel:
        assert await unary(channel)(b"q", metadata={"x-a": "1"}) == b"Q!"
        assert world.heads[0][b"authorization"] == b"Bearer x"
        assert world.heads[0][b"x-a"] == b"1"
        world.answers = False
        call = asyncio.create_task(unary(channel)(b"q"))
        await settle()
        world.side.answer(3, b"", trailers=NOT_FOUND)
        with pytest.raises(Conflict):
            await call
    assert seen[0] == "grpc test.Service/Unary b'q'"


async def test_middleware_may_answer_and_may_try_again() -> None:
    """Without a call on the wire, or with two."""

    async def cached(call: Call, next: Handler) -> Any:
        if call.request == b"known":
            return b"cached"
        try:
            return await next(call)
        except RpcFailed:
            return await next(call)

    world = World()
    async with world.channel(middleware=[cached]) as channel:
        assert await unary(channel)(b"known") == b"cached"
        assert (await unary(channel).with_metadata(b"known")).message == b"cached"
        assert world.dials == []
        world.answers = False
        call = asyncio.create_task(unary(channel)(b"q"))
        await settle()
        world.side.answer(1, b"", trailers=NOT_FOUND)
        await settle()
        world.side.answer(3, b"second")
        assert await call == b"second"


class Loud(StreamMiddleware):
    """Counts, and shouts."""

    def __init__(self, inner: Any, seen: list[str]) -> None:
        super().__init__(inner)
        self.seen = seen

    async def send(self, message: Any) -> None:
        self.seen.append("send")
        await self.inner.send(message)

    async def receive(self) -> Any:
        message = (await self.inner.receive()).upper()
        self.seen.append("receive")
        return message

    async def close(self, metadata: Any = ()) -> None:
        self.seen.append("close")
        await self.inner.close()


async def test_middleware_of_streams_sees_every_message_and_the_end() -> None:
    """It spans the life of the stream, and what it adds to the metadata is sent."""
    seen: list[str] = []

    async def watched(call: Call, next: Handler) -> Any:
        assert isinstance(call, OutgoingCall)
        call.metadata.append(("x-a", "1"))
        call.stream = Loud(call.stream, seen)
        try:
            return await next(call)
        finally:
            seen.append("end")

    world = World()
    async with world.channel(middleware=[watched]) as channel:
        async with chat(channel)([b"a", b"b"]) as stream:
            assert [each async for each in stream] == [b"A", b"B"]
        assert seen == ["send", "send", "close", "receive", "receive", "end"]
        assert world.heads[0][b"x-a"] == b"1"
        seen.clear()
        async with chat(channel)() as stream:
            await stream.send(b"x")
        assert seen == ["send", "end"]
        assert channel.statistics().streams == 0


async def test_middleware_sees_how_a_stream_fails_and_may_say_it_otherwise() -> None:
    """What it raises is what the receiver gets."""

    async def translates(call: Call, next: Handler) -> Any:
        try:
            return await next(call)
        except NotFoundFailure as error:
            raise Conflict("was gone") from error

    world = World()
    world.answers = False
    async with world.channel(middleware=[translates]) as channel, replies(channel)(b"q") as stream:
        await settle()
        world.side.answer(1, b"one", trailers=NOT_FOUND)
        assert await stream.receive() == b"one"
        with pytest.raises(Conflict):
            await stream.receive()


async def test_middleware_may_refuse_a_stream() -> None:
    """Then there is nothing on the wire."""

    async def refuses(call: Call, next: Handler) -> Any:
        raise Conflict("not now")

    world = World()
    async with world.channel(middleware=[refuses]) as channel, chat(channel)() as stream:
        with pytest.raises(Conflict):
            await stream.receive()
        with pytest.raises(Conflict):
            await stream.send(b"x")
    assert world.dials == []


async def test_an_unknown_compression() -> None:
    """Is refused by channel and call, with those there are."""
    world = World()
    with pytest.raises(UsageError, match="gzip, deflate"):
        world.channel(compression="snappy")
    async with world.channel() as channel:
        with pytest.raises(UsageError, match="gzip, deflate"):
            await unary(channel)(b"q", compression="snappy")


async def test_an_encoder_that_fails_sends_nothing() -> None:
    """What it raises is what the caller gets."""

    def encode(message: Any) -> bytes:
        raise TypeError("not that")

    world = World()
    async with world.channel() as channel:
        with pytest.raises(TypeError, match="not that"):
            await channel.method_at("/a.B/C", Kind.UNARY, encode, bytes)(b"q")
        # Of a stream, the receiver hears of it.
        stream = channel.method_at("/a.B/C", Kind.SERVER_STREAM, encode, bytes)(b"q")
        with pytest.raises(TypeError, match="not that"):
            await stream.receive()
