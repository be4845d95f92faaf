"""Messages that have the name of another and are not the same.

Each service that is defined by code has a file of its own, with all messages of its package that it
uses; one class in two of them is one message. Two classes of one name are two, and whoever asks for
the name, by reflection or in files that were exported, would get either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mainstay.rpc.method import RpcService

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor

__all__ = ["twins_of"]

_THEIRS = ("google/", "grpc/")
"""Files that packages of others have, in versions of their own."""


def twins_of(services: Iterable[RpcService]) -> list[str]:
    """A sentence for each name that two services give to different messages or enumerations."""
    found: dict[str, tuple[RpcService, bytes]] = {}
    faults = []
    for service in services:
        if service.descriptor is None:
            continue
        for name, said in _types_of(service.descriptor.file):
            other, first = found.setdefault(name, (service, said))
            if first != said:
                faults.append(
                    f"{name} is one thing in {other.name} and another in {service.name}: two classes "
                    "have this name; give one of them another, or its service another package"
                )
    return faults


def _types_of(file: FileDescriptor) -> Iterator[tuple[str, bytes]]:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto  # noqa: PLC0415 - loads protobuf

    if file.name.startswith(_THEIRS):
        return
    described = FileDescriptorProto()
    file.CopyToProto(described)
    every: list[Any] = [*described.message_type, *described.enum_type]
    for each in every:
        name = f"{file.package}.{each.name}" if file.package else each.name
        yield name, each.SerializeToString(deterministic=True)
