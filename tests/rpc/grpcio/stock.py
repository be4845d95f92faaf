"""Channels of grpc.aio that leave nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
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
    theirs = [each for each in asyncio.all_tasks() - before if _is_of_grpcio(each)]
    if theirs:
        await asyncio.wait(theirs)


def _is_of_grpcio(task: asyncio.Task[Any]) -> bool:
    code: Any = getattr(task.get_coro(), "cr_code", None)
    return code is not None and any(each in code.co_filename for each in _THEIRS)
