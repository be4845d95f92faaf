"""The ASGI messages of one WebSocket.

The stream is that of our own WebSockets, so backpressure, pings, and the goodbye of a drain are the
same. Three things are the application's affair, as under other servers: which pages may connect
(``origin``), which subprotocol is spoken, and what to do when the peer has left: it is told by
``websocket.disconnect`` and by an `OSError` from ``send``, and never cancelled for that.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from mainstay.core.metadata import Metadata
from mainstay.errors import ClosedError, EndOfStream, HttpError, PeerGone, ShuttingDown, UsageError
from mainstay.http.asgi.conversation import NoParts, response_of
from mainstay.http.asgi.types import AsgiApp, AsgiScope, Message
from mainstay.http.call import HttpCall
from mainstay.http.response import Response
from mainstay.http.websocket_handler import close_code_of
from mainstay.http.websocket_options import WebSocketOptions
from mainstay.http.websocket_stream import WebSocketStream
from mainstay.net.limits import Limits

__all__ = ["serve_socket"]

_log = logging.getLogger("mainstay.http")

_OPTIONS: Final = WebSocketOptions(origins=("*",), max_size=16 * 1024 * 1024)
_NORMAL: Final = 1000
_FAILED: Final = 1011
_ABNORMAL: Final = 1006
_SWITCHING: Final = 101


async def serve_socket(app: AsgiApp, scope: AsgiScope, call: HttpCall, limits: Limits) -> Response:
    """Let `app` talk to the peer of `call`.

    Returns: what it answered instead of accepting; else a response that nobody sends.

    Raises: what it raises before it accepted; HttpError 403 when it refused without an answer.
    """
    route = call.route
    options = (route and route.socket) or _OPTIONS
    stream = WebSocketStream(call, options, limits, lambda message: message, _message)
    call.stream = stream
    talk = _Talk(stream)
    try:
        await app(scope, talk.receive, talk.send)
    except asyncio.CancelledError:
        cause = call.scope.cause or ShuttingDown("the call was ended")
        stream.end(*close_code_of(cause, call.scope))
        raise
    except Exception as error:
        stream.end(_FAILED)
        if not stream.opened:
            raise
        # An application that stumbles over its peer's leaving has done nothing wrong.
        level = logging.ERROR if stream.closed is None else logging.INFO
        _log.log(level, "%s failed: %r", call.method, error, exc_info=error)
    else:
        stream.end(_NORMAL)
    if stream.opened:
        return Response(NoParts(), _SWITCHING)
    return talk.denial()


class _Talk:
    """What the application calls."""

    def __init__(self, stream: WebSocketStream) -> None:
        self._stream = stream
        self._connected = False
        self._refused = False
        self._head: Message | None = None
        self._body = bytearray()

    async def receive(self) -> Message:
        """The next message of the peer."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        try:
            if not self._stream.opened:
                # Before it has accepted, only the end can come.
                await asyncio.Event().wait()
            message = await self._stream.receive()
        except (EndOfStream, PeerGone):
            closed = self._stream.closed
            code = _ABNORMAL if closed is None else closed.code
            reason = "" if closed is None else closed.reason
            return {"type": "websocket.disconnect", "code": code, "reason": reason}
        if isinstance(message, str):
            return {"type": "websocket.receive", "text": message}
        return {"type": "websocket.receive", "bytes": message}

    async def send(self, message: Message) -> None:
        """Take a message of the application.

        Raises: OSError when the peer has left; UsageError for a message that has no place here.
        """
        kind = message["type"]
        stream = self._stream
        if stream.opened:
            await self._send_open(kind, message)
        elif kind == "websocket.accept" and self._head is None and not self._refused:
            stream.subprotocol = message.get("subprotocol")
            fields = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message.get("headers", ())
            ]
            await stream.open(Metadata(fields))
        elif kind == "websocket.close":
            self._refused = True
        elif kind == "websocket.http.response.start" and self._head is None:
            self._head = message
        elif kind == "websocket.http.response.body" and self._head is not None:
            self._body += message.get("body", b"")
        else:
            raise UsageError(f"an ASGI application may not send {kind!r} before it has accepted")

    async def _send_open(self, kind: str, message: Message) -> None:
        stream = self._stream
        try:
            if kind == "websocket.send":
                text = message.get("text")
                await stream.send(message.get("bytes") if text is None else text)
            elif kind == "websocket.close":
                code, reason = message.get("code", _NORMAL), message.get("reason") or ""
                await stream.close(Metadata([("code", str(code)), ("reason", reason)]))
            else:
                raise UsageError(f"an ASGI application may not send {kind!r} now")
        except (PeerGone, ClosedError) as error:
            raise ConnectionResetError(str(error)) from error

    def denial(self) -> Response:
        """What it answered instead of accepting.

        Raises: HttpError 403 when it answered nothing.
        """
        if self._head is None:
            raise HttpError(403, "the application does not accept this WebSocket")
        response, _ = response_of(self._head)
        response.body = bytes(self._body)
        return response


def _message(message: Any) -> str | bytes:
    if isinstance(message, str | bytes):
        return message
    raise UsageError("a websocket.send of an ASGI application has text or bytes in it")
