"""The bytes of an HTTP/1.1 connection after its upgrade."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mainstay.net.exchange import Exchange, Tunnel

__all__ = ["Carrier", "Http1Tunnel"]


class Carrier(Protocol):
    """What a tunnel needs of its connection."""

    @property
    def writable(self) -> bool:
        """Whether there is room, and somebody to take it."""

    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens when the peer is gone."""

    async def wait_writable(self) -> None:
        """Wait until there is room. Raises: PeerGone."""

    def pause_reading(self) -> None:
        """Let the peer wait."""

    def resume_reading(self) -> None:
        """Read again."""

    def close(self) -> None:
        """Send what was written, then close."""


class Http1Tunnel(Tunnel):
    """See `Tunnel`.

    Args:
        carrier: the connection.
        bound: bytes that may wait for a receiver before the peer has to.
        exchange: that asked for the tunnel; its `gone` is called when the peer left.
    """

    __slots__ = ("_bound", "_carrier", "_exchange", "_receiver", "_waiting")

    def __init__(self, carrier: Carrier, bound: int, exchange: Exchange) -> None:
        self._carrier = carrier
        self._bound = bound
        self._exchange = exchange
        self._receiver: Callable[[bytes], None] | None = None
        self._waiting = b""

    def listen(self, receiver: Callable[[bytes], None]) -> None:
        """See `Tunnel`."""
        self._receiver = receiver
        waiting, self._waiting = self._waiting, b""
        if waiting:
            receiver(waiting)
            self._carrier.resume_reading()

    @property
    def writable(self) -> bool:
        """See `Tunnel`."""
        return self._carrier.writable

    def write(self, data: bytes) -> None:
        """See `Tunnel`."""
        self._carrier.write(data)

    async def wait_writable(self) -> None:
        """See `Tunnel`."""
        await self._carrier.wait_writable()

    def pause(self) -> None:
        """See `Tunnel`."""
        self._carrier.pause_reading()

    def resume(self) -> None:
        """See `Tunnel`."""
        self._carrier.resume_reading()

    def close(self) -> None:
        """See `Tunnel`."""
        self._carrier.close()

    def arrived(self, data: bytes) -> None:
        """Bytes of the peer; for the connection."""
        if self._receiver is not None:
            self._receiver(data)
            return
        self._waiting += data
        if len(self._waiting) > self._bound:
            self.pause()

    def lose(self, reason: str) -> None:
        """The connection is gone; for the connection."""
        if self._receiver is not None:
            self._receiver(b"")
        gone = self._exchange.gone
        if gone is not None:
            gone(reason)
