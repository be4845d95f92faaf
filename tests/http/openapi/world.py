"""What the tests of OpenAPI share: a document from functions, as a service would make it."""

from __future__ import annotations

from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from mainstay.core.signature import parameters_of
from mainstay.http.binding import plan
from mainstay.http.openapi.build import Documented, Info, build
from mainstay.http.routes import Routes
from mainstay.http.websocket_handler import WebSocketPlan


def documented(routes: Routes) -> list[Documented]:
    found = []
    for route in routes.routes():
        parameters = parameters_of(route.function) if route.kind != "mount" else ()
        if route.kind == "websocket":
            socket = WebSocketPlan(route.function)
            rest = [each for each in parameters if each.name != socket.parameter]
            fields = plan(route.function, rest, route).fields
            found.append(
                Documented(route, fields, incoming=socket.incoming, outgoing=socket.outgoing)
            )
        elif route.kind == "mount":
            found.append(Documented(route))
        else:
            found.append(Documented(route, plan(route.function, parameters, route).fields))
    return found


def document(routes: Routes, **info: Any) -> dict[str, Any]:
    """The document of `routes`; valid by the meta-schema of OpenAPI 3.1."""
    made = build(documented(routes), Info(**{"title": "Test", **info}))
    OpenAPIV31SpecValidator(made).validate()
    return made
