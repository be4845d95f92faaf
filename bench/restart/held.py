"""Conversations that are held across restarts: a WebSocket, a stream of gRPC, a feed of events.

The service tells them to leave; they come back, and go on where they were. Numbers are sent at a
fixed rate, and each has to come back, counted from when it was due. One that was under way when the
service said goodbye is sent again on the next connection, and counted as that; an end without a
goodbye is a failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from bench.restart.endpoint import Endpoint
from bench.restart.grpc import Grpc
from bench.restart.http1 import request_head
from bench.restart.outcomes import Failed, Outcome, Recorder, outcome_of
from bench.restart.processes import wait_until

__all__ = ["Conversation", "Feed", "GrpcTalk", "Talk", "WebSocketTalk"]

GOODBYES: Final = (1001, 1012)
HANG: Final = 15.0


class Talk(Protocol):
    """One connection of a conversation."""

    async def open(self) -> None:
        """Connect. Raises: what `outcome_of` knows."""

    async def send(self, number: int) -> None:
        """Send one; it may be lost when the service is saying goodbye."""

    async def receive(self) -> int | None:
        """The next one, or None when the service has said goodbye. Raises: Failed."""

    async def close(self) -> None:
        """Hang up."""


class WebSocketTalk:
    """Over a WebSocket; the goodbye is close code 1012, or 1001."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._socket: ClientConnection | None = None

    async def open(self) -> None:
        """See `Talk`."""
        context = self._endpoint.tls("http/1.1")
        scheme = "ws" if context is None else "wss"
        try:
            if self._endpoint.path:
                uri = f"{scheme}://localhost/echo"
                self._socket = await unix_connect(
                    self._endpoint.path, uri, ssl=context, compression=None
                )
            else:
                uri = f"{scheme}://127.0.0.1:{self._endpoint.port}/echo"
                self._socket = await connect(uri, ssl=context, compression=None, proxy=None)
        except (InvalidMessage, EOFError) as error:
            raise Failed(Outcome.CUT, f"no WebSocket: {error!r}") from error
        except InvalidHandshake as error:
            raise Failed(Outcome.ERROR, f"no WebSocket: {error!r}") from error

    async def send(self, number: int) -> None:
        """See `Talk`."""
        assert self._socket is not None
        await self._socket.send(str(number))

    async def receive(self) -> int | None:
        """See `Talk`."""
        assert self._socket is not None
        try:
            return int(await self._socket.recv())
        except ConnectionClosed as error:
            code = None if error.rcvd is None else error.rcvd.code
            if code in GOODBYES:
                return None
            raise Failed(Outcome.CUT, f"the WebSocket ended with {code}: {error}") from error

    async def close(self) -> None:
        """See `Talk`."""
        if self._socket is not None:
            await self._socket.close()


class GrpcTalk:
    """Over a stream of gRPC in both directions; the goodbye is status OK."""

    def __init__(self, grpc: Grpc) -> None:
        self._grpc = grpc
        self._out: asyncio.Queue[int | None] = asyncio.Queue()
        self._replies: AsyncIterator[int] | None = None

    async def open(self) -> None:
        """See `Talk`."""
        self._out = asyncio.Queue()
        self._replies = self._grpc.talk(self._messages(self._out))

    async def _messages(self, queue: asyncio.Queue[int | None]) -> AsyncIterator[int]:
        while (number := await queue.get()) is not None:
            yield number

    async def send(self, number: int) -> None:
        """See `Talk`."""
        self._out.put_nowait(number)

    async def receive(self) -> int | None:
        """See `Talk`."""
        assert self._replies is not None
        return await anext(self._replies, None)

    async def close(self) -> None:
        """See `Talk`."""
        self._out.put_nowait(None)


