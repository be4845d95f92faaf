"""The database: where it is, how it is asked, and who writes when.

A change or a question is a plain function of a SQLAlchemy `Connection`, run in one transaction by
`Database.write` and `Database.read`. So a transaction is one piece of code without a pause in it,
and how it gets to the database is decided here, once:

- PostgreSQL is asked by an asyncio engine.
- SQLite is a library that blocks, so its transactions run in threads. One hop to a thread for a
  whole transaction costs a third of what a hop for every statement does.

Of SQLite's writers only one can write at a time, and the others would look again after sleeps that
grow: whoever comes back at once wins for ever. So writers queue for a lock of the kernel on a file
beside the database, whose waiters are woken when it is free, and each begins with BEGIN IMMEDIATE,
so that what it reads is still true when it writes. Commits wait for the disk (synchronous=FULL).

A process that is halted in its turn keeps the lock. Who waits behind it gives up after a while, and
takes its change back: it is not made when the turn comes after all.
"""

from __future__ import annotations

import fcntl
import os
from asyncio import get_running_loop, wait
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Annotated, Concatenate, Final, ParamSpec, Protocol, TypeVar, cast

from msgspec import Meta, Struct
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from examples.im.data import schema
from mainstay.errors import BrokenError, ConfigError

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE: Final = 30.0
"""Seconds to wait for a connection, and on SQLite for the turn to write."""


class DatabaseSettings(Struct, frozen=True):
    """Where the data is.

    Attributes:
        url: ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``. A file, and its folder,
            that do not exist yet are made for this user of the machine alone.
        connections: to read with, at most. There are two more: to write with, and to follow.
    """

    url: str = "sqlite:///.im/chat.db"
    connections: Annotated[int, Meta(ge=1)] = 4


