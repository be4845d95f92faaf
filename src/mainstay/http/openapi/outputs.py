"""What a route answers, as OpenAPI says it: its replies, and every problem that can come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import NoneType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from mainstay.core.signature import MISSING
from mainstay.http.fields import Field
from mainstay.http.openapi.schemas import Schema, Schemas
from mainstay.http.problems import PROBLEM_JSON, title_of
from mainstay.http.replies import Created, Html, NoContent, Redirect
from mainstay.http.response import Response
from mainstay.http.results import JSON, JSON_LINES, ContentType, alternatives_of, yields_of
from mainstay.http.route import Route
from mainstay.http.sse import EVENTS, Event

__all__ = ["PROBLEM", "problems", "responses_of"]

_ERROR: Final = 400
_BINARY: Final = {"type": "string", "format": "binary"}
_TEXT: Final = {"type": "string"}
_OF_CLASS: Final[Mapping[type, tuple[int, str | None]]] = {
    Created: (201, JSON),
    Html: (200, "text/html"),
    NoContent: (204, None),
    Redirect: (303, None),
}

PROBLEM: Final[Schema] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "A URI that names the kind of problem."},
        "title": {"type": "string", "description": "A short name for problems of this kind."},
        "status": {"type": "integer", "description": "The status of the answer."},
        "detail": {"type": "string", "description": "What happened here, for a person."},
        "instance": {"type": "string", "description": "Names this one occurrence."},
        "reason": {"type": "string", "description": "A stable word, for programs."},
        "errors": {
            "type": "array",
            "description": "What is wrong with the request, place by place.",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "Where: a JSON pointer."},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}

_WHY: Final[Mapping[int, str]] = {
    400: "The request cannot be understood.",
    401: "The request carries no credentials, or credentials that do not hold.",
    403: "The caller may not do this.",
    408: "The rest of the request did not come in time.",
    413: "The body is longer than allowed.",
    415: "The body is of a type that is not taken here.",
    422: "Values of the request are wrong; every one of them is listed.",
    429: "The caller asks too often.",
    500: "The server failed.",
    503: "The server has too much to do, or is stopping.",
    504: "The answer took longer than allowed.",
}


def problems() -> dict[str, Schema]:
    """The responses that routes share, as components by name."""
    return {
        f"Problem{status}": {
            "description": why,
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, why in _WHY.items()
    }


def responses_of(
    route: Route, fields: Sequence[Field], returns: Any, schemas: Schemas, *, secured: bool
) -> dict[str, Schema]:
    """Every answer of a route by its status."""
    found = _successes(route, returns, schemas)
    for status in _possible(fields, secured=secured):
        found.setdefault(str(status), {"$ref": f"#/components/responses/Problem{status}"})
    for status, said in route.responses.items():
        found[str(status)] = _declared(status, said, schemas)
    return dict(sorted(found.items()))


def _possible(fields: Sequence[Field], *, secured: bool) -> list[int]:
    sources = {field.source for field in fields} - {"request"}
    found = [429, 500, 503, 504]
    if sources:
        found += [400, 422]
    if sources & {"json", "form", "file", "raw", "stream"}:
        found += [408, 413]
    if sources & {"json", "form", "file"} or any(field.media_types for field in fields):
        found.append(415)
    if secured:
        found += [401, 403]
    return found


def _declared(status: int, said: Any, schemas: Schemas) -> Schema:
    """A further answer, from a sentence, a type, or an OpenAPI response."""
    if isinstance(said, Mapping):
        return dict(said)
    kind = PROBLEM_JSON if status >= _ERROR else JSON
    if isinstance(said, str):
        response: Schema = {"description": said}
        if status >= _ERROR:
            schema = {"$ref": "#/components/schemas/Problem"}
            response["content"] = {kind: {"schema": schema}}
        return response
    response = {"description": _phrase(status)}
    if said is not None:
        response["content"] = {JSON: {"schema": schemas.of(said, sent=True)}}
    return response


def _successes(route: Route, returns: Any, schemas: Schemas) -> dict[str, Schema]:
    content: dict[int, dict[str, list[Schema]]] = {}
    named = None
    if get_origin(returns) is Annotated:
        named = next((str(e) for e in returns.__metadata__ if isinstance(e, ContentType)), None)
    for each in alternatives_of(returns):
        status, media, schema = _reply(each, route, named, schemas)
        kinds = content.setdefault(status, {})
        if media is not None:
            kinds.setdefault(media, []).append(schema)
    found = {}
    for status, kinds in content.items():
        response: Schema = {"description": _phrase(status)}
        if kinds:
            response["content"] = {media: _media(media, each) for media, each in kinds.items()}
        found[str(status)] = response
    return found


def _media(media: str, schemas: list[Schema]) -> Schema:
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    if media in (JSON_LINES, "text/event-stream"):
        # OpenAPI 3.1 has no word for what a stream is made of; 3.2 calls it itemSchema.
        return {"schema": dict(_TEXT), "x-item-schema": schema}
    return {"schema": schema}


def _reply(
    annotation: Any, route: Route, named: str | None, schemas: Schemas
) -> tuple[int, str | None, Schema]:
    """Status, media type and schema of one alternative."""
    if annotation in (None, NoneType):
        return route.status or 204, None, {}
    status = route.status or 200
    plain = get_origin(annotation) or annotation
    if isinstance(plain, type) and issubclass(plain, Response):
        return _of_class(plain, get_args(annotation), named, schemas)
    item = yields_of(annotation)
    if item is not None:
        if item is EVENTS:
            return status, "text/event-stream", schemas.of(_item(annotation), sent=True)
        if item in (bytes, bytearray, memoryview):
            return status, named or "application/octet-stream", dict(_BINARY)
        if item is str:
            return status, named or "text/plain", dict(_TEXT)
        return status, named or JSON_LINES, schemas.of(item, sent=True)
    if annotation is str:
        return status, named or "text/plain", dict(_TEXT)
    if annotation in (bytes, bytearray, memoryview):
        return status, named or "application/octet-stream", dict(_BINARY)
    if annotation is MISSING:
        return status, None, {}
    return status, JSON, schemas.of(annotation, sent=True)


def _of_class(
    annotation: type, arguments: tuple[Any, ...], named: str | None, schemas: Schemas
) -> tuple[int, str | None, Schema]:
    for known, (status, media) in _OF_CLASS.items():
        if issubclass(annotation, known):
            if arguments in ((None,), (NoneType,)):
                return status, None, {}
            if arguments:
                return status, media, schemas.of(arguments[0], sent=True)
            return status, media, dict(_TEXT) if media == "text/html" else {}
    return 200, named or "*/*", {}


def _item(annotation: Any) -> Any:
    """What an iterator of events carries, if it says so."""
    if get_origin(annotation) is Annotated:
        annotation = annotation.__origin__
    (item,) = get_args(annotation)[:1] or (MISSING,)
    members = alternatives_of(item)
    if Event in members:
        return MISSING
    if not any(get_origin(each) is Event for each in members):
        return item
    said = tuple(get_args(each)[0] if get_origin(each) is Event else each for each in members)
    return Union[said]  # noqa: UP007 - `|` does not take a tuple


def _phrase(status: int) -> str:
    if status >= _ERROR:
        return title_of(status)
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Success"
