"""An HTTP port on real sockets, answered by a function: what tests of connections run against."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from mainstay.core.wheel import Wheel
from mainstay.net.exchange import Exchange
from mainstay.net.limits import Limits
from mainstay.net.listener import Listener
from mainstay.net.port import Port
from mainstay.net.sniffing import Sniffer
from mainstay.wire.http1 import HeadParser

PATIENCE = 30.0
"""Seconds for what takes none, unless the machine is busy with something else."""


class App:
    """Answers each exchange in a task, or at once.

    Args:
        answer: an async function of the exchange, or a plain one.
    """

    def __init__(self, answer: Callable[[Exchange], Any]) -> None:
        self.answer = answer
        self.exchanges: list[Exchange] = []
        self.gone: list[str] = []
        self.errors: list[BaseException] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        exchange.gone = self.gone.append
        result = self.answer(exchange)
        if asyncio.iscoroutine(result):
            task = asyncio.get_running_loop().create_task(self._run(result))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _run(self, work: Any) -> None:
        try:
            await work
        except Exception as error:
            self.errors.append(error)


class Client:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def trickle(self, data: bytes, every: float) -> None:
        """Send a byte each so many seconds: what a slow peer is made of."""
        for byte in data:
            await asyncio.sleep(every)
            await self.send(bytes([byte]))

    async def until(self, end: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(end), PATIENCE)

    async def reply(self) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, fields and body of one reply with a length."""
        status, fields = await self.head()
        size = int(fields.get(b"content-length", b"0"))
        body = await asyncio.wait_for(self.reader.readexactly(size), PATIENCE)
        return status, fields, body

    async def head(self) -> tuple[int, dict[bytes, bytes]]:
        head = await self.until(b"\r\n\r\n")
        first, *lines = head[:-4].split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines)
        return int(first.split()[1]), fields

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE)

    async def aclose(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


class Site:
    """A port that serves."""

    def __init__(self, port: Port, app: App, listener: Listener) -> None:
        self.port = port
        self.app = app
        self.listener = listener
        self._clients: list[Client] = []

    async def connect(self, **options: Any) -> Client:
        number = self.listener.address.port
        client = Client(*await asyncio.open_connection("127.0.0.1", number, **options))
        self._clients.append(client)
        return client

    async def wait_for(self, condition: Callable[[], Any]) -> None:
        """Wait until `condition` holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - what it asks about has no event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(answer: Callable[[Exchange], Any], **limits: Any) -> AsyncIterator[Site]:
    """A port answered by `answer`; its clock is the loop's. At its end nothing may be in flight."""
    loop = asyncio.get_running_loop()
    app = App(answer)
    port = Port(app, Limits(**limits), Wheel(loop, loop.time), loop.time, time.time)
    bounds = port.limits
    parser = HeadParser(
        head_size=bounds.head_size,
        header_count=bounds.header_count,
        target_size=bounds.target_size,
    )
    listener = Listener("tcp://127.0.0.1:0")
    await listener.bind()
    listener.accept(lambda: Sniffer(port, parser, listener.release))
    site = Site(port, app, listener)
    try:
        yield site
    finally:
        await listener.aclose()
        for client in site._clients:
            await client.aclose()
        port.abort()
        for task in tuple(app.tasks):
            task.cancel()
        await site.wait_for(lambda: not port.connections)
        assert port.in_flight == 0
        assert listener.statistics().connections == 0
