"""A server in memory: a whole service, with connections that are kept in memory in the place of
its sockets.

`serve_in_memory` runs the service, and `MemoryDialer` opens the connections of a client to it;
`mainstay.testing.http` and `mainstay.testing.rpc` are a client each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from typing import Any, Generic, TypeVar

from mainstay.core.call import Handler
from mainstay.core.effects import Effects
from mainstay.core.scope import Scope
from mainstay.core.wheel import Wheel
from mainstay.errors import BrokenError, UsageError
from mainstay.interfaces.server import ServerStatistics
from mainstay.net.limits import Limits
from mainstay.net.origin import Origin
from mainstay.net.outgoing import ConnectionOwner, Shared
from mainstay.net.port import Port, PortApplication
from mainstay.net.sniffing import Sniffer
from mainstay.service.running import Running
from mainstay.service.service import Service
from mainstay.service.settings import Settings
from mainstay.testing.memory import connect_in_memory
from mainstay.wire.http1 import HeadParser

__all__ = ["MemoryDialer", "MemoryServer", "serve_in_memory"]

C = TypeVar("C", bound=asyncio.Protocol)


class MemoryServer:
    """See `mainstay.interfaces.server.Server`; peers connect by `connect`.

    Args:
        application: answers.
        limits: of its connections.
    """

    def __init__(self, application: PortApplication, limits: Limits) -> None:
        self.application = application
        self.limits = limits
        self._port: Port | None = None
        self._parser: HeadParser | None = None
        self._context = Context()
        self._connections = 0
        self._connected = 0

    async def open(self, handler: Handler, scope: Scope) -> list[str]:
        """See `Server`."""
        clock = scope.effects.clock
        wheel = Wheel(asyncio.get_running_loop(), clock.monotonic)
        self._port = Port(self.application, self.limits, wheel, clock.monotonic, clock.time)
        self.application.open(self._port, scope, handler)
        self._context = copy_context()
        return ["memory"]

    def accept(self) -> None:
        """See `Server`."""
        limits = self.limits
        self._parser = HeadParser(
            head_size=limits.head_size,
            header_count=limits.header_count,
            target_size=limits.target_size,
        )

    def connect(self, client: asyncio.BaseProtocol) -> None:
        """Connect `client`. Raises: ConnectionRefusedError unless the server accepts."""
        if self._port is None or self._parser is None:
            raise ConnectionRefusedError("the service does not accept connections")
        self._connections += 1
        self._connected += 1
        connect_in_memory(
            client,
            Sniffer(self._port, self._parser, self._released),
            server_context=self._context,
            peername=("memory", self._connected),
        )

    def _released(self) -> None:
        self._connections -= 1

    async def stop_accepting(self) -> None:
        """See `Server`."""
        self._parser = None

    async def drain(self) -> None:
        """See `Server`."""
        if self._port is not None:
            self._port.drain()
            await self._port.wait_empty()

    async def aclose(self) -> None:
        """See `Server`."""
        self._parser = None
        if self._port is not None:
            self._port.abort()

    def statistics(self) -> ServerStatistics:
        """See `Server`."""
        in_flight = 0 if self._port is None else self._port.in_flight
        return ServerStatistics(self._connections, in_flight)

    def __repr__(self) -> str:
        return f"<MemoryServer connections={self._connections}>"


class MemoryDialer(Generic[C]):
    """Opens connections of one client to one server in memory, whatever host they are for.

    Args:
        shared: of the client.
        server: that every connection reaches.
        new: makes a connection.
    """

    def __init__(
        self,
        shared: Shared,
        server: MemoryServer,
        new: Callable[[Shared, str, ConnectionOwner], C],
    ) -> None:
        self._shared = shared
        self._server = server
        self._new = new

    async def dial(self, origin: Origin, owner: ConnectionOwner) -> C:
        """Open a connection, as if to `origin`. Raises: BrokenError unless the server accepts."""
        made = self._new(self._shared, str(origin), owner)
        try:
            self._server.connect(made)
        except OSError as error:
            raise BrokenError(f"cannot connect to {origin}: {error}") from error
        return made


@asynccontextmanager
async def serve_in_memory(
    service: Service,
    *,
    config: Any = None,
    settings: Settings | None = None,
    effects: Effects | None = None,
    overrides: Mapping[Any, Any] | None = None,
) -> AsyncIterator[tuple[Running, MemoryServer]]:
    """Run the service behind a `MemoryServer`.

    Args:
        service: with a route or a method of RPC at least.
        config: see `Service.running`.
        settings: see there.
        effects: see there.
        overrides: see there.

    Raises: as `Service.running`; UsageError for a service that answers nothing by HTTP.
    """
    made: list[MemoryServer] = []

    def front(application: PortApplication, limits: Limits) -> MemoryServer:
        made.append(MemoryServer(application, limits))
        return made[-1]

    life = service.running(
        config=config, settings=settings, effects=effects, overrides=overrides, front=front
    )
    async with life as running:
        if not made:
            raise UsageError(f"{service!r} has no route that a client could ask for")
        yield running, made[0]
