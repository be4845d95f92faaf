"""One route: what it answers to, and everything that was said about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from mainstay.core.middleware import Layer
from mainstay.http.websocket_options import WebSocketOptions

__all__ = ["METHODS", "Route", "RouteKind"]

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

RouteKind = Literal["http", "websocket", "mount"]


@dataclass(slots=True, kw_only=True, eq=False)
class Route:
    """A declared route.

    Attributes:
        path: with parameters: ``/users/{id:int}``, ``/files/{name:path}``; groups and mounts
            have put their prefix in front.
        prefix: what of the path its groups have put in front.
        methods: upper case; empty for a WebSocket or a mount.
        function: the user's handler; for a mount, the ASGI application.
        kind: see `RouteKind`.
        host: ``example.org`` or ``{tenant}.example.org``; None for any.
        name: for `url_for`; the function's unless given.
        middleware: around this route, outermost first, inside those of the service.
        tags, summary, description, deprecated, documented: for OpenAPI; the docstring's first line
            and the rest unless given; ``documented=False`` leaves it out.
        status: of a successful answer; 200 unless given, 204 when the handler returns None.
        responses: further answers worth documenting: status → type or sentence.
        body_limit: bytes; the server's unless given.
        timeout: seconds; the service's ``call_timeout`` unless given; None: as unless given.
        detached: the call goes on when its client has left.
        vital: it is answered even if the server has as many calls in flight as it may have.
        security: names of the security schemes that apply, with scopes; for OpenAPI, filled by
            authentication middleware's `security` attribute too.
        defaults: values of path parameters that a shorter route leaves out, and options of groups.
        socket: how a WebSocket is spoken; the defaults unless given.
    """

    path: str
    function: Callable[..., Any]
    prefix: str = ""
    methods: tuple[str, ...] = ()
    kind: RouteKind = "http"
    host: str | None = None
    name: str = ""
    middleware: tuple[Layer, ...] = ()
    tags: tuple[str, ...] = ()
    summary: str | None = None
    description: str | None = None
    deprecated: bool = False
    documented: bool = True
    status: int | None = None
    responses: Mapping[int, Any] = field(default_factory=dict)
    body_limit: int | None = None
    timeout: float | None = None
    detached: bool = False
    vital: bool = False
    security: Sequence[Mapping[str, Sequence[str]]] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    socket: WebSocketOptions | None = None

    @property
    def method_name(self) -> str:
        """What calls to it are named, in logs and metrics: ``GET /users/{id:int}``."""
        verb = {"websocket": "WEBSOCKET", "mount": "MOUNT"}.get(self.kind, "|".join(self.methods))
        return f"{verb} {self.host or ''}{self.path}"

    def __repr__(self) -> str:
        return f"<Route {self.method_name}>"
