"""A request that came through another server by ASGI, as an exchange.

What the application calls on it is synchronous, and ASGI is not: messages are queued here, and the
coroutine that the other server awaits (`run`) sends them one by one. A second task receives, no
further ahead than one part of the body.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NoReturn
from urllib.parse import quote

from mainstay.core.metadata import Peer
from mainstay.core.seen import see
from mainstay.errors import BrokenError, PeerGone, TooLarge, UsageError
from mainstay.http.asgi.tunnel import AsgiTunnel
from mainstay.http.asgi.types import AsgiScope, Message, Receive, Send
from mainstay.net.exchange import Exchange, Fields
from mainstay.net.port import Port

__all__ = ["AsgiExchange"]

_SCHEMES: Final = {"ws": "http", "wss": "https"}
_HANDSHAKE: Final = (
    b"sec-websocket-accept",
    b"sec-websocket-extensions",
    b"sec-websocket-protocol",
)
# A path as it may stand in a request target (RFC 3986 §3.3).
_PATH: Final = "/:@!$&'()*+,;=~"


class AsgiExchange(Exchange):
    """One request by ASGI.

    Args:
        port: of our server.
        scope, receive, send: what the other server called the application with.

    Attributes:
        trails: whether trailers can be sent: the other server has the extension for it, and the
            peer takes them (RFC 9110 §6.5.1).
    """

    __slots__ = (
        "_ended",
        "_failed",
        "_left",
        "_out",
        "_parts",
        "_receive",
        "_received",
        "_room",
        "_scope",
        "_send",
        "_started",
        "_trailing",
        "_tunnel",
        "_waiter",
        "_wake",
        "_wanted",
        "port",
        "trails",
    )

    def __init__(self, port: Port, scope: AsgiScope, receive: Receive, send: Send) -> None:
        self.port = port
        self._scope = scope
        self._receive = receive
        self._send = send
        self._describe()
        self._out: deque[tuple[Message, asyncio.Future[None] | None]] = deque()
        self._wake = asyncio.Event()
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._wanted = asyncio.Event()
        self._waiter: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._received = 0
        self._ended = False  # of the body
        self._started = False
        self._failed = False
        self._left = ""
        self._tunnel: AsgiTunnel | None = None
        self._trailing = False  # whether the other server waits for trailers
        self.trails = (
            "http.response.trailers" in (scope.get("extensions") or ())
            and (b"te", b"trailers") in self.fields
        )

    def _describe(self) -> None:
        scope = self._scope
        socket = scope["type"] == "websocket"
        self.method = "GET" if socket else scope["method"]
        self.target = _target(scope)
        fields = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
        by_name = dict(reversed(fields))
        declared = by_name.get(b"content-length")
        self.authority = by_name.get(b"host", b"").decode("latin-1")
        self.version = scope.get("http_version", "1.1")
        scheme: str = scope.get("scheme", "http")
        self.scheme = _SCHEMES.get(scheme, scheme)
        client = scope.get("client")
        self.peer = Peer(_address(*client) if client else "asgi")
        self.gone: Callable[[str], None] | None = None
        self.body_limit = self.port.limits.body_size
        self.long = False
        self.patient = False
        self.protocol = ""
        self.body = None
        if declared is not None and declared.isdigit():
            self.length = int(declared)
        else:
            chunked = b"transfer-encoding" in by_name or self.version not in ("1.0", "1.1")
            self.length = None if chunked else 0
        if self.length == 0:
            self.body = b""
        if socket:
            # The other server shakes hands; what is said here is for our own code, which would
            # look for a key (and for compression of frames that nobody sends) on HTTP/1.1.
            self.protocol = "websocket"
            self.version = "2"
            fields = [each for each in fields if not each[0].startswith(b"sec-websocket-")]
            fields.append((b"sec-websocket-version", b"13"))
            offered = ", ".join(scope.get("subprotocols", ()))
            if offered:
                fields.append((b"sec-websocket-protocol", offered.encode("latin-1")))
        self.fields = fields

    # --- what the other server awaits -----------------------------------------------------------

    async def run(self) -> None:
        """Have it answered; returns when the reply is sent.

        Raises: BrokenError to tell the other server that the reply is broken off.
        """
        port = self.port
        port.in_flight += 1
        port.requests += 1
        port.connections.add(self)
        self._waiter = asyncio.create_task(self._listen(), name="ASGI receive")
        self._waiter.add_done_callback(see)  # a server may say by an error that the peer has left
        # Not here: a task is current, and the application may start its own eagerly.
        begin = port.application.begin
        if not self.trails:
            begin = getattr(port.application, "begin_untrailed", begin)
        port.loop.call_soon(begin, self)
        try:
            await self._pump()
        finally:
            self._lose("the connection was closed")
            port.in_flight -= 1
            port.closed(self)
            self._waiter.cancel()
            await asyncio.wait([self._waiter])

    async def _pump(self) -> None:
        while True:
            while self._out:
                message, sent = self._out.popleft()
                if message["type"] == "finished":
                    return
                try:
                    await self._send(message)
                except OSError as error:
                    self._lose(str(error) or "the peer left")
                if sent is not None and not sent.done():
                    sent.set_result(None)
            if self._failed:
                raise BrokenError("the reply was broken off")
            if self._left:
                return
            self._room.set()
            self._wake.clear()
            await self._wake.wait()

    async def _listen(self) -> None:
        while True:
            message = await self._receive()
            kind = message["type"]
            if kind == "http.request":
                await self._arrived(message.get("body", b""), bool(message.get("more_body")))
            elif kind == "websocket.receive":
                text = message.get("text")
                assert self._tunnel is not None
                await self._tunnel.deliver(message["bytes"] if text is None else text)
            elif kind == "websocket.disconnect" and self._tunnel is not None:
                self._tunnel.end(message.get("code") or 1005, message.get("reason") or "")
                return
            elif kind in ("http.disconnect", "websocket.disconnect"):
                self._lose("the peer left")
                return

    async def _arrived(self, part: bytes, more: bool) -> None:
        """A part of the body; returns when the next may come."""
        if part:
            self._parts.put_nowait(part)
        if not more:
            # From here on only a disconnect can come, and nobody has to read for that.
            self._parts.put_nowait(None)
            return
        while not self._parts.empty():
            self._wanted.clear()
            await self._wanted.wait()

    def _lose(self, reason: str) -> None:
        """The peer is gone; whoever waits for it learns so."""
        if self._left:
            return
        self._left = reason
        self._wake.set()
        self._room.set()
        if self._parts.empty():
            self._parts.put_nowait(None)
        for _, sent in self._out:
            if sent is not None and not sent.done():
                sent.set_result(None)
        self._out.clear()
        gone, self.gone = self.gone, None
        if gone is not None:
            gone(reason)

    def _put(self, message: Message, sent: asyncio.Future[None] | None = None) -> None:
        if not self._left:
            self._out.append((message, sent))
            self._wake.set()

    # --- what the port calls --------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """See `Connection`."""
        return True

    def drain(self) -> None:
        """See `Connection`; the connection is not ours, and the call goes on."""

    def abort(self) -> None:
        """See `Connection`."""
        self._failed = True
        self._lose("the service has stopped")

    # --- what the application calls -------------------------------------------------------------

    async def receive(self) -> bytes:
        """See `Exchange.receive`."""
        if self.body is not None:
            body, self.body = self.body, b""
            self._received += len(body)
            return body
        while not self._ended:
            part = await self._parts.get()
            self._wanted.set()
            if part is None:
                if self._left:
                    self._parts.put_nowait(None)
                    raise PeerGone(self._left)
                self._ended = True
                break
            self._received += len(part)
            if self.body_limit is not None and self._received > self.body_limit:
                raise TooLarge(f"the body is longer than {self.body_limit} bytes")
            if part:
                return part
        return b""

    def trailers(self) -> Fields:
        """See `Exchange.trailers`; ASGI has none."""
        return ()

    def inform(self, status: int, fields: Fields = ()) -> None:
        """See `Exchange.inform`; only hints can be told, where the other server takes them."""
        links = [value for name, value in fields if name == b"link"]
        if links and "http.response.early_hint" in (self._scope.get("extensions") or ()):
            self._put({"type": "http.response.early_hint", "links": links})

    def respond(self, status: int, content_type: bytes | None, fields: Fields, body: bytes) -> None:
        """See `Exchange.respond`."""
        head = [*fields, (b"content-length", str(len(body)).encode())]
        if status in (204, 304):
            head.pop()
        if content_type is not None:
            head.insert(0, (b"content-type", content_type))
        self._start(status, head)
        empty = self.method == "HEAD" or status in (204, 304)
        self._put(self._message("body", body=b"" if empty else body, more_body=False))
        self._put({"type": "finished"})

    def open(
        self, status: int, fields: Fields, length: int | None = None, *, dated: bool = True
    ) -> None:
        """See `Exchange.open`."""
        head = list(fields)
        if length is not None:
            head.append((b"content-length", str(length).encode()))
        self._trailing = self.trails and length is None
        self._start(status, head)

    def respond_with_trailers(
        self, status: int, fields: Fields, body: bytes, trailers: Fields
    ) -> None:
        """See `Exchange.respond_with_trailers`; see `trails`."""
        if self.trails and not body and not trailers:
            # A head that is all of it cannot be told apart from one before an empty body.
            trailers = [each for each in fields if each[0] != b"content-type"]
            fields = [each for each in fields if each[0] == b"content-type"]
        self.open(status, fields)
        self.write(body)
        self.finish(trailers)

    def write(self, data: bytes) -> bool:
        """See `Exchange.write`."""
        if self._left:
            return False
        if self.method != "HEAD":
            self._room.clear()
            self._put(self._message("body", body=data, more_body=True))
        return self._room.is_set()

    async def wait_writable(self) -> None:
        """See `Exchange.wait_writable`."""
        await self._wait_room()

    async def send(self, data: bytes) -> None:
        """See `Exchange.send`."""
        if self._left:
            raise PeerGone(self._left)
        if self.method == "HEAD":
            return
        sent = self.port.loop.create_future()
        self._put(self._message("body", body=data, more_body=True), sent)
        await sent
        if self._left:
            raise PeerGone(self._left)

    def finish(self, trailers: Fields = ()) -> None:
        """See `Exchange.finish`; trailers are lost where they cannot be sent: see `trails`."""
        self._put(self._message("body", body=b"", more_body=False))
        if self._trailing:
            self._put(self._message("trailers", headers=list(trailers), more_trailers=False))
        self._put({"type": "finished"})

    def reset(self) -> None:
        """See `Exchange.reset`."""
        self._failed = True
        self._wake.set()

    def upgrade(self, fields: Fields = ()) -> AsgiTunnel:
        """See `Exchange.upgrade`."""
        if self._left:
            raise PeerGone(self._left)
        if self.protocol != "websocket":
            raise UsageError("the peer did not ask for a WebSocket")
        chosen = dict(fields).get(b"sec-websocket-protocol")
        accept: Message = {
            "type": "websocket.accept",
            "subprotocol": None if chosen is None else chosen.decode("latin-1"),
            "headers": [each for each in fields if each[0] not in _HANDSHAKE],
        }
        self._started = True
        self._put(accept)
        self._tunnel = AsgiTunnel(self._tunneled, self._wait_room, self.port.limits.read_buffer)
        return self._tunnel

    def _tunneled(self, message: Message | None) -> None:
        if message is None:
            self._put({"type": "finished"})
            return
        self._room.clear()
        self._put(message)

    async def _wait_room(self) -> None:
        await self._room.wait()
        if self._left:
            raise PeerGone(self._left)

    def _start(self, status: int, fields: Fields) -> None:
        if self._started:
            self._refuse_twice()
        self._started = True
        if self.protocol and "websocket.http.response" not in (self._scope.get("extensions") or ()):
            # All that the other server can say is no.
            self._put({"type": "websocket.close"})
            self._put({"type": "finished"})
            return
        start = self._message("start", status=status, headers=list(fields))
        if self._trailing:
            start["trailers"] = True
        self._put(start)

    def _message(self, kind: str, **rest: Any) -> Message:
        prefix = "websocket.http.response" if self.protocol else "http.response"
        return {"type": f"{prefix}.{kind}", **rest}

    def _refuse_twice(self) -> NoReturn:
        raise UsageError(f"{self.method} {self.target!r} was answered before")


def _target(scope: AsgiScope) -> bytes:
    """Path and query behind the prefix at which the other server, or an application, has us."""
    root = scope.get("root_path", "").rstrip("/")
    path = scope["path"]
    raw: bytes = scope.get("raw_path") or quote(path, safe=_PATH).encode()
    if root and path.startswith(root):
        encoded = quote(root, safe=_PATH).encode()
        rest = quote(path[len(root) :], safe=_PATH).encode()
        raw = raw[len(encoded) :] if raw.startswith(encoded) else rest
    query = scope.get("query_string", b"")
    return (raw or b"/") + (b"?" + query if query else b"")


def _address(host: str, port: int | None) -> str:
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
