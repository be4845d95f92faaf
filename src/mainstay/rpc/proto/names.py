"""What things of a ``.proto`` file are called in Python."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from keyword import iskeyword
from typing import Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

__all__ = ["Imports", "declared", "is_nameable", "module_of", "python_name", "snake_case"]

_WIDTH: Final = 88
"""Columns that formatters leave alone: the default of black and ruff."""
_TOP: Final = frozenset({"DESCRIPTOR"})
_STEPS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def python_name(name: str) -> str:
    """A name that can be bound at the top of a module: ``None`` becomes ``None_``."""
    return f"{name}_" if iskeyword(name) or name in _TOP else name


def is_nameable(name: str) -> bool:
    """Whether an attribute of this name can be written after a dot, in any class."""
    # A name that begins with two underscores is another one inside a class.
    return not iskeyword(name) and not (name.startswith("__") and not name.endswith("__"))


def snake_case(name: str) -> str:
    """``SayHello`` as ``say_hello``, and ``GetHTTPRule`` as ``get_http_rule``."""
    return python_name(_STEPS.sub("_", name).lower())


def module_of(file: str, suffix: str) -> tuple[str, ...]:
    """The module for ``hello/v1/greeter.proto``, below where modules are written."""
    parts = file.removesuffix(".proto").split("/")
    parts[-1] += suffix
    named = (re.sub(r"\W", "_", part) for part in parts)
    return tuple(f"_{part}" if part[:1].isdigit() else python_name(part) for part in named)


def declared(file: FileDescriptorProto) -> frozenset[str]:
    """Every name that the classes of a file bind anywhere: fields, types, values."""
    return frozenset(_declared(file))


def _declared(file: FileDescriptorProto) -> Iterator[str]:
    for message in file.message_type:
        yield from _in_message(message)
    for enum in file.enum_type:
        yield enum.name
        yield from (value.name for value in enum.value)
    yield from (extension.name for extension in file.extension)


def _in_message(message: DescriptorProto) -> Iterator[str]:
    yield message.name
    yield from (field.name for field in message.field)
    yield from (extension.name for extension in message.extension)
    for enum in message.enum_type:
        yield enum.name
        yield from (value.name for value in enum.value)
    for nested in message.nested_type:
        yield from _in_message(nested)


class Imports:
    """The imports of one module, each under a name that the module does not use otherwise.

    Args:
        taken: names that are the module's own; what is imported with such a name gets another.
    """

    def __init__(self, taken: Collection[str]) -> None:
        self._taken = taken
        self._modules: dict[str, dict[str, str]] = {}
        self._used: dict[str, tuple[str, str]] = {}

    def use(self, module: str, name: str) -> str:
        """What `name` of `module` is called here; imported if it was not yet."""
        known = self._modules.setdefault(module, {}).get(name)
        if known is not None:
            return known
        local = name
        while local in self._taken or local in self._used:
            local = f"_{local}"
        self._used[local] = (module, name)
        self._modules[module][name] = local
        return local

    def builtin(self, name: str) -> str:
        """The same for a name that needs no import unless it is taken."""
        return self.use("builtins", name) if name in self._taken else name

    def lines(self) -> Iterator[str]:
        """The statements, in the order in which ruff and isort keep them."""
        groups: dict[int, list[str]] = {}
        for module in sorted(self._modules, key=_far_first):
            statements = groups.setdefault(_group(module), [])
            statements += _statements(module, self._modules[module])
        for _, statements in sorted(groups.items()):
            yield ""
            yield from statements


def _far_first(module: str) -> tuple[int, str]:
    """Packages further up stand before nearer ones."""
    name = module.lstrip(".")
    return len(name) - len(module), name


def _group(module: str) -> int:
    if module.startswith("."):
        return 2
    return 1 if module.partition(".")[0] in ("google", "mainstay") else 0


def _statements(module: str, names: dict[str, str]) -> list[str]:
    """A statement for all names that keep theirs, and one for each that does not."""
    ordered = sorted(names, key=_kind_first)
    kept = [name for name in ordered if names[name] == name]
    made = {name: f"from {module} import {name} as {names[name]}" for name in ordered}
    if kept:
        line = f"from {module} import {', '.join(kept)}"
        if _is_untyped(module):
            line += "  # type: ignore[import-untyped, unused-ignore]"
        elif len(line) > _WIDTH:
            line = "\n".join((f"from {module} import (", *(f"    {each}," for each in kept), ")"))
        made = {name: text for name, text in made.items() if name not in kept[1:]} | {kept[0]: line}
    return [made[name] for name in sorted(made, key=_kind_first)]


def _is_untyped(module: str) -> bool:
    """Whether it is of googleapis-common-protos, whose types come as a package of their own."""
    return module.startswith("google.") and not module.startswith("google.protobuf")


def _kind_first(name: str) -> tuple[int, str]:
    """CONSTANTS, Classes, functions: as isort's ``order-by-type``."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name
