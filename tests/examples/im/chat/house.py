"""The chat for tests of its clients: real sockets, a real database, and whoever is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from examples.im import api, one
from examples.im.chat.client import Client
from examples.im.data.bulk import Bulk, Old
from examples.im.data.database import Database, DatabaseSettings
from examples.im.gateway.talk import gateway
from examples.im.logic.settings import LogicSettings
from mainstay.http import HttpSettings
from mainstay.rpc import Channel
from mainstay.service.settings import Settings
from tests.examples.im.chat.screen import Screen

PASSWORD = "correct-horse"


class House:
    """A chat that runs, and those who talk.

    Attributes:
        address: ``host:port``.
    """

    def __init__(self, address: str, database: DatabaseSettings, stack: AsyncExitStack) -> None:
        self.address = address
        self._database = database
        self._stack = stack

    async def calls(self, name: str) -> Any:
        """A client of the gateway, signed up as somebody."""
        async with Channel(self.address) as channel:
            credentials = api.Credentials(name, PASSWORD, name.title())
            session: api.Session = await gateway.client(channel).sign_up(credentials)
        metadata = {"authorization": f"Bearer {session.token}"}
        channel = await self._stack.enter_async_context(Channel(self.address, metadata=metadata))
        return gateway.client(channel)

    async def import_old(self, room: str, texts: list[str]) -> None:
        """Let Bob have said something long ago."""
        database = Database(self._database)
        try:
            old = [Old(room, room, "bob", "Bob", text, 1000) for text in texts]
            await Bulk(database).add(old, 2000)
        finally:
            await database.aclose()

    async def enter(
        self, name: str, *, interactive: bool = False, calls: Any = None
    ) -> tuple[Screen, asyncio.Task[int]]:
        """Somebody who sits at a screen, in the lobby; by `calls`, if they have them already."""
        screen = Screen(interactive=interactive)
        calls = calls or await self.calls(name)
        task = asyncio.create_task(Client(calls, screen, "lobby").run())

        async def leave() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(leave)
        await screen.wait_for("#lobby ──")
        return screen, task


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[House]:
    """Everything in this process."""
    database = DatabaseSettings(url=f"sqlite:///{folder}/chat.db")
    config = one.Config(database=database, logic=LogicSettings(password_cost=1))
    settings = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",)))
    life = one.service.running(config=config, settings=settings)
    async with life as running, AsyncExitStack() as stack:
        yield House(running.addresses[0].removeprefix("tcp://"), database, stack)
