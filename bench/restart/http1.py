"""HTTP/1.1, by hand: fresh connections, kept ones, slow calls, uploads and streams.

No request is sent twice. A client that keeps connections honours ``connection: close``, and looks
whether a connection was closed before it takes it; what it cannot see is a close on its way.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Final

from bench.restart.endpoint import Endpoint, Streams
from bench.restart.outcomes import Failed, Outcome, Recorder, outcome_of

__all__ = ["Http1", "KeptConnections", "exchange", "request_head"]

TIMEOUT: Final = 15.0
"""Seconds for one exchange; what takes longer hangs."""

JUST_SENT: Final = 0.5
"""Seconds after the request within which a close was on its way already; a later one is a loss.
More than a server needs, as it may be kept from running between its last look and the close."""


@dataclass(frozen=True)
class Answer:
    """A reply that came whole.

    Attributes:
        body: of it.
        closes: whether the server wants the connection to end.
    """

    body: bytes
    closes: bool


def request_head(target: str, *fields: str, method: str = "GET") -> bytes:
    """The head of a request."""
    lines = [f"{method} {target} HTTP/1.1", "host: localhost", *fields, "", ""]
    return "\r\n".join(lines).encode()


class _Unanswered(Exception):
    """The connection ended before the first byte of the reply."""


async def exchange(streams: Streams, request: bytes, body: bytes = b"") -> Answer:
    """Send one request and read its reply. Raises: what `outcome_of` knows, and `_Unanswered`."""
    reader, writer = streams
    try:
        writer.write(request + body)
        await writer.drain()
        return await read_answer(reader)
    except (ConnectionResetError, BrokenPipeError) as error:
        raise _Unanswered(str(error)) from error


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """The reply that comes next."""
    head = b""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        fields = dict(_field(line) for line in head.split(b"\r\n")[1:-2])
        if fields.get(b"transfer-encoding") == b"chunked":
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
    except asyncio.IncompleteReadError as error:
        if not head and not error.partial:
            raise _Unanswered("closed without an answer") from error
        raise Failed(Outcome.CUT, f"closed in the middle of the reply {head[:30]!r}") from error
    except ConnectionResetError as error:
        if head:
            raise Failed(Outcome.RESET, "reset in the middle of the reply") from error
        raise
    if status != 200:
        raise Failed(Outcome.ERROR, f"status {status}: {body[:200]!r}")
    return Answer(body, fields.get(b"connection", b"").lower() == b"close")


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        chunk = await reader.readexactly(size + 2)
        if size == 0:
            return body
        body += chunk[:-2]


class Http1:
    """Requests of HTTP/1.1, each on a connection of its own.

    Args:
        endpoint: of the service.
        recorder: learns which processes answer.
    """

    def __init__(self, endpoint: Endpoint, recorder: Recorder) -> None:
        self._endpoint = endpoint
        self._recorder = recorder
        self._tls = endpoint.tls("http/1.1")

    async def fresh(self) -> None:
        """Connect, ask, and close."""
        answer = await self._once(request_head("/quick", "connection: close"))
        self._recorder.pids.add(json.loads(answer.body)["pid"])

    async def slow(self) -> None:
        """A call that takes two seconds."""
        await self._once(request_head("/slow?seconds=2"))

    async def stream(self) -> None:
        """A reply that takes two seconds to stream, and has to be whole."""
        answer = await self._once(request_head("/stream?seconds=2"))
        if answer.body != b"".join(b"%07d\n" % number for number in range(20)):
            raise Failed(Outcome.CUT, f"the stream brought {len(answer.body)} bytes")

    async def upload(self) -> None:
        """An upload that is sent over two seconds, read slowly, and has to arrive whole."""
        pieces, piece = 20, b"x" * 8192
        size = pieces * len(piece)
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await self._endpoint.connect(self._tls)
            try:
                writer.write(request_head("/upload", f"content-length: {size}", method="POST"))
                for _ in range(pieces):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(2 / pieces)
                answer = await read_answer(reader)
            except _Unanswered as error:
                raise Failed(Outcome.CUT, str(error)) from error
            finally:
                writer.close()
        got = int(json.loads(answer.body)["value"])
        if got != size:
            raise Failed(Outcome.CUT, f"{got} of {size} bytes arrived")

    async def _once(self, request: bytes) -> Answer:
        async with asyncio.timeout(TIMEOUT):
            streams = await self._endpoint.connect(self._tls)
            try:
                return await exchange(streams, request)
            except _Unanswered as error:
                # The connection was there, so somebody has it, and has dropped it.
                reset = isinstance(error.__cause__, OSError)
                outcome = Outcome.RESET if reset else Outcome.CUT
                raise Failed(outcome, str(error)) from error
            finally:
                streams[1].close()


class _Late:
    """Whether a connection was still open `JUST_SENT` seconds from now.

    Not by a look at the clock when the end is heard of: this process may have stood still meanwhile.
    asyncio hands over what has arrived before it calls timers, however late both are.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.known = False
        self._reader = reader
        self._timer = asyncio.get_running_loop().call_later(JUST_SENT, self._look)

    def _look(self) -> None:
        self.known = not (self._reader.at_eof() or self._reader.exception())

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()


class KeptConnections:
    """Requests on connections that are kept, as browsers and proxies do.

    Args:
        endpoint: of the service.
        recorder: learns which processes answer, and when the server asks to leave.
        kind: under which that is counted.
        size: connections to have open; a request opens another one while there are fewer.
    """

    def __init__(self, endpoint: Endpoint, recorder: Recorder, kind: str, size: int = 8) -> None:
        self._endpoint = endpoint
        self._recorder = recorder
        self._kind = kind
        self._size = size
        self._busy = 0
        self._idle: list[Streams] = []
        self._tls = endpoint.tls("http/1.1")

    async def request(self) -> None:
        """Ask on the connection that has been idle for longest, or on a new one."""
        self._busy += 1
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._request()
        finally:
            self._busy -= 1

    async def _request(self) -> None:
        streams = self._take()
        used = streams is not None
        if streams is None:
            streams = await self._endpoint.connect(self._tls)
        kept = False
        late = _Late(streams[0])
        try:
            answer = await exchange(streams, request_head("/quick"))
            kept = not answer.closes
        except _Unanswered as error:
            if used and not late.known:
                raise Failed(Outcome.IDLE_CLOSED, str(error)) from error
            raise Failed(outcome_of(error.__cause__ or error), str(error)) from error
        finally:
            late.stop()
            if kept:
                self._idle.append(streams)
            else:
                streams[1].close()
        if not kept:
            self._recorder.tally(self._kind).left += 1
        self._recorder.pids.add(json.loads(answer.body)["pid"])

    def _take(self) -> Streams | None:
        # `_busy` counts the request that asks.
        while self._idle and len(self._idle) + self._busy > self._size:
            # The oldest: the more of them are idle at a time, the harder for the server.
            streams = self._idle.pop(0)
            if not streams[0].at_eof() and not streams[1].is_closing():
                return streams
            streams[1].close()
        return None

    async def aclose(self) -> None:
        """Close what is idle."""
        for streams in self._idle:
            streams[1].close()
        self._idle.clear()
