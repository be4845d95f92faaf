"""Looks at the frames between a gRPC client and the service, and knows which calls were lost there.

A client may give up a call that it has never sent: grpcio does, with its retries off, when a GOAWAY
arrives between its choice of a connection and the first frame of the call. No server can answer
that call, and no error text tells it from one that the server has dropped. The wire does: a stream
that was opened there has to be answered there, or reset by the client itself.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from bench.restart.endpoint import Endpoint
from bench.restart.http2 import (
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    LAST_STREAM,
    PREFACE,
    RST_STREAM,
)
from bench.restart.processes import wait_until

__all__ = ["Frames", "Tap", "Wire"]

PIECE: Final = 2**16


class Frames:
    """Cuts one direction into frames. Args: bytes that come before the first."""

    def __init__(self, ahead: int = 0) -> None:
        self._ahead = ahead
        self._data = b""

    def feed(self, data: bytes) -> list[tuple[int, int, int, bytes]]:
        """Kind, flags, stream and payload of those that are whole by now."""
        self._data += data
        if self._ahead:
            if len(self._data) < self._ahead:
                return []
            self._data, self._ahead = self._data[self._ahead :], 0
        found = []
        while len(self._data) >= 9:
            size = 9 + int.from_bytes(self._data[:3])
            if len(self._data) < size:
                break
            head, payload = self._data[:9], self._data[9:size]
            stream = int.from_bytes(head[5:]) & LAST_STREAM
            found.append((head[3], head[4], stream, payload))
            self._data = self._data[size:]
        return found


class Wire:
    """What one connection has seen.

    Attributes:
        opened: streams that the client has opened.
        waiting: of those, the ones without the end of an answer.
        refused: of those, the ones that a GOAWAY or a reset of the server has refused.
    """

    def __init__(self) -> None:
        self.opened = 0
        self.waiting: set[int] = set()
        self.refused: set[int] = set()
        self._out, self._in = Frames(len(PREFACE)), Frames()
        self._seen: set[int] = set()

    def sent(self, data: bytes) -> None:
        """The client has sent that."""
        for kind, _, stream, _ in self._out.feed(data):
            if kind == HEADERS and stream not in self._seen:
                self._seen.add(stream)
                self.waiting.add(stream)
                self.opened += 1
            elif kind == RST_STREAM:
                self.waiting.discard(stream)

    def received(self, data: bytes) -> None:
        """The server has sent that."""
        for kind, flags, stream, payload in self._in.feed(data):
            if kind == GOAWAY:
                last = int.from_bytes(payload[:4]) & LAST_STREAM
                self.refused |= {each for each in self.waiting if each > last}
            elif kind == RST_STREAM and stream in self.waiting:
                self.refused.add(stream)
            elif kind in (DATA, HEADERS) and flags & END_STREAM:
                self.waiting.discard(stream)

    @property
    def lost(self) -> int:
        """Calls that have no answer, once the connection is closed."""
        return len(self.waiting | self.refused)


class Tap:
    """Passes connections on to the service, whose TLS it speaks for the client. Args: where it is.

    Attributes:
        opened: calls that were sent through it.
        lost: of those, the ones that got no answer on connections that are closed by now.
        connections: that were made.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._server: asyncio.Server | None = None
        self.opened = self.lost = self.connections = self._counted = 0

    async def open(self) -> Endpoint:
        """Listen; where the client has to connect to."""
        self._server = await asyncio.start_server(self._passed, "127.0.0.1", 0)
        return Endpoint(self._server.sockets[0].getsockname()[1])

    async def _passed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire()
        self.connections += 1
        with suppress(OSError):
            theirs, out = await self._endpoint.connect(self._endpoint.tls("h2"))
            back = asyncio.ensure_future(_pump(theirs, writer, wire.received))
            await _pump(reader, out, wire.sent)
            await back
        writer.close()
        self._counted += 1
        self.opened += wire.opened
        self.lost += wire.lost

    async def aclose(self) -> None:
        """Listen no more, and wait until every connection has been counted."""
        if self._server is not None:
            self._server.close()
        await wait_until(lambda: self.connections == self._counted, 5)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: object) -> None:
    """Pass on what comes, until its end."""
    assert callable(seen)
    with suppress(OSError):
        while data := await reader.read(PIECE):
            seen(data)
            writer.write(data)
    writer.close()