class Conversation:
    """Numbers out, and the same numbers back, for as long as the load lasts.

    Args:
        recorder: where they are counted.
        kind: under which.
        talk: connects.
        rate: numbers a second.
    """

    def __init__(self, recorder: Recorder, kind: str, talk: Talk, rate: float) -> None:
        self._recorder = recorder
        self._kind = kind
        self._talk = talk
        self._rate = rate
        self._stopped = False
        self._waiting: dict[int, tuple[float, str]] = {}

    async def run(self) -> None:
        """Talk until `stop`, and connect again whenever told to leave."""
        loop = asyncio.get_running_loop()
        holding = loop.create_task(self._hold(), name=f"{self._kind} holds")
        await self._send()
        if not await wait_until(lambda: not self._waiting, HANG):
            self._lost(TimeoutError("no answer until the end"))
        holding.cancel()
        await asyncio.wait([holding])
        await self._talk.close()

    async def _hold(self) -> None:
        while True:
            try:
                async with asyncio.timeout(HANG):
                    await self._talk.open()
                    for number in list(self._waiting):
                        await self._talk.send(number)
                await self._receive()
            except Exception as error:  # every way to fail is an outcome
                self._lost(error)
                await asyncio.sleep(0.05)
            await self._talk.close()

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        number = 0
        while not self._stopped:
            await asyncio.sleep(max(0.0, due - loop.time()))
            number += 1
            self._waiting[number] = (due, self._recorder.phase)
            try:
                await self._talk.send(number)
            except Exception:
                # Whoever receives learns why; the number goes out with the next connection.
                await asyncio.sleep(0)
            due += 1 / self._rate

    async def _receive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            async with asyncio.timeout(HANG):
                number = await self._talk.receive()
            if number is None:
                tally = self._recorder.tally(self._kind)
                tally.left += 1
                tally.resent += len(self._waiting)
                return
            due, phase = self._waiting.pop(number, (0.0, ""))
            if phase:
                self._recorder.ok(self._kind, phase, loop.time() - due)

    def _lost(self, error: Exception) -> None:
        """All that was under way; at least the connection itself."""
        if outcome_of(error) is Outcome.GIVEN_UP:
            # Not sent, or not answered: either way it goes out again with the next one.
            phase = self._recorder.phase
            self._recorder.failed(self._kind, phase, Outcome.GIVEN_UP, repr(error))
            self._recorder.tally(self._kind).resent += len(self._waiting)
            return
        lost = [phase for _, phase in self._waiting.values()] or [self._recorder.phase]
        self._waiting.clear()
        for phase in lost:
            self._recorder.failed(self._kind, phase, outcome_of(error), repr(error))

    def stop(self) -> None:
        """Send nothing more; end when all has come back."""
        self._stopped = True


class Feed:
    """Server-sent events without an end; whoever is cut off comes back with the last id.

    A reply that ends as a reply should is a goodbye. No number may be missing or come twice.
    """

    KIND: Final = "feed"

    def __init__(self, endpoint: Endpoint, recorder: Recorder) -> None:
        self._endpoint = endpoint
        self._recorder = recorder
        self._tls = endpoint.tls("http/1.1")
        self._last = 0
        self._stopped = False

    async def run(self) -> None:
        """Follow until `stop`."""
        while not self._stopped:
            phase = self._recorder.phase
            try:
                await self._follow()
                if not self._stopped:
                    self._recorder.tally(self.KIND).left += 1
            except Exception as error:  # every way to fail is an outcome
                self._recorder.failed(self.KIND, phase, outcome_of(error), repr(error))
                await asyncio.sleep(0.05)

    async def _follow(self) -> None:
        async with asyncio.timeout(HANG):
            reader, writer = await self._endpoint.connect(self._tls)
        try:
            last = f"last-event-id: {self._last}"
            writer.write(request_head("/feed", last, "accept: text/event-stream"))
            async with asyncio.timeout(HANG):
                head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head[:13]:
                raise Failed(Outcome.ERROR, head[:30].decode())
            while not self._stopped:
                async with asyncio.timeout(HANG):
                    size = int((await reader.readuntil(b"\r\n")), 16)
                    chunk = await reader.readexactly(size + 2)
                if size == 0:
                    return
                self._count(chunk)
        finally:
            writer.close()

    def _count(self, chunk: bytes) -> None:
        for line in chunk.split(b"\n"):
            if not line.startswith(b"id:"):
                continue
            number = int(line[3:])
            if number != self._last + 1:
                raise Failed(Outcome.CUT, f"event {number} came after {self._last}")
            self._last = number
            self._recorder.tally(self.KIND).outcomes[Outcome.OK] += 1

    def stop(self) -> None:
        """Leave."""
        self._stopped = True
