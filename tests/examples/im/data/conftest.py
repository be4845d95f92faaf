"""A database for each test: a file of SQLite, or one on the server that ``IM_POSTGRES`` names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import ClauseElement, Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from examples.im import api
from examples.im.data.accounts import Accounts
from examples.im.data.conversations import Conversations
from examples.im.data.database import Database, DatabaseSettings
from examples.im.data.messages import Messages
from examples.im.data.writer import Writer

POSTGRES = os.environ.get("IM_POSTGRES", "")

# A file in memory, where there is such a place: hundreds of commits wait for no disk.
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None

# What is true of one of them alone.
collect_ignore = ["test_sqlite.py"] if POSTGRES else ["test_postgres.py"]

_numbers = count(1)


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncIterator[DatabaseSettings]:
    """An empty database."""
    if not POSTGRES:
        with TemporaryDirectory(dir=MEMORY or tmp_path) as folder:
            yield DatabaseSettings(f"sqlite:///{folder}/chat.db")
        return
    name = f"chat_{os.getpid()}_{next(_numbers)}"
    server = make_url(POSTGRES).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name}"))
        yield DatabaseSettings(server.set(database=name).render_as_string(hide_password=False))
        async with engine.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        await engine.dispose()


@pytest.fixture
async def database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """With its tables."""
    database = Database(settings)
    try:
        await database.create()
        yield database
    finally:
        await database.aclose()


@dataclass
class House:
    """A database with some people in it, and a clock that goes on by a millisecond a look."""

    database: Database
    clock: int = 1_000_000
    users: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.database)
        self.conversations = Conversations(self.database)
        self.messages = Messages(self.database)
        self.writer = Writer(self.database, self.now)

    def now(self) -> int:
        self.clock += 1
        return self.clock

    async def add(self, *names: str) -> list[int]:
        """New users; their ids."""
        for name in names:
            account = await self.accounts.add(name, name.title(), b"hash", self.now())
            self.users[name] = account.id
        return [self.users[name] for name in names]

    async def room(self, name: str, *members: str) -> int:
        """A room with members, new ones if they are unknown."""
        first, *others = [
            self.users.get(member) or (await self.add(member))[0] for member in members
        ]
        room = await self.conversations.create(name, name.title(), first, self.now())
        for other in others:
            await self.conversations.join(room.id, other, self.now())
        return room.id

    async def say(self, room: int, name: str, text: str, client_id: str = "") -> api.Posted:
        """Post a message."""
        client_id = client_id or f"client-{next(_numbers)}"
        return await self.writer.post(api.Post(self.users[name], room, client_id, text))


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    """A house on the test's database."""
    house = House(database)
    yield house
    await house.writer.aclose()


async def explain(database: Database, statement: ClauseElement) -> str:
    """How the database would answer a statement, with its values in it."""

    def ask(db: Connection) -> str:
        asked = statement.compile(dialect=db.dialect, compile_kwargs={"literal_binds": True})
        how = "EXPLAIN QUERY PLAN" if db.dialect.name == "sqlite" else "EXPLAIN"
        return "\n".join(str(tuple(row)) for row in db.exec_driver_sql(f"{how} {asked}"))

    await database.write(lambda db: db.exec_driver_sql("ANALYZE"))
    return await database.read(ask)
