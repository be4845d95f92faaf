"""The HTTP side of a running service: its servers, and what they answer beside its own routes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from mainstay.core.call import Handler, chain
from mainstay.service.declaration import Declaration
from mainstay.service.operations import Ask, operations
from mainstay.service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainstay.http.app import HttpApplication
    from mainstay.http.asgi.server import AsgiServer
    from mainstay.http.routes import Routes
    from mainstay.http.server import HttpServer
    from mainstay.net.limits import Limits
    from mainstay.service.endpoints import Endpoints
    from mainstay.service.wiring import Runner

Front: TypeAlias = "Callable[[HttpApplication, Limits], AsgiServer]"

__all__ = ["Front", "Web"]


class Web:
    """Makes the HTTP servers of one life of a service.

    Args:
        declaration: what the service is made of.
        settings: of the framework.
        ask: asks a probe.
        front: makes what brings the calls, when another server listens; our own unless given.

    Attributes:
        beside: routes outside of the service's middleware, as far as the service has none of its
            own at their paths; None if it answers nothing by HTTP.
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
        self._front = front
        self._servers: list[HttpServer | AsgiServer] = []
        self._endpoints: Endpoints | None = None
        self.beside: Routes | None = None
        if declaration.has_routes:
            if settings.http.probes:
                self.beside = self._with(None, operations(ask, self.metrics))
            if settings.http.docs:
                self.beside = self._with_docs(self.beside)

    def servers(self, endpoints: Endpoints) -> list[tuple[str, Runner]]:
        """The servers, each with its name and what makes it; once the container is open."""
        self._endpoints = endpoints
        return [("HTTP server", partial(self._make, endpoints, self._settings.http.listen))]

    async def _make(self, endpoints: Endpoints, listen: Sequence[str]) -> HttpServer | AsgiServer:
        from mainstay.http.app import HttpApplication  # noqa: PLC0415 - not without routes
        from mainstay.http.server import HttpServer  # noqa: PLC0415 - same

        settings = self._settings.http
        compiled = endpoints.open(settings.limits)
        application = HttpApplication(
            compiled.router, compiled.endpoints, self._around, self._settings.call_timeout
        )
        if self._front is not None:
            front = self._front(application, settings.limits)
            self._servers.append(front)
            return front
        server = HttpServer(
            listen,
            application,
            limits=settings.limits,
            tls=settings.tls,
            reuse_port=settings.reuse_port,
            unix_mode=settings.unix_mode,
        )
        self._servers.append(server)
        return server

    def _with_docs(self, beside: Routes | None) -> Routes | None:
        """The routes with the page of the docs, unless there is nothing to show."""
        from mainstay.http.docs_page.routes import docs_routes  # noqa: PLC0415 - not without routes

        routes = self._declaration.routes.routes()
        if not any(route.documented and route.kind != "mount" for route in routes):
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

        return describe(self._declaration, self._endpoints)

    def _around(self, handler: Handler) -> Handler:
        return chain(self._declaration.middleware, handler)

    @property
    def in_flight(self) -> int:
        """Calls begun and not ended."""
        return sum(server.statistics().in_flight for server in self._servers)

    def metrics(self) -> str:
        """What the servers have counted."""
        from mainstay.http.metrics import server_metrics  # noqa: PLC0415 - as above

        text = ""
        for server in self._servers:
            now = server.statistics()
            application = server.application
            every = [*application.endpoints, application.unmatched]
            text += server_metrics(every, now.connections, now.in_flight)
        return text
