"""Messages and services of protobuf, in the terms of `mainstay.rpc.method`.

What runs for each message is as close to protobuf's own C code as it can be: one function of ours,
which turns its errors into ours and refuses a message of another type (protobuf would send it, as
bytes that mean something else). This file is in the hot path (see `bench/grpc`).

JSON follows the mapping of proto3 (protobuf.dev, programming-guides/json): names in lowerCamelCase
are written, and both those and the original ones are read. Unknown fields are skipped, as in binary,
so that a client may be newer than its server; a value that is none of its field's is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

import msgspec
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.message_factory import GetMessageClass

from mainstay.core.call import Handler
from mainstay.rpc.json_base64 import Base64Fields
from mainstay.rpc.json_faults import parse_json, read_json
from mainstay.rpc.long_messages import long_json
from mainstay.rpc.method import NO_SIDE_EFFECTS, Kind, MessageType, RpcMethod, RpcService

__all__ = [
    "bare_method",
    "is_message",
    "kind_of",
    "message_json",
    "message_type",
    "message_type_of",
    "service_of",
    "wrong_message",
]

_OBJECTS: Final = frozenset(f"google.protobuf.{name}" for name in ("Any", "Empty", "Struct"))
"""Of the well-known types, those that are objects in JSON; others are strings, lists, numbers."""

_JsonPair = tuple[Callable[..., Any], Callable[[Any], bytes]]


def is_message(annotation: Any) -> bool:
    """Whether it is a class of protobuf messages."""
    return isinstance(annotation, type) and issubclass(annotation, Message)


def message_type(cls: type[Message]) -> MessageType:
    """How messages of a class that protobuf has made go over the wire."""
    descriptor: Any = cls.DESCRIPTOR  # of protobuf's C code, which has types of its own
    name = descriptor.full_name
    from_string = cls.FromString

    def decode(data: bytes) -> Message:
        try:
            return from_string(data)
        except DecodeError:
            # What protobuf says of it differs by version, and tells the peer nothing.
            raise ValueError("its bytes are malformed") from None

    def encode(message: Message) -> bytes:
        if type(message) is not cls and not isinstance(message, cls):
            raise wrong_message(name, cls, message)
        try:
            return message.SerializeToString()
        except EncodeError as error:  # required fields of proto2
            raise ValueError(f"the {name} cannot be sent: {error}") from None

    from_json, to_json = message_json(cls)
    return MessageType(
        name=name,
        python_type=cls,
        decode=decode,
        encode=encode,
        from_json=from_json,
        to_json=to_json,
        descriptor=descriptor,
        serialize=cls.SerializeToString,
        parse=from_string,
        weigh_json=long_json(from_json),
    )


def wrong_message(name: str, wanted: type, given: Any) -> TypeError:
    """The error for a message of another type: what a handler returned, or a client was given."""
    kind = type(given)
    same = kind.__name__ == wanted.__name__
    said = f"{kind.__module__}.{kind.__qualname__}" if same else kind.__qualname__
    if inspect.iscoroutine(given):
        given.close()  # which would complain of it as well, later and elsewhere
        said = f"a coroutine: await {given.__qualname__}()"
    return TypeError(f"{name} is sent as {wanted.__qualname__}, and this is {said}")


def message_json(cls: type[Message]) -> _JsonPair:
    """From the bytes of proto3's JSON to a message of this class, and back.

    The functions raise ValueError, or ValidationFailed that names the fields at fault, for JSON that
    is no such message, and TypeError for what is no such message. The first takes a number of
    elements as well, and raises TooLarge for more.
    """
    name = cls.DESCRIPTOR.full_name
    pool: Any = cls.DESCRIPTOR.file.pool
    to_dict = json_format.MessageToDict
    to_bytes = msgspec.json.encode
    base64 = Base64Fields(cls.DESCRIPTOR)
    is_object = not name.startswith("google.protobuf.") or name in _OBJECTS

    def from_json(data: bytes, limit: int | None = None) -> Message:
        value = read_json(data, limit)
        if is_object and not isinstance(value, dict):
            # protobuf takes what is empty, or text, for a message without fields.
            raise ValueError(f"{name} is an object in JSON")
        message = cls()
        parse_json(value, message, pool, base64)
        return message

    def to_json(message: Message) -> bytes:
        if not isinstance(message, cls):
            raise wrong_message(name, cls, message)
        try:
            return to_bytes(to_dict(message, descriptor_pool=pool))
        except (json_format.Error, TypeError) as error:  # an Any of an unknown type
            raise ValueError(f"the {name} has no JSON: {_first_line(error)}") from None

    return from_json, to_json


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def message_type_of(descriptor: Descriptor) -> MessageType:
    """The same for a descriptor, with the class that protobuf makes for it."""
    return message_type(GetMessageClass(descriptor))


def kind_of(method: MethodDescriptor) -> Kind:
    """How many messages go each way."""
    return Kind((bool(method.client_streaming), bool(method.server_streaming)))


def bare_method(
    method: MethodDescriptor,
    *,
    function: Callable[..., Any] | None = None,
    handler: Handler | None = None,
) -> RpcMethod:
    """A method as its descriptor says, answered by one of `function` and `handler`."""
    level = method.GetOptions().idempotency_level
    return RpcMethod(
        service=method.containing_service.full_name,
        name=method.name,
        kind=kind_of(method),
        request=message_type_of(method.input_type),
        response=message_type_of(method.output_type),
        function=function,
        handler=handler,
        idempotent=level == NO_SIDE_EFFECTS,
        descriptor=method,
    )


def service_of(descriptor: ServiceDescriptor) -> RpcService:
    """A service as its descriptor says, whose methods nothing answers yet."""
    methods = {each.name: bare_method(each) for each in descriptor.methods}
    return RpcService(name=descriptor.full_name, methods=methods, descriptor=descriptor)
