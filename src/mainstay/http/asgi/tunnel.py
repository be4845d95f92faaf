"""The bytes of a WebSocket whose frames another server speaks.

ASGI has messages where our WebSockets have bytes. So the tunnel plays the client: what our side
writes is parsed as frames and becomes messages of ASGI, and the peer's messages are framed again.
Pings of ours are answered on the spot; the other server has its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from mainstay.http.asgi.types import Message
from mainstay.wire.websocket import Closed, Pong, WebSocketWire

__all__ = ["AsgiTunnel"]

# Codes that stand for the absence of one, and are never sent (RFC 6455 §7.4.1).
_UNSAYABLE: Final = (1005, 1006, 1015)


class AsgiTunnel:
    """See `mainstay.net.exchange.Tunnel`.

    Args:
        put: takes messages for the peer; None at the end.
        wait_room: waits until it has taken them. Raises: PeerGone.
        bound: bytes that may wait for a receiver before the peer has to.
    """

    def __init__(
        self,
        put: Callable[[Message | None], None],
        wait_room: Callable[[], Awaitable[None]],
        bound: int,
    ) -> None:
        self._put = put
        self._wait_room = wait_room
        self._bound = bound
        self._wire = WebSocketWire(client=True, max_size=None)
        self._receiver: Callable[[bytes], None] | None = None
        self._waiting = bytearray()
        self._reads = asyncio.Event()
        self._reads.set()
        self._paused = False
        self._over = False

    def listen(self, receiver: Callable[[bytes], None]) -> None:
        """See `Tunnel`."""
        self._receiver = receiver
        self._flush()

    @property
    def writable(self) -> bool:
        """See `Tunnel`: nobody can say, since the other server has its own buffers."""
        return False

    def write(self, data: bytes) -> None:
        """See `Tunnel`."""
        self._wire.receive_data(data)
        while (event := self._wire.next_event()) is not None:
            if isinstance(event, str):
                self._put({"type": "websocket.send", "text": event})
            elif isinstance(event, bytes):
                self._put({"type": "websocket.send", "bytes": event})
            elif isinstance(event, Closed) and not self._over:
                self._over = True
                code = 1000 if event.code in _UNSAYABLE else event.code
                self._put({"type": "websocket.close", "code": code, "reason": event.reason})
                self._put(None)
            else:
                assert isinstance(event, Pong | Closed)
        if self._wire.pending:
            # Pongs, and the answer to our goodbye. Later: the writer may not expect bytes now.
            self._hand(self._wire.data_to_send())

    async def wait_writable(self) -> None:
        """See `Tunnel`."""
        await self._wait_room()

    def pause(self) -> None:
        """See `Tunnel`."""
        self._paused = True
        self._reads.clear()

    def resume(self) -> None:
        """See `Tunnel`."""
        self._paused = False
        self._flush()

    def close(self) -> None:
        """See `Tunnel`."""
        if not self._over:
            self._over = True
            self._put({"type": "websocket.close", "code": 1000})
            self._put(None)

    # --- what the exchange calls ----------------------------------------------------------------

    async def deliver(self, message: str | bytes) -> None:
        """A message of the peer; returns when there is room for more."""
        if not self._wire.closing:
            self._wire.send(message)
            self._hand(self._wire.data_to_send())
        await self._reads.wait()

    def end(self, code: int, reason: str) -> None:
        """The peer has left, with or without a goodbye."""
        if not self._over:
            self._over = True
            if code != 1006:  # noqa: PLR2004 - "abnormal": it left without a goodbye
                self._wire.close(1000 if code in _UNSAYABLE else code, reason)
                self._hand(self._wire.data_to_send())
            self._put(None)
        self._hand(b"")

    def _hand(self, data: bytes) -> None:
        if data:
            self._waiting += data
            if len(self._waiting) > self._bound:
                self._reads.clear()
            asyncio.get_running_loop().call_soon(self._flush)
        elif self._receiver is not None:
            self._flush()
            self._receiver(b"")

    def _flush(self) -> None:
        if self._paused or self._receiver is None:
            return
        if self._waiting:
            data = bytes(self._waiting)
            self._waiting.clear()
            self._receiver(data)
        if not self._paused:
            self._reads.set()
