"""Facts about what the logic does besides answering."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.im import api
from examples.im.api import Credentials
from examples.im.data.database import Database, DatabaseSettings
from examples.im.logic import wiring
from examples.im.logic.rpc import remote
from examples.im.logic.service import Config, service
from examples.im.logic.settings import LogicSettings
from mainstay.core.effects import Effects
from mainstay.testing import rpc_channel
from tests.examples.im.logic.conftest import PASSWORD, joined

pytestmark = pytest.mark.real_loop


class Later:
    """A clock that is ahead by so many seconds."""

    def __init__(self, ahead: float) -> None:
        self._clock = Effects().clock
        self.monotonic = self._clock.monotonic
        self.wait = self._clock.wait
        self._ahead = ahead

    def time(self) -> float:
        return self._clock.time() + self._ahead


async def forget(config: Config, ahead: float) -> None:
    """What the job does, so many seconds from now."""
    effects = Effects(clock=Later(ahead))
    database = Database(config.database)
    async for store in wiring.store(database, effects):
        tries = await wiring.tries(database, config.logic)
        await wiring.forget(database, store, tries, config.logic, effects)
    await database.aclose()


async def kept(config: Config) -> tuple[int, int]:
    """How many signals and sessions are stored."""
    database = Database(config.database)
    try:
        return await database.read(
            lambda db: (
                db.exec_driver_sql("SELECT count(*) FROM signal").scalar_one(),
                db.exec_driver_sql("SELECT count(*) FROM session").scalar_one(),
            )
        )
    finally:
        await database.aclose()


async def test_what_nobody_needs_any_more_is_forgotten(tmp_path: Path) -> None:
    """Events that are no messages after a minute, and sessions when they have ended; no sooner."""
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    config = Config(DatabaseSettings(url), LogicSettings(password_cost=4, session=3600))
    async with rpc_channel(service, config=config) as channel:
        logic = remote(channel)
        await joined(logic, "ada")
    assert await kept(config) == (1, 1)
    for ahead, left in ((30, (1, 1)), (90, (0, 1)), (3700, (0, 0))):
        await forget(config, ahead)
        assert await kept(config) == left


async def test_there_is_one_lobby_however_often_the_logic_starts(config: Config) -> None:
    """Each start finds the one that is there; who has an account still has it."""
    for start in range(2):
        async with rpc_channel(service, config=config) as channel:
            logic = remote(channel)
            if not start:
                await joined(logic, "ada")
            account = (await logic.sign_in(Credentials("ada", PASSWORD))).account
            (lobby,) = (await logic.conversations(api.Ask(account.id))).items
            assert (lobby.name, lobby.members) == ("lobby", 1)
