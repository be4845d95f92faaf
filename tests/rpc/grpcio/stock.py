"""Channels and servers of grpc.aio that leave nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc

_THEIRS = ("/grpc/_cython/", "/grpc/aio/")


@asynccontextmanager
async def aio_channel(address: str, **options: Any) -> AsyncIterator[Any]:
    """A channel of grpc.aio; afterwards the tasks that it began for its calls have ended.

    It does not wait for them itself: one that hears of the end of a call is told by a thread of
    grpcio's, a moment after the call has been cancelled.
    """
    before = asyncio.all_tasks()
    async with grpc.aio.insecure_channel(address, **options) as channel:
        yield channel
    # A server of grpcio's on the same loop waits for its next call, for ever.
    await _ended(each for each in _since(before) if "/server" not in _file(each))


@asynccontextmanager
async def started(server: Any) -> AsyncIterator[None]:
    """Start a server of grpc.aio; afterwards it has stopped, and so have the tasks of its calls, which
    hear of that a moment later."""
    before = asyncio.all_tasks()
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)
        await _ended(each for each in _since(before) if "/server" in _file(each))


def _since(before: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """The tasks of grpcio's that were not there."""
    found = asyncio.all_tasks() - before
    return [each for each in found if any(part in _file(each) for part in _THEIRS)]


def _file(task: asyncio.Task[Any]) -> str:
    code: Any = getattr(task.get_coro(), "cr_code", None)
    return "" if code is None else str(code.co_filename)


async def _ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    if waiting := list(tasks):
        await asyncio.wait(waiting)
