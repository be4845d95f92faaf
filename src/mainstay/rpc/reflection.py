"""``grpc.reflection``: what a server has, told by the server itself (grpc/grpc-proto, v1 and
v1alpha, which differ in their name only).

A client asks for a symbol or a file and gets the file with all that it imports; on one stream, no
import is sent twice. What is not there is an ``error_response``, and the stream goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from mainstay.core.call import Call, messages
from mainstay.errors import Code
from mainstay.rpc.builtin_files import add_message, add_method, new_file, service_in_own_pool
from mainstay.rpc.method import CATCH_ALL, RpcService
from mainstay.rpc.protobuf import bare_method

if TYPE_CHECKING:
    from google.protobuf.descriptor import (
        Descriptor,
        EnumDescriptor,
        FileDescriptor,
        ServiceDescriptor,
    )

__all__ = ["Index", "VERSIONS", "described", "reflection_name", "reflection_service"]

VERSIONS: Final = ("v1", "v1alpha")
"""Of the protocol; the first is preferred."""


_LONGEST: Final = 200
"""Characters of a name that is told; it is the caller's."""


class _Missing(LookupError):
    """What was asked for is not here."""


class Index:
    """Every file that the services here need, by name and by what is in it.

    Args:
        services: of the server; those without a descriptor are listed, and no more.
    """

    def __init__(self, services: Iterable[RpcService]) -> None:
        self.services: list[str] = []
        self._files: dict[str, FileDescriptor] = {}
        self._symbols: dict[str, FileDescriptor] = {}
        self._messages: dict[str, Descriptor] = {}
        self.include(services)

    def include(self, services: Iterable[RpcService]) -> None:
        """Add more of them."""
        for each in services:
            if each.name == CATCH_ALL:
                continue  # nobody knows what it has
            self.services.append(each.name)
            if each.descriptor is not None:
                self._add(each.descriptor.file)
        self.services.sort()

    def file(self, name: str) -> FileDescriptor:
        """The file of this name. Raises: LookupError."""
        found = self._files.get(name)
        if found is None:
            raise _Missing(f"there is no file {name[:_LONGEST]!r} here")
        return found

    def file_of(self, symbol: str) -> FileDescriptor:
        """The file that declares a message, a field, an enum, a value, a service, or a method.

        Raises: LookupError.
        """
        found = self._symbols.get(symbol)
        if found is None and symbol.startswith("google.rpc."):
            # No method has them in its messages, and any status may have them as details.
            from google.rpc import error_details_pb2  # noqa: PLC0415 - when it is asked for

            self._add(error_details_pb2.DESCRIPTOR)
            found = self._symbols.get(symbol)
        if found is None:
            raise _Missing(f"there is no symbol {symbol[:_LONGEST]!r} here")
        return found

    def file_of_extension(self, containing: str, number: int) -> FileDescriptor:
        """The file that extends the message `containing` with a field. Raises: LookupError."""
        for each in self._extensions(containing):
            if each.number == number:
                file: FileDescriptor = each.file
                return file
        raise _Missing(f"{containing!r} has no extension {number} here")

    def extension_numbers(self, containing: str) -> list[int]:
        """The numbers of all fields that extend a message. Raises: LookupError."""
        return sorted({each.number for each in self._extensions(containing)})

    def _extensions(self, containing: str) -> Sequence[Any]:
        message = self._messages.get(containing)
        if message is None:
            raise _Missing(f"there is no message {containing[:_LONGEST]!r} here")
        # Those of the pool, for an extension's own file is imported by nobody.
        found: Sequence[Any] = message.file.pool.FindAllExtensions(message)
        return found

    def _add(self, file: FileDescriptor) -> None:
        if file.name in self._files:
            if self._files[file.name] is not file:
                self._add_symbols(file)  # of another pool, with the same name
            return
        self._files[file.name] = file
        self._add_symbols(file)
        for each in file.dependencies:
            self._add(each)

    def _add_symbols(self, file: FileDescriptor) -> None:
        for name in _symbols_of(file):
            self._symbols.setdefault(name, file)
        for message in _messages_of(file.message_types_by_name.values()):
            self._messages.setdefault(message.full_name, message)


def _messages_of(messages: Iterable[Descriptor]) -> Iterator[Descriptor]:
    for each in messages:
        yield each
        yield from _messages_of(each.nested_types)


def _symbols_of(file: FileDescriptor) -> Iterator[str]:
    for message in _messages_of(file.message_types_by_name.values()):
        yield message.full_name
        yield from (each.full_name for each in message.fields)
        yield from (each.full_name for each in message.oneofs)
        yield from (each.full_name for each in message.extensions)
        for enum in message.enum_types:
            yield from _symbols_of_enum(enum)
    for enum in file.enum_types_by_name.values():
        yield from _symbols_of_enum(enum)
    yield from (each.full_name for each in file.extensions_by_name.values())
    for service in file.services_by_name.values():
        yield service.full_name
        yield from (each.full_name for each in service.methods)


