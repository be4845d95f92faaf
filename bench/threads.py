"""A function that does nothing, in a thread."""

from __future__ import annotations

import asyncio

from anyio import to_thread as anyio_to_thread

from bench.harness import Experiment, Lap, in_loop
from mainstay import Scope, to_thread
from mainstay.core.threads import THREADS, ThreadPool

__all__ = ["EXPERIMENT"]


def nothing() -> None:
    pass


async def bare(times: int, lap: Lap) -> None:
    await asyncio.to_thread(nothing)
    with Scope(), lap:
        for _ in range(times):
            await to_thread(nothing)


async def in_a_pool(times: int, lap: Lap) -> None:
    pool = ThreadPool()
    with Scope() as scope:
        scope.set(THREADS, pool)
        await to_thread(nothing)
        with lap:
            for _ in range(times):
                await to_thread(nothing)
    pool.shutdown()


async def asyncios(times: int, lap: Lap) -> None:
    await asyncio.to_thread(nothing)
    with lap:
        for _ in range(times):
            await asyncio.to_thread(nothing)


async def anyios(times: int, lap: Lap) -> None:
    await anyio_to_thread.run_sync(nothing)
    with lap:
        for _ in range(times):
            await anyio_to_thread.run_sync(nothing)


EXPERIMENT = Experiment(
    "thread",
    "run a function in a thread that is up already",
    [
        in_loop("to_thread, in a service", in_a_pool),
        in_loop("to_thread, outside of one", bare),
        in_loop("asyncio.to_thread", asyncios),
        in_loop("anyio.to_thread.run_sync", anyios),
    ],
    reference="asyncio.to_thread",
)
