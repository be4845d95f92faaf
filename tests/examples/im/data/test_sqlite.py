"""What is true of SQLite alone."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

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