def _symbols_of_enum(enum: EnumDescriptor) -> Iterator[str]:
    yield enum.full_name
    # Values are siblings of their enum, as in C++.
    around = enum.full_name.rpartition(".")[0]
    yield from (f"{around}.{each.name}" if around else each.name for each in enum.values)


def reflection_name(version: str) -> str:
    """The name of the service in one of `VERSIONS`."""
    return f"grpc.reflection.{version}.ServerReflection"


def reflection_service(index: Index, version: str) -> RpcService:
    """The service that answers from `index`, in one of `VERSIONS`."""
    descriptor = described(version)
    (method,) = descriptor.methods
    bare = bare_method(method)
    reply: Any = bare.response.python_type

    async def info(call: Call) -> None:
        stream = call.stream
        assert stream is not None
        sent: set[str] = set()
        async for request in messages(stream):
            response = reply(valid_host=request.host, original_request=request)
            _answer(index, request, response, sent)
            await stream.send(response)

    bare.handler = info
    return RpcService(
        name=descriptor.full_name,
        methods={bare.name: bare},
        descriptor=descriptor,
        doc="What this server has, for tools.",
    )


def _answer(index: Index, request: Any, response: Any, sent: set[str]) -> None:
    which = request.WhichOneof("message_request")
    try:
        if which == "list_services":
            listed = response.list_services_response
            listed.SetInParent()
            for name in index.services:
                listed.service.add(name=name)
        elif which == "file_by_filename":
            _send_file(index.file(request.file_by_filename), response, sent)
        elif which == "file_containing_symbol":
            _send_file(index.file_of(request.file_containing_symbol), response, sent)
        elif which == "file_containing_extension":
            asked = request.file_containing_extension
            found = index.file_of_extension(asked.containing_type, asked.extension_number)
            _send_file(found, response, sent)
        elif which == "all_extension_numbers_of_type":
            name = request.all_extension_numbers_of_type
            numbers = index.extension_numbers(name)
            response.all_extension_numbers_response.base_type_name = name
            response.all_extension_numbers_response.extension_number.extend(numbers)
        else:
            error = response.error_response
            error.error_code = Code.INVALID_ARGUMENT.value
            error.error_message = "the request asks for nothing that is known here"
    except _Missing as missing:
        response.error_response.error_code = Code.NOT_FOUND.value
        response.error_response.error_message = str(missing)


def _send_file(file: FileDescriptor, response: Any, sent: set[str]) -> None:
    """Add a file and, of all that it imports, what was not sent before."""
    parts = response.file_descriptor_response.file_descriptor_proto
    parts.append(file.serialized_pb)
    sent.add(file.name)
    waiting = list(file.dependencies)
    while waiting:
        each = waiting.pop()
        if each.name not in sent:
            sent.add(each.name)
            parts.append(each.serialized_pb)
            waiting.extend(each.dependencies)


def described(version: str) -> ServiceDescriptor:
    """The service in one of `VERSIONS`, as protobuf describes it; for clients as well."""
    package = f"grpc.reflection.{version}"
    file = new_file(f"grpc/reflection/{version}/reflection.proto", package)
    add_message(
        file,
        "ServerReflectionRequest",
        "string host = 1",
        "one string file_by_filename = 3",
        "one string file_containing_symbol = 4",
        "one ExtensionRequest file_containing_extension = 5",
        "one string all_extension_numbers_of_type = 6",
        "one string list_services = 7",
        oneof="message_request",
    )
    add_message(
        file, "ExtensionRequest", "string containing_type = 1", "int32 extension_number = 2"
    )
    add_message(
        file,
        "ServerReflectionResponse",
        "string valid_host = 1",
        "ServerReflectionRequest original_request = 2",
        "one FileDescriptorResponse file_descriptor_response = 4",
        "one ExtensionNumberResponse all_extension_numbers_response = 5",
        "one ListServiceResponse list_services_response = 6",
        "one ErrorResponse error_response = 7",
        oneof="message_response",
    )
    add_message(file, "FileDescriptorResponse", "repeated bytes file_descriptor_proto = 1")
    add_message(
        file,
        "ExtensionNumberResponse",
        "string base_type_name = 1",
        "repeated int32 extension_number = 2",
    )
    add_message(file, "ListServiceResponse", "repeated ServiceResponse service = 1")
    add_message(file, "ServiceResponse", "string name = 1")
    add_message(file, "ErrorResponse", "int32 error_code = 1", "string error_message = 2")
    method = "ServerReflection/ServerReflectionInfo"
    both = "request response"
    add_method(file, method, "ServerReflectionRequest", "ServerReflectionResponse", both)
    return service_in_own_pool(file)
