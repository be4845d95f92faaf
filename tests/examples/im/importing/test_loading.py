"""Facts about storing what sources give."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from examples.im import api
from examples.im.data.bulk import TOGETHER, Bulk
from examples.im.data.conversations import Conversations
from examples.im.data.database import Database, DatabaseSettings
from examples.im.data.messages import Messages
from examples.im.importing.entries import Entry, Problem, Source
from examples.im.importing.loading import SHOWN, load

NOW = 1_700_000_000_000


@asynccontextmanager
async def a_database(folder: Path) -> AsyncIterator[Database]:
    """With its tables."""
    database = Database(DatabaseSettings(url=f"sqlite:///{folder}/chat.db"))
    await database.create()
    try:
        yield database
    finally:
        await database.aclose()


async def texts(database: Database, room: str) -> list[str]:
    """What is in a room, in the order of its numbers."""
    (found,) = (await Conversations(database).rooms(room, 0, 1)).items
    page = await Messages(database).page(api.HistoryOf(conversation=found.id))
    return [each.text for each in page.items]


def said(*texts: str, room: str = "Salon", at: int = 0) -> list[Entry]:
    """Entries of Ada, a second apart, or all at one time."""
    return [
        Entry(room, "ada", "Ada", at or 1000 * number, text) for number, text in enumerate(texts, 1)
    ]


def source(*entries: Entry | Problem) -> Source:
    """These."""
    return iter(entries)


async def test_the_same_again_adds_nothing(tmp_path: Path) -> None:
    """And what has grown adds what is new, at the end."""
    async with a_database(tmp_path) as database:
        bulk = Bulk(database)
        first = await load(source(*said("one", "two")), bulk, now=NOW)
        assert (first.messages, first.added) == (2, (1, 1, 2))
        again = await load(source(*said("one", "two")), bulk, now=NOW)
        assert (again.messages, again.added) == (2, (0, 0, 0))
        grown = await load(source(*said("one", "two", "three")), Bulk(database), now=NOW)
        assert (grown.messages, grown.added) == (3, (0, 0, 1))
        assert await texts(database, "salon") == ["one", "two", "three"]


async def test_who_says_the_same_twice_in_a_minute_has_said_it_twice(tmp_path: Path) -> None:
    """Clocks of logs tick in minutes; imported again, it is still twice."""
    async with a_database(tmp_path) as database:
        for _ in range(2):
            entries = said("yes", "no", "yes", at=60_000)
            await load(source(*entries), Bulk(database), now=NOW)
        assert await texts(database, "salon") == ["yes", "no", "yes"]


async def test_an_import_goes_on_where_a_limit_ended_it(tmp_path: Path) -> None:
    """In order, so that nothing old is put behind something newer."""
    async with a_database(tmp_path) as database:
        entries = said("one", "two", "three")
        part = await load(source(*entries), Bulk(database), now=NOW, limit=2)
        assert part.messages == 2
        assert await texts(database, "salon") == ["one", "two"]
        await load(source(*entries), Bulk(database), now=NOW)
        assert await texts(database, "salon") == ["one", "two", "three"]


async def test_transactions_are_short_and_shown(tmp_path: Path) -> None:
    """Each is told when it is stored."""
    async with a_database(tmp_path) as database:
        before, shown = database.commits, list[int]()
        entries = said(*map(str, range(2 * TOGETHER + 1)))
        await load(source(*entries), Bulk(database), now=NOW, show=shown.append)
        assert shown == [0, TOGETHER, 2 * TOGETHER, 2 * TOGETHER + 1]
        assert database.commits - before == 3


async def test_problems_are_counted_and_the_first_are_kept(tmp_path: Path) -> None:
    """They end nothing."""
    problems = [Problem("log", line, "why") for line in range(1, 2 * SHOWN)]
    async with a_database(tmp_path) as database:
        found = source(*problems, *said("fine"), Problem("log", 99, "why"))
        summary = await load(found, Bulk(database), now=NOW)
    assert (summary.messages, summary.problems) == (1, 2 * SHOWN)
    assert summary.shown == problems[:SHOWN]


async def test_what_is_too_long_becomes_several_messages(tmp_path: Path) -> None:
    """And what has nothing to show becomes none; names are those that the logic would allow."""
    async with a_database(tmp_path) as database:
        long = "x" * (api.TEXT_LIMIT + 1)
        entries = said(long, "\x02", "end", room="GTK+ 3")
        summary = await load(source(*entries), Bulk(database), now=NOW)
        assert await texts(database, "gtk+-3") == ["x" * api.TEXT_LIMIT, "x", "end"]
    assert (summary.rooms, summary.authors) == ({"gtk+-3"}, {"ada"})
