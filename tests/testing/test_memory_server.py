"""A whole service behind a server that keeps its connections in memory."""

import asyncio

import pytest

from mainstay.errors import BrokenError, UsageError
from mainstay.net.client_http2 import Http2Connection
from mainstay.net.client_limits import ClientLimits
from mainstay.net.origin import Origin
from mainstay.net.outgoing import Shared
from mainstay.service.service import Service
from mainstay.testing.memory_server import MemoryDialer, serve_in_memory
from tests.net.client_connections import Owner


def make() -> Service:
    service = Service("site")

    @service.get("/hello")
    async def hello() -> str:
        return "hello"

    return service


async def test_it_serves_and_counts_connections() -> None:
    """A connection of a client is one of the server, until it is closed."""
    async with serve_in_memory(make()) as (running, server):
        assert running.addresses == ["memory"]
        dialer = MemoryDialer(Shared(ClientLimits()), server, Http2Connection)
        made = await dialer.dial(Origin("http", "anywhere.example", 80), Owner())
        assert server.statistics().connections == 1
        assert repr(server) == "<MemoryServer connections=1>"
        await made.aclose()
        assert server.statistics().connections == 0


async def test_a_server_that_does_not_accept_refuses() -> None:
    """After `stop_accepting` it is as a socket that nobody listens on, and a client is told so."""
    async with serve_in_memory(make()) as (_, server):
        await server.stop_accepting()
        with pytest.raises(ConnectionRefusedError):
            server.connect(asyncio.Protocol())
        dialer = MemoryDialer(Shared(ClientLimits()), server, Http2Connection)
        with pytest.raises(BrokenError, match=r"cannot connect to .*: .* accept"):
            await dialer.dial(Origin("http", "site.example", 80), Owner())


async def test_a_service_that_answers_nothing_is_refused() -> None:
    """There is nothing that a connection would be good for."""
    with pytest.raises(UsageError, match="no route"):
        async with serve_in_memory(Service("mute")):
            raise AssertionError
