"""Facts about `mainstay.net.listener` with TLS, on every loop it runs on."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from mainstay.net.listener import Listener
from mainstay.net.tls import ServerTls, TlsSettings
from tests.net.certificates import Authority
from tests.net.serving import PATIENCE

Loops = Callable[[], asyncio.AbstractEventLoop]

on_every_loop = pytest.mark.parametrize(
    "loop_factory",
    [asyncio.SelectorEventLoop, uvloop.new_event_loop],
    ids=["asyncio", "uvloop"],
)

# The first flight of a client that then says nothing.
HALF_A_RECORD = b"\x16\x03\x01\x02\x00\x01"


class Echo(asyncio.Protocol):
    """Sends back what it gets, and tells the listener when it ends."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.listener.release()


@pytest.fixture
def tls(tmp_path: Path) -> ServerTls:
    pair = Authority(tmp_path).issue("example.org")
    return ServerTls(TlsSettings(certificate=pair.certificate, key=pair.key))


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def begin(listener: Listener, tls: ServerTls, **options: Any) -> None:
    listener.accept(lambda: Echo(listener), ssl=tls.context, **options)


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    """A bound listener; at the end it is closed and every connection has gone."""
    listener = Listener("tcp://127.0.0.1:0")
    await listener.bind()
    try:
        yield listener
    finally:
        await listener.aclose()
        await until(lambda: listener.statistics().connections == 0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - statistics tell, and nobody else
            await asyncio.sleep(0.001)


def connected(listener: Listener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", listener.address.port), timeout=PATIENCE)


async def echoed(client: socket.socket) -> bool:
    """Whether the client gets through the handshake and is served; closes it."""
    reader, writer = await asyncio.open_connection(
        sock=client, ssl=client_context(), server_hostname="example.org"
    )
    try:
        writer.write(b"ping")
        return await reader.readexactly(4) == b"ping"
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@on_every_loop
async def test_a_client_is_served_after_the_handshake(loop_factory: Loops, tls: ServerTls) -> None:
    """The protocol begins with a transport whose handshake is done."""
    async with listening() as listener:
        begin(listener, tls)
        assert await echoed(connected(listener))


@on_every_loop
async def test_no_handshake_is_lost_by_a_stop(loop_factory: Loops, tls: ServerTls) -> None:
    """Stopped in every turn of the loop during handshakes, the listener serves all it accepted."""
    async with listening() as listener:
        served = 0
        for number in range(40):
            client = connected(listener)
            begin(listener, tls)
            asked = asyncio.create_task(echoed(client))
            for _ in range(number % 8):
                await asyncio.sleep(0)
            await listener.stop()
            if listener.statistics().accepted == number:  # still queued: nobody's loss
                begin(listener, tls)
            served += await asked
            await listener.stop()
        assert served == listener.statistics().accepted == 40


@on_every_loop
async def test_a_stop_waits_for_handshakes_and_no_longer_than_their_timeout(
    loop_factory: Loops, tls: ServerTls
) -> None:
    """A client that stalls in the handshake is given up, and its place released."""
    async with listening() as listener:
        begin(listener, tls, handshake_timeout=0.1)
        client = connected(listener)
        client.sendall(HALF_A_RECORD)
        await until(lambda: listener.statistics().accepted == 1)
        async with asyncio.timeout(PATIENCE):
            await listener.stop()
        assert listener.statistics().failed == 1
        assert listener.statistics().connections == 0
        client.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(client, 100) == b""
        client.close()


@on_every_loop
async def test_plaintext_is_no_handshake(loop_factory: Loops, tls: ServerTls) -> None:
    """A client that speaks HTTP to the TLS port is closed, and its place released."""
    async with listening() as listener:
        begin(listener, tls)
        client = connected(listener)
        client.sendall(b"GET / HTTP/1.1\r\nhost: example.org\r\n\r\n")
        await until(lambda: listener.statistics().failed == 1)
        assert listener.statistics().connections == 0
        client.close()


@on_every_loop
async def test_a_client_that_leaves_in_the_handshake_is_released(
    loop_factory: Loops, tls: ServerTls
) -> None:
    """Before its first byte, and in the middle."""
    async with listening() as listener:
        begin(listener, tls)
        connected(listener).close()
        with connected(listener) as client:
            client.sendall(HALF_A_RECORD)
        await until(lambda: listener.statistics().failed == 2)
        assert listener.statistics().connections == 0


@on_every_loop
async def test_a_broken_factory_costs_one_handshake(
    loop_factory: Loops, tls: ServerTls, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection is closed, logged and released; the next one is served."""
    async with listening() as listener:
        faults = [ZeroDivisionError("broken")]

        def factory() -> Echo:
            if faults:
                raise faults.pop()
            return Echo(listener)

        listener.accept(factory, ssl=tls.context)
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            await echoed(connected(listener))
        assert await echoed(connected(listener))
        await until(lambda: listener.statistics().failed == 1)
    assert "ZeroDivisionError: broken" in caplog.text


@on_every_loop
async def test_failed_handshakes_are_the_peer_s_affair(
    loop_factory: Loops, tls: ServerTls, caplog: pytest.LogCaptureFixture
) -> None:
    """They fill no log: anybody can cause them. With debugging on, the reason is told."""
    caplog.set_level(logging.DEBUG, "mainstay.net.listener")
    async with listening() as listener:
        begin(listener, tls)
        with connected(listener) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            await until(lambda: listener.statistics().failed == 1)
    ours = [record for record in caplog.records if record.name == "mainstay.net.listener"]
    assert [record.levelname for record in ours] == ["DEBUG"]
    assert "HTTP_REQUEST" in caplog.text
