"""The HTTP server: listeners, the connections they accept, and their drain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mainstay.core.call import Handler
from mainstay.core.scope import Scope
from mainstay.core.threads import to_thread
from mainstay.core.wheel import Wheel
from mainstay.errors import UsageError
from mainstay.interfaces.server import ServerStatistics
from mainstay.net.address import Address
from mainstay.net.limits import Limits
from mainstay.net.listener import Listener
from mainstay.net.port import Port, PortApplication
from mainstay.net.sniffing import Sniffer
from mainstay.net.tls import ServerTls, TlsSettings
from mainstay.wire.http1 import HeadParser

__all__ = ["HttpServer"]


class HttpServer:
    """Speaks HTTP/1.1, HTTP/2 and WebSocket on its addresses, with or without TLS.

    Args:
        addresses: where to listen; see `mainstay.net.address`.
        application: answers; an endpoint without a handler uses the one that `open` is given.
        limits: see `Limits`.
        tls: certificates; plain text without.
        reuse_port: see `Listener`.
        unix_mode: see `Listener`.

    Raises: UsageError without an address, or for one that cannot be understood.
    """

    def __init__(
        self,
        addresses: Sequence[str | Address],
        application: PortApplication,
        *,
        limits: Limits | None = None,
        tls: TlsSettings | None = None,
        reuse_port: bool = False,
        unix_mode: int = 0o600,
    ) -> None:
        if not addresses:
            raise UsageError("an HTTP server needs an address to listen on")
        self.application = application
        self.limits = limits or Limits()
        self._tls = tls
        self._certificates: ServerTls | None = None
        self._watch: asyncio.Task[None] | None = None
        self._listeners = [
            Listener(
                address,
                limit=self.limits.connections,
                reuse_port=reuse_port,
                unix_mode=unix_mode,
            )
            for address in addresses
        ]
        self._port: Port | None = None
        self._calls: Scope | None = None

    async def open(self, handler: Handler, scope: Scope) -> list[str]:
        """See `Server`."""
        if self._port is not None:
            raise UsageError(f"{self!r} was opened before; make a new one")
        clock = scope.effects.clock
        loop = asyncio.get_running_loop()
        wheel = Wheel(loop, clock.monotonic)
        port = Port(
            self.application,
            self.limits,
            wheel,
            clock.monotonic,
            clock.time,
            scope.effects.random.random,
        )
        bound: list[Listener] = []
        try:
            if self._tls is not None:
                self._certificates = await to_thread(ServerTls, self._tls)
                self._watch = loop.create_task(self._certificates.watch(), name="certificates")
            for listener in self._listeners:
                await listener.bind()
                bound.append(listener)
        except BaseException:
            for listener in bound:
                await listener.aclose()
            self._unwatch()
            raise
        self.application.open(port, scope, handler)
        self._port = port
        self._calls = scope
        return [str(listener.address) for listener in self._listeners]

    def accept(self) -> None:
        """See `Server`."""
        port = self._port
        if port is None:
            raise UsageError(f"{self!r} is not open")
        limits = self.limits
        parser = HeadParser(
            head_size=limits.head_size,
            header_count=limits.header_count,
            target_size=limits.target_size,
        )
        for listener in self._listeners:
            released = listener.release
            listener.accept(
                lambda released=released: Sniffer(port, parser, released),  # type: ignore[misc]
                ssl=None if self._certificates is None else self._certificates.context,
                handshake_timeout=(
                    limits.header_timeout if self._tls is None else self._tls.handshake_timeout
                ),
            )

    async def stop_accepting(self) -> None:
        """See `Server`."""
        await asyncio.gather(*(listener.stop() for listener in self._listeners))

    async def drain(self) -> None:
        """See `Server`. Replies say goodbye from now on; idle connections are closed after
        `Limits.lame_duck` seconds. Who connects is refused at once, instead of waiting in a queue
        that nobody will ever look at; a queue that another process holds as well is not touched."""
        if self._port is not None and self._calls is not None:
            # In this order: GOAWAY goes out before the end of a stream that its handler ends now.
            self._port.drain()
            self._calls.drain()
            closing = (listener.aclose() for listener in self._listeners)
            await asyncio.gather(*closing, self._port.wait_empty())

    async def aclose(self) -> None:
        """See `Server`."""
        for listener in self._listeners:
            await listener.aclose()
        if self._port is not None:
            self._port.abort()
        self._unwatch()

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    def statistics(self) -> ServerStatistics:
        """See `Server`."""
        open_now = sum(listener.statistics().connections for listener in self._listeners)
        port = self._port
        if port is None:
            return ServerStatistics(open_now, 0)
        return ServerStatistics(open_now, port.in_flight, port.requests)

    def __repr__(self) -> str:
        where = ", ".join(str(listener.address) for listener in self._listeners)
        return f"<HttpServer {where}>"
