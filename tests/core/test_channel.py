"""Channels: what was accepted is received once and in order, whoever comes, goes or closes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from contextlib import suppress

import pytest

from mainstay.core.channel import Channel
from mainstay.core.group import Group
from mainstay.core.scope import Scope
from mainstay.errors import BusyError, Cancelled, ClosedError, EndOfStream, UsageError
from tests.core.moments import me, nothing_left, now, turns


def test_a_capacity_below_one_is_refused() -> None:
    """Nothing could ever be accepted."""
    with pytest.raises(UsageError, match="orders needs a capacity of at least 1, not 0"):
        Channel[int](0, "orders")


async def test_items_arrive_in_order() -> None:
    """First in, first out; iteration ends when the channel is closed and empty."""
    channel = Channel[int](10)
    for number in range(10):
        await channel.send(number)
    channel.close()
    assert [item async for item in channel] == list(range(10))
    assert [item async for item in channel] == []


async def test_a_full_channel_makes_producers_wait() -> None:
    """That is the backpressure: `send` returns once there is room."""
    channel = Channel[int](2)
    sent: list[tuple[int, float]] = []

    async def produce() -> None:
        for number in range(4):
            await channel.send(number)
            sent.append((number, now()))

    async with Group() as group:
        group.start(produce())
        await asyncio.sleep(1)
        assert [number for number, _ in sent] == [0, 1]
        assert channel.statistics().senders == 1
        await asyncio.sleep(1)
        assert await channel.receive() == 0
        await asyncio.sleep(1)
        assert await channel.receive() == 1
    assert sent == [(0, 0), (1, 0), (2, 2), (3, 3)]


async def test_an_empty_channel_makes_consumers_wait() -> None:
    """`receive` returns once there is an item, to whoever has waited longest."""
    channel = Channel[str](2)
    got: list[tuple[str, str]] = []

    async def consume(name: str) -> None:
        got.append((name, await channel.receive()))

    async with Group() as group:
        for name in ("first", "second", "third"):
            group.start(consume(name))
            await turns(1)
        assert channel.statistics().receivers == 3
        channel.send_nowait("a")
        channel.send_nowait("b")
        await turns()
        assert got == [("first", "a"), ("second", "b")]
        await channel.send("c")
    assert got[2] == ("third", "c")


async def test_who_comes_later_does_not_overtake_who_waits() -> None:
    """A producer that arrives when there is room again stands behind those that wait."""
    channel = Channel[str](1)
    await channel.send("a")
    async with Group() as group:
        group.start(channel.send("b"))
        await turns()
        assert channel.receive_nowait() == "a"
        with pytest.raises(BusyError):
            channel.send_nowait("pushy")
        group.start(channel.send("c"))
        assert [await channel.receive() for _ in range(2)] == ["b", "c"]


async def test_nowait_takes_and_gives_what_is_possible_now() -> None:
    """BusyError says that waiting would have helped; the end is EndOfStream."""
    channel = Channel[int](1, "orders")
    with pytest.raises(BusyError, match=r"'orders' open 0/1.* is empty"):
        channel.receive_nowait()
    channel.send_nowait(1)
    with pytest.raises(BusyError, match=r"'orders' open 1/1.* is full"):
        channel.send_nowait(2)
    channel.close()
    assert channel.receive_nowait() == 1
    with pytest.raises(EndOfStream, match="no more items"):
        channel.receive_nowait()
    with pytest.raises(ClosedError, match="takes no more items"):
        channel.send_nowait(3)


async def test_a_nowait_between_wake_up_and_turn_costs_the_waiter_its_item_not_its_place() -> None:
    """A consumer that was woken for an item somebody else took goes on waiting, as the first."""
    channel = Channel[str](2)
    got: list[str] = []

    async def consume(name: str) -> None:
        got.append(f"{name} {await channel.receive()}")

    async with Group() as group:
        group.start(consume("first"))
        group.start(consume("second"))
        await turns()
        channel.send_nowait("a")
        assert channel.receive_nowait() == "a"
        await turns()
        assert got == []
        channel.send_nowait("b")
        channel.send_nowait("c")
    assert got == ["first b", "second c"]


async def test_close_loses_nothing_that_was_accepted() -> None:
    """Consumers get every item, then the end; producers that waited were not accepted."""
    channel = Channel[int](2)
    await channel.send(1)
    await channel.send(2)
    waiting = asyncio.create_task(channel.send(3))
    await turns()
    channel.close()
    channel.close()
    assert channel.closed
    with pytest.raises(ClosedError):
        await waiting
    with pytest.raises(ClosedError):
        await channel.send(4)
    assert [item async for item in channel] == [1, 2]
    with pytest.raises(EndOfStream):
        await channel.receive()


async def test_close_wakes_everyone_who_waits() -> None:
    """All consumers of an empty channel learn of the end."""
    channel = Channel[int](1)
    consumers = [asyncio.create_task(channel.receive()) for _ in range(5)]
    await turns()
    channel.close()
    ends = await asyncio.gather(*consumers, return_exceptions=True)
    assert [type(end) for end in ends] == [EndOfStream] * 5
    assert channel.statistics().receivers == 0


async def test_end_of_stream_is_a_closed_error() -> None:
    """Who does not care which side closed catches one class."""
    assert issubclass(EndOfStream, ClosedError)


async def test_a_cancelled_consumer_has_taken_nothing() -> None:
    """Woken for an item and cancelled in the same turn, it leaves the item to the next."""
    channel = Channel[str](1)
    first = asyncio.create_task(channel.receive())
    second = asyncio.create_task(channel.receive())
    await turns()
    channel.send_nowait("a")
    first.cancel()
    assert await second == "a"
    assert first.cancelled()


async def test_a_cancelled_producer_has_sent_nothing() -> None:
    """Woken for room and cancelled in the same turn, it leaves the room to the next."""
    channel = Channel[str](1)
    await channel.send("a")
    first = asyncio.create_task(channel.send("b"))
    second = asyncio.create_task(channel.send("c"))
    await turns()
    assert channel.receive_nowait() == "a"
    first.cancel()
    await second
    assert first.cancelled()
    assert channel.receive_nowait() == "c"


async def test_who_stands_behind_a_cancelled_one_is_not_forgotten() -> None:
    """There is room, or an item, in the very turn in which the first of the line is cancelled and
    another one joins it."""
    channel = Channel[str](1)
    await channel.send("a")
    cancelled = asyncio.create_task(channel.send("b"))
    await turns()
    second = asyncio.create_task(channel.send("c"))
    cancelled.cancel()
    assert channel.receive_nowait() == "a"
    await second
    assert channel.receive_nowait() == "c"
    gone = asyncio.create_task(channel.receive())
    await turns()
    third = asyncio.create_task(channel.receive())
    gone.cancel()
    channel.send_nowait("d")
    assert await third == "d"


async def test_a_deadline_while_waiting_leaves_the_channel_as_it_was() -> None:
    """Scopes and channels: the waiter is gone from the line, and nothing is held for it."""
    channel = Channel[int](1)
    with nothing_left():
        for _ in range(3):
            with pytest.raises(TimeoutError), Scope(timeout=1):
                await channel.receive()
        await channel.send(1)
        with pytest.raises(TimeoutError), Scope(timeout=1):
            await channel.send(2)
    assert channel.statistics().receivers == channel.statistics().senders == 0
    assert channel.receive_nowait() == 1


async def test_statistics_and_repr_tell_the_moment() -> None:
    """Numbers for an operator, one line for a log."""
    channel = Channel[int](3, "orders")
    channel.send_nowait(1)
    told = channel.statistics()
    assert (told.capacity, told.waiting, told.senders, told.receivers) == (3, 1, 0, 0)
    assert repr(channel) == "<Channel 'orders' open 1/3>"
    channel.close()
    assert repr(channel) == "<Channel 'orders' closed 1/3>"


async def test_none_is_an_item() -> None:
    """No value has a meaning of its own to a channel."""
    channel = Channel[None](1)
    await channel.send(None)
    channel.close()
    assert [item async for item in channel] == [None]


Item = tuple[int, int]
"""Of which producer, and the how-manieth of it."""


class Market:
    """Producers and consumers at a channel, with a mind of their own."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.capacity = self.chance.choice([1, 1, 2, 3, 10])
        self.channel = Channel[Item](self.capacity)
        self.accepted: list[Item] = []
        self.received: list[Item] = []
        self.ends = 0

    async def pause(self) -> None:
        """Nothing, a turn of the loop or two, or a moment that others may share."""
        for _ in range(self.chance.choice([0, 0, 1, 1, 2])):
            await asyncio.sleep(self.chance.choice([0, 0, 0.25, 0.5]))

    async def produce(self, producer: int) -> None:
        for number in range(self.chance.randrange(1, 15)):
            await self.pause()
            item = (producer, number)
            try:
                if self.chance.random() < 0.3:
                    self.channel.send_nowait(item)
                else:
                    await self.channel.send(item)
            except BusyError:
                continue
            except ClosedError:
                return
            # No wait in between: who was cancelled in `send` has not been accepted.
            self.accepted.append(item)
            self.look()

    async def consume(self) -> None:
        while True:
            await self.pause()
            try:
                if self.chance.random() < 0.3:
                    item = self.channel.receive_nowait()
                else:
                    item = await self.channel.receive()
            except BusyError:
                await asyncio.sleep(0.25)
                continue
            except EndOfStream:
                self.ends += 1
                return
            self.received.append(item)
            self.look()

    def look(self) -> None:
        told = self.channel.statistics()
        assert 0 <= told.waiting <= self.capacity

    async def run(self) -> None:
        loop, chance = asyncio.get_running_loop(), self.chance
        producers = [Scope.current().start(self.produce(n)) for n in range(chance.randrange(1, 6))]
        consumers = [Scope.current().start(self.consume()) for _ in range(chance.randrange(1, 6))]
        everyone = producers + consumers
        for task in chance.sample(everyone, chance.randrange(len(everyone) + 1)):
            if chance.random() < 0.5:
                loop.call_later(chance.randrange(8) * 0.25, task.cancel)
            else:
                # At the very turn at which something else happens to the channel.
                self.cancel_soon(task, chance.randrange(1, 30))
        if chance.random() < 0.4:
            loop.call_later(chance.randrange(1, 10) * 0.25, self.channel.close)
        # Always somebody left to receive, so that producers can end.
        consumers.append(Scope.current().start(self.consume()))
        await asyncio.wait(producers)
        self.channel.close()
        await asyncio.wait(consumers)
        for task in producers + consumers:
            assert task.cancelled() or task.result() is None

    def cancel_soon(self, task: asyncio.Task[None], after: int) -> None:
        if after:
            asyncio.get_running_loop().call_soon(self.cancel_soon, task, after - 1)
        else:
            task.cancel()


@pytest.mark.parametrize("seed", range(300))
async def test_random_markets_lose_and_double_nothing(seed: int) -> None:
    """What was accepted is received exactly once, each producer's items in its order; the capacity
    holds at every moment; nobody waits for ever; the end comes to whoever stays."""
    market = Market(seed)
    with nothing_left():
        with suppress(Cancelled):
            await market.run()
        await turns()
    assert Counter(market.received) == Counter(market.accepted)
    by_producer: dict[int, list[int]] = defaultdict(list)
    for producer, number in market.received:
        by_producer[producer].append(number)
    assert all(numbers == sorted(numbers) for numbers in by_producer.values())
    told = market.channel.statistics()
    assert (told.waiting, told.senders, told.receivers) == (0, 0, 0)
    assert market.ends >= 1
    assert asyncio.all_tasks() == {me()}
