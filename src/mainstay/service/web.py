"""The HTTP side of a running service: its servers, and what they answer beside its own routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from mainstay.core.call import Handler
from mainstay.interfaces.server import Server
from mainstay.service.declaration import Declaration
from mainstay.service.operations import Ask, operations
from mainstay.service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainstay.http.app import HttpApplication
    from mainstay.http.routes import Routes
    from mainstay.http.server import HttpServer
    from mainstay.net.limits import Limits
    from mainstay.net.port import PortApplication
    from mainstay.rpc.app import RpcApplication
    from mainstay.rpc.endpoint import RpcEndpoint
    from mainstay.rpc.health import Health
    from mainstay.rpc.transcoding.table import Transcoding
    from mainstay.service.endpoints import Endpoints
    from mainstay.service.rpc import RpcEndpoints
    from mainstay.service.wiring import Runner

__all__ = ["Front", "Web"]


Front: TypeAlias = Callable[["PortApplication", "Limits"], Server]
"""Makes what brings the calls, when it is not a server of ours that listens."""


class Web:
    """Makes the HTTP servers of one life of a service.

    Args:
        declaration: what the service is made of.
        settings: of the framework.
        ask: asks a probe.
        front: makes what brings the calls, when it is not a server of ours that listens.

    Attributes:
        beside: routes outside of the service's middleware, as far as the service has none of its
            own at their paths; None if it answers nothing by HTTP.
        health: of the services of RPC; None without any.
    """

    def __init__(
        self,
        declaration: Declaration,
        settings: Settings,
        ask: Ask,
        front: Front | None = None,
    ) -> None:
        self._declaration = declaration
        self._settings = settings
        self._ask = ask
        self._front = front
        self._servers: list[Server] = []
        self._applications: list[HttpApplication] = []
        self._rpc_applications: list[RpcApplication] = []
        self._endpoints: Endpoints | None = None
        self._rpc: RpcEndpoints | None = None
        _load(declaration)
        self.health = self._health() if declaration.rpc else None
        self.beside: Routes | None = None
        if declaration.has_routes:
            if settings.http.probes and not self._apart():
                own = {route.path for route in declaration.routes.routes()}
                self.beside = operations(ask, self.metrics, own)
            if settings.http.docs:
                self.beside = self._with_docs(self.beside)

    def servers(
        self, endpoints: Endpoints, rpc: RpcEndpoints | None = None
    ) -> list[tuple[str, Runner]]:
        """The servers, each with its name and what makes it; once the container is open."""
        self._endpoints = endpoints
        self._rpc = rpc
        made: list[tuple[str, Runner]] = [
            ("HTTP server", partial(self._make, endpoints, self._settings.http.listen))
        ]
        if self._apart():
            made.append(("operations server", self._make_operations))
        return made

    def _apart(self) -> bool:
        """Whether probes and metrics have an address of their own."""
        settings = self._settings.http
        return settings.probes and settings.operations is not None and self._front is None

    async def _make_operations(self) -> HttpServer:
        from mainstay.http.app import HttpApplication  # noqa: PLC0415 - as below
        from mainstay.http.compile import compile_routes  # noqa: PLC0415 - same
        from mainstay.http.server import HttpServer  # noqa: PLC0415 - same

        compiled = compile_routes(operations(self._ask, self.metrics))
        for endpoint in compiled.endpoints:
            assert endpoint.route is not None
            endpoint.handler = _without_arguments(endpoint.route.function)
        address = self._settings.http.operations
        assert address is not None
        return HttpServer([address], HttpApplication(compiled.router, compiled.endpoints))

    async def _make(self, endpoints: Endpoints, listen: Sequence[str]) -> Server:
        from mainstay.http.app import HttpApplication  # noqa: PLC0415 - not without routes
        from mainstay.http.server import HttpServer  # noqa: PLC0415 - same

        settings = self._settings.http
        compiled = endpoints.open(settings.limits)
        application = HttpApplication(
            compiled.router,
            compiled.endpoints,
            self._around,
            self._settings.call_timeout,
            settings.prefix,
        )
        self._applications.append(application)
        front: PortApplication = application
        if self._rpc is not None:
            front = self._with_rpc(self._rpc, application)
        if self._front is not None:
            made = self._front(front, settings.limits)
            self._servers.append(made)
            return made
        server = HttpServer(
            listen,
            front,
            limits=settings.limits,
            tls=settings.tls,
            reuse_port=settings.reuse_port,
            unix_mode=settings.unix_mode,
        )
        self._servers.append(server)
        return server

    def _health(self) -> Health:
        from mainstay.rpc.health import Health  # noqa: PLC0415 - not without RPC

        async def ready() -> bool:
            return (await self._ask("ready")).ok

        interval = self._settings.rpc.health_interval
        return Health(ready, self._declaration.rpc, interval=interval)

    def _with_rpc(self, rpc: RpcEndpoints, application: HttpApplication) -> RpcApplication:
        from mainstay.rpc.app import RpcApplication  # noqa: PLC0415 - not without RPC
        from mainstay.service.rpc_builtin import builtin_endpoints  # noqa: PLC0415 - same

        assert self.health is not None
        endpoints = rpc.open(self._declaration.middleware)
        endpoints += builtin_endpoints(self._declaration.rpc, self.health, self._settings.rpc)
        made = RpcApplication(
            endpoints,
            self._settings.rpc,
            application,
            self._settings.call_timeout,
            self._transcoding(rpc, endpoints, application),
        )
        self._rpc_applications.append(made)
        return made

    def _transcoding(
        self, rpc: RpcEndpoints, endpoints: Sequence[RpcEndpoint], application: HttpApplication
    ) -> Transcoding | None:
        """What finds methods by paths of their own, if there are such paths."""
        if not rpc.paths:
            return None
        from mainstay.service.transcoding import transcoding  # noqa: PLC0415 - not without paths

        own = [self._declaration.routes, self.beside]
        return transcoding(rpc.paths, endpoints, application, own, self._settings.http.prefix)

    def _with_docs(self, beside: Routes | None) -> Routes | None:
        """The routes with the page of the docs, unless there is nothing to show."""
        from mainstay.http.docs_page.routes import docs_routes  # noqa: PLC0415 - not without routes

        routes = self._declaration.routes.routes()
        documented = any(route.documented and route.kind != "mount" for route in routes)
        if not documented and not self._declaration.rpc:
            return beside
        return self._with(beside, docs_routes(self._document))

    def _with(self, beside: Routes | None, more: Routes) -> Routes | None:
        """Both, unless the service itself has something at the address of one of `more`."""
        from mainstay.http.routes import Routes  # noqa: PLC0415 - as above

        own = {route.path for route in self._declaration.routes.routes()}
        if not own.isdisjoint(route.path for route in more.routes()):
            return beside
        every = Routes()
        if beside is not None:
            every.include(beside)
        every.include(more)
        return every

    def _document(self) -> dict[str, Any]:
        from mainstay.service.describing import describe  # noqa: PLC0415 - as above

        return describe(self._declaration, self._endpoints, self._rpc, settings=self._settings)

    def _around(self, handler: Handler) -> Handler:
        assert self._endpoints is not None
        return self._endpoints.around(self._declaration.middleware, handler)

    @property
    def in_flight(self) -> int:
        """Calls begun and not ended."""
        return sum(server.statistics().in_flight for server in self._servers)

    @property
    def requests(self) -> int:
        """Calls begun since the start."""
        return sum(server.statistics().requests for server in self._servers)

    def metrics(self) -> str:
        """What the servers have counted."""
        from mainstay.http.metrics import server_metrics  # noqa: PLC0415 - as above

        text = ""
        for server, application in zip(self._servers, self._applications, strict=True):
            now = server.statistics()
            every = [*application.endpoints, application.unmatched]
            text += server_metrics(every, now.connections, now.in_flight)
        if self._rpc_applications:
            text += self._rpc_metrics()
        return text

    def _rpc_metrics(self) -> str:
        from mainstay.rpc.metrics import rpc_metrics  # noqa: PLC0415 - not without RPC

        text = ""
        for application in self._rpc_applications:
            every = [*application.endpoints, application.unmatched]
            text += rpc_metrics(every, [call.endpoint for call in application.tasks.values()])
        return text


def _load(declaration: Declaration) -> None:
    """Import what the servers are made of: later, in the loop, it would keep everybody waiting."""
    if declaration.has_routes:
        import mainstay.http.app  # noqa: PLC0415 - not without routes
        import mainstay.http.server  # noqa: PLC0415 - same
    if declaration.rpc:
        import mainstay.rpc.app  # noqa: PLC0415 - not without RPC
        import mainstay.service.rpc_builtin  # noqa: PLC0415 - same

        with suppress(ModuleNotFoundError):  # which is told where they are made
            import mainstay.rpc.health_service  # noqa: PLC0415 - same
            import mainstay.rpc.reflection  # noqa: F401, PLC0415 - same


def _without_arguments(function: Callable[[], Awaitable[Any]]) -> Handler:
    async def handle(call: Any) -> Any:
        return await function()

    return handle
