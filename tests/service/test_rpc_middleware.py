"""What guards HTTP guards RPC: one list of middleware, asked by a stock client of gRPC."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from msgspec import Struct

from mainstay import Call, Handler, Metadata, Service, StreamMiddleware
from mainstay.http import Principal
from mainstay.http.middleware.access_log import access_log
from mainstay.http.middleware.auth import bearer, tokens
from mainstay.http.middleware.principal import require
from mainstay.http.middleware.rate_limit import rate_limit
from mainstay.http.middleware.timeout import timeout
from mainstay.http.middleware.trusted_proxies import trusted_proxies
from mainstay.rpc import Rpc
from tests.rpc.inspected import serving

pytestmark = pytest.mark.real_loop


class Word(Struct):
    """The one message."""

    text: str = ""


def parrot(*middleware: Any) -> Service:
    """A service with a method of each kind."""
    rpc = Rpc("test.v1.Parrot")

    @rpc.method
    async def say(request: Word, who: Principal | None = None) -> Word:
        return Word(f"{request.text} {who.name if who else 'nobody'}")

    @rpc.method
    async def wait(request: Word) -> Word:
        await asyncio.Event().wait()
        return request

    @rpc.method
    async def repeat(request: Word) -> AsyncIterator[Word]:
        for _ in range(2):
            yield request

    @rpc.method
    async def join(requests: AsyncIterator[Word]) -> Word:
        return Word("".join([each.text async for each in requests]))

    @rpc.method
    async def chat(requests: AsyncIterator[Word]) -> AsyncIterator[Word]:
        async for each in requests:
            yield each

    service = Service("parrot", middleware=middleware)
    service.add_rpc(rpc)
    return service


def word(text: str) -> bytes:
    """A message as it goes over the wire: field 1, a string."""
    return b"\x0a" + bytes([len(text)]) + text.encode()


def unary(channel: Any, name: str) -> Any:
    """A method of the stock client, in bytes."""
    return channel.unary_unary(f"/test.v1.Parrot/{name}")


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """How a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_credentials_are_asked_for() -> None:
    """The same bearer token, and the same principal in the handler."""
    guard = bearer(tokens({"secret": Principal("ann")}))
    async with serving(parrot(guard)) as (_, channel):
        say = unary(channel, "Say")
        code, _ = await refused(say(word("hi")))
        assert code is grpc.StatusCode.UNAUTHENTICATED
        reply = await say(word("hi"), metadata=[("authorization", "Bearer secret")])
        assert reply == word("hi ann")
        code, _ = await refused(say(word("hi"), metadata=[("authorization", "Bearer wrong")]))
        assert code is grpc.StatusCode.UNAUTHENTICATED


async def test_scopes_are_required_of_streams_as_well() -> None:
    """Before the first message is received."""
    guard = bearer(tokens({"secret": Principal("ann")}))
    async with serving(parrot(guard, require("admin"))) as (_, channel):
        call = channel.stream_stream("/test.v1.Parrot/Chat")(
            metadata=[("authorization", "Bearer secret")]
        )
        assert (await refused(call.read()))[0] is grpc.StatusCode.PERMISSION_DENIED


async def test_rates_are_limited() -> None:
    """RESOURCE_EXHAUSTED, and when to come again in the details."""
    async with serving(parrot(rate_limit(1, per=3600))) as (_, channel):
        say = unary(channel, "Say")
        await say(word("a"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await say(word("b"))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "grpc-status-details-bin" in dict(caught.value.trailing_metadata())


async def test_time_is_limited() -> None:
    """A tighter deadline ends the call with its own code."""
    async with serving(parrot(timeout(0.05))) as (_, channel):
        code, _ = await refused(unary(channel, "Wait")(word("x")))
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_the_access_log_has_methods(caplog: pytest.LogCaptureFixture) -> None:
    """One record a call, with its code; and the caller whom a proxy names."""
    caplog.set_level(logging.INFO, "mainstay.access")
    layers = (trusted_proxies(["127.0.0.1"]), access_log(), bearer(tokens({"t": "ann"})))
    async with serving(parrot(*layers)) as (_, channel):
        metadata = [("authorization", "Bearer t"), ("x-forwarded-for", "203.0.113.9")]
        await unary(channel, "Say")(word("a"), metadata=metadata)
        await refused(unary(channel, "Say")(word("a")))
        call = channel.unary_stream("/test.v1.Parrot/Repeat")(word("a"), metadata=metadata)
        assert [each async for each in call] == [word("a")] * 2
    records: list[Any] = [each for each in caplog.records if each.name == "mainstay.access"]
    seen = [(each.method, each.code, each.transport) for each in records]
    assert seen == [
        ("test.v1.Parrot/Say", "OK", "grpc"),
        ("test.v1.Parrot/Say", "UNAUTHENTICATED", "grpc"),
        ("test.v1.Parrot/Repeat", "OK", "grpc"),
    ]
    assert records[0].peer == "203.0.113.9:0"
    assert records[1].peer.startswith("127.0.0.1:")


async def test_streams_show_every_message_to_a_middleware() -> None:
    """For all three kinds that have them: what is received, sent, opened and closed."""
    seen: list[str] = []

    class Watch(StreamMiddleware):
        async def receive(self) -> Any:
            message = await self.inner.receive()
            seen.append(f"received {message.text}")
            return message

        async def send(self, message: Any) -> None:
            seen.append(f"sent {message.text}")
            await self.inner.send(message)

        async def close(self, metadata: Metadata = Metadata()) -> None:  # noqa: B008
            seen.append("closed")
            await self.inner.close(metadata)

    async def watch(call: Call, next: Handler) -> Any:
        if call.stream is not None:
            call.stream = Watch(call.stream)
        return await next(call)

    async with serving(parrot(watch)) as (_, channel):
        repeat = channel.unary_stream("/test.v1.Parrot/Repeat")(word("a"))
        assert [each async for each in repeat] == [word("a")] * 2
        assert seen == ["received a", "sent a", "sent a", "closed"]
        seen.clear()
        join = channel.stream_unary("/test.v1.Parrot/Join")(iter([word("b"), word("c")]))
        assert await join == word("bc")
        assert seen[:3] == ["received b", "received c", "sent bc"]
        seen.clear()
        chat = channel.stream_stream("/test.v1.Parrot/Chat")(iter([word("d")]))
        assert [each async for each in chat] == [word("d")]
        assert seen == ["received d", "sent d", "closed"]
