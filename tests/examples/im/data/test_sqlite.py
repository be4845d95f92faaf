"""What is true of SQLite alone."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import threading
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, make_url, text

from examples.im.data import log
from examples.im.data.database import Database, DatabaseSettings
from mainstay.errors import BrokenError

pytestmark = pytest.mark.real_loop


async def test_a_commit_is_on_the_disk(database: Database) -> None:
    """The log is written ahead, and each commit waits for the disk; a reader waits for no writer."""
    pragmas = await database.write(
        lambda db: [
            db.scalar(text(f"PRAGMA {each}"))
            for each in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    assert pragmas == ["wal", 2, 1]


async def test_a_writer_waits_for_its_turn_among_processes(
    database: Database, settings: DatabaseSettings
) -> None:
    """While another holds the lock beside the file, a change waits and reading goes on."""
    lock = os.open(f"{make_url(settings.url).database}.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    change = asyncio.create_task(database.write(lambda db: db.scalar(text("SELECT 7"))))
    await database.ping()
    done, _ = await asyncio.wait([change], timeout=0.05)
    assert not done
    os.close(lock)
    assert await change == 7


async def test_a_turn_that_does_not_come_is_not_waited_for_for_ever(
    database: Database, settings: DatabaseSettings
) -> None:
    """Where another process holds the lock and does not go on, all who write are told so, and ping
    is, too; what they gave up is not made when the turn comes, and what comes later is."""
    impatient = Database(settings, patience=0.1)
    lock = os.open(f"{make_url(settings.url).database}.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    await impatient.ping()
    changes = [impatient.write(_count) for _ in range(3)]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert [type(each) for each in outcomes] == [BrokenError] * 3
    with pytest.raises(BrokenError, match="turn"):
        await impatient.ping()
    os.close(lock)
    async with asyncio.timeout(45):
        while True:
            try:
                assert await impatient.write(_count) == 1
                break
            except BrokenError:  # a loaded machine takes a while to notice
                continue
    await impatient.ping()
    await impatient.aclose()


def _count(db: Connection) -> int:
    """Take one place more; how many were taken."""
    return log.take(db, 1)


async def test_a_program_that_knows_no_turns_is_waited_for_as_well(
    database: Database, settings: DatabaseSettings
) -> None:
    """A change begins when a foreign writer has ended, without an error."""
    foreign = sqlite3.connect(make_url(settings.url).database or "", isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    change = asyncio.create_task(database.write(lambda db: db.scalar(text("SELECT 7"))))
    done, _ = await asyncio.wait([change], timeout=0.05)
    assert not done
    foreign.execute("COMMIT")
    foreign.close()
    assert await change == 7


async def test_a_file_that_cannot_be_opened_does_not_answer(tmp_path: Path) -> None:
    """A folder in the place of the file is a broken resource, whatever is asked."""
    (tmp_path / "chat.db").mkdir()
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'chat.db'}"))
    with pytest.raises(BrokenError):
        await database.create()
    with pytest.raises(BrokenError):
        await database.ping()
    await database.aclose()


async def test_the_folder_is_made(tmp_path: Path) -> None:
    """A file in a folder that does not exist yet is made with it."""
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'new' / 'chat.db'}"))
    await database.create()
    await database.aclose()
    assert (tmp_path / "new" / "chat.db").is_file()


async def test_what_was_said_is_for_one_user_of_the_machine(tmp_path: Path) -> None:
    """Nobody else may look into the folder that was made, nor into any file of the database, wherever
    it is."""
    for folder, made in ((tmp_path / "new", True), (tmp_path, False)):
        database = Database(DatabaseSettings(f"sqlite:///{folder / 'chat.db'}"))
        await database.create()
        files = list(folder.glob("chat.db*"))
        assert {each.name for each in files} >= {"chat.db", "chat.db-wal", "chat.db.lock"}
        for each in [*files, folder] if made else files:
            assert each.stat().st_mode & 0o077 == 0
        await database.aclose()


async def test_who_follows_does_not_wait_for_who_reads(settings: DatabaseSettings) -> None:
    """While every reader is busy, one who follows what is written is answered."""
    database = Database(msgspec.structs.replace(settings, connections=2))
    await database.create()
    busy = threading.Event()
    reads = [asyncio.create_task(database.read(lambda _: busy.wait(45))) for _ in range(5)]
    assert await database.follow(lambda db: db.scalar(text("SELECT 7"))) == 7
    assert not any(each.done() for each in reads)
    busy.set()
    assert all(await asyncio.gather(*reads))
    await database.aclose()
