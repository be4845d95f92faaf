"""What the client's connections of HTTP/2 have in common: how they begin, fail and end.

`client_http2` asks and reads one reply, `client_streams` streams both ways; on both, an engine
(`wire/http2.py`) knows the protocol, and a guard counts floods before the engine sees them. Each
says on its own when it reads, writes and takes no more, which are its hot path. The rules here:

* What cannot be handled, because of the server or because of us, is `Broken` to the connection, so
  that nobody waits for a reply that will not come. A fault of ours is reported to the loop as well.
* What is closed is gone within `CLOSE_TIMEOUT`, whether the server takes what is left or not.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from mainstay.core.wheel import Timer
from mainstay.net.client_http1 import CLOSE_TIMEOUT
from mainstay.net.outgoing import Shared
from mainstay.wire.http2 import Broken, ErrorCode, Event, Http2Engine, Http2Settings
from mainstay.wire.http2_engines import http2_engine
from mainstay.wire.http2_guard import Violation
from mainstay.wire.http2_replies_guard import ReplyGuard

__all__ = ["EngineConnection"]

_WINDOWS: Final = 16
"""Streams whose whole window the connection has room for."""

_DEFAULT_WINDOW: Final = 65_535
_FLOOD_WINDOW: Final = 10.0


class EngineConnection(asyncio.Protocol):
    """One connection of HTTP/2, without its streams.

    Args:
        shared: of the client.
        where: the server, for messages.
        engine: of a client; the best there is unless given.
        resets, control_frames: that the server may send within ten seconds; see `FrameGuard`.
        together: whether replies that came whole may be told as a `Reply`.

    Attributes:
        idle_since: loop time when the last stream ended.
        closed: done when nothing of it is left.
    """

    def __init__(
        self,
        shared: Shared,
        where: str,
        engine: Http2Engine | None,
        *,
        resets: int,
        control_frames: int,
        together: bool = False,
    ) -> None:
        self.idle_since = shared.loop.time()
        self.closed: asyncio.Future[None] = shared.loop.create_future()
        self._shared = shared
        self._loop = shared.loop
        self._where = where
        self._engine = engine or http2_engine(client=True, settings=_settings(shared, together))
        self._guard = ReplyGuard(
            resets=resets,
            control_frames=control_frames,
            window=_FLOOD_WINDOW,
            block=2 * shared.limits.head_size,
            known=self._engine.replies,
        )
        self._transport: asyncio.Transport | None = None
        self._writable = True
        self._over = False  # whether it takes no more streams
        self._closing = False
        self._timer: Timer | None = None

    # --- what a connection says on its own ------------------------------------------------------

    def _take(self, event: Event) -> None:
        """Do as the engine says."""
        raise NotImplementedError

    def _flush(self) -> None:
        """Write what the engine has, and what waited for its turn."""
        raise NotImplementedError

    def _lose(self, why: str) -> None:
        """The connection is gone, and its streams with it; `why` may be empty."""
        raise NotImplementedError

    # --- how it begins --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected, and TLS agreed."""
        # A cast: the transports of uvloop are no subclasses of asyncio's.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(self._shared.limits.write_buffer)
        self._engine.begin()
        self._flush()

    # --- how it fails ---------------------------------------------------------------------------

    def _give_up(self, error: Exception) -> None:
        """What came could not be handled: end the connection, with GOAWAY."""
        if isinstance(error, Violation):
            broken = Broken(error.code, error.message)
        else:  # a bug, here or in the engine
            self._report(error)
            message = f"what came could not be handled: {type(error).__name__}"
            broken = Broken(ErrorCode.INTERNAL_ERROR, message)
        self._engine.fail(broken.code)
        self._take(broken)

    def _report(self, error: Exception) -> None:
        context = {"message": f"{self!r} failed", "exception": error, "protocol": self}
        self._loop.call_exception_handler(context)

    # --- how it ends ----------------------------------------------------------------------------

    def _write(self) -> int:
        """Write what the engine has and no more; how many bytes."""
        data = self._engine.take()
        if data and self._transport is not None:
            self._transport.write(data)
        return len(data)

    def _close(self) -> None:
        """Close it once what the engine has is written, and in time."""
        self._over = True
        transport = self._transport
        if transport is None or self._closing:
            return
        self._closing = True
        self._write()
        transport.close()
        if self._timer is not None:
            self._timer.cancel()
        # A server that takes nothing of what is left would keep the connection open.
        end = self._loop.time() + CLOSE_TIMEOUT
        self._timer = self._shared.wheel.at(end, transport.abort)

    async def _wait_closed(self) -> None:
        """Wait until nothing of it is left, which is at once if the server does not answer."""
        if not self.closed.done():
            await asyncio.wait([self.closed], timeout=CLOSE_TIMEOUT)
            if self._transport is not None:
                self._transport.abort()
            await asyncio.wait([self.closed])

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(None)
        self._lose(str(error or ""))


def _settings(shared: Shared, together: bool) -> Http2Settings:
    limits = shared.limits
    window = max(_DEFAULT_WINDOW, limits.read_buffer)
    return Http2Settings(
        stream_window=window,
        connection_window=window * _WINDOWS,
        head_size=limits.head_size,
        header_count=limits.header_count,
        together=together,
    )
