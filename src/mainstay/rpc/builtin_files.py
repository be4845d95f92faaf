"""Files of ``.proto`` that are written in code, so that nobody has to ship or compile them.

What `health` and `reflection` speak is public and does not change. Each file gets a pool of its own:
a program that has loaded the same file from elsewhere (grpcio's packages) is not disturbed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

if TYPE_CHECKING:
    from google.protobuf.descriptor import ServiceDescriptor

__all__ = [
    "add_enum",
    "add_map_entry",
    "add_message",
    "add_method",
    "new_file",
    "service_in_own_pool",
]

_SCALARS: Final[Mapping[str, Any]] = {
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "string": FieldDescriptorProto.TYPE_STRING,
}


def new_file(name: str, package: str) -> FileDescriptorProto:
    """An empty file of proto3."""
    return FileDescriptorProto(name=name, package=package, syntax="proto3")


def add_message(
    file: FileDescriptorProto, name: str, *fields: str, oneof: str = ""
) -> DescriptorProto:
    """Add a message.

    Args:
        file: what it stands in.
        name: its own.
        fields: each as in a file, such as ``repeated string names = 1``. Of types beside the
            scalars there are messages of this file and ``enum X``; ``one`` before a type puts the
            field into the oneof.
        oneof: its name, if there is one.
    """
    message = file.message_type.add(name=name)
    if oneof:
        message.oneof_decl.add(name=oneof)
    for each in fields:
        left, _, number = each.rpartition(" = ")
        *labels, kind, field_name = left.split()
        field = message.field.add(name=field_name, number=int(number))
        many = "repeated" in labels
        field.label = FieldDescriptorProto.LABEL_REPEATED if many else _OPTIONAL
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        else:
            of_enum = "enum" in labels
            field.type = FieldDescriptorProto.TYPE_ENUM if of_enum else _MESSAGE
            field.type_name = f".{file.package}.{kind}"
        if "one" in labels:
            field.oneof_index = 0
    return message


_OPTIONAL: Final = FieldDescriptorProto.LABEL_OPTIONAL
_MESSAGE: Final = FieldDescriptorProto.TYPE_MESSAGE


def add_enum(message: DescriptorProto, name: str, values: Sequence[str]) -> None:
    """Add an enum to a message; its values are numbered from 0."""
    enum = message.enum_type.add(name=name)
    enum.value.extend(
        EnumValueDescriptorProto(name=each, number=number) for number, each in enumerate(values)
    )


def add_map_entry(message: DescriptorProto, name: str, value: str) -> None:
    """Add what a map from strings is made of (protobuf.dev, Maps: backwards compatibility).

    Args:
        message: what has the map.
        name: of the entry: the field's in CamelCase, and ``Entry``.
        value: the message that is the value, from the root: ``.a.v1.X``.
    """
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_OPTIONAL, type=_SCALARS["string"])
    entry.field.add(name="value", number=2, label=_OPTIONAL, type=_MESSAGE, type_name=value)


def add_method(
    file: FileDescriptorProto, path: str, request: str, response: str, streams: str = ""
) -> None:
    """Add a method, and its service with the first one.

    Args:
        file: what it stands in.
        path: ``Service/Method``.
        request: a message of this file.
        response: another.
        streams: which of the two are streams, such as ``request response``.
    """
    service_name, _, name = path.partition("/")
    service = next((each for each in file.service if each.name == service_name), None)
    if service is None:
        service = file.service.add(name=service_name)
    service.method.add(
        name=name,
        input_type=f".{file.package}.{request}",
        output_type=f".{file.package}.{response}",
        client_streaming="request" in streams,
        server_streaming="response" in streams,
    )


def service_in_own_pool(file: FileDescriptorProto) -> ServiceDescriptor:
    """The one service of a file, in a pool that has nothing else."""
    pool = DescriptorPool()
    # By bytes: protobuf 5 and 6 differ in the methods that take the message.
    pool.AddSerializedFile(file.SerializeToString())
    (service,) = file.service
    return pool.FindServiceByName(f"{file.package}.{service.name}")
