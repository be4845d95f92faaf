"""What it costs when the deadline fires, or the work is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio

from bench.harness import Experiment, Lap, Work, in_loop
from mainstay import Scope
from mainstay.errors import Cancelled, DeadlineExceeded

__all__ = ["CANCEL", "FIRES"]

SOON = 0.002


async def scope() -> None:
    with suppress(DeadlineExceeded), Scope(timeout=SOON):
        await asyncio.get_running_loop().create_future()


async def asyncio_timeout() -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(SOON):
            await asyncio.get_running_loop().create_future()


async def anyio_fail_after() -> None:
    with suppress(TimeoutError), anyio.fail_after(SOON):
        await asyncio.get_running_loop().create_future()


async def only_sleeps() -> None:
    await asyncio.sleep(SOON)


def at_once(one: Callable[[], Awaitable[None]]) -> Work:
    """Many at a time, each in a task: waiting costs no CPU time, but one by one takes too long."""

    async def work(times: int, lap: Lap) -> None:
        with Scope(), lap:
            tasks = [asyncio.ensure_future(one()) for _ in range(times)]
            await asyncio.wait(tasks)

    return work


async def scope_cancelled(times: int, lap: Lap) -> None:
    with Scope(), lap:
        for _ in range(times):
            with suppress(Cancelled), Scope() as scope:
                scope.cancel()
                await asyncio.sleep(1)


async def asyncio_timeout_now(times: int, lap: Lap) -> None:
    with lap:
        for _ in range(times):
            with suppress(TimeoutError):
                async with asyncio.timeout(0):
                    await asyncio.sleep(1)


async def anyio_cancelled(times: int, lap: Lap) -> None:
    with lap:
        for _ in range(times):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await asyncio.sleep(1)


FIRES = Experiment(
    "deadline",
    "a task waits until its deadline fires, and catches the error",
    [
        in_loop("asyncio.sleep, no deadline", at_once(only_sleeps)),
        in_loop("Scope(timeout=…)", at_once(scope)),
        in_loop("asyncio.timeout(…)", at_once(asyncio_timeout)),
        in_loop("anyio.fail_after(…)", at_once(anyio_fail_after)),
    ],
    reference="asyncio.timeout(…)",
)

CANCEL = Experiment(
    "cancel",
    "cancel from inside, wait, leave",
    [
        in_loop("Scope.cancel()", scope_cancelled),
        in_loop("asyncio.timeout(0)", asyncio_timeout_now),
        in_loop("anyio.CancelScope.cancel()", anyio_cancelled),
    ],
    reference="asyncio.timeout(0)",
)
