"""How the logic is put together, and what it does besides answering.

Of several processes each does the work in the background. All of it can be done by several at once:
what one has done, the next one finds done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from examples.im.api import Logic
from examples.im.data.accounts import Accounts
from examples.im.data.attendance import Attendances
from examples.im.data.conversations import Conversations
from examples.im.data.database import Database, DatabaseSettings
from examples.im.data.log import sweep as sweep_log
from examples.im.data.messages import Messages
from examples.im.data.newcomers import Newcomers
from examples.im.data.search import Index, Search
from examples.im.data.tail import Tail
from examples.im.data.tries import Tries
from examples.im.data.writer import Writer
from examples.im.logic.chat import Chat, Store
from examples.im.logic.settings import LogicSettings
from examples.im.logic.signing import Signing
from mainstay import Effects, Service

LOBBY: Final = ("lobby", "Lobby")
"""The room that everybody is in from the beginning: its name and its title."""

MINUTE: Final = 60_000
"""Milliseconds."""


def add_logic(service: Service) -> None:
    """Let `service` provide `api.Logic`; it provides `DatabaseSettings` and `LogicSettings`."""
    service.resource(ping=Database.ping)(database)
    service.resource(store)
    service.resource(tries)
    service.resource(logic)
    # A database that is away for a while ends nothing: it is looked for again.
    service.worker(give_up_after=None)(read_log)
    service.worker(give_up_after=None)(index)
    service.every(1)(end_leases)
    service.every(30, jitter=10)(forget)


def milliseconds(effects: Effects) -> int:
    """The time, since 1970."""
    return int(effects.clock.time() * 1000)


async def database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """The database, with its tables."""
    # It opens files, and loads the driver of PostgreSQL.
    database = await asyncio.to_thread(Database, settings)
    try:
        await database.create()
        yield database
    finally:
        await database.aclose()


async def store(database: Database, effects: Effects) -> AsyncIterator[Store]:
    """The repositories; the writer stores what has been left there before it closes."""

    def now() -> int:
        return milliseconds(effects)

    writer = Writer(database, now)
    yield Store(
        Accounts(database),
        Newcomers(database),
        Conversations(database),
        Messages(database),
        Attendances(database, now),
        Search(database),
        writer,
        Tail(database),
    )
    await writer.aclose()


async def tries(database: Database, settings: LogicSettings) -> Tries:
    """Counts, for all processes, who tries passwords."""
    return Tries(database, MINUTE // settings.tries, settings.tries)


async def logic(store: Store, tries: Tries, settings: LogicSettings, effects: Effects) -> Logic:
    """The logic, with its lobby."""
    lobby = await store.conversations.room(*LOBBY, milliseconds(effects))
    signing = Signing(store.accounts, store.newcomers, tries, settings, effects.clock)
    return Chat(store, signing, lobby, settings.lease, lambda: milliseconds(effects))


async def read_log(store: Store) -> None:
    """Read the log, for all who follow it."""
    await store.tail.run()


async def index(database: Database) -> None:
    """Let new messages be found by their words."""
    await Index(database).run()


async def end_leases(store: Store, settings: LogicSettings) -> None:
    """End the gateways that say nothing any more."""
    await store.attendances.sweep(int(settings.lease * 1000))


async def forget(
    database: Database, store: Store, tries: Tries, settings: LogicSettings, effects: Effects
) -> None:
    """Forget what nobody needs any more: events that everybody has been told, ended sessions, tries
    of long ago."""
    now = milliseconds(effects)
    await database.write_silently(sweep_log, now - int(settings.signals * 1000))
    await store.accounts.sweep(now)
    await tries.sweep(now)
