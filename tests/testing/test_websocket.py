"""The client's side of WebSockets in tests of a service."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from mainstay.errors import (
    ClosedError,
    EndOfStream,
    PeerGone,
    PermissionDenied,
    UpstreamError,
)
from mainstay.http.websocket import WebSocket
from mainstay.http.websocket_options import WebSocketOptions
from mainstay.service.service import Service
from mainstay.testing.http import http_client, http_server
from mainstay.testing.websocket import TestSocket


def make() -> Service:
    service = Service("chat")

    @service.websocket("/echo", socket=WebSocketOptions(subprotocols=("loud",)))
    async def echo(socket: WebSocket[str, str]) -> None:
        async for text in socket:
            await socket.send(text.upper() if socket.subprotocol == "loud" else text)

    @service.websocket("/sum")
    async def sums(socket: WebSocket[list[int], int]) -> None:
        async for numbers in socket:
            await socket.send(sum(numbers))

    @service.websocket("/count")
    async def count() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    @service.websocket("/secret")
    async def secret(socket: WebSocket[str, str]) -> None:
        raise PermissionDenied("not for you")

    @service.websocket("/named")
    async def named(socket: WebSocket[str, dict[str, str]], name: str) -> None:
        await socket.send({"name": name})

    return service


async def test_a_query_and_plain_values() -> None:
    """Parameters of the query are given as with any request; JSON needs no type."""
    async with (
        http_client(make()) as client,
        client.websocket("/named", params={"name": "Ada & Bob"}) as socket,
    ):
        assert await socket.receive_json() == {"name": "Ada & Bob"}


async def test_messages_go_both_ways() -> None:
    """Text out and in; at the end of the block both say goodbye."""
    async with http_client(make()) as client:
        async with client.websocket("/echo") as socket:
            await socket.send("hello")
            assert await socket.receive() == "hello"
        assert socket.close_code == 1000
        with pytest.raises(ClosedError):
            await socket.send("more")


async def test_a_subprotocol_and_compression_are_agreed_upon() -> None:
    """What the client offers and the route supports."""
    text = "quiet please " * 100
    async with http_client(make()) as client:
        asked = client.websocket("/echo", subprotocols=["loud"], compress=True)
        async with asked as socket:
            assert socket.subprotocol == "loud"
            assert b"sec-websocket-extensions" in dict(socket.fields)
            await socket.send(text)
            assert await socket.receive() == text.upper()


async def test_json_travels_as_values() -> None:
    """`send_json` and `receive_json` are for typed handlers."""
    async with http_client(make()) as client, client.websocket("/sum") as socket:
        await socket.send_json([1, 2, 3])
        assert await socket.receive_json(int) == 6


async def test_a_loop_ends_with_the_services_goodbye() -> None:
    """`async for` yields what came, and then there is nothing to receive."""
    async with http_client(make()) as client, client.websocket("/count") as socket:
        assert [message async for message in socket] == ["0", "1", "2"]
        assert socket.close_code == 1000
        with pytest.raises(EndOfStream, match="closed the WebSocket"):
            await socket.receive()


async def test_a_refusal_is_an_error_with_its_status() -> None:
    """An HTTP answer instead of a WebSocket: from the handler, or because there is none."""
    async with http_client(make()) as client:
        for path, status in (("/secret", 403), ("/nothing", 404)):
            with pytest.raises(UpstreamError, match=f"answered {status}") as caught:
                async with client.websocket(path):
                    pass
            assert caught.value.status == status


async def test_a_service_that_leaves_without_a_word() -> None:
    """The connection breaks: that is not a goodbye."""
    async with http_client(make()) as client:
        with pytest.raises(PeerGone):
            async with client.websocket("/echo") as socket:
                assert client._server is not None
                await client._server.aclose()
                await socket.receive()


async def test_a_sender_waits_for_a_service_that_does_not_read() -> None:
    """`send` returns when the connection has room again, or is gone."""
    service = make()
    go = asyncio.Event()

    @service.websocket("/slow")
    async def slow(socket: WebSocket[bytes, int]) -> None:
        await socket.open()
        await go.wait()
        total = 0
        while total < 2_000_000:
            total += len(await socket.receive())
        await socket.send(total)

    async with http_client(service) as client, client.websocket("/slow") as socket:
        sending = asyncio.create_task(_send_all(socket))
        await asyncio.sleep(1)
        assert not sending.done()
        go.set()
        await sending
        assert await socket.receive_json(int) == 2_000_000


async def _send_all(socket: TestSocket) -> None:
    for _ in range(20):
        await socket.send(b"x" * 100_000)


async def test_a_service_waits_for_a_test_that_does_not_receive() -> None:
    """It is held back after some messages, as by any slow client, and goes on when they are read."""
    service, sent = Service("flood"), 0

    @service.websocket("/flood")
    async def flood(socket: WebSocket[str, bytes]) -> None:
        nonlocal sent
        for _ in range(100):
            await socket.send(bytes(10_000))
            sent += 1

    async with (
        http_client(service) as client,
        client.websocket("/flood", compress=False) as socket,
    ):
        await asyncio.sleep(1)
        assert 0 < sent < 50
        assert len([message async for message in socket]) == 100


async def test_one_that_is_not_open_cannot_be_used() -> None:
    """A socket without a handshake has nobody to talk to."""
    with pytest.raises(ClosedError):
        await TestSocket(asyncio.get_running_loop()).receive()


@pytest.mark.real_loop
async def test_the_same_on_a_real_socket() -> None:
    """The client of `http_server` talks over WebSockets as well."""
    async with http_server(make()) as client, client.websocket("/echo") as socket:
        await socket.send("hello")
        assert await socket.receive() == "hello"
