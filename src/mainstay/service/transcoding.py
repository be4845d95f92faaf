"""What RPC's paths for JSON have to do with HTTP's routes: they share ports, paths and problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mainstay.errors import WiringError
from mainstay.http.pattern import Part, parse_path
from mainstay.http.problems import problem_response
from mainstay.rpc.transcoding.route import Route
from mainstay.rpc.transcoding.table import Shape, Transcoding, conflicts, routes_of
from mainstay.rpc.transcoding.template import ANY, REST
from mainstay.service.declaration import Declaration

if TYPE_CHECKING:
    from mainstay.http.app import HttpApplication
    from mainstay.http.routes import Routes
    from mainstay.net.exchange import Fields
    from mainstay.rpc.endpoint import RpcEndpoint

__all__ = ["problem", "transcoded", "transcoding"]


def transcoded(declaration: Declaration) -> list[Route]:
    """The paths of all methods, checked against one another and against the routes of HTTP.

    Raises: WiringError that lists every fault.
    """
    routes = routes_of(method for service in declaration.rpc.values() for method in service)
    has_own = routes and "routes" in vars(declaration)
    if has_own and (faults := conflicts(routes, _shapes(declaration.routes))):
        raise WiringError("\n".join(faults))
    return routes


def transcoding(
    paths: Sequence[Route],
    endpoints: Iterable[RpcEndpoint],
    application: HttpApplication,
    routes: Iterable[Routes | None],
    prefix: str,
) -> Transcoding | None:
    """What finds these paths; it and the HTTP application know of each other. None for no paths."""
    if not paths:
        return None
    own = {each.path for some in routes if some is not None for each in some.routes()}
    made = Transcoding(paths, endpoints, problem, own, prefix)
    application.know(made.methods)
    return made


def problem(
    error: BaseException, instance: str, extensions: Mapping[str, Any]
) -> tuple[int, Fields, bytes]:
    """An error as everywhere by HTTP; see `ProblemMaker`."""
    made = problem_response(error, instance=instance, extensions=extensions)
    assert isinstance(made.body, bytes)
    fields = [(b"content-type", (made.content_type or "").encode())]
    return made.status, [*fields, *made.headers.fields()], made.body


def _shapes(routes: Routes) -> dict[tuple[str, Shape], str]:
    found = {}
    for route in routes.routes():
        if route.kind in ("mount", "websocket") or route.host:
            continue
        parts = parse_path(route.path or "/").parts
        shape = tuple(_segment(part) for part in parts), ""
        for method in route.methods:
            found[method, shape] = f"{method} {route.path or '/'}"
    return found


def _segment(part: Part) -> str:
    if isinstance(part, str):
        return part
    if part.prefix or part.suffix:
        return f"{part.prefix}{{}}{part.suffix}"  # no segment of a template is like it
    return REST if part.converter.name == "path" else ANY
