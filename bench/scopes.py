"""Entering and leaving a scope, with nothing inside."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import anyio

from bench.harness import Experiment, Lap, in_loop
from mainstay import Scope

__all__ = ["EXPERIMENT"]


async def nothing(times: int, lap: Lap) -> None:
    with lap:
        for _ in range(times):
            with nullcontext():
                pass


async def scope(times: int, lap: Lap) -> None:
    with Scope(), lap:
        for _ in range(times):
            with Scope():
                pass


async def scope_with_timeout(times: int, lap: Lap) -> None:
    with Scope(), lap:
        for _ in range(times):
            with Scope(timeout=30):
                pass


async def root_with_timeout(times: int, lap: Lap) -> None:
    with lap:
        for _ in range(times):
            with Scope(timeout=30):
                pass


async def asyncio_timeout(times: int, lap: Lap) -> None:
    with lap:
        for _ in range(times):
            async with asyncio.timeout(30):  # noqa: ASYNC100 - its own cost
                pass


async def anyio_scope(times: int, lap: Lap) -> None:
    with lap:
        for _ in range(times):
            with anyio.CancelScope():  # noqa: ASYNC100 - its own cost
                pass


async def anyio_move_on_after(times: int, lap: Lap) -> None:
    with lap:
        for _ in range(times):
            with anyio.move_on_after(30):  # noqa: ASYNC100 - its own cost
                pass


async def anyio_fail_after(times: int, lap: Lap) -> None:
    with lap:
        for _ in range(times):
            with anyio.fail_after(30):  # noqa: ASYNC100 - its own cost
                pass


EXPERIMENT = Experiment(
    "scope",
    "enter and leave it, nothing inside",
    [
        in_loop("nullcontext()", nothing),
        in_loop("Scope()", scope),
        in_loop("Scope(timeout=30)", scope_with_timeout),
        in_loop("Scope(timeout=30), a root", root_with_timeout),
        in_loop("asyncio.timeout(30)", asyncio_timeout),
        in_loop("anyio.CancelScope()", anyio_scope),
        in_loop("anyio.move_on_after(30)", anyio_move_on_after),
        in_loop("anyio.fail_after(30)", anyio_fail_after),
    ],
    reference="asyncio.timeout(30)",
)
