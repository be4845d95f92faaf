"""The stub file with the types of a ``.proto`` file's messages, for checkers and editors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from mainstay.rpc.proto.comments import comments_of
from mainstay.rpc.proto.names import Imports, declared, is_nameable, python_name
from mainstay.rpc.proto.plan import Plan
from mainstay.rpc.proto.prose import END, docstring

__all__ = ["messages_stub"]

_F = FieldDescriptorProto
_SCALARS: Final[Mapping[int, str]] = {
    _F.TYPE_DOUBLE: "float",
    _F.TYPE_FLOAT: "float",
    _F.TYPE_BOOL: "bool",
    _F.TYPE_STRING: "str",
    _F.TYPE_BYTES: "bytes",
}
_MESSAGES: Final = (_F.TYPE_MESSAGE, _F.TYPE_GROUP)
_WIDTH: Final = 88
_SHORT: Final = 30
"""Columns of names that stand on one line, however deep in classes."""
_OF_ENUMS: Final = frozenset({"Name", "Value", "keys", "values", "items", "DESCRIPTOR"})
"""What protobuf's wrapper answers itself, whatever values are called."""
_CONTAINERS: Final = "google.protobuf.internal.containers"


def messages_stub(file: FileDescriptorProto, plan: Plan) -> str:
    """The text of the stub file."""
    return _Stub(file, plan).text()


