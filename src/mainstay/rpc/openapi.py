"""RPC methods as operations of OpenAPI 3.1.

A method with paths of its own (``google.api.http``) is there by them; any other is a POST of JSON to
its own path, as Connect has it (connectrpc.com/docs/protocol). OpenAPI knows parameters of one segment
only, so a variable of several (``{name=shelves/*}``) is told as what it is made of:
``/shelves/{shelvesId}``. Methods of HTTP that OpenAPI has no word for are told in the description of
the POST.

Two members of our own: ``x-rpc`` of an operation says which method it is, and of what kind;
``x-item-schema`` stands beside the schema of a stream, for what it is made of, and
``x-item-count: 1`` where that is one message in the envelopes of a stream.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from mainstay.rpc.comments import comment_of
from mainstay.rpc.constraints import constraints_said
from mainstay.rpc.method import Kind, RpcMethod, RpcService
from mainstay.rpc.openapi_schemas import BINARY, MessageSchemas, Schema, is_required
from mainstay.rpc.transcoding.route import HTTP_BODY, Route
from mainstay.rpc.transcoding.template import ANY, REST, Template
from mainstay.rpc.transcoding.values import converter_of, names_of

__all__ = ["RpcDocument", "document_rpc"]

_VERBS: Final = frozenset({"GET", "PUT", "POST", "DELETE", "PATCH"})
_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_KINDS: Final = {
    Kind.UNARY: "unary",
    Kind.SERVER_STREAM: "server streaming",
    Kind.CLIENT_STREAM: "client streaming",
    Kind.BIDI: "bidirectional streaming",
}
_DEEPEST: Final = 4
"""Levels of nested messages whose fields are told as parameters of a query."""
_CONNECT_ERROR: Final[Schema] = {
    "title": "Error of Connect",
    "description": "What went wrong (connectrpc.com/docs/protocol, error end-stream).",
    "type": "object",
    "required": ["code"],
    "properties": {
        "code": {"type": "string", "description": "The code of gRPC, such as `not_found`."},
        "message": {"type": "string", "description": "What happened here, for a person."},
        "details": {"type": "array", "items": {"type": "object"}},
    },
}


@dataclass(slots=True)
class RpcDocument:
    """What RPC adds to a document.

    Attributes:
        paths: path → verb in lower case → operation.
        schemas: components by name.
        tags: one for each service.
    """

    paths: dict[str, dict[str, Schema]] = field(default_factory=dict)
    schemas: dict[str, Schema] = field(default_factory=dict)
    tags: list[Schema] = field(default_factory=list)


def document_rpc(
    services: Iterable[RpcService],
    routes: Sequence[Route],
    *,
    connect: bool = True,
    security: Callable[[RpcMethod], Sequence[Schema]] | None = None,
) -> RpcDocument:
    """Every method of `services` that speaks JSON.

    Args:
        services: those without descriptors are left out.
        routes: paths of their own.
        connect: whether methods are answered by POST of JSON.
        security: what callers of a method have to prove, as OpenAPI says it; nothing unless given.
    """
    return _Builder(routes, connect, security or _nothing).build(services)


def _nothing(method: RpcMethod) -> Sequence[Schema]:
    return ()


class _Builder:
    def __init__(
        self,
        routes: Sequence[Route],
        connect: bool,
        security: Callable[[RpcMethod], Sequence[Schema]],
    ) -> None:
        self._connect = connect
        self._security = security
        self._schemas = MessageSchemas()
        self._made = RpcDocument(schemas=self._schemas.components)
        self._routes: dict[str, list[Route]] = {}
        for route in routes:
            self._routes.setdefault(route.method.full_name, []).append(route)

    def build(self, services: Iterable[RpcService]) -> RpcDocument:
        for service in services:
            before = len(self._made.paths)
            for method in service:
                if method.request.descriptor is not None and method.response.descriptor is not None:
                    self._add(method)
            if len(self._made.paths) > before:
                tag: Schema = {"name": service.name}
                said = "" if service.descriptor is None else comment_of(service.descriptor)
                if description := said or service.doc:
                    tag["description"] = description
                self._made.tags.append(tag)
        return self._made

    def _add(self, method: RpcMethod) -> None:
        routes = self._routes.get(method.full_name, [])
        told = [route for route in routes if route.rule.verb in _VERBS]
        for number, route in enumerate(told, 1):
            path, names = _path(route.template)
            operation = self._described(method, f"_{number}" if number > 1 else "")
            self._fill(operation, route, names)
            self._made.paths.setdefault(path, {}).setdefault(route.rule.verb.lower(), operation)
        if not told and self._connect:
            rest = [str(route.rule) for route in routes]
            self._made.paths[method.path] = {"post": self._posted(method, rest)}

    def _described(self, method: RpcMethod, suffix: str = "") -> Schema:
        said = "" if method.descriptor is None else comment_of(method.descriptor)
        if not said and method.function is not None:
            said = inspect.getdoc(method.function) or ""
        first, _, rest = said.partition("\n")
        short = method.service.rpartition(".")[2]
        operation: Schema = {
            "operationId": f"{short}_{method.name}{suffix}",
            "summary": first.strip().removesuffix(".") or _words(method.name),
            "tags": [method.service],
            "x-rpc": {"method": method.full_name, "kind": _KINDS[method.kind]},
        }
        if rest.strip():
            operation["description"] = rest.strip()
        if method.descriptor is not None and method.descriptor.GetOptions().deprecated:
            operation["deprecated"] = True
        if security := self._security(method):
            operation["security"] = list(security)
        return operation

    # --- paths of their own ---------------------------------------------------------------------

    def _fill(self, operation: Schema, route: Route, names: Sequence[tuple[str, str, str]]) -> None:
        request: Any = route.method.request.descriptor
        parameters = [self._in_path(request, *each) for each in names]
        taken = {each.field for each in route.template.variables}
        body = route.rule.body
        if body != "*":
            parameters += self._in_query(request, taken | ({body} if body else set()))
        if parameters:
            operation["parameters"] = parameters
        if body:
            operation["requestBody"] = {"content": self._body(route, request, taken)}
        secured = "security" in operation
        operation["responses"] = self._responses(route, bool(body), secured=secured)

    def _in_path(self, request: Descriptor, name: str, path: str, note: str) -> Schema:
        found = names_of(request).resolve(path)
        owner = found[0][-1].message_type if found is not None and found[0] else request
        last = None if owner is None else names_of(owner).field(path.rpartition(".")[2])
        schema: Schema = {"type": "string"}
        description = note
        if last is not None and not note:
            schema = self._schemas.of_value(last)
        if last is not None:
            said = (note, comment_of(last), constraints_said(last, schema))
            description = "\n\n".join(each for each in said if each)
        made: Schema = {"name": name, "in": "path", "required": True, "schema": schema}
        if description:
            made["description"] = description
        return made

    def _in_query(self, descriptor: Descriptor, taken: set[str]) -> Iterator[Schema]:
        for way, last in _leaves(descriptor, (), ()):
            names = [each.name for each in (*way, last)]
            if ".".join(names) in taken or names[0] in taken:
                continue
            told = dict(self._schemas.of_field(last))
            made: Schema = {
                "name": ".".join(each.json_name for each in (*way, last)),
                "in": "query",
            }
            if description := told.pop("description", ""):
                made["description"] = description
            if not way and is_required(last):
                made["required"] = True
            if told.pop("deprecated", False):
                made["deprecated"] = True
            made["schema"] = told
            yield made

    def _body(self, route: Route, request: Descriptor, taken: set[str]) -> Schema:
        if route.reads_raw:
            return {"*/*": {"schema": dict(BINARY)}}
        if route.rule.body != "*":
            one: Any = request.fields_by_name[route.rule.body]
            schema = self._schemas.of_field(one)
        elif taken:
            schema = self._schemas.object_of(request, without=taken)
        else:
            schema = self._schemas.of(request)
        return {"application/json": {"schema": schema}}

    def _responses(self, route: Route, body: bool, *, secured: bool) -> dict[str, Schema]:
        reply: Any = route.method.response.descriptor
        name = route.rule.response_body
        schema = (
            self._schemas.of_field(reply.fields_by_name[name]) if name else self._schemas.of(reply)
        )
        content: Schema
        if route.sends_raw:
            content = {"*/*": {"schema": dict(BINARY)}}
        elif route.method.kind.replies_stream:
            content = {
                media: {"schema": {"type": "string"}, "x-item-schema": schema}
                for media in ("application/x-ndjson", "text/event-stream")
            }
        else:
            content = {"application/json": {"schema": schema}}
        statuses = [400, *([401, 403] if secured else [])]
        statuses += [*([408, 413, 415] if body else []), 422, 500, 503, 504]
        found: dict[str, Schema] = {"200": {"description": "OK", "content": content}}
        for status in statuses:
            found[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
        found["default"] = {"description": "Any other failure.", "content": _PROBLEM}
        return found

    # --- Connect --------------------------------------------------------------------------------

    def _posted(self, method: RpcMethod, paths: Sequence[str]) -> Schema:
        operation = self._described(method)
        request: Any = method.request.descriptor
        reply: Any = method.response.descriptor
        streamed = method.kind.requests_stream or method.kind.replies_stream
        notes = [operation.get("description", "")]
        if streamed:
            notes.append(
                "The messages of both directions are enveloped, each with five bytes before it "
                "(Connect's streaming protocol); gRPC and gRPC-Web call it at this path as well."
            )
        if paths:
            notes.append(f"Also: {', '.join(f'`{each}`' for each in paths)}.")
        if description := "\n\n".join(note for note in notes if note):
            operation["description"] = description
        self._schemas.components.setdefault("connect.Error", dict(_CONNECT_ERROR))
        failed = {"application/json": {"schema": {"$ref": "#/components/schemas/connect.Error"}}}
        operation["requestBody"] = {
            "required": True,
            "content": _messages(self._schemas.of(request), streamed, method.kind.requests_stream),
        }
        operation["responses"] = {
            "200": {
                "description": "OK",
                "content": _messages(self._schemas.of(reply), streamed, method.kind.replies_stream),
            },
            "default": {"description": "A failure, by its code.", "content": failed},
        }
        return operation


def _messages(schema: Schema, streamed: bool, several: bool) -> Schema:
    """The content of one direction of a call."""
    if not streamed:
        return {"application/json": {"schema": schema}}
    text = {
        "type": "string",
        "description": "Any number of messages." if several else "One message.",
    }
    media: Schema = {"schema": text, "x-item-schema": schema}
    if not several:
        media["x-item-count"] = 1
    return {"application/connect+json": media}


def _path(template: Template) -> tuple[str, list[tuple[str, str, str]]]:
    """A template as OpenAPI has it; and of each parameter the name, the field, and what it is there."""
    owner: dict[int, str] = {}
    whole: set[str] = set()
    for variable in template.variables:
        end = len(template.segments) if variable.end is None else variable.end
        owner.update(dict.fromkeys(range(variable.start, end), variable.field))
        if end - variable.start == 1:
            whole.add(variable.field)
    used: set[str] = set()
    names: list[tuple[str, str, str]] = []
    parts: list[str] = []
    for index, segment in enumerate(template.segments):
        if segment not in (ANY, REST):
            parts.append(segment)
            continue
        of = owner.get(index, "")
        before = template.segments[index - 1] if index else ""
        wanted = of if of in whole else f"{before}Id" if before not in ("", ANY, REST) else "part"
        name, number = wanted, 2
        while name in used:
            name, number = f"{wanted}{number}", number + 1
        used.add(name)
        notes = []
        if of and of not in whole:
            notes.append(f"A part of the field {of}.")
        if segment == REST:
            notes.append("It may have slashes.")
        names.append((name, of, " ".join(notes)))
        parts.append(f"{{{name}}}")
    path = "/" + "/".join(parts)
    return f"{path}:{template.verb}" if template.verb else path, names


def _leaves(
    descriptor: Descriptor, way: tuple[FieldDescriptor, ...], above: tuple[Descriptor, ...]
) -> Iterator[tuple[tuple[FieldDescriptor, ...], FieldDescriptor]]:
    """Every field that a query can have; of messages within themselves the first level."""
    for each in descriptor.fields:
        if converter_of(each) is not None:
            yield way, each
        elif each.message_type is not None and not each.is_repeated:
            kind = each.message_type
            if kind not in (*above, descriptor) and len(way) < _DEEPEST and _plain(kind):
                yield from _leaves(kind, (*way, each), (*above, descriptor))


def _plain(descriptor: Descriptor) -> bool:
    return not descriptor.full_name.startswith("google.protobuf.") and (
        descriptor.full_name != HTTP_BODY
    )


def _words(name: str) -> str:
    """``SayHello`` as ``Say hello``."""
    made = "".join(f" {each.lower()}" if each.isupper() else each for each in name).strip()
    return made[:1].upper() + made[1:]
