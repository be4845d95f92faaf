"""Connections in memory: two transports that are each other's peer, without a socket.

What protocols see is what sockets would show them:

* **Bytes arrive later**, in a callback of the loop and never within `write`; in the order they were
  sent, and joined as a socket joins them.
* **There is a wire between the two**, of `WIRE` bytes. What does not fit on it, because the peer
  reads no more, waits with the sender; above its high-water mark the sender's protocol is paused.
* **Each side lives in its own context**, that of whoever connected and of whoever listens: what the
  caller has in context variables is not seen on the other side.
* **The end comes in order**: `close` sends what was written and then an end of file; `abort` loses
  what the peer has not read, and its peer's connection is reset.

Nothing here is a descriptor or a timer, so virtual time (`mainstay.testing.VirtualLoop`) jumps as
soon as both sides wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from typing import Any, Final

__all__ = ["WIRE", "MemoryTransport", "connect_in_memory"]

WIRE: Final = 64 * 1024
"""Bytes that are under way at most, in each direction; what a kernel would hold."""

_HIGH: Final = 64 * 1024


def connect_in_memory(
    client: asyncio.BaseProtocol,
    server: asyncio.BaseProtocol,
    *,
    server_context: Context | None = None,
    peername: Any = ("memory", 0),
) -> MemoryTransport:
    """Connect two protocols; `connection_made` of both has been called.

    Args:
        client: of the side that connects; it lives in a copy of the current context.
        server: of the side that listens.
        server_context: what the server lives in; a copy of the current one unless given.
        peername: of the client, as the server sees it.

    Returns: the client's transport.
    """
    loop = asyncio.get_running_loop()
    here = MemoryTransport(loop, client, copy_context(), {"peername": ("memory", 0)})
    there = MemoryTransport(
        loop, server, (server_context or copy_context()).copy(), {"peername": peername}
    )
    here.join(there)
    there.join(here)
    there.begin()
    here.begin()
    return here


class MemoryTransport(asyncio.Transport):
    """One end of a connection; made in pairs by `connect_in_memory`.

    Args:
        loop: of both ends.
        protocol: of this end.
        context: its callbacks run in it.
        extra: for `get_extra_info`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        context: Context,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(extra)
        self._loop = loop
        self._protocol: Any = protocol
        self._context = context
        self._peer: MemoryTransport | None = None
        self._unsent = bytearray()  # written, and no room on the wire
        self._arrived = bytearray()  # the wire towards us
        self._high, self._low = _HIGH, _HIGH // 4
        self._paused_writing = False
        self._reading = True
        self._eof = False  # after what was written, the peer is told the end
        self._eof_arrived = False
        self._eof_told = False
        self._closing = False
        self._lost = False
        self._delivery: asyncio.Handle | None = None

    def join(self, peer: MemoryTransport) -> None:
        """Take the other end."""
        self._peer = peer

    def begin(self) -> None:
        """Tell the protocol that the connection is made."""
        self._context.run(self._protocol.connection_made, self)

    # --- as asyncio's transports ----------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See `asyncio.BaseTransport`."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._closing

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport`."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._reading = False

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._reading = True
        self._schedule()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""
        if high is None:
            high = _HIGH if low is None else 4 * low
        low = high // 4 if low is None else low
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be >= low ({low}) must be >= 0")
        self._high, self._low = high, low
        self._pause_or_resume()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """See `asyncio.WriteTransport`."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`."""
        return len(self._unsent)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See `asyncio.WriteTransport`."""
        if self._lost or self._closing or not data:
            return
        if self._eof:
            raise RuntimeError("write after write_eof")
        self._unsent += data
        self._send()
        self._pause_or_resume()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """See `asyncio.WriteTransport`."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return True

    def write_eof(self) -> None:
        """See `asyncio.WriteTransport`."""
        if not self._closing and not self._eof:
            self._eof = True
            self._send()

    def close(self) -> None:
        """See `asyncio.BaseTransport`."""
        if not self._closing:
            self._closing = True
            self._eof = True
            self._arrived.clear()
            self._send()

    def abort(self) -> None:
        """See `asyncio.WriteTransport`."""
        self._closing = True
        peer = self._peer
        self._lose(None)
        if peer is not None:
            peer._reset("the peer reset the connection")

    # --- the wire -------------------------------------------------------------------------------

    def _send(self) -> None:
        """Put on the wire what fits."""
        peer = self._peer
        if peer is None or self._lost:
            return
        if peer._closing:
            # It reads no more: what is put on the wire is refused, as by a closed socket.
            if self._unsent:
                self._unsent.clear()
                self._reset("the peer has closed the connection")
        else:
            room = WIRE - len(peer._arrived)
            if room > 0 and self._unsent:
                peer._arrived += self._unsent[:room]
                del self._unsent[:room]
                peer._schedule()
        if self._eof and not self._unsent:
            if not peer._eof_arrived:
                peer._eof_arrived = True
                peer._schedule()
            if self._closing:
                self._lose(None)

    def _schedule(self) -> None:
        if self._delivery is None and not self._lost:
            self._delivery = self._loop.call_soon(self._deliver, context=self._context)

    def _deliver(self) -> None:
        """Hand to the protocol what has arrived."""
        self._delivery = None
        if not self._reading or self._closing:
            return
        if self._arrived:
            data = bytes(self._arrived)
            self._arrived.clear()
            self._guard(self._protocol.data_received, data)
            peer = self._peer
            if peer is not None:
                peer._send()
                peer._pause_or_resume()
        if self._arrived:
            self._schedule()
        elif self._eof_arrived and not self._eof_told and self.is_reading():
            self._eof_told = True
            if not self._guard(self._protocol.eof_received):
                self.close()

    def _guard(self, callback: Callable[..., Any], *args: Any) -> Any:
        """Call the protocol; one that fails loses its connection, as with sockets."""
        try:
            return callback(*args)
        except Exception as error:
            self._loop.call_exception_handler(
                {
                    "message": f"{self._protocol!r} failed",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
            self.abort()
            return None

    def _pause_or_resume(self) -> None:
        size = len(self._unsent)
        if self._lost:
            return
        if size > self._high and not self._paused_writing:
            self._paused_writing = True
            self._guard(self._protocol.pause_writing)
        elif size <= self._low and self._paused_writing:
            self._paused_writing = False
            self._guard(self._protocol.resume_writing)

    # --- the end --------------------------------------------------------------------------------

    def _reset(self, why: str) -> None:
        """The peer is gone, and with it what was under way."""
        if not self._lost:
            self._closing = True
            self._lose(ConnectionResetError(why))

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._unsent.clear()
        self._arrived.clear()
        if self._delivery is not None:
            self._delivery.cancel()
            self._delivery = None
        self._loop.call_soon(self._protocol_lost, error, context=self._context)

    def _protocol_lost(self, error: Exception | None) -> None:
        self._guard(self._protocol.connection_lost, error)
        self._peer = None

    def __repr__(self) -> str:
        state = "lost" if self._lost else "closing" if self._closing else "open"
        return f"<MemoryTransport {state} unsent={len(self._unsent)}>"
