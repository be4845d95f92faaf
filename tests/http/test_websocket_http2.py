"""Facts about WebSockets of `mainstay.http` over HTTP/2 (RFC 8441), against a client made of `h2`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from mainstay.errors import Unauthenticated
from mainstay.http.websocket import WebSocket
from mainstay.wire.websocket import Closed, WebSocketWire
from mainstay.wire.websocket_handshake import offer, read_agreement
from tests.http.test_websocket_sockets import Site, echo, talking
from tests.net.serving import PATIENCE

Raw = WebSocket[str | bytes, str | bytes]


class Http2Client:
    """One connection with one stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self.h2 = h2.connection.H2Connection(config)
        self.wire = WebSocketWire(client=True, max_size=None)
        self.fields: list[tuple[bytes, bytes]] = []
        self.ended = ""
        self.stream = 0

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def read(self) -> None:
        """Take what comes next."""
        data = await asyncio.wait_for(self.reader.read(65536), PATIENCE)
        if not data:
            self.ended = self.ended or "closed"
            return
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.fields = list(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.h2.acknowledge_received_data(event.flow_controlled_length, self.stream)
                if event.data:
                    self.wire.receive_data(event.data)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended = "ended"
            elif isinstance(event, h2.events.StreamReset) and event.error_code:
                self.ended = "reset"  # without an error it only hurries us to end our side
        self.flush()

    async def open(self) -> int:
        """Ask for a WebSocket; the status."""
        self.h2.initiate_connection()
        self.flush()
        setting = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
        while not self.h2.remote_settings.get(setting):
            await self.read()
        self.stream = self.h2.get_next_available_stream_id()
        head: list[Any] = [
            (b":method", b"CONNECT"),
            (b":protocol", b"websocket"),
            (b":scheme", b"http"),
            (b":path", b"/talk"),
            (b":authority", b"example.org"),
        ]
        self.h2.send_headers(self.stream, [*head, *offer(b"")])
        self.flush()
        while not self.fields:
            await self.read()
        fields = [pair for pair in self.fields if not pair[0].startswith(b":")]
        status = int(dict(self.fields)[b":status"])
        if status == 200:
            _, extension = read_agreement(fields, b"")
            self.wire = WebSocketWire(client=True, max_size=None, extension=extension)
        return status

    async def send(self) -> None:
        """What the WebSocket has to say, as the windows allow."""
        data = self.wire.data_to_send()
        while data:
            room = min(
                self.h2.local_flow_control_window(self.stream), self.h2.max_outbound_frame_size
            )
            if room:
                self.h2.send_data(self.stream, data[:room])
                data = data[room:]
                self.flush()
            else:
                await self.read()

    async def hears(self) -> Any:
        """The next message or news."""
        while (event := self.wire.next_event()) is None:
            assert not self.ended
            await self.read()
        return event


async def full(client: Http2Client) -> None:
    """Wait until the windows let nothing more through."""
    async with asyncio.timeout(PATIENCE):
        while client.h2.local_flow_control_window(client.stream):  # noqa: ASYNC110 - h2 tells
            await asyncio.sleep(0.001)


@asynccontextmanager
async def connected(site: Site) -> AsyncIterator[Http2Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.number)
    try:
        yield Http2Client(reader, writer)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.real_loop
async def test_messages_travel_in_a_stream() -> None:
    """Short and long ones, compressed; and the goodbye ends the stream, not the connection."""
    async with talking(echo) as site, connected(site) as client:
        assert await client.open() == 200
        for message in ("hello", "x" * 300_000, b"\0" * 100_000):
            client.wire.send(message)
            await client.send()
            assert await client.hears() == message
        client.wire.close(4000, "enough")
        await client.send()
        assert await client.hears() == Closed(4000, "enough", clean=True)
        while not client.ended:
            await client.read()
        assert client.ended == "ended"


@pytest.mark.real_loop
async def test_a_refusal_is_a_plain_answer() -> None:
    """An error before the accept has its status."""

    async def refuse(socket: Raw) -> None:
        raise Unauthenticated("who are you?")

    async with talking(refuse) as site, connected(site) as client:
        assert await client.open() == 401


@pytest.mark.real_loop
async def test_a_reset_is_a_peer_that_is_gone() -> None:
    """The handler is cancelled; other streams of the connection have nothing to do with it."""
    ended = asyncio.Event()

    async def brooding(socket: Raw) -> None:
        await socket.open()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async with talking(brooding) as site, connected(site) as client:
        assert await client.open() == 200
        client.h2.reset_stream(client.stream, 8)
        client.flush()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()


@pytest.mark.real_loop
async def test_a_handler_that_does_not_receive_closes_the_window() -> None:
    """What the peer can send is bounded by the windows; all of it arrives in the end."""
    go = asyncio.Event()
    received: list[int] = []

    async def slow(socket: Raw) -> None:
        await socket.open()
        await go.wait()
        async for message in socket:
            received.append(len(message))
            if len(received) == 20:
                await socket.send("all of it")

    async with talking(slow, read_buffer=20_000) as site, connected(site) as client:
        assert await client.open() == 200
        client.wire._extensions = []  # as a client without compression
        for _ in range(20):
            client.wire.send(b"x" * 100_000)
        sending = asyncio.create_task(client.send())
        await full(client)
        stopped = sending.done()
        go.set()
        await asyncio.wait_for(sending, PATIENCE)
        assert await client.hears() == "all of it"
        assert not stopped
        client.wire.close()
        await client.send()


@pytest.mark.real_loop
async def test_a_drain_sends_the_peer_away() -> None:
    """1001 in the stream."""
    async with talking(echo) as site, connected(site) as client:
        assert await client.open() == 200
        site.calls.drain()
        assert await client.hears() == Closed(1001, "the service is stopping", clean=True)
