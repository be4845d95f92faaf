"""WebSockets of mounted applications, spoken to by the client of `websockets`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mainstay import Service
from mainstay.http.asgi.types import AsgiApp, AsgiScope, Receive, Send
from mainstay.http.settings import HttpSettings
from mainstay.service.settings import Settings
from tests.net.serving import PATIENCE


@asynccontextmanager
async def talking(app: AsgiApp, **options: Any) -> AsyncIterator[ClientConnection]:
    service = Service("mounts")
    service.mount("/app", app)
    settings = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",)))
    async with service.running(settings=settings) as running:
        url = running.addresses[0].replace("tcp://", "ws://") + "/app/talk?x=1"
        patient: dict[str, Any] = {
            "open_timeout": PATIENCE,
            "close_timeout": PATIENCE,
            "ping_timeout": None,
        }
        async with connect(url, proxy=None, **patient, **options) as client:
            yield client


@pytest.mark.real_loop
async def test_messages_go_both_ways() -> None:
    """Text and bytes stay what they are; the scope says what was asked for."""
    seen: list[AsgiScope] = []

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return
        seen.append(scope)
        assert (await receive())["type"] == "websocket.connect"
        headers = [(b"x-hello", b"there")]
        await send({"type": "websocket.accept", "subprotocol": "b", "headers": headers})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})

    async with talking(app, subprotocols=["a", "b"]) as client:
        await client.send("text")
        await client.send(b"bytes")
        assert [await client.recv(), await client.recv()] == ["text", b"bytes"]
        assert client.subprotocol == "b"
        assert client.response is not None
        assert client.response.headers["x-hello"] == "there"
    (scope,) = seen
    assert (scope["path"], scope["root_path"], scope["scheme"]) == ("/app/talk", "/app", "ws")
    assert (scope["query_string"], scope["subprotocols"]) == (b"x=1", ["a", "b"])


@pytest.mark.real_loop
async def test_the_goodbye_of_the_application_is_heard() -> None:
    """With its code and reason."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 4001, "reason": "enough"})

    async with talking(app) as client:
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "enough")


@pytest.mark.real_loop
async def test_the_goodbye_of_the_peer_is_a_message() -> None:
    """And who sends afterwards gets an OSError; nothing is cancelled."""
    heard: list[Any] = []
    done = asyncio.Event()

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        heard.append(await receive())
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except OSError as error:
            heard.append(type(error))
        done.set()

    async with talking(app) as client:
        await client.close(4000, "bye")
        await done.wait()
    assert heard == [
        {"type": "websocket.disconnect", "code": 4000, "reason": "bye"},
        ConnectionResetError,
    ]


@pytest.mark.real_loop
@pytest.mark.parametrize("how", ["close", "answer", "raise"])
async def test_a_refusal_is_an_http_answer(how: str) -> None:
    """403 for a close before the accept, the application's own answer, 500 for a failure."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        if how == "close":
            await send({"type": "websocket.close"})
        elif how == "answer":
            start = {"type": "websocket.http.response.start", "status": 418, "headers": []}
            await send(start)
            await send({"type": "websocket.http.response.body", "body": b"tea"})
        else:
            raise RuntimeError

    with pytest.raises(InvalidStatus) as caught:
        async with talking(app):
            raise AssertionError
    wanted = {"close": 403, "answer": 418, "raise": 500}[how]
    assert caught.value.response.status_code == wanted
    if how == "answer":
        assert caught.value.response.body == b"tea"


@pytest.mark.real_loop
async def test_a_failure_of_the_application_is_1011() -> None:
    """The peer is told that it was not its fault."""

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            raise RuntimeError

    async with talking(app) as client:
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1011
