"""The side of a connection that has nothing to do with what is spoken: writing, waiting, closing.

* What is written while the line is corked leaves in one write.
* One timer on the wheel is set for a time at which something may be overdue; when it fires, it
  looks at what the line waits for now. So a request costs no timer.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import Final

from mainstay.core.wheel import Timer
from mainstay.errors import PeerGone
from mainstay.net.port import Port

__all__ = ["FLUSH", "Line"]

FLUSH: Final = 5.0
"""Seconds without progress that a peer has to take what was written, when the server drains."""


class Line(asyncio.Protocol):
    """A connected transport, written to and watched.

    Args:
        port: of the server.
        transport: connected.

    Attributes:
        port, transport: as given.
        due: when the peer has kept us waiting for too long; infinite while it is our turn.
        write_due: the same for a peer that does not take what is written.
        closing: whether nothing more is read.
    """

    __slots__ = (
        "_armed",
        "_out",
        "_reading",
        "_timer",
        "_unsent",
        "_writable",
        "closing",
        "due",
        "port",
        "transport",
        "write_due",
    )

    def __init__(self, port: Port, transport: asyncio.Transport) -> None:
        self.port = port
        self.transport = transport
        self.closing = False
        self.due = inf
        self.write_due = inf
        self._unsent = 0
        self._out: list[bytes] | None = None
        self._reading = True
        self._writable: asyncio.Future[None] | None = None
        self._timer: Timer | None = None
        self._armed = inf

    def overdue(self) -> None:
        """`due` has come."""
        raise NotImplementedError

    def closed(self) -> None:
        """The transport is gone: let go of everything."""
        self.closing = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # --- reading --------------------------------------------------------------------------------

    def pause_reading(self) -> None:
        """The peer has to wait."""
        if self._reading and not self.transport.is_closing():
            self._reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """There is room again."""
        if not self._reading:
            self._reading = True
            if not self.transport.is_closing():
                self.transport.resume_reading()

    # --- writing --------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens when the peer is gone."""
        if self._out is None:
            if not self.transport.is_closing():
                self.transport.write(data)
        else:
            self._out.append(data)

    def cork(self) -> None:
        """Gather what is written, until the loop comes around."""
        if self._out is None:
            self._out = []
            self.port.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Let go of what is gathered."""
        out, self._out = self._out, None
        if out and not self.transport.is_closing():
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))

    def flush_above(self, size: int) -> None:
        """Let go of what is gathered if it is more than `size` bytes, so that it counts."""
        if self._out is not None and sum(map(len, self._out)) > size:
            out, self._out = self._out, []
            self.transport.write(b"".join(out))

    @property
    def writable(self) -> bool:
        """Whether the transport has room, and a peer."""
        return self._writable is None and not self.transport.is_closing()

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._unsent = self.transport.get_write_buffer_size()
        self.write_due = self.port.monotonic() + self.port.limits.write_timeout
        self.arm(self.write_due)
        if self._writable is None:
            self._writable = self.port.loop.create_future()

    def resume_writing(self) -> None:
        """The transport has room."""
        if not self.transport.is_closing():
            self.write_due = inf
        waiter, self._writable = self._writable, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def wait_writable(self) -> None:
        """Wait until the transport has room. Raises: PeerGone."""
        while self._writable is not None:
            if self.transport.is_closing():
                break
            await asyncio.wait([self._writable])
        if self.transport.is_closing():
            raise PeerGone("the peer is gone; nobody takes the rest of the reply")

    # --- time -----------------------------------------------------------------------------------

    def arm(self, when: float) -> None:
        """Look at `when` what is overdue."""
        if self._timer is not None:
            self._timer.cancel()
        self._armed = when
        self._timer = self.port.wheel.at(when, self._look)

    def disarm(self) -> None:
        """Nothing can be overdue until `arm` is called again."""
        self.due = inf
        self._armed = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def arm_body(self) -> None:
        """Somebody waits for the body."""
        self.due = self.port.monotonic() + self.port.limits.body_timeout
        self.arm(min(self.due, self.write_due))

    def _look(self) -> None:
        """Something may be overdue."""
        self._timer = None
        now = self.port.monotonic()
        if now >= self.write_due:
            left = self.transport.get_write_buffer_size()
            if left >= self._unsent:
                self.transport.abort()
                return
            self._unsent = left
            self.write_due = now + self.port.limits.write_timeout
        if now >= self.due:
            self.due = inf
            self.overdue()
            if self.transport.is_closing() and self.write_due == inf:
                return
        when = min(self.due, self.write_due)
        # While a call is at work nothing is due; look again in time for what comes after it.
        self.arm(when if when < inf else now + self.port.limits.keep_alive)

    def close(self) -> None:
        """Send what was written, then close, within `write_timeout`."""
        self.closing = True
        self.flush()
        transport = self.transport
        if not transport.is_closing():  # asyncio's TLS does not survive being closed twice
            transport.close()
        if transport.get_write_buffer_size():
            # `close` waits for the peer to take it all, and that may be never.
            limit = self.port.limits.write_timeout
            if self.port.draining:
                limit = min(limit, FLUSH)
            self._unsent = transport.get_write_buffer_size()
            self.write_due = min(self.write_due, self.port.monotonic() + limit)
            self.arm(self.write_due)
