"""The logic as its callers have it: behind gRPC, on a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from examples.im.api import Credentials, Logic, Session
from examples.im.data.database import DatabaseSettings
from examples.im.logic.rpc import remote, restored
from examples.im.logic.service import Config, service
from examples.im.logic.settings import LogicSettings
from mainstay.testing import rpc_channel

PASSWORD = "correct horse"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Its own file, and passwords that are hashed quickly."""
    return Config(
        DatabaseSettings(f"sqlite:///{tmp_path / 'chat.db'}"),
        LogicSettings(password_cost=4, tries=3, lease=3.0),
    )


@pytest.fixture
async def logic(config: Config) -> AsyncIterator[Logic]:
    """Running."""
    async with rpc_channel(service, config=config, middleware=[restored]) as channel:
        yield remote(channel)


async def joined(logic: Logic, name: str) -> Session:
    """A new user, signed in."""
    return await logic.sign_up(Credentials(name, PASSWORD))
