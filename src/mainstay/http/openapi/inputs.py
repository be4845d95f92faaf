"""What a route takes, as OpenAPI says it: parameters and the body of the request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, get_origin

from mainstay.core.signature import MISSING
from mainstay.http.fields import Field, holes_of
from mainstay.http.forms import FormData
from mainstay.http.openapi.schemas import Schema, Schemas, plain
from mainstay.http.pattern import parse_host, parse_path
from mainstay.http.route import Route

__all__ = ["body_of", "examples_of", "flat", "parameters_of_route", "path_of", "servers_of"]

# OpenAPI 3.1 §4.8.12.1: parameters of these names are ignored, since other members say them.
_SAID_ELSEWHERE: Final = frozenset({"accept", "authorization", "content-type"})
_IN: Final = ("path", "query", "header", "cookie")
_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_BINARY: Final = {"type": "string", "format": "binary"}


def path_of(route: Route) -> str:
    """The path as a template: converters are left out."""
    parts = parse_path(route.path or "/").parts
    return "/" + "/".join(
        part if isinstance(part, str) else f"{part.prefix}{{{part.name}}}{part.suffix}"
        for part in parts
    )


def servers_of(route: Route) -> list[dict[str, Any]]:
    """For a route with a host: where it answers, with the parameters of the host as variables."""
    if route.host is None:
        return []
    pattern = parse_host(route.host)
    url = "//" + ".".join(
        part if isinstance(part, str) else f"{part.prefix}{{{part.name}}}{part.suffix}"
        for part in pattern.parts
    )
    server: dict[str, Any] = {"url": url}
    if pattern.names:
        server["variables"] = {name: {"default": name} for name in pattern.names}
    return [server]


def flat(fields: Iterable[Field]) -> Iterator[Field]:
    """The fields, those of models in their place."""
    for field in fields:
        if field.members:
            yield from flat(field.members)
        else:
            yield field


def parameters_of_route(route: Route, fields: Sequence[Field], schemas: Schemas) -> list[Schema]:
    """Path, query, header and cookie parameters, those that the handler does not ask for too."""
    in_path = {hole.name for hole in parse_path(route.path or "/").holes}
    found = []
    asked = set()
    for field in flat(fields):
        if field.source not in _IN or not field.documented or not field.key:
            continue
        if field.source == "path":
            if field.key not in in_path:
                continue  # of the host, or one that this route leaves out
            asked.add(field.key)
        if field.source == "header" and field.key.lower() in _SAID_ELSEWHERE:
            continue
        found.append(_parameter(field, schemas))
    holes = holes_of(route)
    found += [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schemas.of(hole.converter.type),
        }
        for name, hole in holes.items()
        if name in in_path and name not in asked
    ]
    return found


def _parameter(field: Field, schemas: Schemas) -> Schema:
    parameter: Schema = {
        "name": field.key,
        "in": field.source,
        "required": field.required or field.source == "path",
        "schema": _schema(field, schemas),
    }
    if field.description:
        parameter["description"] = field.description
    if field.deprecated:
        parameter["deprecated"] = True
    if examples := examples_of(field.examples):
        parameter["examples"] = examples
    return parameter


def _schema(field: Field, schemas: Schemas) -> Schema:
    schema = schemas.of(field.shape.core)
    default = MISSING if field.default in (MISSING, None) else plain(field.default)
    if default is not MISSING:
        schema["default"] = default
    return schema


def examples_of(examples: Any) -> dict[str, Any]:
    """Examples as OpenAPI names them."""
    if not isinstance(examples, Mapping):
        examples = {f"example {number}": each for number, each in enumerate(examples, 1)}
    said = {name: plain(value) for name, value in examples.items()}
    return {name: {"value": value} for name, value in said.items() if value is not MISSING}


def body_of(fields: Sequence[Field], schemas: Schemas) -> Schema | None:
    """The body of the request; None for a route that takes none."""
    of_the_body = [field for field in fields if field.of_the_body and field.documented]
    if not of_the_body:
        return None
    required = any(field.required for field in of_the_body)
    by_source = {field.source: field for field in of_the_body}
    if "json" in by_source:
        field = by_source["json"]
        media: Schema = {"schema": schemas.of(field.shape.annotation)}
        types: Sequence[str] = ("application/json", *field.media_types)
    elif "form" in by_source or "file" in by_source:
        field = of_the_body[0]
        media = {"schema": _form(of_the_body, schemas)}
        types = (_MULTIPART,) if "file" in by_source else (_URLENCODED, _MULTIPART)
    else:
        field = of_the_body[0]
        media = {"schema": dict(_BINARY)}
        types = field.media_types or ("application/octet-stream",)
    if examples := examples_of(field.examples):
        media["examples"] = examples
    body: Schema = {"required": required, "content": dict.fromkeys(types, media)}
    if field.description and len(of_the_body) == 1:
        body["description"] = field.description
    return body


def _form(fields: Sequence[Field], schemas: Schemas) -> Schema:
    properties: dict[str, Schema] = {}
    required = []
    for field in flat(fields):
        if not field.documented:
            continue
        if field.source == "file":
            several = get_origin(field.annotation) is list
            one: Schema = dict(_BINARY)
            properties[field.key] = {"type": "array", "items": one} if several else one
        elif field.key:
            properties[field.key] = _schema(field, schemas)
        else:
            assert field.annotation is FormData or field.source == "form"
            continue  # the whole form, whose fields nobody has said
        if field.description:
            properties[field.key]["description"] = field.description
        if field.required:
            required.append(field.key)
    form: Schema = {"type": "object", "properties": properties}
    if required:
        form["required"] = required
    return form
