"""Facts about `examples.im.gateway.service`: a gateway apart from the logic, over real sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack

import pytest

from examples.im import api
from examples.im.frames import Acknowledged, Pong, Refused, Said
from examples.im.gateway.service import Config, service
from examples.im.logic.rpc import definition
from mainstay import Service, Settings
from mainstay.http import HttpSettings
from mainstay.testing import http_server
from tests.examples.im.gateway.house import Guest, House


class RestartableLogic:
    """A house as a service of gRPC that stops and starts again, at one address."""

    def __init__(self, house: House) -> None:
        self.address = "tcp://127.0.0.1:0"
        self._service = Service("logic")
        self._service.add_rpc(definition)
        self._stack = AsyncExitStack()

        @self._service.resource
        async def provide() -> api.Logic:
            return house

    async def start(self) -> None:
        settings = Settings(http=HttpSettings(listen=(self.address,)))
        running = await self._stack.enter_async_context(self._service.running(settings=settings))
        self.address = running.addresses[0]

    async def stop(self) -> None:
        await self._stack.aclose()


@pytest.mark.real_loop(timeout=120)
async def test_a_restart_of_the_logic_is_a_pause() -> None:
    """Its clients stay; what they say meanwhile is stored and told when it is back. The errors of
    the logic are its own on this side."""
    house = House()
    ada = await house.sign_up(api.Credentials("ada", "secret"))
    fields = {"authorization": f"Bearer {ada.token}"}
    logic = RestartableLogic(house)
    await logic.start()
    async with (
        asyncio.timeout(110),
        http_server(service, config=Config(logic=logic.address)) as client,
        client.websocket("/ws", headers=fields) as socket,
    ):
        guest = Guest(socket, ada)
        await guest.send(type="hello")
        await guest.hears()
        await guest.say(99, "where am I?")
        refusal = await guest.hears()
        assert isinstance(refusal, Refused)
        assert refusal.code == "not_found"
        await logic.stop()
        await guest.say(house.lobby, "is anybody there?")
        await guest.send(type="ping")
        assert await guest.hears() == Pong()
        await logic.start()
        told = [await guest.hears(), await guest.hears()]
        assert {type(each) for each in told} == {Acknowledged, Said}
    await logic.stop()
    assert house.calls.count("post") == 2


def test_a_gateway_needs_no_database() -> None:
    """The program of the gateway never loads SQLAlchemy, the data, or the use cases."""
    program = (
        "import sys, examples.im.gateway.service\n"
        "names = ('sqlalchemy', 'examples.im.data', 'examples.im.logic.chat')\n"
        "print([name for name in names if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout == "[]\n"
