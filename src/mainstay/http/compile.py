"""From declared routes to the router that the server asks: once, when the service starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mainstay.errors import WiringError
from mainstay.http.endpoint import Endpoint
from mainstay.http.route import Route
from mainstay.http.router import ANY_METHOD, WEBSOCKET, Router, Slashes
from mainstay.http.routes import Routes
from mainstay.http.urls import REST, Urls, describe

__all__ = ["Compiled", "compile_routes"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """Routes that can be matched.

    Attributes:
        router: finds the endpoint of a request.
        endpoints: one a route, in the order of declaration; their handlers are to be set.
    """

    router: Router[Endpoint]
    endpoints: list[Endpoint]


def compile_routes(routes: Routes, slashes: Slashes = "redirect") -> Compiled:
    """Make the router of all `routes`.

    A mount gets its prefix and everything below it, by every method and as a WebSocket; what stands
    behind the prefix is its parameter ``path``.

    Raises: WiringError that lists every fault: conflicts, with both routes quoted; patterns that
    groups made impossible; names given twice.
    """
    named = routes.named_routes()
    # Who was mounted gets what it gets from other servers.
    router: Router[Endpoint] = Router(slashes, lambda endpoint: endpoint.kind == "mount")
    endpoints = []
    faults = []
    for route, _ in named:
        endpoint = Endpoint(route.method_name, None, route, route.kind)
        endpoints.append(endpoint)
        said = describe(route)
        for method, path in _registrations(route):
            try:
                router.add(method, path, endpoint, route.host, defaults=route.defaults, said=said)
            except WiringError as fault:
                faults.append(fault.message if said in fault.message else f"{said}: {fault}")
                break
    try:
        Urls(named)
    except WiringError as fault:
        faults.append(fault.message)
    if faults:
        raise WiringError("\n".join(faults))
    return Compiled(router, endpoints)


def _registrations(route: Route) -> Iterator[tuple[str, str]]:
    """Methods and patterns under which a route is found."""
    if route.kind == "mount":
        if route.path:
            yield ANY_METHOD, route.path
        yield ANY_METHOD, f"{route.path}/{{{REST}:path}}"
    elif route.kind == "websocket":
        yield WEBSOCKET, route.path
    else:
        for method in route.methods:
            yield method, route.path
