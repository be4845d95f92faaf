"""How many messages and entries of maps a message holds."""

from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.struct_pb2 import Struct

from mainstay.rpc.schema.weighing import weigher


def file_of(messages: int, fields: int) -> FileDescriptorProto:
    """A description with so many messages, each with so many fields, each with options."""
    made = FileDescriptorProto()
    for _ in range(messages):
        message = made.message_type.add()
        for _ in range(fields):
            message.field.add().options.deprecated = True
    return made


@pytest.mark.parametrize(
    ("message", "elements"),
    [
        (FileDescriptorProto(), 0),
        (FileDescriptorProto(dependency=["a", "b"], public_dependency=[1, 2]), 0),
        (file_of(3, 0), 3),
        (file_of(3, 4), 3 + 12 + 12),
    ],
    ids=["nothing", "scalars", "messages", "nested"],
)
def test_messages_are_counted_and_scalars_are_not(message: Any, elements: int) -> None:
    """In lists and alone, however deep; below zero there are too many, however many there are."""
    weigh = weigher(message.DESCRIPTOR)
    assert weigh(message, 100) == 100 - elements
    assert weigh(message, elements) == 0
    for limit in range(elements):
        assert weigh(message, limit) < 0


def test_entries_of_maps_are_counted_with_what_they_hold() -> None:
    """Of a type that holds itself by way of them."""
    made = Struct()
    made.update({"a": 1, "b": {"c": [True, None]}})
    # Two entries and the values a; b, its object, its entry; c, its list and the two items in it.
    assert 100 - weigher(Struct.DESCRIPTOR)(made, 100) == 7
    assert weigher(Struct.DESCRIPTOR)(made, 6) < 0
