"""The module with the services of a ``.proto`` file: a base class for servers, and a client.

A server's class extends the base class and defines the methods it has; the others answer
UNIMPLEMENTED, so a service that gets a method goes on working. What overrides a method takes the
request, and whatever else is filled by type.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from google.protobuf.descriptor_pb2 import (
    FileDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from mainstay.rpc.proto.comments import comments_of
from mainstay.rpc.proto.names import Imports, is_nameable, python_name, snake_case
from mainstay.rpc.proto.plan import Plan
from mainstay.rpc.proto.prose import END, docstring

__all__ = ["services_module"]

_WIDTH: Final = 88
_BODY: Final = _WIDTH - 8
_KINDS: Final = {
    (False, False): ("UNARY", "Unary"),
    (False, True): ("SERVER_STREAM", "ServerStream"),
    (True, False): ("CLIENT_STREAM", "ClientStream"),
    (True, True): ("BIDI", "Bidi"),
}
"""Which sides stream; the name in `Kind`, and the type in `mainstay.rpc.proto.generated`."""


def services_module(file: FileDescriptorProto, plan: Plan) -> str:
    """The text of the module."""
    return _Services(file, plan).text()


class _Services:
    def __init__(self, file: FileDescriptorProto, plan: Plan) -> None:
        self._file = file
        self._plan = plan
        self._package = f"{file.package}." if file.package else ""
        own = {python_name(each.name) for each in file.service}
        own |= {_client(each.name) for each in file.service}
        methods = {snake_case(each.name) for service in file.service for each in service.method}
        self._imports = Imports(own | methods)
        self._comments = comments_of(file)

    def text(self) -> str:
        body: list[str] = []
        for service in self._file.service:
            body += ["", "", *self._server(service), "", "", *self._client(service)]
        first = python_name(self._file.service[0].name)
        head = [f'"""Services of {self._file.name}.', ""]
        head += [f"A server extends the class of one, below `@service.rpc({first}.DESCRIPTOR)`."]
        head += ["A client is made with a channel.", ""]
        head += ["Written by `mainstay proto generate`: what is changed here is lost.", *END]
        return "\n".join([*head, *self._imports.lines(), *body, ""])

    # --- server ---------------------------------------------------------------------------------

    def _server(self, service: ServiceDescriptorProto) -> Iterator[str]:
        full = self._package + service.name
        named = python_name(service.name)
        messages = self._plan.import_file(self._imports, self._file.name, self._file.name)
        yield f"class {named}:"
        # Nothing of ours: what is said here is shown to those who call the service.
        said = self._comments.get(full) or f"Answers the calls of {full}."
        yield from _indented(docstring(said, _WIDTH - 4), 4)
        yield ""
        yield f'    DESCRIPTOR = {messages}.DESCRIPTOR.services_by_name["{service.name}"]'
        for method in service.method:
            yield ""
            yield from self._answer(method, full)

    def _answer(self, method: MethodDescriptorProto, service: str) -> Iterator[str]:
        asked, answered = self._types(method)
        argument = "requests" if method.client_streaming else "request"
        open_to_more = self._imports.use("mainstay.rpc.proto.generated", "overridable")
        refuse = self._imports.use("mainstay.rpc.proto.generated", "unimplemented")
        yield f"    @{open_to_more}"
        parameters = ["self", f"{argument}: {asked}"]
        yield from _signature(f"    async def {snake_case(method.name)}", parameters, answered)
        yield from self._docs(f"{service}.{method.name}")
        lead = "yield " if method.server_streaming else ""
        line = f'        {lead}{refuse}("{service}/{method.name}")'
        if len(line) <= _WIDTH:
            yield line
        else:
            yield f"        {lead}{refuse}("
            yield f'            "{service}/{method.name}"'
            yield "        )"

    def _types(self, method: MethodDescriptorProto) -> tuple[str, str]:
        asked, answered = self._message(method.input_type), self._message(method.output_type)
        if method.client_streaming:
            asked = f"{self._imports.use('collections.abc', 'AsyncIterator')}[{asked}]"
        if method.server_streaming:
            answered = f"{self._imports.use('collections.abc', 'AsyncIterator')}[{answered}]"
        return asked, answered

    # --- client ---------------------------------------------------------------------------------

    def _client(self, service: ServiceDescriptorProto) -> Iterator[str]:
        full = self._package + service.name
        channel = self._imports.use("mainstay.rpc", "Channel")
        yield f"class {_client(service.name)}:"
        yield f'    """Calls the methods of {full}; how, is said by their types."""'
        yield ""
        yield f"    def __init__(self, channel: {channel}) -> None:"
        if not service.method:
            yield "        self.channel = channel"
        for method in service.method:
            yield from self._called(method, full)

    def _called(self, method: MethodDescriptorProto, service: str) -> Iterator[str]:
        kind, type_name = _KINDS[method.client_streaming, method.server_streaming]
        kinds = self._imports.use("mainstay.rpc", "Kind")
        wrapper = self._imports.use("mainstay.rpc.proto.generated", type_name)
        request, reply = self._message(method.input_type), self._message(method.output_type)
        yield f"        self.{snake_case(method.name)}: {wrapper}["
        yield f"            {request},"
        yield f"            {reply},"
        yield "        ] = channel.method_at("
        yield f'            "/{service}/{method.name}",'
        yield f"            {kinds}.{kind},"
        yield f"            {request}.SerializeToString,"
        yield f"            {reply}.FromString,"
        yield "        )"
        yield from self._docs(f"{service}.{method.name}")

    # --- both -----------------------------------------------------------------------------------

    def _message(self, type_name: str) -> str:
        if not all(map(is_nameable, self._plan.types[type_name].path[1:])):
            return self._imports.use("typing", "Any")
        return self._plan.import_type(self._imports, self._file.name, type_name)

    def _docs(self, name: str) -> Iterator[str]:
        comment = self._comments.get(name)
        if comment:
            yield from _indented(docstring(comment, _BODY), 8)


def _client(service: str) -> str:
    return f"{service}Client"


def _signature(head: str, parameters: list[str], answer: str) -> Iterator[str]:
    line = f"{head}({', '.join(parameters)}) -> {answer}:"
    if len(line) <= _WIDTH:
        yield line
        return
    yield f"{head}("
    yield from (f"        {parameter}," for parameter in parameters)
    yield f"    ) -> {answer}:"


def _indented(lines: Iterator[str], by: int) -> Iterator[str]:
    return (f"{' ' * by}{line}" if line else "" for line in lines)
