"""Facts about the schema of one definition."""

import pytest
from google.protobuf.empty_pb2 import Empty
from google.rpc.status_pb2 import Status

from mainstay.errors import WiringError
from mainstay.rpc.method import Kind
from mainstay.rpc.schema.building import Signature
from mainstay.rpc.schema.schema import Schema
from tests.rpc.schema.zoo import Flat


def test_a_message_is_of_python_or_of_protobuf() -> None:
    """Classes are in the package of the service; protobuf's keep their names."""
    schema = Schema("zoo.v1.Zoo")
    names = [schema.name_of(Flat), schema.name_of(Status), schema.name_of(None)]
    assert names == ["zoo.v1.Flat", "google.rpc.Status", "google.protobuf.Empty"]
    service = schema.build([Signature("Do", Kind.UNARY, names[0], names[1], idempotent=False)])
    assert service.methods_by_name["Do"].output_type.full_name == "google.rpc.Status"
    assert schema.message_type(Flat).python_type is Flat
    assert schema.message_type(Status).decode(b"\x08\x03") == Status(code=3)


def test_nothing_is_sent_as_an_empty_message() -> None:
    """``-> None``: returning something is a mistake."""
    schema = Schema("zoo.v1.Zoo")
    nothing = schema.message_type(None)
    assert nothing.encode(None) == b""
    assert nothing.to_json is not None
    assert nothing.to_json(None) == b"{}"
    with pytest.raises(TypeError, match="nothing is sent here, and this is int"):
        nothing.encode(5)
    assert schema.message_type(None, request=True).python_type is Empty


def test_a_scalar_is_no_message() -> None:
    """GRPC has messages only."""
    with pytest.raises(WiringError, match="class with named fields"):
        Schema("zoo.v1.Zoo").name_of(int)


def test_classes_may_be_outside_of_any_package() -> None:
    """A service without one has its messages there as well."""
    schema = Schema("Zoo")
    assert schema.name_of(Flat) == "Flat"
    assert schema.build([Signature("Do", Kind.UNARY, "Flat", "Flat", idempotent=False)])
