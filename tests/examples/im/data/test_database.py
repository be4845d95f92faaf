from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, insert, literal, select

from examples.im.data.database import Database, DatabaseSettings
from examples.im.data.tables import Counter
from mainstay.errors import ConfigError

pytestmark = pytest.mark.real_loop


@pytest.mark.parametrize("url", ["", "mysql://host/db", "sqlite://", "sqlite:///:memory:", "//"])
async def test_another_database_is_refused(url: str) -> None:
    """What is no file of SQLite and no PostgreSQL is a mistake of who configures it."""
    with pytest.raises(ConfigError):
        Database(DatabaseSettings(url))


async def test_tables_are_made_once_however_many_make_them(settings: DatabaseSettings) -> None:
    """Five at once and one later all succeed, and there is one counter of each kind."""
    databases = [Database(settings) for _ in range(5)]
    try:
        await asyncio.gather(*(database.create() for database in databases))
        await databases[0].create()
        names = await databases[1].read(lambda db: db.scalars(select(Counter.name)).all())
        assert sorted(names) == ["events", "indexed"]
    finally:
        for database in databases:
            await database.aclose()


async def test_a_change_is_made_whole_or_not_at_all(database: Database) -> None:
    """What raises has changed nothing, and is raised to the caller; what does not is told to those
    who listen.
    """
    heard: list[int] = []
    database.on_commit(lambda: heard.append(database.commits))

    def change(db: Connection, name: str, *, fails: bool) -> str:
        db.execute(insert(Counter), {"name": name, "value": 1})
        if fails:
            raise LookupError(name)
        return name

    before = database.commits
    with pytest.raises(LookupError):
        await database.write(change, "one", fails=True)
    assert await database.write(change, "two", fails=False) == "two"
    names = await database.read(lambda db: set(db.scalars(select(Counter.name))))
    assert names == {"events", "indexed", "two"}
    assert heard == [before + 1]
    assert await database.write_silently(change, "three", fails=False) == "three"
    assert (heard, database.commits) == ([before + 1], before + 2)


async def test_many_may_read_at_once(database: Database) -> None:
    """More questions than connections are all answered."""

    def ask(db: Connection, number: int) -> int:
        return db.execute(select(literal(number))).scalar_one()

    answers = await asyncio.gather(*(database.read(ask, number) for number in range(20)))
    assert answers == list(range(20))
    await database.ping()


async def test_a_database_says_where_it_is_without_its_password() -> None:
    """The repr is for logs."""
    database = Database(DatabaseSettings("postgresql://ada:secret@host/chat"))
    assert repr(database) == "<Database postgresql+asyncpg://ada:***@host/chat, 0 commits>"
    await database.aclose()
