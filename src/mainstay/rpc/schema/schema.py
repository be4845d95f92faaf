"""The schema of one code-first definition: what its classes are in protobuf, and how they get there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.empty_pb2 import Empty

from mainstay.errors import WiringError
from mainstay.rpc.constraints import keep_constraints
from mainstay.rpc.method import MessageType
from mainstay.rpc.protobuf import is_message, message_type
from mainstay.rpc.schema.building import Signature, build
from mainstay.rpc.schema.compiling import Codecs
from mainstay.rpc.schema.models import flavour_of, is_model
from mainstay.rpc.schema.reading import Reader, constraints_in

__all__ = ["Schema", "nothing"]


class Schema:
    """The messages of one service.

    Args:
        service: full name; its package is that of the messages.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._reader = Reader(service.rpartition(".")[0])
        self._messages: dict[Any, None] = {}
        self._codecs: Codecs | None = None

    def name_of(self, annotation: Any) -> str:
        """The full name of a message that is a request or a reply; None is an empty one.

        Raises: WiringError for what is no message.
        """
        if annotation is None or annotation is type(None):
            annotation = Empty
        if is_message(annotation):
            self._messages[annotation] = None
            return str(annotation.DESCRIPTOR.full_name)
        if not is_model(annotation):
            raise WiringError("a message is a class with named fields, or one of protobuf's")
        return self._reader.message(annotation).full_name

    @property
    def faults(self) -> list[str]:
        """Every field that has no place in protobuf."""
        return self._reader.faults

    def build(self, signatures: Iterable[Signature]) -> Any:
        """Describe the service; the ServiceDescriptor.

        Raises: WiringError for what protobuf refuses.
        """
        reader = self._reader
        foreign = {**self._messages, **reader.foreign}
        pool = build(
            self._service, signatures, reader.messages.values(), reader.enums.values(), foreign
        )
        self._codecs = Codecs(reader, pool)
        constraints = (
            (f"{shape.full_name}.{each.name}", constraints_in(each.member.annotation))
            for shape in reader.messages.values()
            for each in shape.fields
            if each.checked is not None or flavour_of(shape.cls) == "pydantic"
        )
        keep_constraints(pool, constraints)
        return pool.FindServiceByName(self._service)

    def message_type(self, annotation: Any, *, request: bool = False) -> MessageType:
        """How messages of an annotation that `name_of` has seen go over the wire; once built.

        Args:
            annotation: see `name_of`.
            request: whether the handler does not see it if there is none, and so may get anything.
        """
        if annotation is None or annotation is type(None):
            return message_type(Empty) if request else nothing()
        if is_message(annotation):
            return message_type(annotation)
        assert self._codecs is not None
        return self._codecs.message_type(annotation)


def nothing() -> MessageType:
    """What ``-> None`` sends: google.protobuf.Empty."""
    empty = message_type(Empty)

    def encode(value: Any) -> bytes:
        if value is not None:
            raise TypeError(f"nothing is sent here, and this is {type(value).__qualname__}")
        return b""

    def to_json(value: Any) -> bytes:
        encode(value)
        return b"{}"

    # Read, it is a message of protobuf: grpcio takes None for a failure.
    return MessageType(
        name=empty.name,
        python_type=type(None),
        decode=empty.decode,
        encode=encode,
        from_json=empty.from_json,
        to_json=to_json,
        descriptor=empty.descriptor,
        weigh_json=empty.weigh_json,
    )
