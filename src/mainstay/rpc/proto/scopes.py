"""The shortest name for a type that means it where it is used.

A name is looked up by its first part: from the innermost scope outward, the first scope that has
anything of that name decides, whether or not the rest can be found there (protobuf.dev, "Packages
and Name Resolution"). A name that would mean something else gets more parts, and in the end a dot
before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FileDescriptor

__all__ = ["Scopes"]


class Scopes:
    """What names mean in a file.

    Args:
        file: with all it imports.
    """

    def __init__(self, file: FileDescriptor) -> None:
        self._symbols = set(_symbols(file, set()))

    def name(self, full: str, scope: str) -> str:
        """How the type `full` (with a dot before it) is written inside `scope`."""
        parts = full.lstrip(".").split(".")
        for count in range(1, len(parts) + 1):
            short = ".".join(parts[-count:])
            outer = ".".join(parts[:-count])
            meant = f"{outer}.{parts[-count]}" if outer else parts[-count]
            if self._meaning(parts[-count], scope) == meant and self._is_within(scope, outer):
                return short
        return f".{'.'.join(parts)}"

    def _meaning(self, first: str, scope: str) -> str | None:
        while True:
            candidate = f"{scope}.{first}" if scope else first
            if candidate in self._symbols:
                return candidate
            if not scope:
                return None
            scope = scope.rpartition(".")[0]

    def _is_within(self, scope: str, outer: str) -> bool:
        return not outer or scope == outer or scope.startswith(f"{outer}.")


def _symbols(file: FileDescriptor, seen: set[str]) -> Iterator[str]:
    if file.name in seen:
        return
    seen.add(file.name)
    package = file.package
    while package:
        yield package
        package = package.rpartition(".")[0]
    for dependency in file.dependencies:
        yield from _symbols(dependency, seen)
    for message in file.message_types_by_name.values():
        yield from _in_message(message)
    for enum in file.enum_types_by_name.values():
        yield from _in_enum(enum)
    for extension in file.extensions_by_name.values():
        yield extension.full_name
    for service in file.services_by_name.values():
        yield service.full_name
        yield from (method.full_name for method in service.methods)


def _in_message(message: Any) -> Iterator[str]:
    yield message.full_name
    for kind in (message.fields, message.oneofs, message.extensions):
        yield from (each.full_name for each in kind)
    for enum in message.enum_types:
        yield from _in_enum(enum)
    for nested in message.nested_types:
        yield from _in_message(nested)


def _in_enum(enum: Any) -> Iterator[str]:
    yield enum.full_name
    scope = enum.full_name.rpartition(".")[0]
    yield from (f"{scope}.{value.name}" if scope else value.name for value in enum.values)
