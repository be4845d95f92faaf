"""An exchange kept in memory: a request as a test gives it, and what was answered.

For whatever stands behind `Application`, without a connection. `reply` records what went out;
`leave`, `hold` and chunks that are errors play the peer's part.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from mainstay.core.metadata import Metadata, Peer
from mainstay.errors import BugError, PeerGone, TooLarge, UsageError
from mainstay.net.exchange import Exchange, Fields

__all__ = ["Chunks", "MemoryExchange", "MemoryTunnel", "Reply"]

Chunks: TypeAlias = "Iterable[bytes | Exception] | AsyncIterable[bytes | Exception]"
"""A body as it comes: an exception among the bytes is raised where it stands."""

_BODILESS = (204, 304)


@dataclass(slots=True)
class Reply:
    """What was answered so far.

    Attributes:
        status: 0 before the head was sent.
        fields: of the head as they were given, without the content type.
        content_type: as it was given to `respond`.
        length: of the body, as declared; None when it was not.
        body: as the peer sees it: empty for HEAD, 204 and 304.
        parts: the same, each piece as it was sent.
        trailers: the fields behind the body.
        interim: status and fields of each interim reply.
        finished: whether the reply came to its end.
        broken: whether it was broken off by `Exchange.reset`.
    """

    status: int = 0
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    content_type: bytes | None = None
    length: int | None = None
    parts: list[bytes] = field(default_factory=list)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    interim: list[tuple[int, list[tuple[bytes, bytes]]]] = field(default_factory=list)
    finished: bool = False
    broken: bool = False

    @property
    def body(self) -> bytes:
        """See the class."""
        return b"".join(self.parts)

    @property
    def headers(self) -> Metadata:
        """Every field of the head, with the content type."""
        typed = () if self.content_type is None else ((b"content-type", self.content_type),)
        return Metadata.from_fields([*typed, *self.fields])


class MemoryExchange(Exchange):
    """An `Exchange` without a connection.

    Args:
        method: ``GET``, …
        target: path and query.
        fields: of the request; names are made lower case, text is encoded.
        body: whole, as if it had arrived with the head.
        chunks: instead of `body`, a body that comes later; see `Chunks`.
        trailers: behind the chunks.
        protocol: ``websocket`` for a peer that wants one.
        body_limit: bytes of body allowed; None for any.

    Attributes:
        reply: what was answered.
        tunnel: what `upgrade` made, or None.
        gone: see `Exchange`.
    """

    __slots__ = (
        "_chunks",
        "_ended",
        "_left",
        "_received",
        "_room",
        "_trailers",
        "_waiters",
        "reply",
        "tunnel",
    )

    def __init__(
        self,
        method: str = "GET",
        target: str | bytes = b"/",
        fields: Iterable[tuple[str | bytes, str | bytes]] = (),
        body: bytes = b"",
        *,
        chunks: Chunks | None = None,
        trailers: Iterable[tuple[str | bytes, str | bytes]] = (),
        version: str = "1.1",
        scheme: str = "http",
        authority: str = "example.org",
        protocol: str = "",
        peer: Peer = Peer("memory"),  # noqa: B008 (it is frozen)
        body_limit: int | None = None,
    ) -> None:
        self.method = method
        self.target = _bytes(target)
        self.fields = [(_bytes(name).lower(), _bytes(value)) for name, value in fields]
        self.version = version
        self.scheme = scheme
        self.authority = authority
        self.protocol = protocol
        self.peer = peer
        self.body = body if chunks is None else None
        self.length = len(body) if chunks is None else None
        self.body_limit = body_limit
        self.gone: Callable[[str], None] | None = None
        self.long = False
        self.patient = False
        self.reply = Reply()
        self.tunnel: MemoryTunnel | None = None
        self._chunks = _iterate((body,) if chunks is None else chunks)
        self._trailers = [(_bytes(name).lower(), _bytes(value)) for name, value in trailers]
        self._received = 0
        self._ended = False
        self._left = ""
        self._room = asyncio.Event()
        self._room.set()
        self._waiters = asyncio.Event()

    # --- what the application calls -------------------------------------------------------------

    async def receive(self) -> bytes:
        """See `Exchange.receive`."""
        while not self._ended:
            self._raise_if_left()
            chunk = await anext(self._chunks, None)
            if isinstance(chunk, Exception):
                raise chunk
            if chunk is None:
                self._ended = True
                break
            self._received += len(chunk)
            if self.body_limit is not None and self._received > self.body_limit:
                raise TooLarge(f"the body is longer than {self.body_limit} bytes")
            if chunk:
                return chunk
        return b""

    def trailers(self) -> Fields:
        """See `Exchange.trailers`."""
        return self._trailers if self._ended else ()

    def inform(self, status: int, fields: Fields = ()) -> None:
        """See `Exchange.inform`."""
        self.reply.interim.append((status, list(fields)))

    def respond(self, status: int, content_type: bytes | None, fields: Fields, body: bytes) -> None:
        """See `Exchange.respond`."""
        self._head(status, fields, len(body))
        self.reply.content_type = content_type
        self._part(body)
        self._finish()

    def open(
        self, status: int, fields: Fields, length: int | None = None, *, dated: bool = True
    ) -> None:
        """See `Exchange.open`."""
        self._head(status, fields, length)

    def respond_with_trailers(
        self, status: int, fields: Fields, body: bytes, trailers: Fields
    ) -> None:
        """See `Exchange.respond_with_trailers`."""
        self._head(status, fields, None)
        self._part(body)
        self.finish(trailers)

    def write(self, data: bytes) -> bool:
        """See `Exchange.write`."""
        if not self.reply.status or self.reply.finished:
            raise BugError("the application sends a body outside of open and finish")
        if self._left:
            return False
        self._part(data)
        return self._room.is_set()

    async def wait_writable(self) -> None:
        """See `Exchange.wait_writable`."""
        self._raise_if_left()
        await self._room.wait()
        self._raise_if_left()

    async def send(self, data: bytes) -> None:
        """See `Exchange.send`."""
        if not self.reply.status or self.reply.finished:
            raise BugError("the application sends a body outside of open and finish")
        self._raise_if_left()
        self._part(data)
        await self._room.wait()
        self._raise_if_left()

    def finish(self, trailers: Fields = ()) -> None:
        """See `Exchange.finish`."""
        if not self.reply.status or self.reply.finished:
            raise BugError("the application finishes a reply that is not open")
        self.reply.trailers = list(trailers)
        self._finish()

    def reset(self) -> None:
        """See `Exchange.reset`."""
        self.reply.broken = True
        self._waiters.set()

    def upgrade(self, fields: Fields = ()) -> MemoryTunnel:
        """See `Exchange.upgrade`."""
        if self.protocol != "websocket":
            raise UsageError("the peer did not ask for a WebSocket")
        self._head(101 if self.version.startswith("1") else 200, fields, None)
        self.tunnel = MemoryTunnel()
        return self.tunnel

    # --- what the test calls --------------------------------------------------------------------

    def leave(self, reason: str = "the peer left") -> None:
        """The peer disconnects: nothing more can be sent or received, and `gone` is called."""
        if self._left or self.reply.finished:
            return
        self._left = reason
        self._room.set()
        self._waiters.set()
        if self.tunnel is not None:
            self.tunnel.leave(reason)
        if self.gone is not None:
            self.gone(reason)

    def hold(self) -> None:
        """The peer takes nothing for now: from here on `send` waits."""
        self._room.clear()

    def release(self) -> None:
        """The peer takes what is sent again."""
        self._room.set()

    async def wait_finished(self) -> Reply:
        """Wait until the reply has come to its end, was broken off, or the peer left."""
        await self._waiters.wait()
        return self.reply

    # --- inside ---------------------------------------------------------------------------------

    def _head(self, status: int, fields: Fields, length: int | None) -> None:
        if self.reply.status:
            raise BugError(f"the application answers twice: {self.reply.status}, then {status}")
        self.reply.status = status
        self.reply.fields = list(fields)
        self.reply.length = length

    def _part(self, data: bytes) -> None:
        if data and self.method != "HEAD" and self.reply.status not in _BODILESS:
            self.reply.parts.append(bytes(data))

    def _finish(self) -> None:
        self.reply.finished = True
        self._waiters.set()

    def _raise_if_left(self) -> None:
        if self._left:
            raise PeerGone(self._left)


class MemoryTunnel:
    """The bytes of an upgraded `MemoryExchange`.

    Attributes:
        written: everything that was written.
        paused: whether the peer has to wait.
        closed: whether our side was closed.
    """

    __slots__ = ("_left", "_receiver", "_room", "_waiting", "closed", "paused", "written")

    def __init__(self) -> None:
        self.written = bytearray()
        self.paused = False
        self.closed = False
        self._receiver: Callable[[bytes], None] | None = None
        self._waiting: list[bytes] = []
        self._left = ""
        self._room = asyncio.Event()
        self._room.set()

    def listen(self, receiver: Callable[[bytes], None]) -> None:
        """See `Tunnel.listen`."""
        self._receiver = receiver
        self._deliver()

    @property
    def writable(self) -> bool:
        """See `Tunnel.writable`."""
        return self._room.is_set() and not self._left

    def write(self, data: bytes) -> None:
        """See `Tunnel.write`."""
        if not self.closed:
            self.written += data

    async def wait_writable(self) -> None:
        """See `Tunnel.wait_writable`."""
        await self._room.wait()
        if self._left:
            raise PeerGone(self._left)

    def pause(self) -> None:
        """See `Tunnel.pause`."""
        self.paused = True

    def resume(self) -> None:
        """See `Tunnel.resume`."""
        self.paused = False
        self._deliver()

    def close(self) -> None:
        """See `Tunnel.close`."""
        self.closed = True

    def feed(self, data: bytes) -> None:
        """The peer sends `data`; ``b""`` when it ends. Kept while paused or nobody listens."""
        self._waiting.append(data)
        self._deliver()

    def take(self) -> bytes:
        """What was written since the last `take`."""
        taken = bytes(self.written)
        self.written.clear()
        return taken

    def hold(self) -> None:
        """The peer takes nothing for now: from here on `wait_writable` waits."""
        self._room.clear()

    def release(self) -> None:
        """The peer takes what is written again."""
        self._room.set()

    def leave(self, reason: str = "the peer left") -> None:
        """The peer disconnects: whoever waits for room gets PeerGone."""
        self._left = reason
        self._room.set()

    def _deliver(self) -> None:
        while self._waiting and not self.paused and self._receiver is not None:
            self._receiver(self._waiting.pop(0))


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


async def _iterate(chunks: Chunks) -> AsyncIterator[bytes | Exception]:
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk
