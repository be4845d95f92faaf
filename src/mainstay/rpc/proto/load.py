"""``.proto`` files as they are needed, without generated code.

Their types live in a pool of their own, so that two files of one name, or two versions of one file,
can be loaded in one process. The price: a message type that both this pool and generated code have
is two classes. The well-known types are such: set them by their fields and methods
(``request.when.GetCurrentTime()``), not by a ``Timestamp`` from ``timestamp_pb2``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass

from mainstay.errors import UsageError
from mainstay.rpc.comments import keep_comments
from mainstay.rpc.proto.comments import comments_of
from mainstay.rpc.proto.compiler import Compiled, compile_files

__all__ = ["ProtoFiles", "load_proto"]


def load_proto(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    include: Iterable[str | os.PathLike[str]] = (),
) -> ProtoFiles:
    """Load a ``.proto`` file, or several, or all in a folder.

    It takes about a tenth of a second, so do it as the program starts. What they import is found
    below the folders to include, in the file's own folder, and, for ``google/api``, ``google/rpc``
    and the well-known types, where they are installed.

    Args:
        path: a file or a folder, or more of them.
        include: folders that the names in ``import`` start from.

    Raises: UsageError with every fault in the files, each as ``file:line:column``; or when the
        compiler is not installed (``pip install 'mainstay[proto]'``).
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    return ProtoFiles(compile_files(paths, include))


class ProtoFiles:
    """What is defined in loaded files.

    ``files["hello.v1.Greeter"]`` is a service's descriptor, ``files["hello.v1.HelloRequest"]`` the
    class of a message, ``files["hello.v1.Mood"]`` an enumeration as generated code has it, with
    its values as attributes. What stands at the top of the files that were asked for is an
    attribute as well, by its short name: ``files.HelloRequest``. Imported types can be had by full
    name.

    Attributes:
        pool: of protobuf, with all of it; nobody else's.
        files: descriptors of the files that were asked for.
        services: of these files, by full name.
        comments: by full name of what they stand at.
    """

    def __init__(self, compiled: Compiled) -> None:
        self.pool = DescriptorPool()
        comments: dict[str, str] = {}
        for file in compiled.files:
            self.pool.AddSerializedFile(file.SerializeToString())
            comments |= comments_of(file)
        find: Any = self.pool.FindFileByName
        self.files: tuple[FileDescriptor, ...] = tuple(find(name) for name in compiled.names)
        self.comments: Mapping[str, str] = MappingProxyType(comments)
        keep_comments(self.pool, comments)
        self._short: dict[str, str | None] = {}
        self._made: dict[str, Any] = {}
        services = {}
        for file_descriptor in self.files:
            for service in file_descriptor.services_by_name.values():
                services[service.full_name] = service
            for full in _tops(file_descriptor):
                short = full.rpartition(".")[2]
                self._short[short] = None if short in self._short else full
        self.services: Mapping[str, ServiceDescriptor] = MappingProxyType(services)

    def __getitem__(self, name: str) -> Any:
        """The service, message or enumeration of this full name. Raises: UsageError."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._find(name)
        return made

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_short" not in self.__dict__:
            raise AttributeError(name)
        full = self._short.get(name, "")
        if full:
            return self[full]
        said = "more than one" if full is None else "no"
        message = f"there is {said} {name!r} at the top of {self._said()}; ask by full name"
        raise AttributeError(message, name=name, obj=self)

    def __iter__(self) -> Iterator[str]:
        """The full names of what stands at the top of the files."""
        return (name for file in self.files for name in _tops(file))

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self[name] is not None
        except UsageError:
            return False

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name, full in self._short.items() if full)]

    def __repr__(self) -> str:
        return f"<ProtoFiles {self._said()}>"

    def _find(self, name: str) -> Any:
        pool: Any = self.pool
        for find, make in (
            (pool.FindMessageTypeByName, GetMessageClass),
            (pool.FindServiceByName, None),
            (pool.FindEnumTypeByName, EnumTypeWrapper),
        ):
            try:
                found = find(name)
            except KeyError:
                continue
            return make(found) if make else found
        near = get_close_matches(name, self, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self)}"
        raise UsageError(f"there is no {name!r} in {self._said()}; {hint}")

    def _said(self) -> str:
        return ", ".join(file.name for file in self.files)


def _tops(file: FileDescriptor) -> Iterator[str]:
    for kind in (file.services_by_name, file.message_types_by_name, file.enum_types_by_name):
        for descriptor in kind.values():
            yield descriptor.full_name
