"""One item through a bounded queue, from one task to another."""

from __future__ import annotations

import asyncio

import anyio

from bench.harness import Experiment, Lap, Work, in_loop
from mainstay import Channel

__all__ = ["EXPERIMENTS"]


def channel(capacity: int) -> Work:
    async def work(times: int, lap: Lap) -> None:
        items: Channel[int] = Channel(capacity)

        async def produce() -> None:
            for number in range(times):
                await items.send(number)
            items.close()

        with lap:
            producer = asyncio.ensure_future(produce())
            async for _ in items:
                pass
            await producer

    return work


def queue(capacity: int) -> Work:
    async def work(times: int, lap: Lap) -> None:
        # It has no end before Python 3.13, so the consumer counts.
        items: asyncio.Queue[int] = asyncio.Queue(capacity)

        async def produce() -> None:
            for number in range(times):
                await items.put(number)

        with lap:
            producer = asyncio.ensure_future(produce())
            for _ in range(times):
                await items.get()
            await producer

    return work


def memory_object_stream(capacity: int) -> Work:
    async def work(times: int, lap: Lap) -> None:
        sending, receiving = anyio.create_memory_object_stream[int](capacity)

        async def produce() -> None:
            with sending:
                for number in range(times):
                    await sending.send(number)

        with lap, receiving:
            producer = asyncio.ensure_future(produce())
            async for _ in receiving:
                pass
            await producer

    return work


def experiment(capacity: int) -> Experiment:
    """Queues that hold that many items."""
    return Experiment(
        f"channel-{capacity}",
        f"send and receive one item, capacity {capacity}",
        [
            in_loop("Channel", channel(capacity)),
            in_loop("asyncio.Queue", queue(capacity)),
            in_loop("anyio memory object stream", memory_object_stream(capacity)),
        ],
        reference="asyncio.Queue",
        rounds=20,
    )


EXPERIMENTS = tuple(experiment(capacity) for capacity in (1, 100))
