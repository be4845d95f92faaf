"""A client's connection that speaks HTTP/1.1: one exchange at a time, and no pipelining."""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterable
from typing import Any, Final, cast

from mainstay.errors import BrokenError, ClosedError, UsageError
from mainstay.net.outgoing import ConnectionOwner, Incoming, Lost, Outgoing, Shared
from mainstay.net.uploading import Upload
from mainstay.wire.http1_client import (
    LAST_CHUNK,
    ReplyEnd,
    ReplyError,
    ReplyEvent,
    ReplyHead,
    ReplyReader,
    chunk,
    request_head,
)

__all__ = ["CLOSE_TIMEOUT", "Http1Connection"]

CLOSE_TIMEOUT: Final = 1.0
"""Seconds that a server has to answer the end of TLS, when its connection is closed."""


class Http1Connection(asyncio.Protocol):
    """See `ClientConnection`.

    Args:
        shared: of the client.
        where: the server, for messages.
        owner: told when it is free, and when it is over.
    """

    shares = False

    def __init__(self, shared: Shared, where: str, owner: ConnectionOwner) -> None:
        self.idle_since = shared.loop.time()
        self._shared = shared
        self._where = where
        self._owner = owner
        limits = shared.limits
        self._reader = ReplyReader(head_size=limits.head_size, header_count=limits.header_count)
        self._transport: asyncio.Transport | None = None
        self._socket: Any = None
        self._reserved = False
        self._served = 0
        self._reply: Incoming | None = None
        self._head: asyncio.Future[None] | None = None
        self._upload: Upload | None = None
        self._paused = False
        self._eof = False
        self._over = False
        self._gone: asyncio.Future[None] = shared.loop.create_future()

    # --- for the pool ---------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """See `ClientConnection.busy`."""
        return self._reserved and not self._over

    def reserve(self) -> bool:
        """See `ClientConnection.reserve`."""
        if self._reserved or self._over:
            return False
        if self._served and self._stale():
            self._close()
            return False
        self._reserved = True
        return True

    def release(self) -> None:
        """See `ClientConnection.release`."""
        self._reserved = False
        self.idle_since = self._shared.loop.time()
        if not self._over:
            self._owner.freed(self)

    async def exchange(self, outgoing: Outgoing) -> Incoming:
        """See `ClientConnection.exchange`."""
        try:
            block = _block(outgoing)
        except ValueError as error:
            self.release()
            raise UsageError(f"the request to {self._where} cannot be sent: {error}") from None
        if self._over or self._transport is None or self._transport.is_closing():
            raise Lost(f"{self._where} closed the connection", untouched=True)
        reply = self._reply = Incoming(self._shared, self._where, self._taken, self._abort)
        head = self._head = self._shared.loop.create_future()
        self._reader.expect(outgoing.method)
        body = outgoing.body
        if body is None or isinstance(body, bytes):
            self._transport.write(block + body if body else block)
        else:
            self._transport.write(block)
            self._start_upload(outgoing, body)
        try:
            await head
        except BaseException:
            reply.close()
            raise
        finally:
            # A reply that came whole has given the place back, and another may have begun by now.
            if self._head is head:
                self._head = None
        return reply

    async def aclose(self) -> None:
        """See `ClientConnection.aclose`."""
        self._fail(ClosedError("the client was closed"))
        self._close()
        if not self._gone.done():
            await asyncio.wait([self._gone], timeout=CLOSE_TIMEOUT)
            self._abort()  # a peer that does not answer TLS's goodbye
            await asyncio.wait([self._gone])

    # --- the request ----------------------------------------------------------------------------

    def _start_upload(self, outgoing: Outgoing, body: AsyncIterable[bytes]) -> None:
        chunked = outgoing.length is None
        upload = self._upload = Upload(self._shared, self._where, outgoing.length)
        outgoing.begun = True
        upload.start(
            body,
            lambda data: self._send(chunk(data) if chunked else data),
            lambda: self._send(LAST_CHUNK if chunked else b""),
            self._fail,
        )

    def _send(self, data: bytes) -> None:
        if self._transport is not None and data:
            self._transport.write(data)

    def pause_writing(self) -> None:
        """The server does not take what we send as fast."""
        if self._upload is not None:
            self._upload.pause()

    def resume_writing(self) -> None:
        """It has."""
        if self._upload is not None:
            self._upload.resume()

    # --- the reply ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected, and TLS agreed."""
        # A cast: the transports of uvloop are no subclasses of asyncio's.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(self._shared.limits.write_buffer)
        if transport.get_extra_info("ssl_object") is None:
            self._socket = transport.get_extra_info("socket")

    def data_received(self, data: bytes) -> None:
        """Bytes of a reply."""
        try:
            events = self._reader.receive(data)
        except ReplyError as error:
            self._fail(BrokenError(f"{self._where}: {error}", retryable=False))
            self._abort()
            return
        self._take(events)

    def eof_received(self) -> None:
        """The server ends the connection."""
        self._eof = True
        try:
            events = self._reader.receive_eof()
        except ReplyError as error:
            self._lose(str(error))
            return
        self._take(events)
        self._close()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._over = True
        self._lose(str(error or "") or "the connection was closed before the reply was whole")
        self._transport = None
        self._owner.gone(self)
        if not self._gone.done():
            self._gone.set_result(None)

    def _take(self, events: list[ReplyEvent]) -> None:
        reply = self._reply
        for event in events:
            if reply is None:
                break
            if isinstance(event, bytes):
                reply.inbox.add(event)
            elif isinstance(event, ReplyHead):
                reply.status, reply.fields = event.status, event.fields
                reply.version = event.version
                if self._head is not None and not self._head.done():
                    self._head.set_result(None)
            else:
                self._finish(reply, event)
                return
        if reply is not None and reply.inbox.buffered > self._shared.limits.read_buffer:
            self._pause()

    def _finish(self, reply: Incoming, end: ReplyEnd) -> None:
        reply.trailers = end.trailers
        self._reply = None
        reply.inbox.end()
        self._resume()
        upload, self._upload = self._upload, None
        sent = upload is None or upload.sent
        if upload is not None and not sent:
            upload.stop()  # the server answered without it, and will read it no further
        self._served += 1
        if not sent:
            self._abort()  # what waits to be sent is wanted by nobody
        elif self._reader.reusable:
            self.release()
        else:
            self._close()

    def _taken(self, size: int) -> None:
        # An earlier reply may be read still, when the next one is on its way.
        if self._reply is not None and not self._reply.inbox.buffered:
            self._resume()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    # --- the end --------------------------------------------------------------------------------

    def _stale(self) -> bool:
        """Whether the server has closed it, or sent something that nobody asked for, and the loop
        has not noticed yet. Below TLS nothing is known: a ticket may have come."""
        if self._socket is None:
            return False
        look = select.poll()
        look.register(self._socket.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        return bool(look.poll(0))

    def _lose(self, why: str) -> None:
        if self._head is not None and not self._head.done() and not self._reader.started:
            stale = self._served > 0
            self._fail(Lost(f"{self._where} closed the connection: {why}", stale=stale))
        else:
            self._fail(BrokenError(f"{self._where}: {why}"))

    def _fail(self, error: Exception) -> None:
        """End what goes on, if anything does."""
        reply, self._reply = self._reply, None
        if self._head is not None and not self._head.done():
            self._head.set_exception(error)
        if reply is not None:
            reply.inbox.fail(error)
            self._abort()

    def _abort(self) -> None:
        self._reply = None
        self._over = True
        if self._upload is not None:
            self._upload.stop()
            self._upload = None
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        self._over = True
        if self._transport is not None:
            self._transport.close()

    def __repr__(self) -> str:
        state = "closed" if self._over else "busy" if self._reserved else "idle"
        return f"<Http1Connection {self._where} {state} served={self._served}>"


def _block(outgoing: Outgoing) -> bytes:
    """The head, with the framing of the body (RFC 9112 §6)."""
    framing: list[tuple[bytes, bytes]] = []
    if outgoing.length is not None:
        framing = [(b"content-length", b"%d" % outgoing.length)]
    elif outgoing.body is not None:
        framing = [(b"transfer-encoding", b"chunked")]
    return request_head(outgoing.method, outgoing.target, [*outgoing.fields, *framing])
