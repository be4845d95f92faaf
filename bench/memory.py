"""What waits takes memory: bytes for each of many, as `tracemalloc` counts them."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from bench.harness import Case, Experiment, NewLoop, Sample, size
from mainstay import Group, Scope

__all__ = ["EXPERIMENT"]

Wait = Callable[[], Awaitable[object]]
Hold = Callable[[int, Wait], "AsyncIterator[None]"]
"""Holds that many in memory between its beginning and its end."""


async def scopes(times: int, wait: Wait) -> AsyncIterator[None]:
    with Scope() as root:
        held = [Scope(parent=root).open() for _ in range(times)]
        yield
        for scope in held:
            scope.close()


async def bare(wait: Wait) -> None:
    await wait()


async def in_scope(wait: Wait) -> None:
    with Scope():
        await wait()


async def in_scope_with_timeout(wait: Wait) -> None:
    with Scope(timeout=30):
        await wait()


async def in_asyncio_timeout(wait: Wait) -> None:
    async with asyncio.timeout(30):
        await wait()


async def in_anyio_fail_after(wait: Wait) -> None:
    with anyio.fail_after(30):
        await wait()


def tasks(one: Callable[[Wait], Awaitable[None]]) -> Hold:
    async def hold(times: int, wait: Wait) -> AsyncIterator[None]:
        with Scope():
            held = [asyncio.ensure_future(one(wait)) for _ in range(times)]
            await asyncio.sleep(0)
            yield
            await asyncio.wait(held)

    return hold


async def group(times: int, wait: Wait) -> AsyncIterator[None]:
    async with Group() as group:
        for number in range(times):
            group.start(bare(wait), str(number))
        await asyncio.sleep(0)
        yield


async def task_group(times: int, wait: Wait) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        for _ in range(times):
            group.create_task(bare(wait))
        await asyncio.sleep(0)
        yield


def held(name: str, hold: Hold) -> Case:
    def sample(times: int, new_loop: NewLoop) -> Sample:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return Sample(runner.run(_weigh(times, hold)))

    return Case(name, sample)


async def _weigh(times: int, hold: Hold) -> float:
    end = asyncio.Event()
    gc.collect()
    tracemalloc.start()
    try:
        async with asynccontextmanager(hold)(times, end.wait):
            gc.collect()
            weight = tracemalloc.get_traced_memory()[0]
            end.set()
    finally:
        tracemalloc.stop()
    return weight


EXPERIMENT = Experiment(
    "memory",
    "hold one of 10,000, idle",
    [
        held("Scope alone", scopes),
        held("task", tasks(bare)),
        held("task in Scope()", tasks(in_scope)),
        held("task in Scope(timeout=30)", tasks(in_scope_with_timeout)),
        held("task in asyncio.timeout(30)", tasks(in_asyncio_timeout)),
        held("task in anyio.fail_after(30)", tasks(in_anyio_fail_after)),
        held("task of a Group", group),
        held("task of an asyncio.TaskGroup", task_group),
    ],
    reference="task in asyncio.timeout(30)",
    rounds=2,
    times=10_000,
    show=size,
)
