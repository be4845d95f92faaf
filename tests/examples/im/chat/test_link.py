"""Facts about the stream that is kept open, against a gateway that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from examples.im.chat.link import Link, Lost, Refused
from examples.im.frames import (
    FromClient,
    FromGateway,
    Hello,
    Ping,
    Pong,
    Reconnect,
    Say,
    ServerFrame,
    Welcome,
)
from mainstay import Service
from mainstay.errors import Code, RpcError
from mainstay.rpc import Rpc
from mainstay.testing import rpc_channel


class Listen(Enum):
    """What a gateway does until the client leaves."""

    SILENTLY = "say nothing"
    KINDLY = "answer each ping"


Step = ServerFrame | Exception | Listen


class Gateway:
    """On each connection takes the next list of steps, on all further ones the last; keeps what it was
    told, and when."""

    def __init__(self, *connections: list[Step]) -> None:
        self.heard: list[tuple[float, Any]] = []
        self.service = Service("double")
        self.rpc = Rpc("im.v1.Gateway")
        self.service.add_rpc(self.rpc)
        left = list(connections)

        @self.rpc.method
        async def talk(requests: AsyncIterator[FromClient]) -> AsyncIterator[FromGateway]:
            told = self._noted(requests)
            await anext(told)
            for step in left.pop(0) if len(left) > 1 else left[0]:
                if isinstance(step, Exception):
                    raise step
                if not isinstance(step, Listen):
                    yield FromGateway(step)
                    continue
                async for each in told:
                    if step is Listen.KINDLY and isinstance(each.frame, Ping):
                        yield FromGateway(Pong())

    async def _noted(self, requests: AsyncIterator[FromClient]) -> AsyncIterator[FromClient]:
        async for each in requests:
            self.heard.append((asyncio.get_running_loop().time(), each.frame))
            yield each

    @property
    def frames(self) -> list[Any]:
        """What it was told."""
        return [frame for _, frame in self.heard]


WELCOME = Welcome(silence=25)
WELCOMING: list[Step] = [WELCOME, Listen.SILENTLY]


class Running:
    """A link, and what it says."""

    def __init__(self, channel: Any, gateway: Gateway) -> None:
        self.said: asyncio.Queue[ServerFrame | Lost] = asyncio.Queue()
        self.cursors = iter(range(1000))
        talk = gateway.rpc.client(channel).talk
        self.link = Link(talk, self._hello, self.said.put_nowait, Random(1))
        self.task = asyncio.create_task(self.link.run())

    def _hello(self) -> Hello:
        return Hello(next(self.cursors))

    async def next(self, count: int) -> list[type]:
        """What the next things said are."""
        return [type(await self.said.get()) for _ in range(count)]


@asynccontextmanager
async def linked(gateway: Gateway) -> AsyncIterator[Running]:
    """A link to a gateway."""
    async with rpc_channel(gateway.service) as channel:
        running = Running(channel, gateway)
        try:
            yield running
        finally:
            running.task.cancel()
            await asyncio.gather(running.task, return_exceptions=True)


async def test_a_stream_that_ends_is_opened_again() -> None:
    """Each begins with a hello of its own, that says where the client is by then."""
    gateway = Gateway([WELCOME], [WELCOME], WELCOMING)
    async with linked(gateway) as running:
        assert await running.next(5) == [Welcome, Lost, Welcome, Lost, Welcome]
    assert gateway.frames == [Hello(0), Hello(1), Hello(2)]


async def test_what_is_sent_arrives_or_is_left_to_the_caller() -> None:
    """Before the welcome, and between two streams, nothing is sent."""
    gateway = Gateway(WELCOMING)
    async with linked(gateway) as running:
        await running.link.send(Say(text="too early"))
        await running.next(1)
        await running.link.send(Say(text="in time"))
        await asyncio.sleep(1)
    assert gateway.frames == [Hello(0), Say(text="in time")]


async def test_a_gateway_that_stops_says_when_to_come_back() -> None:
    """Not before, and not much later."""
    gateway = Gateway([WELCOME, Reconnect(after=3.0)], WELCOMING)
    async with linked(gateway) as running:
        assert await running.next(2) == [Welcome, Reconnect]
        assert await running.said.get() == Lost("the gateway restarts")
        assert await running.next(1) == [Welcome]
    (first, _), (second, _) = gateway.heard
    assert second - first == pytest.approx(3.0, abs=0.1)


async def test_failures_in_a_row_are_waited_for_longer() -> None:
    """Up to some seconds; a welcome ends the row."""
    failing: list[Step] = [RpcError(Code.UNAVAILABLE, "no logic")]
    gateway = Gateway(*[failing] * 12, WELCOMING)
    async with linked(gateway) as running:
        assert await running.next(13) == [*[Lost] * 12, Welcome]
    times = [when for when, _ in gateway.heard]
    waits = [later - sooner for sooner, later in pairwise(times)]
    assert waits[0] < 0.4
    assert all(2.5 <= wait <= 7.6 for wait in waits[6:])


@pytest.mark.parametrize("code", [Code.UNAUTHENTICATED, Code.INVALID_ARGUMENT])
async def test_a_gateway_that_will_never_take_it_ends_it(code: Code) -> None:
    """Nobody's token, or frames that mean nothing: to try again would be in vain."""
    async with linked(Gateway([WELCOME, RpcError(code, "go away")])) as running:
        with pytest.raises(Refused, match="go away"):
            await running.task


async def test_why_a_stream_ended_is_told() -> None:
    """In the words of who ended it."""
    why = "4009 close another one first"
    full = Gateway([RpcError(Code.RESOURCE_EXHAUSTED, why)], WELCOMING)
    async with linked(full) as running:
        assert await running.said.get() == Lost(why)
        assert await running.next(1) == [Welcome]


async def test_a_silent_gateway_is_asked_and_then_not_believed() -> None:
    """One that answers is believed on."""
    gateway = Gateway(WELCOMING, [WELCOME, Listen.KINDLY])
    async with linked(gateway) as running:
        assert await running.next(5) == [Welcome, Lost, Welcome, Pong, Pong]
    begun, asked, again, *later = [when for when, _ in gateway.heard]
    assert asked - begun == pytest.approx(25, abs=0.1)
    assert again - asked == pytest.approx(25, abs=0.5)
    assert [frame for _, frame in gateway.heard] == [Hello(0), Ping(), Hello(1), Ping(), Ping()]
    assert later[1] - later[0] == pytest.approx(25, abs=0.1)
