"""Facts about tries that are counted in the database."""

from __future__ import annotations

import asyncio

import pytest

from examples.im.data.database import Database, DatabaseSettings
from examples.im.data.tries import Tries

pytestmark = pytest.mark.real_loop

ADA, BOB = b"a" * 32, b"b" * 32
NOW = 1_000_000


async def test_tries_are_used_up_and_come_back_one_by_one(database: Database) -> None:
    """Of three a minute, the fourth has to wait for its third of it; other keys do not."""
    tries = Tries(database, pace=20_000, burst=3)
    assert [await tries.take(ADA, NOW) for _ in range(4)] == [0, 0, 0, 20_000]
    assert await tries.take(BOB, NOW) == 0
    assert await tries.take(ADA, NOW + 19_000) == 1_000
    assert [await tries.take(ADA, NOW + 20_000) for _ in range(2)] == [0, 20_000]


async def test_all_processes_count_together(database: Database, settings: DatabaseSettings) -> None:
    """Of twenty tries at once, half of them by somebody with a connection of their own, three are
    allowed."""
    other = Database(settings)
    try:
        both = [Tries(each, pace=20_000, burst=3) for each in (database, other)]
        waits = await asyncio.gather(*(both[n % 2].take(ADA, NOW) for n in range(20)))
    finally:
        await other.aclose()
    assert sorted(waits) == [0] * 3 + [20_000] * 17


async def test_who_has_made_it_begins_anew_and_the_rest_is_swept(database: Database) -> None:
    """A key is forgotten at once, or when it has all its tries again."""
    tries = Tries(database, pace=20_000, burst=3)
    for key in (ADA, ADA, ADA, BOB):
        await tries.take(key, NOW)
    await tries.forget(ADA)
    assert [await tries.take(ADA, NOW) for _ in range(4)] == [0, 0, 0, 20_000]
    assert await tries.sweep(NOW + 20_000) == 1
    assert await tries.sweep(NOW + 60_000) == 1
    assert await tries.sweep(NOW + 60_000) == 0
