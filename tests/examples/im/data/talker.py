"""A process that talks: ``python -m tests.examples.im.data.talker URL USER ROOM COUNT PREFIX``.

Posts COUNT messages, eight at a time, and prints each that is acknowledged as a line of JSON.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from examples.im import api
from examples.im.data.database import Database, DatabaseSettings
from examples.im.data.writer import Writer

TOGETHER = 8


async def talk(url: str, user: int, room: int, count: int, prefix: str) -> None:
    database = Database(DatabaseSettings(url))
    await database.create()
    writer = Writer(database, lambda: 5)
    numbers = iter(range(count))

    async def say() -> None:
        for number in numbers:
            posted = await writer.post(api.Post(user, room, f"{prefix}-{number}", f"{number}"))
            sys.stdout.write(msgspec.json.encode(posted).decode() + "\n")
            sys.stdout.flush()

    await asyncio.gather(*(say() for _ in range(TOGETHER)))
    await writer.aclose()
    await database.aclose()


if __name__ == "__main__":
    url, user, room, count, prefix = sys.argv[1:]
    asyncio.run(talk(url, int(user), int(room), int(count), prefix))
