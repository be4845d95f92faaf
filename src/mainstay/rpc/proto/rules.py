"""Paths of HTTP that were said in code, as options of a ``.proto`` file (google/api/http.proto)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from mainstay.rpc.transcoding.rules import HttpRule

__all__ = ["with_rules"]

_VERBS: Final = frozenset({"GET", "PUT", "POST", "DELETE", "PATCH"})
"""Those that the option has a field for."""


def with_rules(file: FileDescriptor, rules: Mapping[str, Sequence[HttpRule]]) -> FileDescriptor:
    """The same file, its methods with these rules in the place of those they have.

    Args:
        file: it stays as it is.
        rules: by the full names of methods; those of other files are left out.
    """
    from google.api import annotations_pb2  # noqa: PLC0415 - only where rules are

    extension: Any = annotations_pb2.http
    node = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)
    scope = f"{node.package}." if node.package else ""
    told = False
    for service in node.service:
        for method in service.method:
            said = rules.get(f"{scope}{service.name}.{method.name}")
            if said:
                first, *more = said
                option = method.options.Extensions[extension]
                option.Clear()
                _fill(option, first)
                for rule in more:
                    _fill(option.additional_bindings.add(), rule)
                told = True
    if not told:
        return file
    if annotations_pb2.DESCRIPTOR.name not in node.dependency:
        node.dependency.append(annotations_pb2.DESCRIPTOR.name)
    pool = DescriptorPool()
    added: set[str] = set()
    for each in (*file.dependencies, annotations_pb2.DESCRIPTOR):
        _add(pool, each, added)
    pool.AddSerializedFile(node.SerializeToString())
    found: FileDescriptor = pool.FindFileByName(node.name)
    return found


def _fill(option: Any, rule: HttpRule) -> None:
    if rule.verb in _VERBS:
        setattr(option, rule.verb.lower(), rule.path)
    else:
        option.custom.kind, option.custom.path = rule.verb, rule.path
    option.body, option.response_body = rule.body, rule.response_body


def _add(pool: DescriptorPool, file: FileDescriptor, added: set[str]) -> None:
    if file.name in added:
        return
    added.add(file.name)
    for dependency in file.dependencies:
        _add(pool, dependency, added)
    pool.AddSerializedFile(file.serialized_pb)
