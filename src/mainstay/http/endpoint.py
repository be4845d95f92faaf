"""What the server gets from a match: a route with everything that a call of it needs, ready."""

from __future__ import annotations

from typing import Any

from mainstay.core.call import Handler
from mainstay.core.counts import Counts
from mainstay.http.route import Route, RouteKind

__all__ = ["Endpoint"]


class Endpoint:
    """A route that can be called.

    Args:
        method_name: see `Route.method_name`.
        handler: the function with all its middleware; that of the server unless given.
        route: None for what answers when nothing matches.
        kind: see `RouteKind`.

    Attributes:
        method_name, handler, route, kind: as given.
        body_limit, timeout, detached, vital: see `Route`.
        counts: of its calls.
    """

    __slots__ = (
        "body_limit",
        "counts",
        "detached",
        "handler",
        "kind",
        "method_name",
        "route",
        "timeout",
        "vital",
    )

    def __init__(
        self,
        method_name: str,
        handler: Handler | None = None,
        route: Route | None = None,
        kind: RouteKind = "http",
    ) -> None:
        self.method_name = method_name
        self.handler: Any = handler  # not None once the server is open
        self.route = route
        self.kind = kind
        self.body_limit = None if route is None else route.body_limit
        self.timeout = None if route is None else route.timeout
        self.detached = False if route is None else route.detached
        self.vital = False if route is None else route.vital
        self.counts = Counts()

    def __repr__(self) -> str:
        return f"<Endpoint {self.method_name}>"
