"""A server that says what a test tells it to, byte by byte, over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Script: TypeAlias = Callable[["Talk"], Awaitable[None]]


@dataclass
class Talk:
    """One connection, as its server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    """Which connection of the server it is, from 1."""

    async def head(self) -> bytes:
        """The head of the next request. Raises IncompleteReadError when the client left."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def body(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    def answer(self, body: bytes = b"", *fields: bytes, status: int = 200) -> None:
        lines = b"".join(each + b"\r\n" for each in fields)
        self.say(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n%b\r\n" % (status, len(body), lines))
        self.say(body)

    async def wait_left(self) -> None:
        """Wait until the client is gone."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


@dataclass
class RawServer:
    """What a test can know of its server."""

    port: int = 0
    connections: int = 0
    open: int = 0
    heads: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def raw_server(
    script: Script, *, tls: ssl.SSLContext | None = None, path: Path | None = None
) -> AsyncIterator[RawServer]:
    """Serves until the block ends, and fails the test when a connection is left open by then."""
    made = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        made.open += 1
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await script(Talk(reader, writer, made.connections))
        finally:
            made.open -= 1
            writer.close()
            with suppress(ConnectionError, ssl.SSLError, TimeoutError):
                await writer.wait_closed()

    if path is not None:
        server = await asyncio.start_unix_server(run, path)
    else:
        server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=tls)
        made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks)


def always(body: bytes = b"ok", *fields: bytes) -> Script:
    """A script that answers every request without a body alike."""

    async def script(talk: Talk) -> None:
        while True:
            await talk.head()
            talk.answer(body, *fields)

    return script