class Database:
    """Runs transactions. To be closed with `aclose`.

    Args:
        settings: where it is.
        patience: seconds to wait for a connection, and on SQLite for the turn to write.

    Raises: ConfigError for a URL of something else.
    """

    def __init__(self, settings: DatabaseSettings, *, patience: float = PATIENCE) -> None:
        url = _checked(settings.url)
        self._transactions: _Transactions = (
            _Sqlite(url, settings.connections, patience)
            if url.get_backend_name() == "sqlite"
            else _Asynchronous(url, settings.connections, patience)
        )
        self._url = url
        self._heard: list[Callable[[], None]] = []
        self.commits = 0

    def __repr__(self) -> str:
        return f"<Database {self._url.render_as_string()}, {self.commits} commits>"

    async def create(self) -> None:
        """Make the tables that are missing. Several processes may do it at once."""
        await self.write(schema.create)

    async def read(
        self, question: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """The answer to a question that changes nothing.

        Raises: BrokenError when the database does not answer, and what `question` raises.
        """
        with _telling():
            return await self._transactions.read(lambda db: question(db, *args, **kwargs))

    async def follow(
        self, question: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """As `read`, by a connection that is for this alone: for who follows what is written, and
        cannot wait until others have got their answers."""
        with _telling():
            return await self._transactions.follow(lambda db: question(db, *args, **kwargs))

    async def write(
        self, change: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Make a change; it is on the disk when this returns. What raises has changed nothing.

        On SQLite a caller who is cancelled leaves, and the change is made to its end.

        Raises: BrokenError when the database does not answer, which leaves open whether the change
        was made; and what `change` raises.
        """
        result = await self.write_silently(change, *args, **kwargs)
        for heard in self._heard:
            heard()
        return result

    async def write_silently(
        self, change: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """As `write`, of what is not in the log: who listens for commits is not told."""
        with _telling():
            result = await self._transactions.write(lambda db: change(db, *args, **kwargs))
        self.commits += 1
        return result

    def on_commit(self, heard: Callable[[], None]) -> None:
        """Call `heard` after each `write` of this process. It must not wait or raise."""
        self._heard.append(heard)

    async def ping(self) -> None:
        """Raises: BrokenError when the database does not answer, or nobody gets a turn to write."""
        self._transactions.check()
        await self.read(lambda db: db.execute(text("SELECT 1")).one())

    async def aclose(self) -> None:
        """Close all connections; what is under way is waited for."""
        await self._transactions.aclose()


class _Transactions(Protocol):
    """One way to the database."""

    def read(self, question: Callable[[Connection], R]) -> Awaitable[R]: ...

    def follow(self, question: Callable[[Connection], R]) -> Awaitable[R]: ...

    def check(self) -> None: ...

    def write(self, change: Callable[[Connection], R]) -> Awaitable[R]: ...

    async def aclose(self) -> None: ...


class _Asynchronous:
    """A database with a driver for asyncio."""

    def __init__(self, url: URL, connections: int, patience: float) -> None:
        def engine(size: int) -> AsyncEngine:
            # Changes of one kind differ in their counts of parameters, so there are more
            # statements than the driver would keep prepared.
            return create_async_engine(
                url,
                pool_size=size,
                max_overflow=0,
                pool_timeout=patience,
                connect_args={"prepared_statement_cache_size": 500},
            )

        self._engine = engine(connections + 1)
        self._following = engine(1)

    async def read(self, question: Callable[[Connection], R]) -> R:
        async with self._engine.connect() as connection:
            return await connection.run_sync(question)

    async def follow(self, question: Callable[[Connection], R]) -> R:
        async with self._following.connect() as connection:
            return await connection.run_sync(question)

    def check(self) -> None:
        """Whoever writes waits for nobody else's turn here."""

    async def write(self, change: Callable[[Connection], R]) -> R:
        async with self._engine.begin() as connection:
            return await connection.run_sync(change)

    async def aclose(self) -> None:
        await self._engine.dispose()
        await self._following.dispose()


class _Sqlite:
    """A file of SQLite, in threads: some that read, one that follows, one that writes."""

    def __init__(self, url: URL, connections: int, patience: float) -> None:
        file = Path(url.database or "")
        file.parent.mkdir(0o700, parents=True, exist_ok=True)
        file.touch(0o600)  # the files that SQLite puts beside it are as open as this one
        self._lock = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._patience = patience
        self._stuck = False
        self._reading = _sqlite_engine(url, connections + 1, patience, "BEGIN")
        # Its one connection opens when it is its turn to write: the file takes to WAL only while
        # nobody else has it open, and is in that mode ever after.
        wal = "PRAGMA journal_mode=WAL"
        self._writing = _sqlite_engine(url, 1, patience, "BEGIN IMMEDIATE", wal)
        self._readers = ThreadPoolExecutor(connections, "reader")
        self._follower = ThreadPoolExecutor(1, "follower")
        self._writer = ThreadPoolExecutor(1, "writer")

    def read(self, question: Callable[[Connection], R]) -> Awaitable[R]:
        return get_running_loop().run_in_executor(self._readers, self._read, question)

    def follow(self, question: Callable[[Connection], R]) -> Awaitable[R]:
        return get_running_loop().run_in_executor(self._follower, self._read, question)

    async def write(self, change: Callable[[Connection], R]) -> R:
        begun = Lock()  # whoever takes it decides: the thread to begin, or this task to give up
        work = get_running_loop().run_in_executor(self._writer, self._write, change, begun)
        try:
            done, _ = await wait([work], timeout=self._patience)
            if not done and begun.acquire(blocking=False):
                self._stuck = True
                raise self._no_turn()
            return cast("R", await work)
        finally:
            work.cancel()

    def check(self) -> None:
        """Raises: BrokenError since somebody gave up, until there is a turn again."""
        if self._stuck:
            raise self._no_turn()

    def _read(self, question: Callable[[Connection], R]) -> R:
        with self._reading.connect() as connection:
            return question(connection)

    def _write(self, change: Callable[[Connection], R], begun: Lock) -> R | None:
        with self._turn():
            if not begun.acquire(blocking=False):
                return None
            with self._writing.begin() as connection:
                return change(connection)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only writer among all processes. The kernel frees the lock of one that dies."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._stuck = False
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _no_turn(self) -> BrokenError:
        return BrokenError(
            f"nobody gets a turn to write for {self._patience:g} s: another process holds the lock "
            "and does not go on; end it"
        )

    async def aclose(self) -> None:
        await get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        for threads in (self._writer, self._follower, self._readers):
            threads.shutdown()
        self._writing.dispose()
        self._reading.dispose()
        os.close(self._lock)


def _sqlite_engine(
    url: URL, connections: int, patience: float, begin: str, *pragmas: str
) -> Engine:
    """An engine whose transactions begin with `begin`, and not when the driver thinks it is time."""
    pragmas += ("PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON", "PRAGMA cache_size=-16000")
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        connect_args={"timeout": patience, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _checked(given: str) -> URL:
    """The URL, with the driver that we use."""
    try:
        url = make_url(given)
    except ArgumentError as error:
        raise ConfigError(
            f"the URL of the database cannot be read; write sqlite:///FILE: {error}"
        ) from error
    match url.get_backend_name():
        case "sqlite" if url.database and url.database != ":memory:":
            return url.set(drivername="sqlite")
        case "postgresql":
            return url.set(drivername="postgresql+asyncpg")
        case other:
            raise ConfigError(
                f"the database is to be a file of SQLite or a PostgreSQL, not {other}; "
                "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
            )


def file_of(settings: DatabaseSettings) -> Path | None:
    """The file of SQLite that has the data; None where a server has it. Raises: ConfigError."""
    url = _checked(settings.url)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


@contextmanager
def _telling() -> Iterator[None]:
    """Say it in our words when the database cannot be reached."""
    try:
        yield
    except (OSError, PoolTimeout, OperationalError, InterfaceError) as error:
        raise BrokenError(f"the database does not answer: {_first_line(error)}") from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise BrokenError(f"the database has left: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
