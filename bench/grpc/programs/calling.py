"""What the clients of the bench have in common: they call, when they are told, and count."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

__all__ = ["IN_FLIGHT", "TIMEOUT", "obey"]

IN_FLIGHT = 64
"""Calls at once."""

TIMEOUT = 10.0
"""Seconds, the deadline of each."""


async def obey(call: Callable[[], Awaitable[str]]) -> None:
    """Call for as many seconds as a line of standard input says, and print how often.

    Args:
        call: makes one call, and returns the message of its reply.
    """
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        began = time.monotonic()
        counts = await asyncio.gather(
            *(_repeat(call, began + float(line)) for _ in range(IN_FLIGHT))
        )
        print(sum(counts), time.monotonic() - began, flush=True)


async def _repeat(call: Callable[[], Awaitable[str]], until: float) -> int:
    count = 0
    while time.monotonic() < until:
        message = await call()
        if message != "Hello, world!":
            raise SystemExit(f"wrong reply: {message}")
        count += 1
    return count
