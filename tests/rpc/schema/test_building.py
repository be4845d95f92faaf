"""Facts about what protobuf is told of Python's classes."""

import enum

import msgspec
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.rpc.status_pb2 import Status

from mainstay.errors import WiringError
from mainstay.rpc.method import Kind
from mainstay.rpc.schema.building import Signature, build
from tests.rpc.schema.zoo import Colour, Everything, pool_of, read


def test_every_field_is_described() -> None:
    """Types, labels, oneofs, maps, presence, and what is reserved."""
    pool = pool_of(read(Everything))
    message = pool.FindMessageTypeByName("zoo.v1.Everything")
    fields = message.fields_by_name
    assert fields["small"].type == FieldDescriptor.TYPE_UINT32
    assert fields["text"].type == FieldDescriptor.TYPE_STRING
    assert fields["when"].message_type.full_name == "google.protobuf.Timestamp"
    assert fields["status"].message_type.full_name == Status.DESCRIPTOR.full_name
    assert fields["shape_circle"].containing_oneof.name == "shape"
    assert fields["squares"].message_type.GetOptions().map_entry
    assert fields["maybe"].has_presence
    assert not fields["text"].has_presence
    file = FileDescriptorProto()
    message.file.CopyToProto(file)
    assert file.syntax == "proto3"
    described = next(each for each in file.message_type if each.name == "Everything")
    assert [(each.start, each.end) for each in described.reserved_range] == [(2, 3)]
    assert list(described.reserved_name) == ["old"]


def test_enums_have_the_names_and_the_zero_of_protobuf() -> None:
    """Prefixed, as they share the names of their package; numbers that are Python's stay."""
    pool = pool_of(read(Everything))
    colours = pool.FindEnumTypeByName("zoo.v1.Colour").values
    assert [(each.name, each.number) for each in colours] == [
        ("COLOUR_UNSPECIFIED", 0),
        ("COLOUR_RED", 1),
        ("COLOUR_DARK_BLUE", 2),
    ]
    assert len(Colour) == 2
    levels = pool.FindEnumTypeByName("zoo.v1.Level").values
    assert [(each.name, each.number) for each in levels] == [("LEVEL_LOW", 0), ("LEVEL_HIGH", 5)]


def test_the_description_is_the_same_each_time() -> None:
    """Whatever was read first."""

    class A(msgspec.Struct):
        pass

    class B(msgspec.Struct):
        pass

    files = [
        pool_of(read(*order)).FindMessageTypeByName("zoo.v1.A").file.serialized_pb
        for order in ((A, B), (B, A))
    ]
    assert files[0] == files[1]


def test_methods_are_described() -> None:
    """Their messages, kinds, and whether they change nothing."""
    request = "google.rpc.Status"
    every = [Signature(kind.name, kind, request, request, idempotent=True) for kind in Kind]
    service = build("zoo.v1.Zoo", every, [], [], [Status]).FindServiceByName("zoo.v1.Zoo")
    for kind in Kind:
        method = service.methods_by_name[kind.name]
        assert (method.client_streaming, method.server_streaming) == kind.value
        assert method.GetOptions().idempotency_level == 1
    assert service.file.name == "zoo/v1/zoo.proto"


def test_what_protobuf_refuses_is_a_wiring_error() -> None:
    """Two fields of one name in JSON, for one."""
    made = msgspec.defstruct("Holder", [("a_b", int), ("aB", int)])
    with pytest.raises(WiringError, match="protobuf refuses zoo"):
        pool_of(read(made))


def test_two_enums_with_one_value_each_live_side_by_side() -> None:
    """Values share the names of the package, and are told apart by their prefix."""
    one, two = (enum.Enum(name, ["SAME"]) for name in ("One", "Two"))
    made = msgspec.defstruct("Holder", [("a", one), ("b", two)])
    assert pool_of(read(made)).FindEnumTypeByName("zoo.v1.Two").values_by_name["TWO_SAME"]
