"""The whole chat as processes, on each of the databases, and what is stored when they are killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import select

from examples.im.data.database import Database, DatabaseSettings
from examples.im.data.tables import Message
from tests.e2e.talk.system import Part
from tests.examples.im.chat.house import House
from tests.examples.im.chat.screen import Screen
from tests.process.ports import free_port
from tests.process.waiting import wait_until

pytestmark = [pytest.mark.real_loop(timeout=240), pytest.mark.faults]


@pytest.fixture
async def part(settings: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Part]:
    """A supervisor and two workers, each with all layers."""
    environ = {"IM__DATABASE__URL": settings.url, "IM__LOGIC__PASSWORD_COST": "4"}
    part = Part("examples.im.one:service", free_port(), tmp_path, environ)
    try:
        await asyncio.to_thread(part.start)
        yield part
    finally:
        await asyncio.to_thread(part.stop)


async def stored(settings: DatabaseSettings) -> list[tuple[int, str]]:
    """All that was said: its number and its text, by place."""
    database = Database(settings)
    question = select(Message.number, Message.text).order_by(Message.seq)
    try:
        rows = await database.read(lambda db: db.execute(question).all())
    finally:
        await database.aclose()
    return [(number, text) for number, text in rows]


async def test_what_was_said_is_there_once_and_in_order_whoever_dies(
    part: Part, settings: DatabaseSettings
) -> None:
    """Two talk, each the next as soon as the last is stored and shown, while workers are killed one
    after the other, and all are replaced by a hot restart."""
    words: dict[str, list[str]] = {"Ada": [], "Bob": []}
    over = asyncio.Event()

    def two_serve() -> bool:
        return len(part.workers()) == 2

    async def talk(name: str, screen: Screen) -> None:
        while not over.is_set():
            words[name].append(f"word {len(words[name])} of {name}")
            await screen.type(words[name][-1])

    async with AsyncExitStack() as stack:
        house = House(f"127.0.0.1:{part.port}", settings, stack)
        screens = {each: (await house.enter(each.lower()))[0] for each in words}
        async with asyncio.TaskGroup() as group:
            for name, screen in screens.items():
                group.create_task(talk(name, screen))
            for number, place in enumerate((0, 1, 0)):
                await screens["Bob"].wait_for(f"word {(number + 1) * 10} of Ada")
                await asyncio.to_thread(wait_until, two_serve)
                await asyncio.to_thread(part.kill_worker, place)
            await screens["Bob"].wait_for("word 40 of Ada")
            restart = await asyncio.to_thread(part.restart)
            said, _ = await asyncio.to_thread(restart.communicate)
            assert restart.returncode == 0, said
            over.set()
        for screen in screens.values():
            for name, texts in words.items():
                await screen.wait_for(texts[-1])
                assert screen.said(name) == texts
    found = await stored(settings)
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    for name, texts in words.items():
        assert [text for _, text in found if text.endswith(name)] == texts
