"""Facts about the HTTP server: the contract of servers, its addresses, its drain."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path
from typing import Any

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import ConfigError, ResourceError, UsageError
from mainstay.http.app import HttpApplication
from mainstay.http.endpoint import Endpoint
from mainstay.http.response import Response
from mainstay.http.router import Router
from mainstay.http.server import HttpServer
from mainstay.net.limits import Limits
from mainstay.net.tls import TlsSettings
from tests.http.site import running
from tests.net.certificates import Authority
from tests.net.serving import PATIENCE

pytestmark = pytest.mark.real_loop


def application() -> HttpApplication:
    """One route for everything, answered by the handler that the server is opened with."""
    router: Router[Endpoint] = Router()
    endpoint = Endpoint("GET /")
    router.add("GET", "/", endpoint)
    return HttpApplication(router, [endpoint])


async def hello(call: Any) -> Response:
    """Says who called."""
    return Response(f"{call.transport} {call.request.scheme} {call.scope.peer.address[:9]}")


async def fetch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The whole reply to a GET."""
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    await writer.drain()
    reply = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return reply


async def test_it_listens_on_several_addresses(tmp_path: Path) -> None:
    """TCP and Unix at once; the port that 0 became is told."""
    path = str(tmp_path / "s")
    server = HttpServer(["tcp://127.0.0.1:0", f"unix:{path}"], application())
    with Scope("service", parent=None) as scope:
        addresses = await server.open(hello, scope)
        try:
            server.accept()
            number = int(addresses[0].rpartition(":")[2])
            assert addresses[1] == f"unix:{path}"
            by_tcp = await fetch(*await asyncio.open_connection("127.0.0.1", number))
            by_unix = await fetch(*await asyncio.open_unix_connection(path))
        finally:
            await server.aclose()
    assert by_tcp.endswith(b"http http 127.0.0.1")
    assert by_unix.endswith(b"http http unix")
    assert not os.path.exists(path)  # noqa: ASYNC240, PTH110 - one look


async def test_it_speaks_tls(tmp_path: Path) -> None:
    """The scheme says so, and the certificate is the one of the settings."""
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    tls = TlsSettings(certificate=pair.certificate, key=pair.key)
    server = HttpServer(["tcp://127.0.0.1:0"], application(), tls=tls)
    context = ssl.create_default_context(cafile=authority.path)
    with Scope("service", parent=None) as scope:
        (address,) = await server.open(hello, scope)
        server.accept()
        try:
            number = int(address.rpartition(":")[2])
            reply = await fetch(
                *await asyncio.open_connection(
                    "127.0.0.1", number, ssl=context, server_hostname="localhost"
                )
            )
        finally:
            await server.aclose()
    assert reply.endswith(b"http https 127.0.0.1")


async def test_what_cannot_be_bound_leaves_nothing_bound() -> None:
    """The second address is in use: the first is free again."""
    with Scope("service", parent=None) as scope:
        first = HttpServer(["tcp://127.0.0.1:0"], application())
        (taken,) = await first.open(hello, scope)
        second = HttpServer(["tcp://127.0.0.1:0", taken], application())
        with pytest.raises(ResourceError, match="somebody listens there already"):
            await second.open(hello, scope)
        free = str(second._listeners[0].address)
        third = HttpServer([free], application())
        assert await third.open(hello, scope) == [free]
        await third.aclose()
        await first.aclose()


async def test_it_is_opened_once_and_needs_an_address() -> None:
    """Anything else is a mistake of the program."""
    with pytest.raises(UsageError, match="needs an address"):
        HttpServer([], application())
    server = HttpServer(["tcp://127.0.0.1:0"], application())
    with pytest.raises(UsageError, match="not open"):
        server.accept()
    with Scope("service", parent=None) as scope:
        await server.open(hello, scope)
        with pytest.raises(UsageError, match="opened before"):
            await server.open(hello, scope)
        await server.aclose()
        await server.aclose()


async def test_a_certificate_that_is_not_there_fails_the_start() -> None:
    """With the file's name."""
    tls = TlsSettings(certificate="/nowhere/cert.pem")
    server = HttpServer(["tcp://127.0.0.1:0"], application(), tls=tls)
    with (
        Scope("service", parent=None) as scope,
        pytest.raises(ConfigError, match=r"/nowhere/cert\.pem"),
    ):
        await server.open(hello, scope)


async def test_a_drain_answers_what_is_under_way_and_ends() -> None:
    """Calls finish, idle connections are closed, and then it returns."""
    go = asyncio.Event()

    async def wait(call: Any) -> Response:
        await go.wait()
        return Response("done")

    async with running({"GET /": wait, "GET /idle": hello}) as site:
        idle = await site.connect()
        await idle.send(b"GET /idle HTTP/1.1\r\nHost: a\r\n\r\n")
        await idle.reply()
        getting = asyncio.ensure_future(site.get("/"))
        await site.wait_in_flight()
        await site.server.stop_accepting()
        draining = asyncio.ensure_future(site.server.drain())
        assert await idle.rest() == b""
        await site.wait_for(lambda: site.server.statistics().connections == 1)
        assert not draining.done()
        assert site.server.statistics().in_flight == 1
        go.set()
        assert (await getting)[2] == b"done"
        await asyncio.wait_for(draining, PATIENCE)
        assert site.server.statistics().connections == 0


async def test_who_connects_during_a_drain_is_refused(tmp_path: Path) -> None:
    """At once, rather than left in a queue until the last call has ended; the path of a Unix socket
    is gone as well."""
    came, go = asyncio.Event(), asyncio.Event()
    path = str(tmp_path / "s")

    async def wait(call: Any) -> Response:
        came.set()
        await go.wait()
        return Response("done")

    server = HttpServer(["tcp://127.0.0.1:0", f"unix:{path}"], application())
    with Scope("service", parent=None) as scope:
        number = int((await server.open(wait, scope))[0].rpartition(":")[2])
        server.accept()
        try:
            streams = await asyncio.open_connection("127.0.0.1", number)
            getting = asyncio.ensure_future(fetch(*streams))
            await came.wait()
            await server.stop_accepting()
            draining = asyncio.ensure_future(server.drain())
            for _ in range(10):
                await asyncio.sleep(0)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", number)
            with pytest.raises(FileNotFoundError):
                await asyncio.open_unix_connection(path)
            go.set()
            assert (await getting).endswith(b"done")
            await draining
        finally:
            await server.aclose()


async def test_closing_ends_calls_at_once() -> None:
    """Without a drain, whoever is connected is cut off and its call cancelled."""
    ended = asyncio.Event()

    async def wait(call: Any) -> Response:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return Response("never")

    async with running({"GET /": wait}) as site:
        client = await site.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await site.wait_in_flight()
        await site.server.aclose()
        await asyncio.wait_for(ended.wait(), PATIENCE)


async def test_connections_have_a_limit() -> None:
    """One more waits in the queue until another closes."""
    async with running({"GET /": hello}, connections=1) as site:
        first, second = await site.connect(), await site.connect()
        for client in (first, second):
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await first.reply())[0] == 200
        waiting = asyncio.ensure_future(second.reply())
        # Another round on the first: whatever could be accepted was, by then.
        await first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await first.reply())[0] == 200
        assert site.server.statistics().connections == 1
        assert not waiting.done()
        await first.aclose()
        assert (await waiting)[0] == 200


def test_limits_are_positive() -> None:
    """A bound of nothing is a mistake, and None is no bound."""
    with pytest.raises(ValueError, match="body_size"):
        Limits(body_size=0)
    assert Limits(body_size=None).body_size is None
