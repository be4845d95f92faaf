"""A call whose messages are a stream, in one direction or both.

What arrives waits as bytes, and counts against the window until it is asked for. Messages sent
without waiting in between leave together, in one frame, at the latest when the loop comes round; a
window or a transport that is full stops who sends.

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from mainstay.core.metadata import EMPTY, Metadata
from mainstay.errors import ClosedError, Code, EndOfStream, UsageError
from mainstay.net.client_streams import StreamConnection
from mainstay.rpc.client.calls import WireCall
from mainstay.rpc.client.core import ChannelCore, Terms, packed
from mainstay.rpc.client.failures import again, failure
from mainstay.rpc.client.outcome import outcome
from mainstay.wire.envelopes import EnvelopeError, EnvelopeReader
from mainstay.wire.http2 import ResponseHead

__all__ = ["StreamingCall"]

_TOGETHER: Final = 16 * 1024
"""Bytes of messages that wait for one another; a DATA frame holds as many."""

_BREATH: Final = 8
"""Writes after which a producer that never waits lets others have a turn."""


class StreamingCall(WireCall):
    """See `Stream`; the one of clients."""

    __slots__ = (
        "_chunks",
        "_kept",
        "_kept_size",
        "_parts",
        "_reader",
        "_reading",
        "_room",
        "_scheduled",
        "_size",
        "_writes",
        "closed",
        "told",
        "watchers",
    )

    def __init__(self, core: ChannelCore, terms: Terms) -> None:
        super().__init__(core, terms, b"", False)
        self._reader = EnvelopeReader(core.limits.receive_size)
        self._chunks: list[bytes] = []
        self._reading: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._writes = 0
        self._scheduled = False
        self._kept: list[bytes] | None = []
        self._kept_size = 0
        self.closed = False
        """Whether our side has ended."""
        self.told = False
        """Whether the receiver knows how it ended, or wants to know no more."""
        self.watchers: list[asyncio.Future[None]] = []
        """Woken when the head comes, and when the call is over."""

    # --- what comes -----------------------------------------------------------------------------

    def begin(self) -> None:
        """See `WireCall`."""
        self.end = self.terms.end
        super().begin()

    def start(self, connection: StreamConnection) -> bool:
        """See `Starter`."""
        if self._kept:
            self.data = b"".join(self._kept)
        begun = super().start(connection)
        self.data = b""
        if begun and self.pending is None:
            self.on_room()
        return begun

    def can_start_again(self) -> bool:
        """See `WireCall`."""
        return not self.head and self._kept is not None

    def on_head(self, event: ResponseHead) -> None:
        """See `ClientStream`."""
        self._kept = None
        super().on_head(event)
        self._tell()

    def on_data(self, data: bytes, ended: bool) -> None:
        """See `ClientStream`."""
        if data:
            self._chunks.append(data)
        if ended:
            self.finish()
        elif self._reading is not None and not self._reading.done():
            self._reading.set_result(None)

    def on_room(self) -> None:
        """See `ClientStream`."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def cancel(self) -> None:
        """See `WireCall`. After the end, what is not read is given back to the connection."""
        self._drop_unread()
        super().cancel()
        self._be_told()

    def break_off(self, error: Exception) -> None:
        """See `WireCall`. What is not read will not be."""
        self._drop_unread()
        super().break_off(error)

    def finish(self) -> None:
        """See `WireCall`."""
        super().finish()
        self._kept = None
        self._parts = []
        if self.error is None:
            name = self.terms.method.name
            self.error = outcome(name, self.status, self.head, self.trailers)
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)
        self.on_room()
        self._tell()

    def _tell(self) -> None:
        watchers, self.watchers = self.watchers, []
        for each in watchers:
            if not each.done():
                each.set_result(None)

    def _drop_unread(self) -> None:
        size = sum(map(len, self._chunks))
        self._chunks = []
        if size and self.connection is not None:
            self.connection.credit(self, size)

    @property
    def unread(self) -> bool:
        """Whether bytes have come that nobody asked for."""
        return bool(self._chunks)

    async def wait_head(self) -> None:
        """Wait until the head is there, or the call is over."""
        while not self.head and not self.over:
            watcher = self._core.loop.create_future()
            self.watchers.append(watcher)
            await watcher

    async def wait_over(self) -> None:
        """Wait until the call is over."""
        while not self.over:
            watcher = self._core.loop.create_future()
            self.watchers.append(watcher)
            await watcher

    async def wait_told(self) -> None:
        """Wait until the call is over and the receiver knows it."""
        while not self.told:
            watcher = self._core.loop.create_future()
            self.watchers.append(watcher)
            await watcher

    async def receive(self) -> Any:
        """See `Stream`. Raises: EndOfStream after the last message of a call that succeeded;
        RpcFailed after that of one that failed."""
        reader = self._reader
        while True:
            try:
                found = reader.next()
            except EnvelopeError as error:
                self.break_off(self.too_long(error))
                self._reader = reader = EnvelopeReader(0)
                continue
            if found is not None:
                try:
                    return self.decode(*found)
                except Exception as error:
                    self.break_off(again(error))
                    self._be_told()
                    raise
            chunks = self._chunks
            if chunks:
                self._chunks = []
                data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
                assert self.connection is not None
                self.connection.credit(self, len(data))
                reader.feed(data)
            elif self.over:
                self._be_told()
                raise self._last()
            else:
                await self._wait()

    def _be_told(self) -> None:
        if not self.told:
            self.told = True
            self._tell()

    def _last(self) -> Exception:
        if self.error is not None:
            return again(self.error)
        if self._reader.pending:
            message = "the reply ends in the middle of a message"
            return failure(Code.INTERNAL, message, method=self.terms.method.name)
        return EndOfStream("the server sends no more messages")

    async def _wait(self) -> None:
        if self._reading is not None:
            raise UsageError("two tasks receive from one stream")
        self._reading = waiting = self._core.loop.create_future()
        try:
            await waiting
        finally:
            self._reading = None

    # --- what goes ------------------------------------------------------------------------------

    async def open(self, metadata: Metadata = EMPTY) -> None:
        """See `Stream`. A call of ours is open from its beginning."""

    async def send(self, message: Any) -> None:
        """See `Stream`. Raises: also RpcFailed when the call has failed."""
        if self.closed:
            raise ClosedError("the stream was closed on our side")
        if self.over:
            if self.error is not None:
                raise again(self.error)
            raise ClosedError("the server has ended the call")
        data = packed(self.terms, self._core.limits, message)
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _TOGETHER:
            await self._give_way()
        elif not self._scheduled:
            self._scheduled = True
            self._core.loop.call_soon(self._flush_scheduled)

    async def _give_way(self) -> None:
        if not self._flush(ended=False):
            self._writes = 0
            await self._wait_room()
            return
        self._writes += 1
        if self._writes >= _BREATH:
            self._writes = 0
            await asyncio.sleep(0)

    async def _wait_room(self) -> None:
        while not self.over and not self._has_room():
            if self._room is None or self._room.done():
                self._room = self._core.loop.create_future()
            connection = self.connection
            if connection is not None and self.pending is None:
                connection.tell_room(self)
            # Several may send: one who gives up must not take the others' future with it.
            await asyncio.shield(self._room)
        if self.over and self.error is not None:
            raise again(self.error)

    def _has_room(self) -> bool:
        connection = self.connection
        return connection is not None and self.pending is None and connection.writable

    def _flush(self, *, ended: bool) -> bool:
        """Write what was gathered; whether there is room for more."""
        parts = self._parts
        self._parts = []
        self._size = 0
        if self.over:
            return True
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self.ended = ended
        connection = self.connection
        kept = self._kept
        if kept is not None:
            self._kept_size += len(data)
            if connection is None or self._kept_size <= self._core.limits.replay:
                kept.append(data)
            else:
                self._kept = None
        return False if connection is None else connection.write(self, data, ended)

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        if self._parts and not self.closed and not self._flush(ended=False):
            self._size = _TOGETHER  # the next message has to wait, wherever it comes from

    async def close(self, metadata: Metadata = EMPTY) -> None:
        """See `Stream`."""
        self.close_nowait()

    def close_nowait(self) -> None:
        """The same; it never waits."""
        if not self.closed:
            self.closed = True
            self._flush(ended=True)
