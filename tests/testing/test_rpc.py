"""A whole service behind a channel of tests: real HTTP/2, virtual time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

import mainstay.testing
from mainstay.core.call import Call, Handler
from mainstay.errors import Code, RpcError, UsageError
from mainstay.rpc import DeadlineExceededFailure, NotFoundFailure, Rpc, RpcCall, UnavailableFailure
from mainstay.service.service import Service
from mainstay.testing.rpc import rpc_channel

HOUR = 3600.0


@dataclass
class Number:
    value: int


class Table:
    def of(self, value: int) -> int:
        raise OSError("the table is far away")


class Small(Table):
    def of(self, value: int) -> int:
        return {1: 1, 2: 4, 3: 9}[value]


rpc = Rpc("demo.v1.Store")


@rpc.method
async def square(request: Number, table: Table) -> Number:
    if request.value < 0:
        raise RpcError(Code.NOT_FOUND, "no negative numbers here")
    return Number(table.of(request.value))


@rpc.method
async def count(request: Number) -> AsyncIterator[Number]:
    for value in range(request.value):
        await asyncio.sleep(HOUR)
        yield Number(value)


@rpc.method
async def total(requests: AsyncIterator[Number]) -> Number:
    return Number(sum([each.value async for each in requests]))


@rpc.method
async def double(requests: AsyncIterator[Number]) -> AsyncIterator[Number]:
    async for each in requests:
        yield Number(2 * each.value)


def make() -> Service:
    service = Service("demo")

    @service.resource
    async def table() -> Table:
        return Table()

    service.add_rpc(rpc)
    return service


async def test_the_four_kinds_are_called_without_a_socket() -> None:
    """Each kind of method answers as it does to a channel on a socket, with resources put in."""
    async with rpc_channel(make(), overrides={Table: Small()}) as channel:
        client = rpc.client(channel)
        assert await client.square(Number(3)) == Number(9)
        assert [each.value async for each in client.count(Number(2))] == [0, 1]
        assert await client.total([Number(1), Number(2)]) == Number(3)
        async with client.double() as stream:
            await stream.send(Number(21))
            assert await stream.receive() == Number(42)
            await stream.done_sending()
        assert channel.running.addresses == ["memory"]


async def test_what_takes_hours_takes_none() -> None:
    """Time is virtual: a stream of a message an hour is over at once, at the right time."""
    loop = asyncio.get_running_loop()
    async with rpc_channel(make()) as channel:
        begun = loop.time()
        assert len([each async for each in rpc.client(channel).count(Number(24))]) == 24
        assert loop.time() - begun == 24 * HOUR
        with pytest.raises(DeadlineExceededFailure):
            async for _ in rpc.client(channel).count(Number(1), timeout=60):
                raise AssertionError


async def test_errors_come_as_those_of_a_server() -> None:
    """A status is its class of failure, with the message of the handler."""
    async with rpc_channel(make()) as channel:
        with pytest.raises(NotFoundFailure) as caught:
            await rpc.client(channel).square(Number(-1))
        assert caught.value.message == "no negative numbers here"


async def test_the_options_of_a_channel_hold() -> None:
    """Metadata of every call, and the host, are what the service sees."""
    seen: list[str | None] = []
    service = make()

    @service.middleware
    async def look(call: Call, next: Handler) -> object:
        seen.append(call.scope.metadata.get("x-tenant"))
        assert isinstance(call, RpcCall)
        seen.append(call.exchange.authority)
        return await next(call)

    metadata = {"x-tenant": "7"}
    async with rpc_channel(service, target="shop.example:80", metadata=metadata) as channel:
        await rpc.client(channel).total([])
    assert seen == ["7", "shop.example"]


async def test_a_service_that_has_stopped_is_out_of_reach() -> None:
    """After `Running.stop` a new call finds nobody."""
    async with rpc_channel(make()) as channel:
        await rpc.client(channel).total([])
        channel.running.stop()
        await channel.running.finish()
        with pytest.raises(UnavailableFailure):
            await rpc.client(channel).total([])


async def test_a_service_without_rpc_is_refused() -> None:
    """The mistake is told before anything starts."""
    service = Service("site")
    with pytest.raises(UsageError, match="has no method of RPC"):
        async with rpc_channel(service):
            raise AssertionError


async def test_it_is_at_hand_in_the_face_of_the_package() -> None:
    """`mainstay.testing.rpc_channel` is it."""
    assert mainstay.testing.rpc_channel is rpc_channel
