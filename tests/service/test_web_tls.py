"""A WebSocket over TLS, on asyncio's own loop: how its connection ends."""

import asyncio
import socket
import ssl
import struct
from pathlib import Path

import pytest

from mainstay import Service, Settings
from mainstay.http import WebSocket
from mainstay.http.settings import HttpSettings
from mainstay.net.tls import TlsSettings
from tests.net.certificates import Authority
from tests.net.serving import PATIENCE
from tests.process.crew import until
from tests.service.parts import running
from tests.unseen import listen

pytestmark = pytest.mark.real_loop

UPGRADE = (
    b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize("reset", [True, False])
async def test_a_peer_that_leaves_leaves_nothing_behind(tmp_path: Path, reset: bool) -> None:
    """Neither its connection nor a complaint of the loop."""
    complaints = listen()
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    service = Service("s")

    @service.websocket("/echo")
    async def echo(peer: WebSocket[str, str]) -> None:
        async for message in peer:
            await peer.send(message)

    def come_and_go(port: int) -> None:
        context = ssl.create_default_context(cafile=authority.path)
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(UPGRADE)
            assert client.recv(1000).startswith(b"HTTP/1.1 101 ")
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    tls = TlsSettings(certificate=pair.certificate, key=pair.key)
    settings = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",), tls=tls))
    async with running(service, settings=settings) as life:
        port = int(life.addresses[0].rpartition(":")[2])
        await asyncio.to_thread(come_and_go, port)
        await until(lambda: not life.numbers().connections)
    assert complaints() == []
