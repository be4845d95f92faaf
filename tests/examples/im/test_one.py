"""Facts about the chat as a whole, in one process: gateway, logic and data, on a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from examples.im.data.database import DatabaseSettings
from examples.im.logic.settings import LogicSettings
from examples.im.one import Config, service
from mainstay.testing import http_client
from mainstay.testing.http import ServiceClient

pytestmark = pytest.mark.real_loop


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A file of its own, and passwords that are hashed quickly."""
    return Config(
        DatabaseSettings(f"sqlite:///{tmp_path / 'chat.db'}"), LogicSettings(password_cost=4)
    )


@pytest.fixture
async def client(config: Config) -> AsyncIterator[ServiceClient]:
    """Of the chat, which runs."""
    async with http_client(service, config=config) as client:
        yield client


async def token_of(client: ServiceClient, name: str) -> str:
    """Make an account: the cookie of its first session."""
    reply = await client.post("/api/sign-up", json={"name": name, "password": "correct horse"})
    assert reply.status == 201
    return (reply.headers.get("set-cookie") or "").partition(";")[0]


async def until(socket: Any, kind: str) -> dict[str, Any]:
    """The next frame of a kind; others are passed over."""
    async with asyncio.timeout(45):
        while True:
            frame: dict[str, Any] = json.loads(await socket.receive())
            if frame["type"] == kind:
                return frame


async def test_two_users_talk(client: ServiceClient) -> None:
    """From one WebSocket through all layers to the database, and back to the other."""
    ada, grace = await token_of(client, "ada"), await token_of(client, "grace")
    async with (
        client.websocket("/ws", headers={"cookie": ada}) as hers,
        client.websocket("/ws", headers={"cookie": grace}) as other,
    ):
        for socket in (hers, other):
            await socket.send('{"type": "hello"}')
        lobby = (await until(hers, "welcome"))["conversations"][0]["id"]
        await until(other, "welcome")
        say = {"type": "say", "conversation": lobby, "client_id": "client-1", "text": "Hello!"}
        await hers.send(json.dumps(say))
        acknowledged = await until(hers, "acknowledged")
        assert (acknowledged["client_id"], acknowledged["number"]) == ("client-1", 1)
        said = (await until(other, "said"))["message"]
        assert (said["sender_name"], said["text"]) == ("ada", "Hello!")
        assert said["seq"] == acknowledged["seq"]


async def test_what_was_acknowledged_is_there_after_a_restart(config: Config) -> None:
    """For who was away, by its cursor; and as history."""
    async with http_client(service, config=config) as client:
        ada, grace = await token_of(client, "ada"), await token_of(client, "grace")
        async with client.websocket("/ws", headers={"cookie": grace}) as socket:
            await socket.send('{"type": "hello"}')
            welcome = await until(socket, "welcome")
        lobby = welcome["conversations"][0]["id"]
        async with client.websocket("/ws", headers={"cookie": ada}) as socket:
            await socket.send('{"type": "hello"}')
            say = {"type": "say", "conversation": lobby, "client_id": "client-1", "text": "Hello!"}
            await socket.send(json.dumps(say))
            await until(socket, "acknowledged")
    async with http_client(service, config=config) as client:
        async with client.websocket("/ws", headers={"cookie": grace}) as socket:
            await socket.send(json.dumps({"type": "hello", "cursor": welcome["cursor"]}))
            assert (await until(socket, "welcome"))["resumed"]
            assert (await until(socket, "said"))["message"]["text"] == "Hello!"
        reply = await client.get(f"/api/conversations/{lobby}/messages", headers={"cookie": grace})
        assert [each["text"] for each in reply.json()["items"]] == ["Hello!"]


async def test_the_logic_is_not_answered_to_strangers(client: ServiceClient) -> None:
    """Its gRPC believes whoever asks, so it is not on the port that browsers reach."""
    reply = await client.post("/im.v1.Logic/SignIn", json={"name": "ada"})
    assert reply.status in (404, 405)
    assert (await client.get("/readyz")).status == 200
