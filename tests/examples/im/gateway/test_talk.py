"""Facts about `examples.im.gateway.talk`: the same conversation by gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from examples.im import api
from examples.im.frames import (
    Acknowledged,
    FromClient,
    Hello,
    Ping,
    Pong,
    Reconnect,
    Refused,
    Said,
    Say,
    Welcome,
)
from examples.im.gateway import GatewaySettings
from examples.im.gateway.talk import gateway
from mainstay.rpc import ResourceExhaustedFailure, UnauthenticatedFailure, UnavailableFailure
from mainstay.testing import rpc_channel
from mainstay.testing.rpc import ServiceChannel
from tests.examples.im.gateway.house import House, gateway_of


@asynccontextmanager
async def reached(house: House) -> AsyncIterator[ServiceChannel]:
    """A channel to a gateway of the house."""
    async with rpc_channel(gateway_of(house, GatewaySettings())) as channel:
        yield channel


async def signed_in(channel: ServiceChannel, name: str) -> dict[str, str]:
    """Sign up by gRPC; the metadata for other calls."""
    credentials = api.Credentials(name, "secret")
    session: api.Session = await gateway.client(channel).sign_up(credentials)
    return {"authorization": f"Bearer {session.token}"}


async def hears(stream: Any) -> Any:
    return (await stream.receive()).frame


async def test_a_conversation_by_grpc() -> None:
    """Hello, welcome, message, acknowledgement: the frames of a WebSocket, as protobuf."""
    house = House()
    async with reached(house) as channel:
        metadata = await signed_in(channel, "ada")
        async with gateway.client(channel).talk(metadata=metadata) as stream:
            await stream.send(FromClient(Hello()))
            welcome = await hears(stream)
            assert isinstance(welcome, Welcome)
            assert welcome.account.name == "ada"
            await stream.send(FromClient(Say(house.lobby, "client-id", "hello")))
            told = [await hears(stream), await hears(stream)]
            assert {type(each) for each in told} == {Acknowledged, Said}
            await stream.send(FromClient(Ping()))
            assert await hears(stream) == Pong()
            await stream.done_sending()


async def test_nobody_talks_without_a_token() -> None:
    """Not by `Talk`, and not by any other method than those for signing in."""
    async with reached(House()) as channel:
        client = gateway.client(channel)
        with pytest.raises(UnauthenticatedFailure):
            async with client.talk() as stream:
                await stream.receive()
        with pytest.raises(UnauthenticatedFailure):
            await client.conversations(api.Ask())


async def test_a_user_is_who_has_signed_in() -> None:
    """Whatever user a request names, it is the one of the token who asks."""
    house = House()
    async with reached(house) as channel:
        metadata = await signed_in(channel, "ada")
        bob = await house.sign_up(api.Credentials("bob", "secret"))
        client = gateway.client(channel)
        tea = await house.create(api.Ask(bob.account.id, text="tea"))
        found: api.Conversations = await client.conversations(
            api.Ask(bob.account.id), metadata=metadata
        )
        assert [each.name for each in found.items] == ["lobby"]
        joined: api.Conversation = await client.join(
            api.Ask(conversation=tea.id), metadata=metadata
        )
        assert joined.members == 2


async def test_a_drain_ends_the_stream() -> None:
    """The client is told when to come back, and UNAVAILABLE with 1012."""
    async with reached(House()) as channel:
        metadata = await signed_in(channel, "ada")
        async with gateway.client(channel).talk(metadata=metadata) as stream:
            await stream.send(FromClient(Hello()))
            await hears(stream)
            finishing = asyncio.create_task(channel.running.finish())
            assert isinstance(await hears(stream), Reconnect)
            with pytest.raises(UnavailableFailure, match="1012"):
                await hears(stream)
            await finishing


async def test_one_user_asks_no_faster_by_grpc() -> None:
    """Beyond the rate of a user it is RESOURCE_EXHAUSTED; a search counts for ten questions."""
    house = House()
    async with reached(house) as channel:
        metadata = await signed_in(channel, "ada")
        client = gateway.client(channel)
        with pytest.raises(ResourceExhaustedFailure):
            for _ in range(11):
                await client.search(api.Ask(text="tea"), metadata=metadata)
        assert 9 <= house.calls.count("search") <= 10


async def test_who_comes_again_and_again_by_grpc_is_slowed_down() -> None:
    """As by WebSocket: each coming asks a lot of the logic. The client comes back after a while."""
    async with reached(House()) as channel:
        metadata = await signed_in(channel, "ada")
        welcomes = []
        with pytest.raises(ResourceExhaustedFailure, match="too many questions"):
            for _ in range(30):
                async with gateway.client(channel).talk(metadata=metadata) as stream:
                    await stream.send(FromClient(Hello()))
                    welcomes.append(await hears(stream))
                    await stream.done_sending()
        assert len(welcomes) >= 10


async def test_numbers_above_53_bits_are_refused_by_grpc() -> None:
    """Such a frame is a mistake of the client, and the gateway does not fail."""
    async with reached(House()) as channel:
        metadata = await signed_in(channel, "ada")
        async with gateway.client(channel).talk(metadata=metadata) as stream:
            await stream.send(FromClient(Hello()))
            await hears(stream)
            await stream.send(FromClient(Say(2**60, "client-id", "hello")))
            refusal = await hears(stream)
            assert isinstance(refusal, Refused)
            assert refusal.code in {"invalid", "not_found"}
            await stream.done_sending()
