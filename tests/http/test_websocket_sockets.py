"""Facts about WebSockets of `mainstay.http` over real sockets, against the client of `websockets`."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import struct
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus

from mainstay.core.call import Handler, chain
from mainstay.core.scope import Scope
from mainstay.errors import Unauthenticated
from mainstay.http.app import HttpApplication
from mainstay.http.endpoint import Endpoint
from mainstay.http.route import Route
from mainstay.http.router import WEBSOCKET, Router
from mainstay.http.server import HttpServer
from mainstay.http.websocket import WebSocket
from mainstay.http.websocket_handler import WebSocketPlan
from mainstay.http.websocket_options import WebSocketOptions
from mainstay.net.limits import Limits
from tests.net.serving import PATIENCE

Loops = Callable[[], asyncio.AbstractEventLoop]
Raw = WebSocket[str | bytes, str | bytes]

on_every_loop = pytest.mark.parametrize(
    "loop_factory",
    [asyncio.SelectorEventLoop, uvloop.new_event_loop],
    ids=["asyncio", "uvloop"],
)


def _request(more: str = "") -> bytes:
    """Asks for the WebSocket, with more fields."""
    return (
        "GET /talk HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    ).encode()


class Site:
    """A server with one WebSocket route, ``/talk``."""

    def __init__(self, server: HttpServer, calls: Scope, number: int) -> None:
        self.server = server
        self.calls = calls
        self.number = number

    def connect(self, **options: Any) -> connect:
        patient: dict[str, Any] = {
            "open_timeout": PATIENCE,
            "close_timeout": PATIENCE,
            "ping_timeout": None,
        }
        url = f"ws://127.0.0.1:{self.number}/talk"
        return connect(url, proxy=None, **patient, **options)

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection after its handshake, for frames made by hand."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        writer.write(_request())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
        return reader, writer


@asynccontextmanager
async def talking(
    function: Callable[..., Any], options: WebSocketOptions | None = None, **limits: Any
) -> AsyncIterator[Site]:
    """A server whose ``/talk`` is answered by `function`; at its end nothing is left."""
    plan = WebSocketPlan(function, options)
    plan.limits = Limits(**{"lame_duck": 0.05, **limits})
    route = Route(path="/talk", function=function, kind="websocket")
    handler: Handler = chain([plan.serve], plan.handler(lambda call: {}))
    endpoint = Endpoint(route.method_name, handler, route, "websocket")
    router: Router[Endpoint] = Router("redirect")
    router.add(WEBSOCKET, "/talk", endpoint)
    app = HttpApplication(router, [endpoint])
    server = HttpServer(["tcp://127.0.0.1:0"], app, limits=plan.limits)
    with Scope("service", parent=None) as scope:
        calls = scope.child("calls").open()
        (address,) = await server.open(_nobody, calls)
        server.accept()
        try:
            yield Site(server, calls, int(address.rpartition(":")[2]))
        finally:
            await server.aclose()
            async with asyncio.timeout(PATIENCE):
                while app.tasks or server.statistics().connections:  # noqa: ASYNC110 - they tell
                    await asyncio.sleep(0.001)
            calls.close()


async def _nobody(call: Any) -> None:
    raise AssertionError("the endpoint has a handler of its own")


async def echo(socket: Raw) -> None:
    async for message in socket:
        await socket.send(message)


async def goodbye_of(client: ClientConnection) -> tuple[int, str]:
    """What the server says when it closes."""
    with pytest.raises(ConnectionClosed) as caught:
        await client.recv()
    received = caught.value.rcvd
    assert received is not None
    return received.code, received.reason


WEIGHT = 11_000
"""Bytes; 9,400 were measured on Python 3.13 with uvloop, the sockets of the test left out."""


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop], ids=["uvloop"])
async def test_one_that_waits_takes_little_memory(loop_factory: Loops) -> None:
    """With the fields of a browser, which its handler has looked at, and after a message."""
    fields = "".join(f"X-Of-A-Browser-{number}: {'x' * 40}\r\n" for number in range(8))
    hello = _request(fields) + b"\x81\x82\0\0\0\0hi"
    seen: list[str | None] = []

    async def listen(socket: Raw) -> None:
        seen.append(socket.request.headers.get("x-of-a-browser-7"))
        await socket.open()
        seen.append(socket.request.headers.get("x-of-a-browser-7"))
        async for message in socket:
            await socket.send(message)

    async with talking(listen, WebSocketOptions(compress=False)) as site, AsyncExitStack() as stack:
        loop = asyncio.get_running_loop()

        async def opened() -> None:
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", site.number)))
            peer.setblocking(False)
            await loop.sock_sendall(peer, hello)
            got = b""
            while not got.endswith(b"\x81\x02hi"):
                got += await loop.sock_recv(peer, 4096)

        for _ in range(20):
            await opened()
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(200):
                await opened()
            gc.collect()
            weight = tracemalloc.get_traced_memory()[0] / 200
        finally:
            tracemalloc.stop()
        assert weight < WEIGHT, weight
    assert seen == ["x" * 40] * 440


@on_every_loop
async def test_a_client_of_others_is_understood(loop_factory: Loops) -> None:
    """Messages of every length, text and bytes, compressed, and in parts."""
    async with talking(echo) as site, site.connect(max_size=None) as client:
        assert client.response is not None
        assert "permessage-deflate" in client.response.headers["sec-websocket-extensions"]
        noise = random.Random(7)
        for size in (0, 1, 125, 126, 65535, 65536, 300_000):
            for message in ("ä" * size, noise.randbytes(size)):
                if len(message.encode() if isinstance(message, str) else message) > 1 << 20:
                    continue
                await client.send(message)
                assert await client.recv() == message
        await client.send(["in ", "several ", "parts"])
        assert await client.recv() == "in several parts"
        assert await (await client.ping()) >= 0
        await client.close(4001, "enough")
        assert client.close_code == 4001


@on_every_loop
async def test_a_client_without_compression_is_understood(loop_factory: Loops) -> None:
    """It offers none, or the route grants none."""
    async with talking(echo) as site, site.connect(compression=None) as client:
        await client.send("x" * 1000)
        assert await client.recv() == "x" * 1000
    options = WebSocketOptions(compress=False)
    async with talking(echo, options) as site, site.connect() as client:
        assert client.response is not None
        assert "sec-websocket-extensions" not in client.response.headers
        await client.send("x" * 1000)
        assert await client.recv() == "x" * 1000


@on_every_loop
async def test_many_messages_at_once_come_in_order(loop_factory: Loops) -> None:
    """More than the buffers hold, while both sides send."""

    async def say(client: ClientConnection) -> None:
        for number in range(3000):
            await client.send(f"{number} " + "x" * 100)

    async with (
        talking(echo, read_buffer=10_000) as site,
        site.connect() as client,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(say(client))
        for number in range(3000):
            assert str(await client.recv()).startswith(f"{number} ")


@on_every_loop
async def test_a_refusal_is_plain_http(loop_factory: Loops) -> None:
    """An error before the accept: its status, and a problem in the body."""

    async def refuse(socket: Raw) -> None:
        raise Unauthenticated("who are you?")

    async with talking(refuse) as site:
        with pytest.raises(InvalidStatus) as caught:
            await site.connect()
    response = caught.value.response
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"


@on_every_loop
async def test_a_page_from_elsewhere_is_refused(loop_factory: Loops) -> None:
    """403, and its own page is let in."""
    async with talking(echo) as site:
        with pytest.raises(InvalidStatus, match="403"):
            await site.connect(origin="https://evil.example")
        async with site.connect(origin=f"http://127.0.0.1:{site.number}"):
            pass


@on_every_loop
async def test_a_vanished_client_cancels_the_call(loop_factory: Loops) -> None:
    """The connection is cut, and the handler ends, whatever it waits for."""
    ended = asyncio.Event()

    async def brooding(socket: Raw) -> None:
        await socket.open()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async with talking(brooding) as site:
        client = await site.connect()
        client.transport.abort()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()


@on_every_loop
async def test_a_receiver_hears_that_the_client_is_gone(loop_factory: Loops) -> None:
    """And can clean up, with waiting."""
    cleaned = asyncio.Event()

    async def tidy(socket: Raw) -> None:
        try:
            await echo(socket)
        finally:
            await asyncio.sleep(0.01)
            cleaned.set()

    async with talking(tidy) as site:
        client = await site.connect()
        client.transport.abort()
        async with asyncio.timeout(PATIENCE):
            await cleaned.wait()


@on_every_loop
async def test_a_drain_sends_clients_away(loop_factory: Loops) -> None:
    """1001, and the server is empty soon after."""
    async with talking(echo) as site, site.connect() as client:
        await client.send("hello")
        assert await client.recv() == "hello"
        await site.server.stop_accepting()
        site.calls.drain()
        drain = asyncio.create_task(site.server.drain())
        assert await goodbye_of(client) == (1001, "the service is stopping")
        async with asyncio.timeout(PATIENCE):
            await drain


@on_every_loop
async def test_a_fault_is_told_as_1011(loop_factory: Loops) -> None:
    """Without its text."""

    async def broken(socket: Raw) -> None:
        await socket.receive()
        raise ZeroDivisionError("secret")

    async with talking(broken) as site, site.connect() as client:
        await client.send("x")
        assert await goodbye_of(client) == (1011, "")


@on_every_loop
async def test_a_handler_that_returns_says_goodbye(loop_factory: Loops) -> None:
    """1000, and the connection is closed by the server."""

    async def brief(socket: Raw) -> None:
        await socket.send("hello")

    async with talking(brief) as site, site.connect() as client:
        assert await client.recv() == "hello"
        with pytest.raises(ConnectionClosedOK):
            await client.recv()


@on_every_loop
async def test_a_slow_client_makes_the_sender_wait_and_is_cut(loop_factory: Loops) -> None:
    """What waits is bounded, and after `write_timeout` the handler hears that it is gone."""
    sent = []
    ended = asyncio.Event()

    async def flood(socket: Raw) -> None:
        try:
            while True:
                await socket.send(b"x" * 50_000)
                sent.append(1)
        finally:
            ended.set()

    options = WebSocketOptions(compress=False)
    async with talking(flood, options, write_timeout=0.3) as site:
        _, writer = await site.raw()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
        assert len(sent) < 400  # what the kernel takes, and no more
        writer.close()


FRAMES = {
    "ping in parts": (b"\x09\x80" + bytes(4), 1002),
    "long ping": (b"\x89\xfe\x00\x7e" + bytes(4 + 126), 1002),
    "reserved bit": (b"\xa1\x80" + bytes(4), 1002),
    "unknown opcode": (b"\x83\x80" + bytes(4), 1002),
    "unmasked": (b"\x81\x01x", 1002),
    "part of nothing": (b"\x80\x80" + bytes(4), 1002),
    "half a close code": (b"\x88\x81" + bytes(4) + b"\x03", 1002),
    "reserved close code": (b"\x88\x82" + bytes(4) + struct.pack("!H", 1006), 1002),
    "no utf-8": (b"\x81\x82" + bytes(4) + b"\xc3\x28", 1007),
    "huge": (b"\x82\xff" + b"\x7f" + b"\xff" * 7 + bytes(4), 1009),
}


@pytest.mark.real_loop
@pytest.mark.parametrize("name", FRAMES)
async def test_a_violation_is_told_and_the_connection_closed(name: str) -> None:
    """As autobahn's suite would have it."""
    frames, code = FRAMES[name]
    async with talking(echo) as site:
        reader, writer = await site.raw()
        writer.write(b"\x81\x82" + bytes(4) + b"ok")
        assert await reader.readexactly(4) == b"\x81\x02ok"
        writer.write(frames)
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        assert answer[0] == 0x88
        assert struct.unpack("!H", answer[2:4]) == (code,)


@pytest.mark.real_loop
async def test_bytes_behind_the_handshake_are_frames() -> None:
    """A client need not wait for the answer before it speaks."""
    async with talking(echo) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.number)
        writer.write(
            b"GET /talk HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            b"\x81\x82" + bytes(4) + b"hi"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await reader.readexactly(4) == b"\x81\x02hi"
        writer.write(b"\x88\x80" + bytes(4))
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b"\x88\x00"
        writer.close()


@pytest.mark.real_loop
async def test_a_silent_client_is_pinged_and_cut() -> None:
    """One that answers no ping is closed."""
    async with talking(echo, ping_interval=0.05, ping_timeout=0.05) as site:
        reader, writer = await site.raw()
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        assert answer == b"\x89\x00"
