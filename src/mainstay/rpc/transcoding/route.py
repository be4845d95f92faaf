"""One path of one method: how a request becomes the method's message, and a reply a body.

Where a field comes from (google/api/http.proto, "Rules for HTTP mapping"): the path has what its
variables name; the body, if the rule has one, has one field or all the others; the query has what
is left. A field in two places, and a parameter that is no field, are refused by name. The path wins
over the body, in which the name of what is updated may stand again (google.aip.dev/134). Unknown members of a JSON body are skipped, as in Connect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from mainstay.errors import ValidationFailed, Violation, WiringError
from mainstay.rpc.json_base64 import Base64Fields
from mainstay.rpc.json_faults import MOST, parse_json, read_json
from mainstay.rpc.method import RpcMethod
from mainstay.rpc.transcoding.matcher import MalformedPath, texts_of
from mainstay.rpc.transcoding.rules import HttpRule, rules_of_descriptor
from mainstay.rpc.transcoding.template import Template, Variable, parse_template
from mainstay.rpc.transcoding.values import Leaf, names_of

__all__ = ["HTTP_BODY", "Route", "rules_of"]

HTTP_BODY: Final = "google.api.HttpBody"
"""The message that stands for bytes as they are (google/api/httpbody.proto)."""

_LONGEST: Final = 100
_VERB: Final = frozenset("!#$%&'*+-.^_`|~").union(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

Read = Callable[[Any, bytes, bytes, int | None], None]
"""Puts a body into a message: the message, the body, its content type, elements that it may have."""


def rules_of(method: RpcMethod) -> tuple[HttpRule, ...]:
    """The rules of a method: those said in code, else those of its option."""
    if method.http:
        return method.http
    return () if method.descriptor is None else rules_of_descriptor(method.descriptor)


class Route:
    """A path of a method, checked and ready.

    Args:
        method: what is called.
        rule: its path, and what of it is where.

    Attributes:
        method, rule: as given.
        template: of the path.
        reads_raw: whether the body of the request is bytes as they are.
        sends_raw: whether the body of the reply is.
        bodiless: whether a request has none.

    Raises: WiringError for a rule that does not fit the messages.
    """

    def __init__(self, method: RpcMethod, rule: HttpRule) -> None:
        if method.request.descriptor is None or method.response.descriptor is None:
            raise WiringError(f"{method.full_name} has no descriptors, and so no JSON for {rule}")
        if not rule.verb or not _VERB.issuperset(rule.verb):
            raise WiringError(f"{method.full_name}: {rule.verb!r} is no method of HTTP")
        self.method = method
        self.rule = rule
        self.template: Template = parse_template(rule.path)
        self._about = f"{method.full_name}, {rule}"
        self._class: Any = GetMessageClass(method.request.descriptor)
        self._reply_class: Any = GetMessageClass(method.response.descriptor)
        # Messages of protobuf's go to the handler as they are; types of the user's as their bytes.
        self._plain = method.request.python_type is self._class
        self._pool: Any = method.request.descriptor.file.pool
        self._reply_pool: Any = method.response.descriptor.file.pool
        self._base64 = Base64Fields(method.request.descriptor)
        self._names = names_of(method.request.descriptor)
        self._own = method.request.descriptor.full_name.startswith("google.protobuf.")
        self._in_path = [self._variable(each) for each in self.template.variables]
        self._taken = frozenset(each.field for each in self.template.variables)
        self.bodiless = not rule.body
        self.reads_raw = False
        self._read = self._reader(rule.body)
        self._body_field = rule.body if rule.body not in ("", "*") else None
        self.sends_raw = False
        self._reply_field = self._reply(rule.response_body)
        self._leaves: dict[str, tuple[list[str], Leaf, str]] = {}

    # --- at the start ---------------------------------------------------------------------------

    def _variable(self, variable: Variable) -> tuple[Variable, list[str], Leaf]:
        found = self._names.resolve(variable.field)
        if found is None or found[1].repeated:
            name = self._names.descriptor.full_name
            message = (
                f"{self._about}: {variable.field!r} is no field of {name} that a path can have"
            )
            raise WiringError(message)
        way, leaf = found
        return variable, [field.name for field in way], leaf

    def _field(self, name: str, of: Any, where: str) -> FieldDescriptor:
        field = of.fields_by_name.get(name)
        if field is None:
            raise WiringError(f"{self._about}: the {where} {name!r} is no field of {of.full_name}")
        found: FieldDescriptor = field
        return found

    def _reader(self, body: str) -> Read:
        if not body:
            return _refuse_body
        if body == "*":
            if self._names.descriptor.full_name == HTTP_BODY:
                self.reads_raw = True
                return _read_raw
            return self._read_all
        field = self._field(body, self._names.descriptor, "body")
        if body in self._taken:
            raise WiringError(f"{self._about}: {body!r} is in the path and the body")
        if _is_raw(field):
            self.reads_raw = True
            name = field.name
            return lambda message, data, kind, _: _read_raw(getattr(message, name), data, kind)
        key = field.json_name

        def read(message: Any, data: bytes, _: bytes, limit: int | None) -> None:
            if data:
                self._parse({key: _decoded(data, limit)}, message)

        return read

    def _reply(self, name: str) -> FieldDescriptor | None:
        descriptor: Any = self._reply_class.DESCRIPTOR
        if not name:
            self.sends_raw = descriptor.full_name == HTTP_BODY
            return None
        field = self._field(name, descriptor, "response_body")
        self.sends_raw = _is_raw(field)
        return field

    # --- a request ------------------------------------------------------------------------------

    def request(
        self,
        raw: list[str],
        query: bytes,
        body: bytes,
        content_type: bytes,
        limit: int | None = None,
    ) -> Any:
        """The message of a request.

        Args:
            raw: the segments of its path, as they were sent.
            query: what follows the question mark.
            body: all of it.
            content_type: of the body.
            limit: elements that a long body may have; None for any number.

        Raises: TooLarge; ValidationFailed that names everything that is wrong; it is `malformed` when the body
        is no JSON or the path no UTF-8, as with every route of HTTP.
        """
        message = self._class()
        self._read(message, body, content_type, limit)
        wrong: list[Violation] = []
        malformed = False
        for variable, way, leaf in self._in_path:
            try:
                _put(message, way, leaf, texts_of(variable, raw))
            except (ValueError, MalformedPath) as error:
                malformed = malformed or isinstance(error, MalformedPath)
                wrong.append(Violation(f"/path/{variable.field}", str(error), "type"))
        if query:
            self._read_query(message, query, wrong)
        if wrong:
            raise ValidationFailed(wrong[:MOST], malformed=malformed)
        if self._plain:
            return message
        try:
            return self.method.request.decode(message.SerializeToString())
        except ValidationFailed as error:
            raise self._placed(error) from None
        except ValueError as error:
            raise _wrong("/body" if body else "/query", str(error)) from None

    def _read_all(self, message: Any, data: bytes, _: bytes, limit: int | None) -> None:
        if not data:
            return
        value = _decoded(data, limit)
        # protobuf takes an empty list for a message without fields; some types of its own are lists.
        if not isinstance(value, dict) and not self._own:
            raise _wrong("/body", f"{message.DESCRIPTOR.name} is an object in JSON")
        self._parse(value, message)

    def _parse(self, value: Any, message: Any) -> None:
        try:
            parse_json(value, message, self._pool, self._base64)
        except ValidationFailed as error:
            raise self._placed(error) from None
        except ValueError as error:
            raise _wrong("/body", str(error)) from None

    def _placed(self, error: ValidationFailed) -> ValidationFailed:
        """The same violations, with pointers into the request instead of the message."""
        found = [
            dataclasses.replace(each, pointer=self._place(each.pointer))
            for each in error.violations
        ]
        return ValidationFailed(found, malformed=error.malformed)

    def _place(self, pointer: str) -> str:
        parts = pointer.split("/")[1:]
        field = self._names.field(parts[0]) if parts else None
        if field is None:
            return f"/body{pointer}"
        parts[0] = field.name
        for taken in self._taken:
            if taken.split(".") == parts[: taken.count(".") + 1]:
                return f"/path/{taken}"
        if self.rule.body == "*":
            return f"/body{pointer}"
        if field.name == self._body_field:
            return "/".join(["/body", *parts[1:]])
        return "/query/" + ".".join(pointer.split("/")[1:])

    def _read_query(self, message: Any, query: bytes, wrong: list[Violation]) -> None:
        seen: set[str] = set()
        for name, text in _pairs(query, wrong):
            try:
                way, leaf, canonical = self._leaf(name)
                if canonical in seen and not leaf.repeated:
                    raise ValueError("this is given more than once")
                seen.add(canonical)
                _put(message, way, leaf, text, alone=True)
            except _UnknownError as error:
                wrong.append(Violation(_at(name), str(error), "unknown"))
            except ValueError as error:
                wrong.append(Violation(_at(name), str(error), "type"))

    def _leaf(self, name: str) -> tuple[list[str], Leaf, str]:
        """Where a parameter goes, its canonical name last."""
        kept = self._leaves.get(name)
        if kept is not None:
            return kept
        if self.rule.body == "*":
            raise _UnknownError("there is no such parameter: the fields are in the body")
        found = self._names.resolve(name)
        if found is None:
            raise _UnknownError("there is no such parameter")
        way = [field.name for field in found[0]]
        canonical = ".".join([*way, found[1].name])
        if canonical in self._taken:
            raise _UnknownError("this is in the path")
        if self._body_field is not None and canonical.split(".")[0] == self._body_field:
            raise _UnknownError("this is in the body")
        made = way, found[1], canonical
        if len(self._leaves) < _KEPT:
            self._leaves[name] = made
        return made

    # --- a reply --------------------------------------------------------------------------------

    def reply(self, message: Any) -> bytes:
        """The body for a reply. Raises: TypeError and ValueError for a wrong message."""
        return self.body_of(self._message(message))

    def raw_reply(self, message: Any) -> tuple[bytes, bytes]:
        """The bytes of a reply that are sent as they are, and their content type."""
        made = self._message(message)
        field = self._reply_field
        body = made if field is None else getattr(made, field.name)
        kind = body.content_type or "application/octet-stream"
        return body.data, kind.encode("latin-1", "replace")

    def _message(self, message: Any) -> Any:
        if isinstance(message, self._reply_class):
            return message
        return self._reply_class.FromString(self.method.response.encode(message))

    def body_of(self, message: Any) -> bytes:
        """JSON of a reply, or of the one field of it that the rule names; that is there always."""
        field = self._reply_field
        try:
            said = json_format.MessageToDict(message, descriptor_pool=self._reply_pool)
        except (json_format.Error, TypeError) as error:  # an Any of an unknown type
            raise ValueError(f"the reply has no JSON: {error}") from None
        if field is None:
            return msgspec.json.encode(said)
        if field.json_name in said:
            return msgspec.json.encode(said[field.json_name])
        return _empty(field)

    def __repr__(self) -> str:
        return f"<Route {self.rule} {self.method.full_name}>"


_KEPT: Final = 256
"""Parameters whose fields are remembered: names can be without end where messages nest."""


class _UnknownError(ValueError):
    """A parameter that is none."""


def _put(message: Any, way: list[str], leaf: Leaf, text: str, *, alone: bool = False) -> None:
    for name in way:
        message = getattr(message, name)
    if alone and leaf.oneof is not None and message.WhichOneof(leaf.oneof) not in (None, leaf.name):
        raise ValueError(f"another one of {leaf.oneof!r} is given")
    leaf.put(message, text)


def _pairs(query: bytes, wrong: list[Violation]) -> Iterable[tuple[str, str]]:
    for part in query.split(b"&"):
        if not part:
            continue
        name, _, value = part.partition(b"=")
        try:
            pair = _plain(name), _plain(value)
        except UnicodeDecodeError:
            wrong.append(Violation("/query", "it is not UTF-8 when it is decoded", "value"))
            continue
        yield pair


def _plain(text: bytes) -> str:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return (unquote_to_bytes(text) if b"%" in text else text).decode()


def _at(name: str) -> str:
    if len(name) > _LONGEST:
        name = name[:_LONGEST] + "…"
    return "/query/" + name.replace("~", "~0").replace("/", "~1")


def _wrong(pointer: str, detail: str, *, malformed: bool = False) -> ValidationFailed:
    return ValidationFailed([Violation(pointer, detail)], malformed=malformed)


def _refuse_body(message: Any, data: bytes, kind: bytes, limit: int | None) -> None:
    if data:
        raise _wrong("/body", "there is no body here; values are in the path and the query")


def _read_raw(message: Any, data: bytes, kind: bytes, limit: int | None = None) -> None:
    message.data = data
    message.content_type = kind.decode("latin-1")


def _is_raw(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and kind.full_name == HTTP_BODY and not field.is_repeated


def _decoded(data: bytes, limit: int | None) -> Any:
    try:
        return read_json(data, limit)
    except ValueError as error:
        raise _wrong("/body", str(error), malformed=True) from None


def _empty(field: FieldDescriptor) -> bytes:
    """JSON of a field that has its default value."""
    if field.is_repeated:
        entry = field.message_type is not None and field.message_type.GetOptions().map_entry
        return b"{}" if entry else b"[]"
    if field.message_type is not None:
        return b"{}" if not field.message_type.full_name.endswith("Value") else b"null"
    if field.enum_type is not None:
        enum: Any = field.enum_type
        return msgspec.json.encode(enum.values_by_number[field.default_value].name)
    default = field.default_value
    if isinstance(default, bytes):
        return b'""'
    wide = field.cpp_type in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
    return msgspec.json.encode(str(default) if wide else default)
