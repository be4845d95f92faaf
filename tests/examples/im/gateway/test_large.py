"""Facts about texts that are as long as may be, from the database to the client, over real sockets."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from examples.im import api
from examples.im.data.database import DatabaseSettings
from examples.im.frames import Said, Welcome
from examples.im.gateway.service import Config, service
from examples.im.logic.rpc import remote, restored
from examples.im.logic.service import Config as LogicConfig
from examples.im.logic.service import service as logic_service
from examples.im.logic.settings import LogicSettings
from mainstay import Settings
from mainstay.http import HttpSettings
from mainstay.rpc import Channel
from mainstay.testing import http_server
from tests.examples.im.gateway.house import Guest

LONG = "\U0001f600" * api.TEXT_LIMIT
MESSAGES = 300


@pytest.mark.real_loop(timeout=120)
async def test_nothing_is_missed_however_long_it_is(tmp_path: Path) -> None:
    """Five megabytes of messages reach who was away, and who comes later than the feed."""
    config = LogicConfig(
        DatabaseSettings(f"sqlite:///{tmp_path / 'chat.db'}"), LogicSettings(password_cost=4)
    )
    async with asyncio.timeout(110), AsyncExitStack() as stack:
        settings = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",)))
        running = await stack.enter_async_context(
            logic_service.running(settings=settings, config=config)
        )
        (address,) = running.addresses
        logic = remote(await stack.enter_async_context(Channel(address, middleware=[restored])))
        ada = await logic.sign_up(api.Credentials("ada", "correct horse"))
        lobby = (await logic.conversations(api.Ask(ada.account.id))).items[0].id
        begin = (await logic.conversations(api.Ask(ada.account.id))).seq

        async def post(number: int) -> int:
            post = api.Post(ada.account.id, lobby, f"long-{number:05}", LONG)
            return (await logic.post(post)).seq

        said = sorted(await asyncio.gather(*(post(number) for number in range(MESSAGES))))
        client = await stack.enter_async_context(http_server(service, config=Config(logic=address)))
        fields = {"authorization": f"Bearer {ada.token}"}
        socket = await stack.enter_async_context(client.websocket("/ws", headers=fields))
        guest = Guest(socket, ada)
        await guest.send(type="hello", cursor=begin)
        welcome = await guest.hears()
        assert isinstance(welcome, Welcome)
        assert welcome.resumed
        heard = [await guest.hears() for _ in said]
        assert [each.message.seq for each in heard if isinstance(each, Said)] == said
        told: list[int] = []
        async for page in logic.feed(api.Since(begin)):
            told += [each.seq for each in page.items if isinstance(each.what, api.Message)]
            if len(told) == len(said):
                break
        assert told == said
