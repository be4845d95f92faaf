"""From shapes to protobuf's own description, in a pool that belongs to one definition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import duration_pb2, empty_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodOptions,
)
from google.protobuf.descriptor_pool import DescriptorPool

from mainstay.errors import WiringError
from mainstay.rpc.method import Kind
from mainstay.rpc.schema.shapes import EnumShape, FieldShape, Item, MessageShape

__all__ = ["Signature", "build"]

_TYPES: Final = {
    name.removeprefix("TYPE_").lower(): number for name, number in FieldDescriptorProto.Type.items()
}
_OPTIONAL: Final = FieldDescriptorProto.LABEL_OPTIONAL
_REPEATED: Final = FieldDescriptorProto.LABEL_REPEATED


@dataclass(frozen=True, slots=True)
class Signature:
    """A method, as protobuf knows it; its messages by their full names."""

    name: str
    kind: Kind
    request: str
    response: str
    idempotent: bool


def build(
    service: str,
    signatures: Iterable[Signature],
    messages: Iterable[MessageShape],
    enums: Iterable[EnumShape],
    foreign: Iterable[Any],
) -> DescriptorPool:
    """A pool with one file that has all of it, and the files that it needs.

    Args:
        service: full name.
        signatures: of its methods.
        messages: of the same package.
        enums: same.
        foreign: classes of protobuf messages that are used.

    Raises: WiringError for what protobuf refuses.
    """
    package, _, name = service.rpartition(".")
    path = f"{package.replace('.', '/')}/{name}.proto".lstrip("/").lower()
    file = FileDescriptorProto(name=path, package=package, syntax="proto3")
    for message in sorted(messages, key=lambda each: each.full_name):
        _add_message(file.message_type.add(), message)
    for enum in sorted(enums, key=lambda each: each.full_name):
        described = file.enum_type.add(name=enum.cls.__name__)
        numbers = [number for _, number, _ in enum.values]
        described.options.allow_alias = len(set(numbers)) < len(numbers)
        if not described.options.allow_alias:
            described.ClearField("options")
        for value, number, _ in enum.values:
            described.value.add(name=value, number=number)
    declared = file.service.add(name=name)
    for each in signatures:
        method = declared.method.add(
            name=each.name,
            input_type=f".{each.request}",
            output_type=f".{each.response}",
            client_streaming=each.kind.requests_stream,
            server_streaming=each.kind.replies_stream,
        )
        if each.idempotent:
            method.options.idempotency_level = MethodOptions.NO_SIDE_EFFECTS
    pool = DescriptorPool()
    needed = _needed(file, foreign)
    for dependency in needed:
        _copy(dependency, pool, set())
        file.dependency.append(dependency.name)
    try:
        pool.AddSerializedFile(file.SerializeToString())
    except TypeError as error:
        raise WiringError(f"protobuf refuses {service}: {error}") from None
    return pool


def _needed(file: FileDescriptorProto, foreign: Iterable[Any]) -> list[Any]:
    """The files that `file` refers to, in an order that does not change."""
    text = file.SerializeToString()
    found = {each.DESCRIPTOR.file.name: each.DESCRIPTOR.file for each in foreign}
    for module in (duration_pb2, empty_pb2, timestamp_pb2):
        for name in module.DESCRIPTOR.message_types_by_name:
            if f".google.protobuf.{name}".encode() in text:
                found[module.DESCRIPTOR.name] = module.DESCRIPTOR
    return [found[name] for name in sorted(found)]


def _copy(file: Any, pool: DescriptorPool, done: set[str]) -> None:
    """Copy a file of another pool, after those that it needs."""
    if file.name in done:
        return
    done.add(file.name)
    for dependency in file.dependencies:
        _copy(dependency, pool, done)
    pool.AddSerializedFile(file.serialized_pb)


def _add_message(described: DescriptorProto, message: MessageShape) -> None:
    described.name = message.cls.__name__
    for number in sorted(message.reserved_numbers):
        described.reserved_range.add(start=number, end=number + 1)
    described.reserved_name.extend(sorted(message.reserved_names))
    optional = []
    for field in message.fields:
        if field.options:
            described.oneof_decl.add(name=field.name)
            for option in field.options:
                made = _add_field(described, option.name, option.number, option.item)
                made.oneof_index = len(described.oneof_decl) - 1
        elif field.key is not None:
            _add_map(described, field, message.full_name)
        else:
            assert field.item is not None
            made = _add_field(described, field.name, field.number, field.item)
            if field.repeated is not None:
                made.label = _REPEATED
            elif field.presence and field.item.wire != "message":
                optional.append(made)
    for made in optional:  # protobuf has them behind the oneofs that were written
        made.proto3_optional = True
        made.oneof_index = len(described.oneof_decl)
        described.oneof_decl.add(name=f"_{made.name}")


def _add_field(
    described: DescriptorProto, name: str, number: int, item: Item
) -> FieldDescriptorProto:
    made = described.field.add(name=name, number=number, label=_OPTIONAL)
    made.type = _TYPES[item.wire]
    if item.type_name:
        made.type_name = f".{item.type_name}"
    return made


def _add_map(described: DescriptorProto, field: FieldShape, full_name: str) -> None:
    assert field.key is not None
    assert field.item is not None
    words = field.name.split("_")
    entry = described.nested_type.add(name="".join(w[:1].upper() + w[1:] for w in words) + "Entry")
    entry.options.map_entry = True
    _add_field(entry, "key", 1, field.key)
    _add_field(entry, "value", 2, field.item)
    made = described.field.add(name=field.name, number=field.number, label=_REPEATED)
    made.type = FieldDescriptorProto.TYPE_MESSAGE
    made.type_name = f".{full_name}.{entry.name}"
