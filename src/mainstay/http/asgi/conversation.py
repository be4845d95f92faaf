"""The ASGI messages of one HTTP request, between the application and the reply.

The application runs in a task of its own, because it may go on after its reply (background tasks).
What it sends becomes one `Response`, which goes out through the middleware like any other:

* a reply that is complete in its first message becomes a whole body, any other is iterated, and the
  application waits in ``send`` until its last part was taken (backpressure);
* ``receive`` reads the request as the application asks for it, then waits for the end: when the
  peer leaves, or when the reply is complete, it gives ``http.disconnect``;
* after a disconnect ``send`` does nothing, as the version of the specification that we name has it;
* what is wrong with the request (too large, too slow, malformed) is answered by the service, and
  the application sees a disconnect: it would make a 500 of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from mainstay.core.seen import failure_of
from mainstay.errors import PeerError, PeerGone, UsageError
from mainstay.http.asgi.types import Message
from mainstay.http.headers import Headers
from mainstay.http.response import Response
from mainstay.net.exchange import Exchange

__all__ = ["UNREAD", "Conversation", "NoParts", "response_of"]

_STATUSES: Final = range(200, 600)


class NoParts:
    """The body of a response that has none, or is not sent at all."""

    def __aiter__(self) -> NoParts:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


class _Unread:
    """The type of `UNREAD`."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError


UNREAD: Final = _Unread()
"""The body of a response whose parts `Conversation.next_part` has."""

# Said by the connection itself (see `Response`).
_OWN: Final = (b"connection", b"date", b"transfer-encoding", b"keep-alive")


class Conversation:
    """Both directions of one request.

    Args:
        exchange: what it came by.
    """

    def __init__(self, exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        self._exchange = exchange
        self._left_to_read = exchange.length
        self._request_done = False
        self._disconnected: asyncio.Future[None] = loop.create_future()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._response: Response | None = None
        self._head: Message | None = None
        self._part: bytes | None = None
        self._last = False
        self._given = asyncio.Event()
        self._taken = asyncio.Event()
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    # --- what the application calls -------------------------------------------------------------

    async def receive(self) -> Message:
        """The next part of the request, or the disconnect."""
        async with self._reading:
            if not self._request_done and not self._disconnected.done():
                return await self._read()
        # Not the future itself: an application that gives up waiting would cancel it.
        await asyncio.wait([self._disconnected])
        return {"type": "http.disconnect"}

    async def _read(self) -> Message:
        body = self._exchange.body
        if body is not None:
            self._request_done = True
            return {"type": "http.request", "body": body, "more_body": False}
        try:
            part = await self._exchange.receive()
        except PeerError as error:
            if not isinstance(error, PeerGone) and not self._ready.done():
                self._ready.set_exception(error)
                self._ready.exception()  # whoever was to hear it may be gone
            self.disconnect()
            return {"type": "http.disconnect"}
        if self._left_to_read is not None:
            self._left_to_read -= len(part)
        self._request_done = not part or self._left_to_read == 0
        return {"type": "http.request", "body": part, "more_body": not self._request_done}

    async def send(self, message: Message) -> None:
        """Take a message of the reply.

        Raises: UsageError for one that has no place here.
        """
        kind = message["type"]
        if self._disconnected.done():
            # A point to be cancelled at: who produces without end is told by `receive` only.
            await asyncio.sleep(0)
        elif kind == "http.response.start" and self._head is None:
            self._head = message
        elif kind == "http.response.body" and self._head is not None and not self._last:
            await self._body(bytes(message.get("body", b"")), bool(message.get("more_body")))
        elif kind == "http.response.early_hint" and self._head is None:
            self._exchange.inform(103, [(b"link", bytes(link)) for link in message["links"]])
        else:
            state = "before its start" if self._head is None else "now"
            raise UsageError(f"an ASGI application may not send {kind!r} {state}")

    async def _body(self, part: bytes, more: bool) -> None:
        self._last = not more
        if not self._ready.done():
            self._make(part, more)
        elif part or not more:
            self._give(part)
        await self._taken.wait()

    # --- what the mount calls -------------------------------------------------------------------

    def begin(self, task: asyncio.Task[None]) -> None:
        """`task` is the application's."""
        self._task = task
        task.add_done_callback(self._ended)

    async def wait_response(self) -> Response:
        """The reply, once it has begun; a body that has to be iterated is left to the caller.

        Raises: what the application raised before; UsageError if it ended without a reply.
        """
        await asyncio.wait([self._ready])
        self._ready.result()
        # Handed over, not kept: when nobody has it any more, nobody will send it.
        response, self._response = self._response, None
        assert response is not None
        return response

    async def next_part(self) -> bytes | None:
        """The next part of a reply that is iterated; None at its end.

        Raises: what the application raised; UsageError if it ended in the middle.
        """
        assert self._task is not None
        while self._part is None and not self._last:
            if self._task.done():
                self._task.result()
                raise UsageError("the ASGI application returned in the middle of its reply")
            self._given.clear()
            await self._given.wait()
        part, self._part = self._part, None
        if not self._last:
            self._taken.set()
        return part

    @property
    def complete(self) -> bool:
        """Whether every part of the reply was taken."""
        return self._last and self._part is None

    def sent(self) -> None:
        """The reply is complete: the application goes on, and may learn that it is over."""
        self._taken.set()
        self.disconnect()

    def disconnect(self) -> None:
        """Nobody listens any more. Idempotent."""
        if not self._disconnected.done():
            self._disconnected.set_result(None)
        self._taken.set()

    # --- inside ---------------------------------------------------------------------------------

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._given.set()
        if self._ready.done():
            return
        error = failure_of(task)
        if task.cancelled():
            self._ready.cancel()
        else:
            nothing = UsageError("the ASGI application returned without a reply")
            self._ready.set_exception(error or nothing)
            self._ready.exception()  # whoever was to hear it may be gone

    def _give(self, part: bytes) -> None:
        self._taken.clear()
        self._part = part
        self._given.set()

    def _make(self, part: bytes, more: bool) -> None:
        assert self._head is not None
        try:
            response, length = response_of(self._head)
        except Exception as error:
            self._ready.set_exception(error)
            self._ready.exception()  # whoever was to hear it may be gone
            raise
        if more or (length is not None and length != len(part)):
            # Of a HEAD, and of 304, the length is told and the body is not there.
            response.length = length
            response.body = UNREAD
            self._part = part
        else:
            response.body = part
        self._response = response
        self._ready.set_result(None)


def response_of(message: Message) -> tuple[Response, int | None]:
    """A response without its body, and the length that it says, from the head of a reply.

    Raises: UsageError for a status or a field that cannot be sent.
    """
    status = int(message["status"])
    if status not in _STATUSES:
        raise UsageError(f"an ASGI application replies with a status from 200 to 599, not {status}")
    response = Response(b"", status)
    headers = Headers()
    length = None
    for raw, value in message.get("headers", ()):
        name = raw.lower()
        if name == b"content-length":
            length = int(value)
        elif name == b"content-type" and response.content_type is None:
            response.content_type = value.decode("latin-1")
        elif name not in _OWN:
            headers.add(name.decode("latin-1"), _text(value))
    response._headers = headers
    return response, length


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
