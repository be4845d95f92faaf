"""A description of a service's HTTP routes by OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1).

Everything in it is read from routes and signatures, so it cannot say something else than what the
service does. Two things have no place in OpenAPI 3.1 and stand in members of our own:
``x-websocket`` in a path (what a WebSocket route takes and sends), and ``x-item-schema`` beside the
schema of a stream (what the stream is made of).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mainstay.core.signature import MISSING, returns_of
from mainstay.http.fields import Field
from mainstay.http.openapi.inputs import body_of, parameters_of_route, path_of, servers_of
from mainstay.http.openapi.outputs import PROBLEM, problems, responses_of
from mainstay.http.openapi.schemas import Schema, Schemas
from mainstay.http.openapi.security import Security
from mainstay.http.route import Route

__all__ = ["VERSION", "Documented", "Info", "build"]

VERSION: Final = "3.1.1"

_METHODS: Final = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What the document says about the service as a whole.

    Attributes:
        title: of the service.
        version: of its interface, not of OpenAPI.
        description: CommonMark.
        servers: base URLs; this one's root unless given.
        security_schemes: by name; ``basic`` and ``bearer`` are known.
    """

    title: str
    version: str = "0.0.0"
    description: str = ""
    servers: Sequence[str] = ()
    security_schemes: Mapping[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Documented:
    """A route with what its signature says.

    Attributes:
        route: as declared.
        fields: where its parameters come from (`mainstay.http.binding.Plan.fields`).
        returns: what its handler says that it returns; read from it unless given.
        incoming, outgoing: the messages of a WebSocket.
    """

    route: Route
    fields: Sequence[Field] = ()
    returns: Any = None
    incoming: Any = MISSING
    outgoing: Any = MISSING


def build(routes: Iterable[Documented], info: Info) -> Schema:
    """The document, as plain values; `encode_json` makes JSON of it.

    Mounted applications describe themselves and are left out, and so are routes with
    ``documented=False``.

    Raises: UsageError for a security scheme that nobody has described.
    """
    return _Builder(info).build(routes)


class _Builder:
    def __init__(self, info: Info) -> None:
        self._info = info
        self._schemas = Schemas()
        self._problem = self._schemas.add("Problem", PROBLEM)
        self._ids: set[str] = set()
        self._tags: dict[str, None] = {}
        self._security = Security(info.security_schemes)
        self._paths: dict[str, Schema] = {}

    def build(self, routes: Iterable[Documented]) -> Schema:
        for each in routes:
            if each.route.documented and each.route.kind != "mount":
                self._add(each)
        self._schemas.finish()
        info: Schema = {"title": self._info.title, "version": self._info.version}
        if self._info.description:
            info["description"] = self._info.description
        document: Schema = {
            "openapi": VERSION,
            "info": info,
            "servers": [{"url": url} for url in self._info.servers or ("/",)],
            "paths": self._paths,
            "components": {"schemas": self._schemas.components, "responses": problems()},
        }
        if self._security.schemes:
            document["components"]["securitySchemes"] = self._security.schemes
        if self._tags:
            document["tags"] = [{"name": tag} for tag in self._tags]
        return document

    def _add(self, each: Documented) -> None:
        route = each.route
        if route.kind == "websocket":
            self._path(route, "x-websocket")["x-websocket"] = self._websocket(each)
            return
        for method in route.methods:
            if method in _METHODS:
                verb = method.lower()
                self._path(route, verb)[verb] = self._operation(each, method)

    def _path(self, route: Route, verb: str) -> Schema:
        """The path item for a route. Two that differ only by converters or hosts have one template,
        which OpenAPI allows once: the others get a fragment, which no request has."""
        template = path_of(route)
        path, number = template, 2
        while verb in self._paths.get(path, {}):
            path, number = f"{template}#{number}", number + 1
        return self._paths.setdefault(path, {})

    def _operation(self, each: Documented, method: str) -> Schema:
        route = each.route
        several = len(route.methods) > 1
        operation = self._described(route, f"{method.lower()}_" if several else "")
        if parameters := parameters_of_route(route, each.fields, self._schemas):
            operation["parameters"] = parameters
        body = body_of(each.fields, self._schemas)
        if body is not None:
            operation["requestBody"] = body
        security = self._security.of(route, route.security, route.middleware)
        returns = returns_of(route.function) if each.returns is None else each.returns
        operation["responses"] = responses_of(
            route, each.fields, returns, self._schemas, secured=bool(security)
        )
        if security:
            operation["security"] = security
        if servers := servers_of(route):
            operation["servers"] = servers
        return operation

    def _websocket(self, each: Documented) -> Schema:
        said = self._described(each.route, "")
        if parameters := parameters_of_route(each.route, each.fields, self._schemas):
            said["parameters"] = parameters
        route = each.route
        if security := self._security.of(route, route.security, route.middleware):
            said["security"] = security
        said["receives"] = self._schemas.of(each.incoming)
        said["sends"] = self._schemas.of(each.outgoing, sent=True)
        return said

    def _described(self, route: Route, prefix: str) -> Schema:
        first, _, rest = (inspect.getdoc(route.function) or "").partition("\n")
        name = route.name or getattr(route.function, "__name__", "operation")
        said: Schema = {
            "operationId": self._id(prefix + name),
            "summary": route.summary or first.strip().removesuffix(".") or _sentence(name),
        }
        description = route.description or rest.strip()
        if description:
            said["description"] = description
        if route.tags:
            said["tags"] = list(route.tags)
            self._tags.update(dict.fromkeys(route.tags))
        if route.deprecated:
            said["deprecated"] = True
        return said

    def _id(self, wanted: str) -> str:
        found, number = wanted, 2
        while found in self._ids:
            found, number = f"{wanted}_{number}", number + 1
        self._ids.add(found)
        return found


def _sentence(name: str) -> str:
    words = name.rpartition(".")[2].replace("_", " ").strip()
    return words[:1].upper() + words[1:]