class _Stub:
    def __init__(self, file: FileDescriptorProto, plan: Plan) -> None:
        self._file = file
        self._plan = plan
        self._package = f"{file.package}." if file.package else ""
        taken = declared(file)
        tops = {each.name for kind in (file.message_type, file.enum_type) for each in kind}
        # Names that something inside a class has as well: there they mean that.
        self._shadowed = tops & {name for each in file.message_type for name in _inside(each)}
        self._aliases: dict[str, str] = {}
        self._imports = Imports({*taken, *(python_name(name) for name in taken)})
        self._comments = comments_of(file)

    def text(self) -> str:
        use = self._imports.use
        body = [f"DESCRIPTOR: {use('google.protobuf.descriptor', 'FileDescriptor')}", ""]
        if self._file.enum_type or any(map(_has_enum, self._file.message_type)):
            body += [*self._enum_base(), ""]
        for message in self._file.message_type:
            body += [*self._message(message, (message.name,)), ""]
        for enum in self._file.enum_type:
            body += [*self._enum(enum, (enum.name,)), ""]
            named = python_name(enum.name)
            body += [f"{python_name(value.name)}: {named}" for value in enum.value]
            body.append("")
        extensions = [self._extension(each) for each in self._file.extension]
        body += [*extensions, ""] if extensions else []
        for name, alias in sorted(self._aliases.items()):
            body.append(f"{alias}: {use('typing', 'TypeAlias')} = {python_name(name)}")
        head = [f'"""Types of the messages of {self._file.name}.', ""]
        head += ["Written by `mainstay proto generate`: what is changed here is lost.", *END]
        text = "\n".join([*head, *self._imports.lines(), "", *body])
        return text.rstrip("\n") + "\n"

    # --- messages -------------------------------------------------------------------------------

    def _message(self, message: DescriptorProto, path: tuple[str, ...]) -> Iterator[str]:
        named = message.name if len(path) > 1 else python_name(message.name)
        if not is_nameable(named):
            yield f"# {named} has no name in Python: getattr({'.'.join(path[:-1])}, {named!r})"
            return
        yield f"class {named}({self._imports.use('google.protobuf.message', 'Message')}):"
        yield from _indented(self._members(message, path))

    def _members(self, message: DescriptorProto, path: tuple[str, ...]) -> Iterator[str]:
        full = self._package + ".".join(path)
        comment = self._comments.get(full)
        if comment:
            yield from docstring(comment, self._room(path))
            yield ""
        for enum in message.enum_type:
            yield from self._enum(enum, (*path, enum.name))
            yield ""
            wanted = self._class_variable((*path, enum.name))
            for value in filter(lambda each: is_nameable(each.name), enum.value):
                yield f"{value.name}: {wanted}"
            yield ""
        for nested in message.nested_type:
            if not nested.options.map_entry:
                yield from self._message(nested, (*path, nested.name))
                yield ""
        for extension in message.extension:
            yield self._extension(extension)
        for field in message.field:
            yield from self._field(field, full, path)
        yield from self._init(message)
        yield from self._presence(message)

    def _room(self, path: tuple[str, ...]) -> int:
        return _WIDTH - 4 * len(path)

    def _field(
        self, field: FieldDescriptorProto, full: str, path: tuple[str, ...]
    ) -> Iterator[str]:
        comment = self._comments.get(f"{full}.{field.name}")
        kind = self._field_type(field)
        if not is_nameable(field.name):
            yield f'# Not a name in Python: getattr(message, "{field.name}") is of type {kind}.'
        elif field.label == _F.LABEL_REPEATED or field.type in _MESSAGES:
            yield f"@{self._imports.builtin('property')}"
            if comment:
                yield f"def {field.name}(self) -> {kind}:"
                yield from _indented(docstring(comment, self._room(path) - 4))
            else:
                yield f"def {field.name}(self) -> {kind}: ..."
        else:
            yield f"{field.name}: {kind}"
            if comment:
                yield from docstring(comment, self._room(path))

    def _init(self, message: DescriptorProto) -> Iterator[str]:
        named = [each for each in message.field if is_nameable(each.name)]
        if not message.field:
            yield "def __init__(self) -> None: ..."
            return
        # In the parentheses a keyword may be named like a type, but not like `self`.
        itself = "self" if all(each.name != "self" for each in named) else "_self"
        yield "def __init__("
        yield f"    {itself},"
        if named:
            yield "    *,"
            for field in named:
                yield f"    {field.name}: {self._argument(field)} | None = ...,"
        if len(named) != len(message.field):
            yield f"    **fields: {self._imports.use('typing', 'Any')},"
        yield ") -> None: ..."

    def _presence(self, message: DescriptorProto) -> Iterator[str]:
        proto3 = self._file.syntax == "proto3"
        oneofs: dict[str, list[str]] = {}
        present = []
        for field in message.field:
            if field.label == _F.LABEL_REPEATED:
                continue
            in_oneof = field.HasField("oneof_index")
            if in_oneof and not field.proto3_optional:
                group = message.oneof_decl[field.oneof_index].name
                oneofs.setdefault(group, []).append(field.name)
            if in_oneof or field.type in _MESSAGES or not proto3:
                present.append(field.name)
        if present or oneofs:
            boolean = self._imports.builtin("bool")
            yield from self._question("HasField", "field_name", [*present, *oneofs], boolean)
        for group, fields in oneofs.items():
            if len(oneofs) > 1:
                yield f"@{self._imports.use('typing', 'overload')}"
            lines = [*self._literal(fields)]
            lines[-1] += " | None"
            answer = "\n".join(lines)
            yield from self._question("WhichOneof", "oneof_group", [group], answer)

    def _question(
        self, name: str, parameter: str, names: Sequence[str], answer: str
    ) -> Iterator[str]:
        first, *rest = self._literal(names)
        said = [f"{parameter}: {first}", *rest]
        yield f"def {name}("
        yield "    self,"
        yield from (f"    {line}" for line in said[:-1])
        yield f"    {said[-1]},"
        yield from f") -> {answer}: ...".splitlines()

    def _literal(self, names: Sequence[str]) -> Iterator[str]:
        literal = self._imports.use("typing", "Literal")
        said = ", ".join(f'"{name}"' for name in names)
        if len(said) <= _SHORT:
            yield f"{literal}[{said}]"
        else:
            yield f"{literal}["
            yield from (f'    "{name}",' for name in names)
            yield "]"

    # --- types ----------------------------------------------------------------------------------

    def _field_type(self, field: FieldDescriptorProto) -> str:
        entry = self._map_entry(field)
        if entry is not None:
            key, value = entry.field
            name = "MessageMap" if value.type in _MESSAGES else "ScalarMap"
            container = self._imports.use(_CONTAINERS, name)
            return f"{container}[{self._type(key)}, {self._type(value)}]"
        if field.label == _F.LABEL_REPEATED:
            kind = "Composite" if field.type in _MESSAGES else "Scalar"
            container = self._imports.use(_CONTAINERS, f"Repeated{kind}FieldContainer")
            return f"{container}[{self._type(field)}]"
        return self._type(field)

    def _argument(self, field: FieldDescriptorProto) -> str:
        entry = self._map_entry(field)
        use = self._imports.use
        if entry is not None:
            key, value = entry.field
            mapping = use("collections.abc", "Mapping")
            return f"{mapping}[{self._type(key)}, {self._given(value)}]"
        if field.label == _F.LABEL_REPEATED:
            return f"{use('collections.abc', 'Iterable')}[{self._given(field)}]"
        return self._given(field)

    def _given(self, field: FieldDescriptorProto) -> str:
        """What may be given for one value: enumerations by name, messages as dictionaries."""
        wanted = self._type(field)
        builtin = self._imports.builtin
        if field.type == _F.TYPE_ENUM:
            return f"{wanted} | {builtin('str')}"
        if field.type in _MESSAGES:
            anything = self._imports.use("typing", "Any")
            return f"{wanted} | {builtin('dict')}[{builtin('str')}, {anything}]"
        return wanted

    def _map_entry(self, field: FieldDescriptorProto) -> DescriptorProto | None:
        if field.type != _F.TYPE_MESSAGE:
            return None
        node = self._plan.types[field.type_name].node
        is_entry = isinstance(node, DescriptorProto) and node.options.map_entry
        return node if is_entry and isinstance(node, DescriptorProto) else None

    def _type(self, field: FieldDescriptorProto) -> str:
        if field.type in _MESSAGES or field.type == _F.TYPE_ENUM:
            return self._named(field.type_name)
        return self._imports.builtin(_SCALARS.get(field.type, "int"))

    def _named(self, type_name: str) -> str:
        found = self._plan.types[type_name]
        if not all(map(is_nameable, found.path[1:])):
            return self._imports.use("typing", "Any")
        if found.file != self._file.name:
            return self._plan.import_type(self._imports, self._file.name, type_name)
        first, *rest = found.path
        if first in self._shadowed:
            self._aliases[first] = f"_{first}"
            return ".".join((f"_{first}", *rest))
        return found.python

    def _class_variable(self, path: tuple[str, ...]) -> str:
        named = self._named("." + self._package + ".".join(path))
        return f"{self._imports.use('typing', 'ClassVar')}[{named}]"

    def _extension(self, field: FieldDescriptorProto) -> str:
        kind = self._imports.use(
            "google.protobuf.internal.extension_dict", "_ExtensionFieldDescriptor"
        )
        named = python_name(field.name)
        return f"{named}: {kind}[{self._named(field.extendee)}, {self._field_type(field)}]"

    # --- enumerations ---------------------------------------------------------------------------

    def _enum_base(self) -> Iterator[str]:
        use, builtin = self._imports.use, self._imports.builtin
        itself, text, many = use("typing", "Self"), builtin("str"), builtin("list")
        method = f"@{builtin('classmethod')}"
        yield f"class _Enum({builtin('int')}):"
        described = use("google.protobuf.descriptor", "EnumDescriptor")
        yield f"    DESCRIPTOR: {use('typing', 'ClassVar')}[{described}]"
        for signature in (
            f"Name(cls, number: {builtin('int')}) -> {text}",
            f"Value(cls, name: {text}) -> {itself}",
            f"keys(cls) -> {many}[{text}]",
            f"values(cls) -> {many}[{itself}]",
            f"items(cls) -> {many}[{builtin('tuple')}[{text}, {itself}]]",
        ):
            yield f"    {method}"
            yield f"    def {signature}: ..."

    def _enum(self, enum: EnumDescriptorProto, path: tuple[str, ...]) -> Iterator[str]:
        named = enum.name if len(path) > 1 else python_name(enum.name)
        yield f"class {named}(_Enum):"
        yield from _indented(self._values(enum, path))

    def _values(self, enum: EnumDescriptorProto, path: tuple[str, ...]) -> Iterator[str]:
        full = self._package + ".".join(path)
        comment = self._comments.get(full)
        if comment:
            yield from docstring(comment, self._room(path))
            yield ""
        wanted = self._class_variable(path)
        for value in enum.value:
            if value.name in _OF_ENUMS or not is_nameable(value.name):
                yield f'# {path[-1]}.Value("{value.name}"), which is no attribute'
                continue
            yield f"{value.name}: {wanted}"
            said = self._comments.get(f"{full}.{value.name}")
            if said:
                yield from docstring(said, self._room(path))


def _indented(lines: Iterable[str]) -> Iterator[str]:
    written = [f"    {line}" if line else "" for line in lines]
    while written and not written[-1]:
        written.pop()
    if all(line.lstrip().startswith("#") for line in written):
        written.append("    ...")
    return iter(written)


def _inside(message: DescriptorProto) -> Iterator[str]:
    yield from (each.name for kind in (message.field, message.extension) for each in kind)
    yield from (value.name for enum in message.enum_type for value in enum.value)
    yield from (enum.name for enum in message.enum_type)
    for nested in message.nested_type:
        yield nested.name
        yield from _inside(nested)


def _has_enum(message: DescriptorProto) -> bool:
    return bool(message.enum_type) or any(map(_has_enum, message.nested_type))
