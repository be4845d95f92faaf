"""The client's side of a WebSocket, for tests of a service (RFC 6455, over HTTP/1.1)."""

from __future__ import annotations

import asyncio
import random as randomness
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, TypeVar, cast, overload

import msgspec

from mainstay.errors import BrokenError, ClosedError, EndOfStream, PeerGone, UpstreamError
from mainstay.net.inbox import Inbox
from mainstay.wire.http1_client import request_head
from mainstay.wire.websocket import Closed, WebSocketWire
from mainstay.wire.websocket_handshake import offer, read_agreement

__all__ = ["TestSocket", "ask_for_socket"]

T = TypeVar("T")

_END: Final = b"\r\n\r\n"
_SWITCHING: Final = 101
_PATIENCE: Final = 10.0
"""Seconds for the service to answer our goodbye."""
_HELD: Final = 1 << 16
"""Bytes that the test has not received; beyond, the service has to wait, as for any client."""


class TestSocket(asyncio.Protocol):
    """One WebSocket; made by `ServiceClient.websocket`.

    Attributes:
        subprotocol: agreed upon, or None.
        fields: of the answer to the handshake, lower-case names.
        close_code, close_reason: of the service's goodbye; None and "" before.
    """

    __test__ = False  # for pytest: the name is not that of a test

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.subprotocol: str | None = None
        self.fields: list[tuple[bytes, bytes]] = []
        self.close_code: int | None = None
        self.close_reason = ""
        self._inbox = Inbox(loop)
        self._wire: WebSocketWire | None = None
        self._transport: asyncio.Transport | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._paused = False
        self._gone: asyncio.Future[None] = loop.create_future()

    # --- messages -------------------------------------------------------------------------------

    async def send(self, message: str | bytes) -> None:
        """Send a text or a binary message; waits while the service takes no more.

        Raises: ClosedError once either side has said goodbye.
        """
        wire = self._open()
        wire.send(message)
        self._flush()
        await self._room.wait()

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON, in a text message."""
        await self.send(msgspec.json.encode(value).decode())

    async def receive(self) -> str | bytes:
        """The next message.

        Raises: EndOfStream when the service has said goodbye, with its code in `close_code`;
        PeerGone when it left without one.
        """
        wire = self._open()
        while True:
            event = wire.next_event()
            self._flush()
            if isinstance(event, (str, bytes)):
                return event
            if isinstance(event, Closed):
                self.close_code, self.close_reason = event.code, event.reason
            if self.close_code is not None:
                said = f"the service closed the WebSocket ({self.close_code} {self.close_reason})"
                raise PeerGone(said) if self.close_code == 1006 else EndOfStream(said)  # noqa: PLR2004
            if event is None:
                wire.receive_data(await self.read())

    @overload
    async def receive_json(self) -> Any: ...
    @overload
    async def receive_json(self, into: type[T]) -> T: ...
    async def receive_json(self, into: Any = Any) -> Any:
        """The next message, which is JSON, as a value of the type; as plain values without one."""
        return msgspec.json.decode(await self.receive(), type=into)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and wait for the service's, at most ten seconds; messages that come before
        are dropped. Idempotent."""
        self._open().close(code, reason)
        self._flush()
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    await self.receive()
        except (EndOfStream, PeerGone):
            pass

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        return self._messages()

    async def _messages(self) -> AsyncIterator[str | bytes]:
        while True:
            try:
                message = await self.receive()
            except EndOfStream:
                return
            yield message

    def _open(self) -> WebSocketWire:
        if self._wire is None:
            raise ClosedError("the WebSocket is not open")
        return self._wire

    def _flush(self) -> None:
        if self._wire is not None and self._transport is not None:
            data = self._wire.data_to_send()
            if data and not self._transport.is_closing():
                self._transport.write(data)

    # --- the connection -------------------------------------------------------------------------

    def ask(self, head: bytes) -> None:
        """Send the request of the handshake."""
        assert self._transport is not None
        self._transport.write(head)

    async def read_head(self) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status and fields of the answer, and what came behind it."""
        data = b""
        while _END not in data:
            part = await self.read()
            if not part:
                raise BrokenError("the service closed the connection instead of answering")
            data += part
        head, _, rest = data.partition(_END)
        first, *lines = head.split(b"\r\n")
        named = [line.partition(b":") for line in lines]
        fields = [(name.lower(), value.strip()) for name, _, value in named]
        return int(first.split()[1]), fields, rest

    def agree(self, wire: WebSocketWire, subprotocol: str | None) -> None:
        """The handshake has succeeded."""
        self._wire = wire
        self.subprotocol = subprotocol

    async def read(self) -> bytes:
        """What has arrived; waits for it; ``b""`` at the end."""
        while (data := self._inbox.take()) is None:
            await self._inbox.wait()
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def aclose(self) -> None:
        """Close the connection without a word, and wait until it is closed."""
        if self._transport is not None:
            self._transport.abort()
            await asyncio.wait([self._gone])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._inbox.add(data)
        if self._inbox.buffered >= _HELD and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """See `asyncio.Protocol`."""
        self._inbox.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._inbox.end()
        self._room.set()
        self._gone.set_result(None)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._room.clear()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._room.set()

    def __repr__(self) -> str:
        state = "new" if self._wire is None else "open" if self.close_code is None else "closed"
        return f"<TestSocket {state}>"


async def ask_for_socket(
    socket: TestSocket,
    authority: str,
    target: str,
    fields: Sequence[tuple[bytes, bytes]],
    subprotocols: Sequence[str],
    *,
    compress: bool,
    random: randomness.Random,
) -> None:
    """Shake hands.

    Args:
        socket: connected.
        authority: the host, and the port unless it is the usual one.
        target: path and query.
        fields: more of the request.
        subprotocols: to offer.
        compress: whether to offer compression.
        random: for the key.

    Raises: UpstreamError when the service refuses, with its status.
    """
    key = random.randbytes(16)
    asked = [
        (b"host", authority.encode()),
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        *offer(key, subprotocols, compress=compress),
        *fields,
    ]
    socket.ask(request_head("GET", target, asked))
    status, answered, rest = await socket.read_head()
    socket.fields = answered
    if status != _SWITCHING:
        told = dict(answered)
        size = int(told.get(b"content-length", b"0"))
        while len(rest) < size:
            rest += await socket.read()
        text = rest[:size].decode("utf-8", "replace")
        raise UpstreamError(
            f"the service answered {status} instead of accepting the WebSocket: {text}",
            status=status,
        )
    subprotocol, extension = read_agreement(answered, key, subprotocols, compress=compress)
    wire = WebSocketWire(client=True, max_size=None, extension=extension)
    if rest:
        wire.receive_data(rest)
    socket.agree(wire, subprotocol)
