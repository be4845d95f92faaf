"""Which modules are written for which ``.proto`` files, and what these import of one another.

A file that was asked for gets modules of its own; so does one that it imports, unless an installed
package has it as generated code already, as protobuf has the well-known types and
googleapis-common-protos ``google/api``. Registering a file twice is harmless as long as both say
the same; that is why what is installed is taken from where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
)

from mainstay.rpc.proto.compiler import Compiled, installed_roots
from mainstay.rpc.proto.names import Imports, module_of, python_name

__all__ = ["MESSAGES", "SERVICES", "Plan", "Type", "relative"]

MESSAGES: Final = "_proto"
"""What the name of a module with messages ends with."""
SERVICES: Final = "_rpc"
"""And of one with services."""


@dataclass(frozen=True, slots=True)
class Type:
    """A message or an enumeration.

    Attributes:
        file: where it is defined.
        path: its name and those of the messages around it, outermost first.
        node: of the descriptor.
    """

    file: str
    path: tuple[str, ...]
    node: DescriptorProto | EnumDescriptorProto

    @property
    def python(self) -> str:
        """How its own module writes it: ``Outer.Inner``."""
        return ".".join((python_name(self.path[0]), *self.path[1:]))


class Plan:
    """What is to be written.

    Args:
        compiled: the files.

    Attributes:
        files: for which modules are written; what is imported stands first.
        types: by full name, with a dot before it, as descriptors refer to them.
    """

    def __init__(self, compiled: Compiled) -> None:
        known = {file.name: file for file in compiled.files}
        self._installed: dict[str, str] = {}
        needed: dict[str, None] = {}
        waiting = list(reversed(compiled.names))
        while waiting:
            name = waiting.pop()
            if name in needed or name in self._installed:
                continue
            module = None if name in compiled.names else _installed(name)
            if module is None:
                needed[name] = None
                waiting += known[name].dependency
            else:
                self._installed[name] = module
        self.files = tuple(file for file in compiled.files if file.name in needed)
        self.types = {f".{name}": each for file in compiled.files for name, each in _types(file)}

    def import_file(self, imports: Imports, of: str, file: str) -> str:
        """Import the messages of `file` into a module for the file `of`; what they are called."""
        installed = self._installed.get(file)
        if installed is not None:
            package, _, name = installed.rpartition(".")
            return imports.use(package, name)
        *folders, name = module_of(file, MESSAGES)
        return imports.use(relative(of, tuple(folders)), name)

    def import_type(self, imports: Imports, of: str, name: str) -> str:
        """The same for one type; how it is written there."""
        found = self.types[name]
        return f"{self.import_file(imports, of, found.file)}.{found.python}"


def relative(of: str, folders: tuple[str, ...]) -> str:
    """The package `folders` as modules for the file `of` name it: ``.``, ``..common.v1``."""
    here = module_of(of, "")[:-1]
    shared = 0
    while shared < min(len(here), len(folders)) and here[shared] == folders[shared]:
        shared += 1
    return "." * (len(here) - shared + 1) + ".".join(folders[shared:])


def _installed(name: str) -> str | None:
    """The module of generated code for it that a package has installed, if any."""
    path = name.removesuffix(".proto") + "_pb2"
    module = path.replace("/", ".").replace("-", "_")
    if name.startswith("google/protobuf/"):
        return module if find_spec(module) else None
    roots = installed_roots()
    return module if any(root.joinpath(f"{path}.py").is_file() for root in roots) else None


def _types(file: FileDescriptorProto) -> Iterator[tuple[str, Type]]:
    package = (file.package,) if file.package else ()

    def walk(message: DescriptorProto, path: tuple[str, ...]) -> Iterator[tuple[str, Type]]:
        yield ".".join((*package, *path)), Type(file.name, path, message)
        for nested in message.nested_type:
            yield from walk(nested, (*path, nested.name))
        for enum in message.enum_type:
            inner = (*path, enum.name)
            yield ".".join((*package, *inner)), Type(file.name, inner, enum)

    for message in file.message_type:
        yield from walk(message, (message.name,))
    for enum in file.enum_type:
        yield ".".join((*package, enum.name)), Type(file.name, (enum.name,), enum)
