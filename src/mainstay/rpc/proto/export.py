"""The ``.proto`` files of a service: what ``mainstay proto export`` writes.

A service that was defined by code has descriptors, and its comments are docstrings: of the
functions, and of the classes of messages and enumerations. A docstring that a decorator has made up
is none. At a field stands what its values may be. Paths of HTTP that were said in code become the
option ``google.api.http``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from typing import Any, get_args, get_type_hints

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message

from mainstay.errors import UsageError
from mainstay.rpc.constraints import constraints_of
from mainstay.rpc.method import RpcMethod, RpcService
from mainstay.rpc.proto.rules import with_rules
from mainstay.rpc.proto.text import proto_text

__all__ = ["export"]


def export(services: Iterable[RpcService]) -> dict[str, str]:
    """The text of every file, by its name, that these services and their messages are defined in.

    Files that come with installed packages of Google's (``google/…``) are left out.

    Raises: UsageError for a service without descriptors, and for two files of one name that say
        different things; WiringError for a definition that cannot be put together.
    """
    services = tuple(services)
    rules = {
        f"{method.service}.{method.name}": method.http
        for service in services
        for method in service
        if method.http
    }
    texts: dict[str, str] = {}
    for service in services:
        if service.descriptor is None:
            raise UsageError(
                f"the messages of {service.name} are known as functions only, so there is no "
                ".proto to write; its generated code came from one"
            )
        comments = _comments(service)
        for file in _files(service.descriptor.file, set()):
            comments.update(_limits(file))
            text = proto_text(with_rules(file, rules) if rules else file, comments)
            if texts.setdefault(file.name, text) != text:
                raise UsageError(
                    f"{service.name} and another service are both defined in {file.name}, and it "
                    "says different things; export them one by one"
                )
    return dict(sorted(texts.items()))


def _files(file: FileDescriptor, seen: set[str]) -> Iterator[FileDescriptor]:
    if file.name in seen or file.name.startswith("google/"):
        return
    seen.add(file.name)
    for dependency in file.dependencies:
        yield from _files(dependency, seen)
    yield file


def _limits(file: FileDescriptor) -> Iterator[tuple[str, str]]:
    """Full name of a field -> what its values may be."""
    for message in file.message_types_by_name.values():
        for field in message.fields:
            if found := constraints_of(field):
                yield field.full_name, str(found)


def _comments(service: RpcService) -> dict[str, str]:
    """Full name -> docstring."""
    package = service.name.rpartition(".")[0]
    found = {service.name: service.doc}
    for method in service:
        if method.function is not None:
            found[f"{service.name}.{method.name}"] = inspect.getdoc(method.function) or ""
        for cls in _classes(method):
            found.setdefault(f"{package}.{cls.__name__}" if package else cls.__name__, _doc(cls))
    return {name: text for name, text in found.items() if text}


def _classes(method: RpcMethod) -> Iterator[type]:
    """The classes of its messages, and all that these are made of."""
    waiting: list[Any] = [method.request.python_type, method.response.python_type]
    seen: set[Any] = set()
    while waiting:
        each = waiting.pop()
        waiting += get_args(each)
        if not isinstance(each, type) or each in seen or issubclass(each, Message):
            continue
        seen.add(each)
        if each.__module__ == "builtins":
            continue
        yield each
        try:
            waiting += get_type_hints(each).values()
        except (NameError, TypeError):
            continue  # what cannot be read is no message: the definition was read before


def _doc(cls: type) -> str:
    text = cls.__dict__.get("__doc__") or ""
    if is_dataclass(cls) and text.startswith(f"{cls.__name__}("):
        return ""
    return inspect.cleandoc(text)
