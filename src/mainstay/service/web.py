"""The HTTP server of a service: its routes, compiled and wired, behind its settings."""

from __future__ import annotations

from collections.abc import Sequence

from mainstay.core.call import Handler, Middleware, chain
from mainstay.http.app import HttpApplication
from mainstay.http.compile import Compiled
from mainstay.http.server import HttpServer
from mainstay.http.settings import HttpSettings

__all__ = ["make_application", "make_server"]


def make_application(
    compiled: Compiled, middleware: Sequence[Middleware], call_timeout: float | None
) -> HttpApplication:
    """What answers exchanges: the endpoints, whose handlers are set, and the service's middleware
    around what none of them matches."""

    def fallback(handler: Handler) -> Handler:
        return chain(middleware, handler)

    return HttpApplication(compiled.router, compiled.endpoints, fallback, call_timeout)


def make_server(
    application: HttpApplication, settings: HttpSettings, listen: Sequence[str] | None = None
) -> HttpServer:
    """The server on its addresses, or on others: `listen`."""
    return HttpServer(
        settings.listen if listen is None else listen,
        application,
        limits=settings.limits,
        tls=settings.tls,
        reuse_port=settings.reuse_port,
        unix_mode=settings.unix_mode,
    )
