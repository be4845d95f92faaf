"""Methods and types that are known by their description alone, for tools.

A `Schema` holds what a server, or a ``.proto`` file, says. What is called through it goes as JSON:
nobody has classes for its messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import any_pb2, duration_pb2, json_format, timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from mainstay.errors import InvalidRequest, NotFound
from mainstay.rpc.method import Kind
from mainstay.rpc.protobuf import kind_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

    from mainstay.rpc.proto.load import ProtoFiles

__all__ = ["Schema", "SchemaMethod", "split_method"]

_ALWAYS: Final = (
    any_pb2.DESCRIPTOR,
    duration_pb2.DESCRIPTOR,
    timestamp_pb2.DESCRIPTOR,
    status_pb2.DESCRIPTOR,
    error_details_pb2.DESCRIPTOR,
)
"""Files that any error may need, whether its server describes them or not."""


class SchemaMethod:
    """A method that can be called with JSON.

    Args:
        descriptor: of protobuf.

    Attributes:
        path: ``/hello.v1.Greeter/SayHello``.
        kind: how many messages go each way.
        encode: of a request.
        decode: of a reply. Raises: ValueError.
    """

    def __init__(self, descriptor: MethodDescriptor) -> None:
        self.path = f"/{descriptor.containing_service.full_name}/{descriptor.name}"
        self.kind: Kind = kind_of(descriptor)
        self._request: Any = GetMessageClass(descriptor.input_type)
        self._reply: Any = GetMessageClass(descriptor.output_type)
        self._pool: Any = descriptor.containing_service.file.pool
        self.encode: Callable[[Any], bytes] = self._request.SerializeToString

    def decode(self, data: bytes) -> Any:
        """See the class."""
        try:
            return self._reply.FromString(data)
        except DecodeError:
            name = self._reply.DESCRIPTOR.full_name
            raise ValueError(f"the reply is no {name}: its bytes are malformed") from None

    def request(self, value: Any) -> Any:
        """The message of a request from JSON that was read.

        Raises: InvalidRequest that says what is wrong with it; unknown fields are wrong, too.
        """
        name = self._request.DESCRIPTOR.full_name
        if not isinstance(value, dict):
            raise InvalidRequest(f"a {name} is a JSON object, not {type(value).__name__}")
        try:
            return json_format.ParseDict(value, self._request(), descriptor_pool=self._pool)
        except (json_format.Error, ValueError, TypeError, AttributeError, KeyError) as error:
            said = str(error).partition("\n")[0]
            raise InvalidRequest(f"a request is no {name}: {said}") from None

    def unknown(self, message: Any) -> list[str]:
        """Full names of what is packed in a reply (``google.protobuf.Any``) and not known here."""
        found = []
        for name in sorted(set(_packed_in(message))):
            try:
                self._pool.FindMessageTypeByName(name)
            except KeyError:
                found.append(name)
        return found

    def reply(self, message: Any) -> str:
        """JSON of a reply, on one line.

        Raises: InvalidRequest when it has an Any of a type that is not known here.
        """
        return _as_json(message, self._pool)


def _packed_in(message: Any) -> Iterator[str]:
    for _, value in message.ListFields():
        if hasattr(value, "DESCRIPTOR"):
            each_of: Iterable[Any] = (value,)
        elif hasattr(value, "values"):
            each_of = value.values()
        else:
            each_of = value if hasattr(value, "add") else ()
        for each in each_of:
            if not hasattr(each, "DESCRIPTOR"):
                break  # a map of scalars
            if each.DESCRIPTOR.full_name == "google.protobuf.Any":
                yield each.TypeName()
            yield from _packed_in(each)


def _as_json(message: Any, pool: Any) -> str:
    """JSON of a message, on one line; types in it are looked up in `pool`. Raises: InvalidRequest."""
    try:
        found = json_format.MessageToDict(message, descriptor_pool=pool)
    except (json_format.Error, TypeError, ValueError) as error:
        name = message.DESCRIPTOR.full_name
        raise InvalidRequest(f"a {name} cannot be shown as JSON: {error}") from None
    return json.dumps(found, ensure_ascii=False)


class Schema:
    """Files, and what is defined in them.

    Attributes:
        services: full names, in order; those that are listed but not described as well.
    """

    def __init__(self) -> None:
        self.services: list[str] = []
        self._pool: Any = DescriptorPool()
        self._files: dict[str, FileDescriptorProto] = {}
        for each in _ALWAYS:
            self._add_loaded(each)

    @classmethod
    def of_files(cls, files: ProtoFiles) -> Schema:
        """What stands in loaded ``.proto`` files."""
        made = cls()
        made.services = sorted(files.services)
        for each in files.files:
            made._add_loaded(each)
        return made

    def _add_loaded(self, file: FileDescriptor) -> None:
        found: dict[str, bytes] = {}
        waiting = [file]
        while waiting:
            each = waiting.pop()
            if each.name not in found:
                found[each.name] = each.serialized_pb
                waiting.extend(each.dependencies)
        self.add(found.values())

    def missing(self, files: Iterable[bytes]) -> list[str]:
        """What serialized `files` import, and neither they nor the schema have."""
        given = [FileDescriptorProto.FromString(each) for each in files]
        known = {*self._files, *(each.name for each in given)}
        wanted = [name for each in given for name in each.dependency]
        return sorted({name for name in wanted if name not in known})

    def add(self, files: Iterable[bytes]) -> None:
        """Add serialized files with all that they import; those that are known are skipped.

        Raises: InvalidRequest for files that do not fit together.
        """
        new = {}
        for each in files:
            file = FileDescriptorProto.FromString(each)
            if file.name not in self._files:
                new[file.name] = file
        for name in list(new):
            self._add_in_order(name, new)

    def _add_in_order(self, name: str, new: dict[str, FileDescriptorProto]) -> None:
        file = new.pop(name, None)
        if file is None:
            return
        for each in file.dependency:
            self._add_in_order(each, new)
        try:
            self._pool.AddSerializedFile(file.SerializeToString())
        except TypeError as error:
            said = str(error).partition("\n")[0]
            raise InvalidRequest(f"the description of {name} is wrong: {said}") from None
        self._files[name] = file

    def file_of(self, symbol: str) -> FileDescriptor:
        """The file that defines it. Raises: NotFound."""
        # Methods are found in their service: protobuf knows the others by themselves.
        for name in (symbol, symbol.rpartition(".")[0]):
            with suppress(KeyError):
                found: FileDescriptor = self._pool.FindFileContainingSymbol(name)
                return found
        raise NotFound(f"there is no {symbol}{self._hint(symbol)}")

    def method(self, path: str) -> SchemaMethod:
        """The method of ``pkg.Service/Method``. Raises: NotFound that says what there is."""
        service_name, name = split_method(path)
        service = self._service(service_name)
        found = service.methods_by_name.get(name)
        if found is None:
            there = ", ".join(each.name for each in service.methods)
            near = get_close_matches(name, list(service.methods_by_name), 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {there}"
            raise NotFound(f"{service_name} has no method {name!r}; {hint}")
        return SchemaMethod(found)

    def signatures(self, service_name: str) -> Mapping[str, str]:
        """``pkg.Service/Method`` and what it takes and gives. Raises: NotFound."""
        made = {}
        for each in self._service(service_name).methods:
            asks = "stream " if each.client_streaming else ""
            answers = "stream " if each.server_streaming else ""
            made[f"{service_name}/{each.name}"] = (
                f"({asks}{each.input_type.full_name}) returns "
                f"({answers}{each.output_type.full_name})"
            )
        return MappingProxyType(made)

    def detail(self, packed: Any) -> str | None:
        """A ``google.protobuf.Any`` as its type and JSON; None for a type that is not known."""
        name = packed.TypeName()
        try:
            cls = GetMessageClass(self._pool.FindMessageTypeByName(name))
            return f"{name} {_as_json(cls.FromString(packed.value), self._pool)}"
        except (KeyError, DecodeError, InvalidRequest):
            return None

    def text_of(self, symbol: str) -> str:
        """A service, method, message or enum as it stands in a ``.proto`` file. Raises: NotFound."""
        from mainstay.rpc.reflection_text import symbol_text  # noqa: PLC0415 - when it is asked for

        return symbol_text(self.file_of(symbol), symbol)

    def _service(self, name: str) -> Any:
        try:
            return self._pool.FindServiceByName(name)
        except KeyError:
            raise NotFound(f"there is no service {name!r}{self._hint(name)}") from None

    def _hint(self, name: str) -> str:
        near = get_close_matches(name, self.services, 1)
        if near:
            return f"; did you mean {near[0]}?"
        return f"; there are {', '.join(self.services)}" if self.services else ""

    def __repr__(self) -> str:
        return f"<Schema services={len(self.services)} files={len(self._files)}>"


def split_method(path: str) -> tuple[str, str]:
    """Service and method of ``pkg.Service/Method``, also with a dot, or a slash in front.

    Raises: InvalidRequest.
    """
    text = path.removeprefix("/")
    service, _, method = text.rpartition("/" if "/" in text else ".")
    if not service or not method:
        raise InvalidRequest(f"a method is named as pkg.Service/Method, not {path!r}")
    return service, method
