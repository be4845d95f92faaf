"""The comments of a ``.proto`` file, by what they stand at.

The compiler keeps them by path: numbers of fields and indexes that lead through the
FileDescriptorProto to the thing (see SourceCodeInfo.Location in ``descriptor.proto``).
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
)

__all__ = ["comments_of"]

_MESSAGE, _ENUM, _SERVICE, _EXTENSION = 4, 5, 6, 7  # in FileDescriptorProto
_FIELD, _NESTED, _NESTED_ENUM, _ONEOF = 2, 3, 4, 8  # in DescriptorProto
_VALUE = _METHOD = 2  # in EnumDescriptorProto, and in ServiceDescriptorProto


def comments_of(file: FileDescriptorProto) -> dict[str, str]:
    """Full name -> comment, of all that has one.

    The comment above a thing wins over the one behind it. Fields are named by their message
    (``hello.v1.HelloRequest.name``), values by their enumeration.
    """
    said = {}
    for location in file.source_code_info.location:
        text = _clean(location.leading_comments) or _clean(location.trailing_comments)
        if text:
            said[tuple(location.path)] = text
    return {name: said[path] for path, name in _names(file) if path in said}


def _clean(comment: str) -> str:
    lines = [line.removeprefix(" ").rstrip() for line in comment.splitlines()]
    return "\n".join(lines).strip("\n")


Path = tuple[int, ...]


def _names(file: FileDescriptorProto) -> Iterator[tuple[Path, str]]:
    package = f"{file.package}." if file.package else ""
    for index, message in enumerate(file.message_type):
        yield from _in_message((_MESSAGE, index), package + message.name, message)
    for index, enum in enumerate(file.enum_type):
        yield from _in_enum((_ENUM, index), package + enum.name, enum)
    for index, extension in enumerate(file.extension):
        yield (_EXTENSION, index), package + extension.name
    for index, service in enumerate(file.service):
        yield (_SERVICE, index), package + service.name
        for number, method in enumerate(service.method):
            path = (_SERVICE, index, _METHOD, number)
            yield path, f"{package}{service.name}.{method.name}"


def _in_message(path: Path, name: str, message: DescriptorProto) -> Iterator[tuple[Path, str]]:
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, _FIELD, index), f"{name}.{field.name}"
    for index, oneof in enumerate(message.oneof_decl):
        yield (*path, _ONEOF, index), f"{name}.{oneof.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _in_message((*path, _NESTED, index), f"{name}.{nested.name}", nested)
    for index, enum in enumerate(message.enum_type):
        yield from _in_enum((*path, _NESTED_ENUM, index), f"{name}.{enum.name}", enum)


def _in_enum(path: Path, name: str, enum: EnumDescriptorProto) -> Iterator[tuple[Path, str]]:
    yield path, name
    for index, value in enumerate(enum.value):
        yield (*path, _VALUE, index), f"{name}.{value.name}"
