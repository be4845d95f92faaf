"""The HTTP side of a running service: its servers, and what they answer beside its own routes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mainstay.core.call import Handler, chain
from mainstay.service.declaration import Declaration
from mainstay.service.describing import describe
from mainstay.service.operations import Ask, operations
from mainstay.service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainstay.http.routes import Routes
    from mainstay.http.server import HttpServer
    from mainstay.service.endpoints import Endpoints
    from mainstay.service.wiring import Runner

__all__ = ["Web"]


class Web:
    """Makes the HTTP servers of one life of a service.

    Args:
        declaration: what the service is made of.
        settings: of the framework.
        ask: asks a probe.
        endpoints: what it answers; asked when somebody wants the documentation.

    Attributes:
        beside: routes outside of the service's middleware, as far as the service has none of its
            own at their paths; None if it answers nothing by HTTP.
    """

    def __init__(
        self,
        declaration: Declaration,
        settings: Settings,
        ask: Ask,
        endpoints: Callable[[], Endpoints | None],
    ) -> None:
        self._declaration = declaration
        self._settings = settings
        self._servers: list[HttpServer] = []
        self.beside: Routes | None = None
        self._endpoints: Endpoints | None = None
        if declaration.has_routes:
            self.beside = self._beside(ask, endpoints)
        if declaration.has_routes and settings.http.docs:
            self.beside = self._with_docs(self.beside)

    def _beside(self, ask: Ask, endpoints: Callable[[], Endpoints | None]) -> Routes:
        from mainstay.http.docs_page.routes import docs_routes  # noqa: PLC0415 - not without routes
        from mainstay.http.routes import Routes  # noqa: PLC0415 - same

        declaration, settings = self._declaration, self._settings.http
        taken = {route.path for route in declaration.routes.routes()}
        every = Routes()
        parts = [operations(ask, self.metrics)] if settings.probes else []
        if settings.docs:
            parts.append(docs_routes(lambda: describe(declaration, endpoints())))
        for part in parts:
            if taken.isdisjoint(route.path for route in part.routes()):
                every.include(part)
        return every

    def servers(self, endpoints: Endpoints) -> list[tuple[str, Runner]]:
        """The servers, each with its name and what makes it; once the container is open."""
        self._endpoints = endpoints
        return [("HTTP server", partial(self._make, endpoints, self._settings.http.listen))]

    async def _make(self, endpoints: Endpoints, listen: Sequence[str]) -> HttpServer:
        from mainstay.http.app import HttpApplication  # noqa: PLC0415 - not without routes
        from mainstay.http.server import HttpServer  # noqa: PLC0415 - same

        settings = self._settings.http
        compiled = endpoints.open(settings.limits)
        application = HttpApplication(
            compiled.router, compiled.endpoints, self._around, self._settings.call_timeout
        )
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
        """The routes with the page of the docs, unless there is nothing to show, or something else
        at its address."""
        from mainstay.http.docs_page.routes import docs_routes  # noqa: PLC0415 - not without routes
        from mainstay.http.routes import Routes  # noqa: PLC0415 - same

        docs = docs_routes(self._document)
        taken = {route.path for route in docs.routes()}
        routes = self._declaration.routes.routes()
        shown = [route for route in routes if route.documented and route.kind != "mount"]
        if not shown or any(route.path in taken for route in routes):
            return beside
        every = Routes()
        if beside is not None:
            every.include(beside)
        every.include(docs)
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
