"""The bytes of a stream of HTTP/2 after an extended CONNECT (RFC 8441)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mainstay.net.exchange import Fields, Tunnel

__all__ = ["Http2Tunnel", "Stream"]


class Stream(Protocol):
    """What a tunnel needs of its exchange."""

    @property
    def writable(self) -> bool:
        """Whether everything is on its way, and there is room for more."""

    def write(self, data: bytes) -> object:
        """Send bytes, now or when there is room."""

    async def wait_writable(self) -> None:
        """Wait until everything is on its way. Raises: PeerGone."""

    def finish(self, trailers: Fields = ()) -> None:
        """End it after what was written."""


class Http2Tunnel(Tunnel):
    """See `Tunnel`. The peer may send a window's worth more than the receiver has taken.

    Args:
        stream: carries it.
        credit: called with the number of bytes that the receiver has taken.
    """

    __slots__ = ("_credit", "_ended", "_paused", "_receiver", "_stream", "_waiting")

    def __init__(self, stream: Stream, credit: Callable[[int], None]) -> None:
        self._stream = stream
        self._credit = credit
        self._receiver: Callable[[bytes], None] | None = None
        self._paused = False
        self._ended = False
        self._waiting = bytearray()

    def arrived(self, data: bytes, ended: bool) -> None:
        """Bytes came; for the exchange."""
        self._waiting += data
        self._ended = self._ended or ended
        self._deliver()

    def lose(self) -> None:
        """The peer is gone."""
        if not self._ended:
            self._paused = False
            self.arrived(b"", True)

    def _deliver(self) -> None:
        while (receiver := self._receiver) is not None and not self._paused:
            if self._waiting:
                data = bytes(self._waiting)
                self._waiting.clear()
                receiver(data)
                self._credit(len(data))
            elif self._ended:
                self._receiver = None
                receiver(b"")
            else:
                return

    def listen(self, receiver: Callable[[bytes], None]) -> None:
        """See `Tunnel`."""
        self._receiver = receiver
        self._deliver()

    @property
    def writable(self) -> bool:
        """See `Tunnel`."""
        return self._stream.writable

    def write(self, data: bytes) -> None:
        """See `Tunnel`."""
        if data:
            self._stream.write(data)

    async def wait_writable(self) -> None:
        """See `Tunnel`."""
        await self._stream.wait_writable()

    def pause(self) -> None:
        """See `Tunnel`."""
        self._paused = True

    def resume(self) -> None:
        """See `Tunnel`."""
        self._paused = False
        self._deliver()

    def close(self) -> None:
        """See `Tunnel`."""
        self._stream.finish()
