"""The module with the messages of a ``.proto`` file.

It holds the file's descriptor and asks protobuf for the classes, by its public functions: so it
goes with every version of protobuf from the oldest that mainstay takes, and has no check of its
own. Its descriptor is what protoc puts into a ``_pb2`` module, byte for byte the same file to
protobuf, so both can live in one process.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from mainstay.rpc.proto.names import Imports, declared, python_name
from mainstay.rpc.proto.plan import Plan
from mainstay.rpc.proto.prose import END

__all__ = ["json_name", "messages_module"]

_COLUMNS: Final = 76


def messages_module(file: FileDescriptorProto, plan: Plan) -> str:
    """The text of the module."""
    imports = Imports({*declared(file), *(python_name(name) for name in declared(file))})
    for dependency in file.dependency:
        plan.import_file(imports, file.name, dependency)
    body = list(_body(file, imports))
    head = [f'"""Messages of {file.name}; their types are in the stub file beside this one.', ""]
    head += ["Written by `mainstay proto generate`: what is changed here is lost.", *END]
    return "\n".join([*head, *imports.lines(), "", *body, ""])


def _body(file: FileDescriptorProto, imports: Imports) -> Iterator[str]:
    pool = imports.use("google.protobuf", "descriptor_pool")
    decode = imports.use("base64", "b64decode")
    yield f"DESCRIPTOR = {pool}.Default().AddSerializedFile("
    yield f"    {decode}("
    text = b64encode(_bare(file).SerializeToString(deterministic=True)).decode("ascii")
    for start in range(0, len(text), _COLUMNS):
        yield f'        "{text[start : start + _COLUMNS]}"'
    yield "    )"
    yield ")"
    for message in file.message_type:
        get = imports.use("google.protobuf.message_factory", "GetMessageClass")
        yield from _bound(python_name(message.name), get, "message_types_by_name", message.name)
    for enum in file.enum_type:
        wrap = imports.use("google.protobuf.internal.enum_type_wrapper", "EnumTypeWrapper")
        yield from _bound(python_name(enum.name), wrap, "enum_types_by_name", enum.name)
        for value in enum.value:
            yield f"{python_name(value.name)} = {value.number}"
    for extension in file.extension:
        yield f'{python_name(extension.name)} = DESCRIPTOR.extensions_by_name["{extension.name}"]'
    for message in file.message_type:
        yield f"{python_name(message.name)}.__module__ = __name__"


def _bound(local: str, function: str, kind: str, name: str) -> Iterator[str]:
    line = f'{local} = {function}(DESCRIPTOR.{kind}["{name}"])'
    if len(line) <= 88:  # noqa: PLR2004 - as formatters break it
        yield line
    else:
        yield f"{local} = {function}("
        yield f'    DESCRIPTOR.{kind}["{name}"]'
        yield ")"


def _bare(file: FileDescriptorProto) -> FileDescriptorProto:
    """Without comments, and without names for JSON that are the usual ones: as protoc keeps it."""
    bare = FileDescriptorProto()
    bare.CopyFrom(file)
    bare.ClearField("source_code_info")
    for extension in bare.extension:
        extension.ClearField("json_name")
    for message in bare.message_type:
        _strip(message)
    return bare


def _strip(message: DescriptorProto) -> None:
    for field in message.field:
        if field.json_name == json_name(field.name):
            field.ClearField("json_name")
    for extension in message.extension:
        extension.ClearField("json_name")
    for nested in message.nested_type:
        _strip(nested)


def json_name(name: str) -> str:
    """What a field is called in JSON, unless it says something else."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
