"""The text of a ``.proto`` file for its descriptor.

The compiler makes the same descriptor of it again, down to the order of nested types: a map field
and a group bring a nested type along, which stands where the field stands. The same descriptor
always gives the same text.

Options that are extensions (``google.api.http``) can only be read by somebody who knows these; a
file knows its own. So the descriptor is read with the classes of a pool that has all it imports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

from google.protobuf import descriptor_pb2, text_encoding, text_format
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from mainstay.rpc.proto.messages import json_name
from mainstay.rpc.proto.scopes import Scopes

__all__ = ["proto_text"]

_F = FieldDescriptorProto
_SCALARS: Final[Mapping[int, str]] = {
    number: name.removeprefix("TYPE_").lower() for name, number in _F.Type.items()
}
_LABELS: Final[Mapping[int, str]] = {
    _F.LABEL_OPTIONAL: "optional ",
    _F.LABEL_REQUIRED: "required ",
    _F.LABEL_REPEATED: "repeated ",
}
_MAX_FIELD: Final = 1 << 29
"""One more than the highest number of a field: what ``max`` means for messages."""
_MAX_VALUE: Final = (1 << 31) - 1
"""What it means for enumerations, whose ranges include their end."""
_NO_COMMENTS: Final[Mapping[str, str]] = MappingProxyType({})


def proto_text(file: FileDescriptor, comments: Mapping[str, str] = _NO_COMMENTS) -> str:
    """The text of the file.

    Args:
        file: whatever made it.
        comments: by full name of what they stand above, as `comments_of` has them.
    """
    return "\n".join(_Writer(_knowing(file), file, comments).lines()) + "\n"


def _knowing(file: FileDescriptor) -> Any:
    """Its FileDescriptorProto, with options that its imports explain."""
    pool = DescriptorPool()
    known: dict[str, FileDescriptor] = {}

    def add(each: FileDescriptor) -> None:
        if each.name not in known:
            known[each.name] = each
            for dependency in each.dependencies:
                add(dependency)
            pool.AddSerializedFile(each.serialized_pb)

    add(file)
    if descriptor_pb2.DESCRIPTOR.name not in known:
        pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
    find: Any = pool.FindMessageTypeByName
    cls: Any = GetMessageClass(find("google.protobuf.FileDescriptorProto"))
    return cls.FromString(file.serialized_pb)


class _Writer:
    def __init__(self, node: Any, file: FileDescriptor, comments: Mapping[str, str]) -> None:
        self._node = node
        self._comments = comments
        self._scopes = Scopes(file)
        self._syntax = node.syntax or "proto2"

    def lines(self) -> Iterator[str]:
        node = self._node
        if self._syntax == "editions":
            named = descriptor_pb2.Edition.Name(node.edition).removeprefix("EDITION_")
            yield f'edition = "{named}";'
        else:
            yield f'syntax = "{self._syntax}";'
        if node.package:
            yield from ("", f"package {node.package};")
        if node.dependency:
            yield ""
        public = set(node.public_dependency)
        for index, name in enumerate(node.dependency):
            yield f'import {"public " if index in public else ""}"{name}";'
        options = list(self._options(node.options))
        yield from ("", *options) if options else ()
        for service in node.service:
            yield ""
            yield from self._service(service)
        for message in node.message_type:
            yield ""
            yield from self._message(message, node.package)
        for enum in node.enum_type:
            yield ""
            yield from self._enum(enum, node.package)
        if node.extension:
            yield ""
            yield from self._extensions(node.extension, node.package)

    def _comment(self, name: str) -> Iterator[str]:
        text = self._comments.get(name, "").strip("\n")
        for line in text.splitlines():
            yield f"// {line}".rstrip()

    # --- services -------------------------------------------------------------------------------

    def _service(self, service: Any) -> Iterator[str]:
        name = _join(self._node.package, service.name)
        yield from self._comment(name)
        body = list(self._options(service.options))
        for method in service.method:
            lines = list(self._method(method, name))
            if body and (len(lines) > 1 or body[-1] == "}"):
                body.append("")
            body += lines
        yield from _block(f"service {service.name}", body)

    def _method(self, method: Any, scope: str) -> Iterator[str]:
        yield from self._comment(f"{scope}.{method.name}")
        asked, answered = (
            f"{'stream ' if streams else ''}{self._scopes.name(type_name, scope)}"
            for streams, type_name in (
                (method.client_streaming, method.input_type),
                (method.server_streaming, method.output_type),
            )
        )
        head = f"rpc {method.name}({asked}) returns ({answered})"
        options = list(self._options(method.options))
        if options or method.HasField("options"):
            yield from _block(head, options)
        else:
            yield f"{head};"

    # --- messages -------------------------------------------------------------------------------

    def _message(self, message: Any, scope: str) -> Iterator[str]:
        name = _join(scope, message.name)
        yield from self._comment(name)
        yield from _block(f"message {message.name}", self._members(message, name))

    def _members(self, message: Any, name: str) -> Iterator[str]:
        yield from self._options(message.options)
        for enum in message.enum_type:
            yield from self._enum(enum, name)
            yield ""
        yield from self._fields_and_nested(message, name)
        if message.extension:
            yield from self._extensions(message.extension, name)
        for span in message.extension_range:
            said = self._bracketed(self._option_list(span.options))
            yield f"extensions {_span(span.start, span.end - 1, _MAX_FIELD - 1)}{said};"
        ranges = [
            _span(each.start, each.end - 1, _MAX_FIELD - 1) for each in message.reserved_range
        ]
        yield from self._reserved(ranges, message.reserved_name)

    def _fields_and_nested(self, message: Any, name: str) -> Iterator[str]:
        """Nested types in their order, each that a field brings along at that field."""
        waiting = list(self._fields(message, name))
        for nested in message.nested_type:
            brought = f".{name}.{nested.name}"
            if not any(brought in types for types, _ in waiting):
                yield from self._message(nested, name)
                yield ""
                continue
            while True:
                types, lines = waiting.pop(0)
                yield from lines
                if brought in types:
                    # What else it brings follows in the list, and is written already.
                    waiting.insert(0, (types - {brought}, []))
                    break
        for _, lines in waiting:
            yield from lines

    def _fields(self, message: Any, name: str) -> Iterator[tuple[set[str], list[str]]]:
        """The lines of each field or oneof, with the nested types that it brings along."""
        nested = {f".{name}.{each.name}": each for each in message.nested_type}
        oneofs: dict[int, list[Any]] = {}
        for field in message.field:
            if field.HasField("oneof_index") and not field.proto3_optional:
                oneofs.setdefault(field.oneof_index, []).append(field)
        for field in message.field:
            together = [field]
            if field.HasField("oneof_index") and not field.proto3_optional:
                together = oneofs.pop(field.oneof_index, [])
            brought = {each.type_name for each in together if _brings(each, nested)}
            if together == [field] and not (
                field.HasField("oneof_index") and not field.proto3_optional
            ):
                yield brought, list(self._field(field, name, nested))
            elif together:
                oneof = message.oneof_decl[field.oneof_index]
                body = list(self._options(oneof.options))
                for each in together:
                    body += self._field(each, name, nested, label=False)
                lines = [*self._comment(f"{name}.{oneof.name}")]
                yield brought, [*lines, *_block(f"oneof {oneof.name}", body)]

    def _field(
        self, field: Any, scope: str, nested: Mapping[str, Any], *, label: bool = True
    ) -> Iterator[str]:
        yield from self._comment(_join(scope, field.name))
        lead = self._label(field) if label else ""
        options = self._bracketed(self._field_options(field))
        own = nested.get(field.type_name)
        if own is not None and own.options.map_entry:
            key, value = own.field
            # An entry's types are named as if they stood in it.
            kinds = f"{self._kind(key, scope)}, {self._kind(value, f'{scope}.{own.name}')}"
            yield f"map<{kinds}> {field.name} = {field.number}{options};"
        elif field.type == _F.TYPE_GROUP and own is not None:
            head = f"{lead}group {own.name} = {field.number}{options}"
            yield from _block(head, self._members(own, f"{scope}.{own.name}"))
        else:
            yield f"{lead}{self._kind(field, scope)} {field.name} = {field.number}{options};"

    def _label(self, field: Any) -> str:
        plain = field.label == _F.LABEL_OPTIONAL and not field.proto3_optional
        return "" if plain and self._syntax != "proto2" else _LABELS[field.label]

    def _kind(self, field: Any, scope: str) -> str:
        if field.type_name:
            return self._scopes.name(field.type_name, scope)
        return _SCALARS[field.type]

    def _extensions(self, extensions: Iterable[Any], scope: str) -> Iterator[str]:
        for extendee, fields in groupby(extensions, key=lambda each: each.extendee):
            body: list[str] = []
            for field in fields:
                body += self._field(field, scope, {})
            yield from _block(f"extend {self._scopes.name(extendee, scope)}", body)

    def _reserved(self, ranges: list[str], names: Iterable[str]) -> Iterator[str]:
        if ranges:
            yield f"reserved {', '.join(ranges)};"
        bare = self._syntax == "editions"
        said = [name if bare else f'"{name}"' for name in names]
        if said:
            yield f"reserved {', '.join(said)};"

    # --- enumerations ---------------------------------------------------------------------------

    def _enum(self, enum: Any, scope: str) -> Iterator[str]:
        name = _join(scope, enum.name)
        yield from self._comment(name)
        body = list(self._options(enum.options))
        for value in enum.value:
            body += self._comment(f"{name}.{value.name}")
            said = self._bracketed(self._option_list(value.options))
            body.append(f"{value.name} = {value.number}{said};")
        ranges = [_span(each.start, each.end, _MAX_VALUE) for each in enum.reserved_range]
        body += self._reserved(ranges, enum.reserved_name)
        yield from _block(f"enum {enum.name}", body)

    # --- options --------------------------------------------------------------------------------

    def _options(self, options: Any) -> Iterator[str]:
        for name, value in self._option_list(options):
            first, *rest = value.splitlines()
            yield f"option {name} = {first}" if rest else f"option {name} = {first};"
            yield from rest[:-1]
            if rest:
                yield f"{rest[-1]};"

    def _field_options(self, field: Any) -> Iterator[tuple[str, str]]:
        if field.HasField("default_value"):
            yield "default", _default(field)
        if field.json_name and field.json_name != json_name(field.name) and not field.extendee:
            yield "json_name", _quoted(field.json_name)
        yield from self._option_list(field.options)

    def _option_list(self, options: Any) -> Iterator[tuple[str, str]]:
        for field, value in options.ListFields():
            if field.name == "map_entry" and not field.is_extension:
                continue
            name = f"({field.full_name})" if field.is_extension else field.name
            for each in value if field.is_repeated else [value]:
                yield name, _value(field, each)

    def _bracketed(self, options: Iterable[tuple[str, str]]) -> str:
        said = [f"{name} = {' '.join(value.split(chr(10)))}" for name, value in options]
        return f" [{', '.join(said)}]" if said else ""


def _brings(field: Any, nested: Mapping[str, Any]) -> bool:
    own = nested.get(field.type_name)
    return own is not None and (own.options.map_entry or field.type == _F.TYPE_GROUP)


def _join(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name


def _block(head: str, body: Iterable[str]) -> Iterator[str]:
    lines = list(body)
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        yield f"{head} {{}}"
        return
    yield f"{head} {{"
    yield from (f"  {line}" if line else "" for line in lines)
    yield "}"


def _span(first: int, last: int, most: int) -> str:
    if first == last:
        return str(first)
    return f"{first} to {'max' if last == most else last}"


def _quoted(text: str | bytes) -> str:
    given: Any = text
    escaped = text_encoding.CEscape(given, as_utf8=isinstance(text, str))
    return f'"{escaped}"'


def _default(field: Any) -> str:
    if field.type == _F.TYPE_STRING:
        return _quoted(field.default_value)
    if field.type == _F.TYPE_BYTES:  # escaped already, as C does
        return f'"{field.default_value}"'
    return str(field.default_value)


def _value(field: Any, value: Any) -> str:
    """The value of one option, on several lines when it is a message of several."""
    if field.type in (_F.TYPE_MESSAGE, _F.TYPE_GROUP):
        text = text_format.MessageToString(value, as_utf8=True).splitlines()
        return "\n".join(_block("", text)).lstrip()
    if field.type == _F.TYPE_ENUM:
        number = field.enum_type.values_by_number.get(value)
        return number.name if number is not None else str(value)
    if field.type in (_F.TYPE_STRING, _F.TYPE_BYTES):
        return _quoted(value)
    if field.type == _F.TYPE_BOOL:
        return "true" if value else "false"
    return str(value)
