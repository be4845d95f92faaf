"""The HTTP server keeps the contract of servers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from mainstay.core.call import Call
from mainstay.http.app import HttpApplication
from mainstay.http.endpoint import Endpoint
from mainstay.http.response import Response
from mainstay.http.router import Router
from mainstay.http.server import HttpServer
from mainstay.interfaces.server import Server
from mainstay.net.limits import Limits
from mainstay.testing.contracts.server import ServerConnection, ServerContract

OK = 200


class Connection:
    """A client that asks by GET, with the text as the path."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def begin(self, text: str) -> None:
        self._writer.write(f"GET /{quote(text)} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await self._writer.drain()

    async def trickle(self) -> None:
        self._writer.write(b"G")
        await self._writer.drain()

    async def answer(self) -> str:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        status = int(head.split()[1])
        size = int(head.partition("content-length: ")[2].split()[0])
        body = (await self._reader.readexactly(size)).decode()
        if status != OK:
            raise RuntimeError(body)
        return body

    async def wait_closed(self) -> None:
        with suppress(ConnectionError):
            while await self._reader.read(65536):
                pass

    async def aclose(self) -> None:
        self._writer.transport.abort()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


class TestHttpServer(ServerContract):
    def make_server(self, *addresses: str, **options: float) -> Server:
        limits: dict[str, Any] = {"lame_duck": 0.05}
        if "flush_timeout" in options:
            # It holds for whole replies on open connections too, so the tests need some of it, and
            # a busy machine some more.
            limits["write_timeout"] = 10 * options["flush_timeout"]
        if "idle_timeout" in options:
            limits["header_timeout"] = limits["keep_alive"] = options["idle_timeout"]
        router: Router[Endpoint] = Router()
        endpoint = Endpoint("GET /{text}")
        router.add("GET", "/{text}", endpoint)
        return HttpServer(addresses, HttpApplication(router, [endpoint]), limits=Limits(**limits))

    async def connect(self, address: str) -> ServerConnection:
        number = int(address.rpartition(":")[2])
        return Connection(*await asyncio.open_connection("127.0.0.1", number, limit=1000))

    def text_of(self, call: Call) -> str:
        return str(call.request.path[1:])

    def reply(self, text: str) -> Any:
        return Response(text)
