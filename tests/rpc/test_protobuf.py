"""Facts about messages of protobuf as messages of RPC."""

import contextlib
import random

import pytest
from google.protobuf import descriptor_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2

from mainstay.errors import ValidationFailed
from mainstay.rpc.method import Kind
from mainstay.rpc.protobuf import (
    bare_method,
    is_message,
    kind_of,
    message_json,
    message_type,
    message_type_of,
    service_of,
    wrong_message,
)

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]


def test_bytes_and_json_are_those_of_protobuf() -> None:
    """A message comes back as it was, in both."""
    of = message_type(Status)
    message = Status(code=3, message="no")
    assert of.encode(message) == message.SerializeToString()
    assert of.decode(of.encode(message)) == message
    assert of.to_json is not None
    assert of.from_json is not None
    assert of.to_json(message) == b'{"code":3,"message":"no"}'
    assert of.from_json(of.to_json(message)) == message


def test_malformed_bytes_are_a_value_error() -> None:
    """Without protobuf's own words, which differ by version."""
    with pytest.raises(ValueError, match=r"^its bytes are malformed$"):
        message_type(Status).decode(b"\xff")


def test_another_message_is_refused() -> None:
    """Its bytes would mean something else; classes of one name are told apart."""
    of = message_type(Status)
    with pytest.raises(TypeError, match=r"google.rpc.Status is sent as Status, and this is Empty"):
        of.encode(empty_pb2.Empty())
    same = type("Status", (), {"__module__": "elsewhere"})
    assert "elsewhere.Status" in str(wrong_message("google.rpc.Status", Status, same()))


def test_a_message_without_its_required_fields_is_refused() -> None:
    """Those of proto2."""
    with pytest.raises(ValueError, match="cannot be sent"):
        message_type(descriptor_pb2.UninterpretedOption.NamePart).encode(
            descriptor_pb2.UninterpretedOption.NamePart()
        )


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b'"x"', b"null", b"{", b"\xff", b"[" * 9999, b'{"code":"x"}', b'{"code":1e400}',
     b'{"code":1,"code":2}', b'{"details":[1]}', b'{"details":[{"@type":"x"}]}',
     b'{"message":"\\ud800"}', b'{"message":1}'],
)  # fmt: skip
def test_what_is_no_such_json_is_a_value_error(text: bytes) -> None:
    """Whatever its shape; also what protobuf takes for an empty message."""
    from_json, _ = message_json(Status)
    with pytest.raises((ValueError, ValidationFailed)) as caught:
        from_json(text)
    for words in ("codec", "Error", "set_int_max", "Failed to parse"):
        assert words not in str(caught.value)


def test_names_are_read_in_both_forms_and_unknown_ones_are_skipped() -> None:
    """So that a client may be newer than its server."""
    from_json, to_json = message_json(descriptor_pb2.MethodDescriptorProto)
    expected = descriptor_pb2.MethodDescriptorProto(input_type="a")
    assert from_json(b'{"inputType":"a","new":1}') == from_json(b' {"input_type":"a"}') == expected
    assert to_json(expected) == b'{"inputType":"a"}'


def test_well_known_types_need_not_be_objects() -> None:
    """A Timestamp is text, a wrapper a number, a list a list."""
    assert message_json(timestamp_pb2.Timestamp)[0](b'"1970-01-01T00:00:05Z"').seconds == 5
    assert message_json(wrappers_pb2.Int32Value)[0](b"7").value == 7
    assert len(message_json(struct_pb2.ListValue)[0](b"[1, 2]").values) == 2
    with pytest.raises(ValueError, match="is an object"):
        message_json(struct_pb2.Struct)[0](b"[]")


@pytest.mark.parametrize("seed", range(100))
def test_json_of_any_kind_is_read_or_refused(seed: int) -> None:
    """Text that was changed on the way is a message or a ValueError, no other."""
    source = random.Random(seed)
    text = bytearray(b'{"code":3,"message":"no","details":[{"@type":"a/google.rpc.Status"}]}')
    for _ in range(source.randrange(1, 4)):
        text[source.randrange(len(text))] = source.choice(b'{}[]":,0x\\ \xff')
    with contextlib.suppress(ValueError, ValidationFailed):
        assert isinstance(message_json(Status)[0](bytes(text)), Status)


def test_a_service_is_what_its_descriptor_says() -> None:
    """Names, kinds and messages; whether a class is of messages."""
    service = service_of(HEALTH)
    assert service.name == "grpc.health.v1.Health"
    assert service.methods["Watch"].kind is Kind.SERVER_STREAM
    assert kind_of(HEALTH.methods_by_name["Check"]) is Kind.UNARY
    assert bare_method(HEALTH.methods_by_name["Check"]).path == "/grpc.health.v1.Health/Check"
    assert message_type_of(Status.DESCRIPTOR).python_type is Status
    assert is_message(Status)
    assert not is_message(int)
    assert not is_message(Status())


def test_a_coroutine_in_the_place_of_a_message_is_to_be_awaited() -> None:
    """The error says so, and Python does not complain of it a second time."""

    async def make_status() -> Status:
        return Status()

    with pytest.raises(TypeError, match=r"this is a coroutine: await .*make_status\(\)"):
        message_type_of(Status.DESCRIPTOR).encode(make_status())
