"""A last chance that is counted in turns of the loop.

Time alone is unfair to those who were told to end: when a machine has stalled, or the process was
stopped, the time of all is over before any of them could take a step, and they would be blamed for
not ending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["TURNS", "few_turns"]

TURNS: Final = 20
"""More than a cleanup takes that waits for nothing but the loop."""


async def few_turns(busy: Callable[[], bool]) -> None:
    """Let the loop turn, `TURNS` times at most, as long as `busy` says so."""
    for _ in range(TURNS):
        if not busy():
            return
        await asyncio.sleep(0)
