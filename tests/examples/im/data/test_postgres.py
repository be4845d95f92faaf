"""What is true of PostgreSQL alone."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from examples.im.data.database import Database, DatabaseSettings
from mainstay.errors import BrokenError
from tests.examples.im.data.conftest import House

pytestmark = pytest.mark.real_loop


async def test_a_server_that_is_not_there_does_not_answer() -> None:
    """Nobody listening is a broken resource."""
    database = Database(DatabaseSettings("postgresql://ada@/chat?host=/nowhere"))
    with pytest.raises(BrokenError):
        await database.ping()
    await database.aclose()


async def test_connections_that_are_cut_are_made_anew(house: House) -> None:
    """When the server ends all sessions, as in its restart, what was under way fails as broken, and
    what comes later works.
    """
    room = await house.room("tea", "ada")
    await asyncio.gather(*(house.database.ping() for _ in range(5)))
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await house.database.read(lambda db: db.execute(cut).all())
    outcomes = await asyncio.gather(
        *(house.database.ping() for _ in range(5)), return_exceptions=True
    )
    assert {type(each) for each in outcomes} <= {type(None), BrokenError}
    assert BrokenError in {type(each) for each in outcomes}
    assert (await house.say(room, "ada", "still here")).number == 1


async def test_names_are_compared_by_their_code_points(house: House) -> None:
    """As on SQLite, whatever the language of the server: capitals before small letters."""
    await house.add("b-a", "ba", "b.a", "b_a")
    found = await house.accounts.beginning("b", 10)
    assert [each.name for each in found] == ["b-a", "b.a", "b_a", "ba"]
