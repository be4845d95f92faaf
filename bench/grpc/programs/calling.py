"""What the clients of the bench have in common: they call, when they are told, and count."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

__all__ = ["TIMEOUT", "obey"]

TIMEOUT = 10.0
"""Seconds, the deadline of each."""


async def obey(call: Callable[[], Awaitable[str]]) -> None:
    """Call for as many seconds, so many at once, as a line of standard input says, and print how
    often that was, and how long it took.

    Args:
        call: makes one call, and returns the message of its reply.
    """
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        duration, at_once = line.split()
        began = time.monotonic()
        until = began + float(duration)
        counts = await asyncio.gather(*(_repeat(call, until) for _ in range(int(at_once))))
        print(sum(counts), time.monotonic() - began, flush=True)


async def _repeat(call: Callable[[], Awaitable[str]], until: float) -> int:
    count = 0
    while time.monotonic() < until:
        message = await call()
        if message != "Hello, world!":
            raise SystemExit(f"wrong reply: {message}")
        count += 1
    return count
