"""HTTP/2, by hand, as a careful client speaks it: frames of RFC 9113, and no request sent twice.

After a GOAWAY it opens no stream on the connection, and the next request takes another one. A
stream above the last one that a GOAWAY names was never seen by the server (§6.8): a client with
retries would send it again; here it is a loss, since a server that says GOAWAY twice never needs
it.
"""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from hpack import Decoder, Encoder

from bench.restart.endpoint import Endpoint, Streams
from bench.restart.outcomes import Failed, Outcome, Recorder, outcome_of

__all__ = ["Http2Connections"]

TIMEOUT: Final = 15.0
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM = ACK = 1
END_HEADERS: Final = 4
LAST_STREAM: Final = 2**31 - 1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame (RFC 9113 §4.1)."""
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


@dataclass
class _Reply:
    done: asyncio.Future[None]
    status: str = ""
    body: bytearray = field(default_factory=bytearray)


class _Connection:
    """One connection, and the task that reads it."""

    def __init__(self, streams: Streams) -> None:
        self._reader, self._writer = streams
        self._encoder, self._decoder = Encoder(), Decoder()
        self._next = 1
        self._replies: dict[int, _Reply] = {}
        self.leaving = self.told = False
        self.answered = 0
        self.closed = False
        window = struct.pack(">HI", 4, 2**20)
        self._writer.write(PREFACE + frame(SETTINGS, 0, 0, window))
        self._task = asyncio.get_running_loop().create_task(self._read(), name="read HTTP/2")

    async def request(self, path: str) -> bytes:
        """Send one, and return the body of its reply. Raises: Failed."""
        stream, self._next = self._next, self._next + 2
        reply = self._replies[stream] = _Reply(asyncio.get_running_loop().create_future())
        fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", path),
        ]
        block = self._encoder.encode(fields)
        self._writer.write(frame(HEADERS, END_STREAM | END_HEADERS, stream, block))
        try:
            await reply.done
        finally:
            del self._replies[stream]
        if reply.status != "200":
            raise Failed(Outcome.ERROR, f"status {reply.status}")
        self.answered += 1
        return bytes(reply.body)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _read(self) -> None:
        error: Exception = Failed(Outcome.CUT, "the connection ended before the answer")
        try:
            while True:
                head = await self._reader.readexactly(9)
                size = int.from_bytes(head[:3])
                stream = int.from_bytes(head[5:9]) & LAST_STREAM
                self._received(head[3], head[4], stream, await self._reader.readexactly(size))
        except asyncio.IncompleteReadError:
            pass
        except Exception as found:
            error = Failed(outcome_of(found), f"the connection was lost: {found!r}")
        finally:
            self.closed = self.leaving = True
            self._writer.close()
            for reply in self._replies.values():
                if not reply.done.done():
                    reply.done.set_exception(error)

    def _received(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        reply = self._replies.get(stream)
        if kind == SETTINGS and not flags & ACK:
            self._writer.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self._writer.write(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self._told_to_leave(*struct.unpack(">II", payload[:8]))
        elif kind == HEADERS:
            fields: dict[Any, Any] = dict(self._decoder.decode(payload))
            if reply is not None:
                reply.status = str(fields.get(":status", reply.status))
        elif kind == DATA:
            if payload:
                credit = struct.pack(">I", len(payload))
                self._writer.write(frame(WINDOW_UPDATE, 0, 0, credit))
            if reply is not None:
                reply.body += payload
        elif kind == RST_STREAM and reply is not None and not reply.done.done():
            code = int.from_bytes(payload)
            reply.done.set_exception(Failed(Outcome.RESET, f"stream reset with code {code}"))
        ended = kind in (HEADERS, DATA) and flags & END_STREAM
        if ended and reply is not None and not reply.done.done():
            reply.done.set_result(None)

    def _told_to_leave(self, last: int, code: int) -> None:
        self.leaving = self.told = True
        for number, reply in self._replies.items():
            if number > last and not reply.done.done():
                reply.done.set_exception(
                    Failed(Outcome.RESET, f"GOAWAY {code} has refused stream {number}, last {last}")
                )


class Http2Connections:
    """Requests on a few connections that stay.

    Args:
        endpoint: of the service.
        recorder: learns which processes answer, and when the server asks to leave.
        kind: under which that is counted.
        size: how many.
    """

    def __init__(self, endpoint: Endpoint, recorder: Recorder, kind: str, size: int = 3) -> None:
        self._endpoint = endpoint
        self._recorder = recorder
        self._kind = kind
        self._tls = endpoint.tls("h2")
        self._connections: list[_Connection | None] = [None] * size
        self._opening = [asyncio.Lock() for _ in range(size)]
        self._turn = 0

    async def request(self) -> None:
        """Ask on the connection whose turn it is."""
        self._turn = turn = (self._turn + 1) % len(self._connections)
        async with asyncio.timeout(TIMEOUT):
            connection = await self._connection(turn)
            used = connection.answered
            sent = asyncio.get_running_loop().time()
            try:
                body = await connection.request("/quick")
            except Failed as error:
                # Nothing said GOAWAY: the server closed while the request was on its way.
                late = asyncio.get_running_loop().time() - sent
                if used and error.outcome is Outcome.CUT and connection.closed and late < 0.1:
                    raise Failed(Outcome.IDLE_CLOSED, error.detail) from error
                raise
        self._recorder.pids.add(json.loads(body)["pid"])

    async def _connection(self, turn: int) -> _Connection:
        async with self._opening[turn]:
            connection = self._connections[turn]
            if connection is not None and not connection.leaving:
                return connection
            if connection is not None and connection.told:
                self._recorder.tally(self._kind).left += 1
            found = _Connection(await self._endpoint.connect(self._tls))
            self._connections[turn] = found
            return found

    async def aclose(self) -> None:
        """Hang up."""
        for connection in self._connections:
            if connection is not None:
                connection.close()
                with suppress(TimeoutError):
                    await asyncio.wait_for(connection._task, 1)
