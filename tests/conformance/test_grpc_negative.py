"""Servers that do what HTTP/2 allows and gRPC does not expect, over a socket: the cases of
grpc/grpc, doc/negative-http2-test-descriptions.md, by their names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from mainstay.rpc import Channel, Kind, RpcFailed
from mainstay.wire.envelopes import seal
from mainstay.wire.http2 import ErrorCode

pytestmark = pytest.mark.real_loop

REPLY: Final = bytes(60_000)
HEAD: Final = [(":status", "200"), ("content-type", "application/grpc")]
END: Final = [("grpc-status", "0")]
PATH: Final = "/grpc.testing.TestService/UnaryCall"


class Server:
    """Answers well but for what `case` says.

    Attributes:
        opened: connections.
        most: streams that were open at once.
        pings, acknowledged: that were sent and answered.
    """

    def __init__(self, case: str) -> None:
        self.case = case
        self.opened = 0
        self.most = 0
        self.pings = 0
        self.acknowledged = 0

    def connection(self) -> Link:
        self.opened += 1
        return Link(self)


class Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.streams: set[int] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.h2.initiate_connection()
        if self.server.case == "max_streams":
            one: dict[h2.settings.SettingCodes | int, int] = {
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1
            }
            self.h2.update_settings(one)
        self.flush()

    def flush(self) -> None:
        self.transport.write(self.h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                assert event.stream_id is not None
                self.streams.add(event.stream_id)
                self.server.most = max(self.server.most, len(self.streams))
                self.ping()
            elif isinstance(event, h2.events.DataReceived):
                assert event.stream_id is not None
                self.h2.acknowledge_received_data(
                    event.flow_controlled_length or 0, event.stream_id
                )
                self.ping()
            elif isinstance(event, h2.events.StreamEnded):
                assert event.stream_id is not None
                # Later, so that streams of one read would be seen as open at once.
                asyncio.get_running_loop().call_soon(self.answer, event.stream_id)
            elif isinstance(event, h2.events.PingAckReceived):
                self.server.acknowledged += 1
        self.flush()

    def ping(self) -> None:
        if self.server.case == "ping":
            self.server.pings += 1
            self.h2.ping(self.server.pings.to_bytes(8, "big"))

    def reset(self, stream: int) -> None:
        self.h2.reset_stream(stream, ErrorCode.NO_ERROR)
        self.flush()

    def answer(self, stream: int) -> None:
        case = self.server.case
        self.streams.discard(stream)
        self.ping()
        self.h2.send_headers(stream, HEAD)
        if case == "rst_after_header":
            self.reset(stream)
            return
        whole = seal(REPLY)
        for at in range(0, len(whole), 10_000):
            self.ping()
            self.h2.send_data(stream, whole[at : at + 10_000])
            if case == "rst_during_data":
                self.reset(stream)
                return
        if case == "rst_after_data":
            self.reset(stream)
            return
        self.ping()
        self.h2.send_headers(stream, END, end_stream=True)
        if case == "goaway":
            self.h2.close_connection()
        self.flush()


@asynccontextmanager
async def calling(case: str, **options: Any) -> AsyncIterator[tuple[Server, Channel, Any]]:
    """The server, a channel to it, and its one method."""
    server = Server(case)
    listening = await asyncio.get_running_loop().create_server(server.connection, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        async with Channel(f"tcp://127.0.0.1:{port}", **options) as channel:
            yield server, channel, channel.method_at(PATH, Kind.UNARY)
    finally:
        listening.close()
        await listening.wait_closed()


async def test_goaway() -> None:
    """The next call takes another connection, and none fails."""
    async with calling("goaway") as (server, _, method):
        for number in (1, 2, 3):
            assert await method(b"x" * 30_000) == REPLY
            assert server.opened == number


@pytest.mark.parametrize("case", ["rst_after_header", "rst_during_data", "rst_after_data"])
async def test_a_reset_is_a_failure(case: str) -> None:
    """Whatever came before it, and also with NO_ERROR; the connection serves the next call."""
    async with calling(case) as (server, _, method):
        for _ in range(2):
            with pytest.raises(RpcFailed, match="INTERNAL"):
                await method(b"x" * 30_000)
        assert server.opened == 1


async def test_ping() -> None:
    """Each PING between frames is acknowledged."""
    async with calling("ping") as (server, _, method):
        assert await method(b"x" * 30_000) == REPLY
        sent = server.pings
        assert sent > 5
        # The last ones are read with the end of the reply, so their answers may still be on the way.
        assert await method(b"") == REPLY
        assert server.acknowledged >= sent


async def test_max_streams() -> None:
    """Calls beyond what the server allows wait for their turn."""
    async with calling("max_streams", connections=1) as (server, _, method):
        assert await method(b"x") == REPLY
        replies = await asyncio.gather(*(method(b"x" * 5_000) for _ in range(15)))
        assert replies == [REPLY] * 15
        assert server.most == 1
        assert server.opened == 1
