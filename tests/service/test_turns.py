"""Facts about `mainstay.service.turns`."""

import asyncio

from mainstay.service.turns import TURNS, few_turns
from tests.service.parts import now


async def test_it_waits_as_long_as_somebody_is_busy() -> None:
    """No time passes."""

    async def work() -> None:
        for _ in range(TURNS // 2):
            await asyncio.sleep(0)

    task = asyncio.create_task(work())
    await few_turns(lambda: not task.done())
    assert task.done()
    assert now() == 0


async def test_it_has_an_end() -> None:
    """Who goes on for ever is not waited for."""
    turns = 0

    def busy() -> bool:
        nonlocal turns
        turns += 1
        return True

    await few_turns(busy)
    assert turns == TURNS
