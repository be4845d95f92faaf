"""A server without sockets: what another server receives is answered through ASGI."""

from __future__ import annotations

from mainstay.core.call import Handler
from mainstay.core.scope import Scope
from mainstay.core.wheel import Wheel
from mainstay.errors import UsageError
from mainstay.http.asgi.exchange import AsgiExchange
from mainstay.http.asgi.types import AsgiScope, Receive, Send
from mainstay.interfaces.server import ServerStatistics
from mainstay.net.limits import Limits
from mainstay.net.port import Port, PortApplication

__all__ = ["AsgiServer"]


class AsgiServer:
    """See `mainstay.interfaces.server.Server`; connections, and their limits, are the other
    server's.

    Args:
        application: answers.
        limits: of bodies, WebSockets and calls in flight.
    """

    def __init__(self, application: PortApplication, limits: Limits) -> None:
        self.application = application
        self.limits = limits
        self._port: Port | None = None
        self._accepts = False

    async def open(self, handler: Handler, scope: Scope) -> list[str]:
        """See `Server`."""
        if self._port is not None:
            raise UsageError(f"{self!r} was opened before; make a new one")
        clock = scope.effects.clock
        wheel = Wheel(scope._runtime.loop, clock.monotonic)
        self._port = Port(self.application, self.limits, wheel, clock.monotonic, clock.time)
        self.application.open(self._port, scope, handler)
        return ["asgi"]

    def accept(self) -> None:
        """See `Server`."""
        self._accepts = True

    async def serve(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request, or one WebSocket."""
        if self._port is None or not self._accepts:
            await _refuse(scope, send)
            return
        await AsgiExchange(self._port, scope, receive, send).run()

    async def stop_accepting(self) -> None:
        """See `Server`."""
        self._accepts = False

    async def drain(self) -> None:
        """See `Server`."""
        if self._port is not None:
            self._port.drain()
            await self._port.wait_empty()

    async def aclose(self) -> None:
        """See `Server`."""
        self._accepts = False
        if self._port is not None:
            self._port.abort()

    def statistics(self) -> ServerStatistics:
        """See `Server`."""
        port = self._port
        return ServerStatistics(0, 0) if port is None else ServerStatistics(0, port.in_flight)

    def __repr__(self) -> str:
        return "<AsgiServer>"


async def _refuse(scope: AsgiScope, send: Send) -> None:
    """The service does not run, or is stopping."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1012})
        return
    headers = [(b"content-length", b"0"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
