"""Facts about the messages of generated code."""

from typing import Any

import grpc
import pytest

from mainstay.errors import WiringError
from mainstay.rpc.grpcio.recording import record
from mainstay.rpc.grpcio.types import service_from
from mainstay.rpc.method import Kind
from tests.rpc.grpcio.generated import ask, behave, servicer


def behaves() -> Any:
    handlers = record(behave().services.add_BehaveServicer_to_server, servicer()).services
    return service_from("test.behave.v1.Behave", handlers["test.behave.v1.Behave"])


def test_generated_methods_are_described_by_their_descriptors() -> None:
    """So reflection, JSON and OpenAPI know all of them."""
    service = behaves()
    assert service.descriptor.full_name == "test.behave.v1.Behave"
    assert [each.kind for each in service] == [
        Kind.UNARY,
        Kind.SERVER_STREAM,
        Kind.CLIENT_STREAM,
        Kind.BIDI,
    ]
    method = service.methods["One"]
    assert method.descriptor.full_name == "test.behave.v1.Behave.One"
    assert method.request.python_type is behave().messages.Ask
    assert method.response.python_type is behave().messages.Answer
    assert method.request.from_json is not None
    assert method.request.from_json(b'{"text": "x"}') == ask("x")


def test_hand_written_serializers_are_used_as_they_are() -> None:
    """Without a descriptor, as nobody knows what they read and write."""
    handler: Any = grpc.unary_unary_rpc_method_handler(
        lambda request, context: request,
        request_deserializer=lambda data: data.decode(),
        response_serializer=lambda text: text.encode(),
    )
    service = service_from("a.B", {"Do": handler})
    method = service.methods["Do"]
    assert (service.descriptor, method.descriptor, method.request.from_json) == (None, None, None)
    assert method.request.decode(b"x") == "x"
    assert method.response.encode("y") == b"y"


def test_serializers_of_ones_own_go_before_the_descriptor() -> None:
    """A service may take its bytes as they are, though its messages are known."""
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    service = service_from("test.behave.v1.Behave", {"One": handler})
    method = service.methods["One"]
    assert method.descriptor is None
    assert method.request.decode(b"x") == method.response.encode(b"x") == b"x"


def test_a_deserializer_that_fails_has_met_a_malformed_message() -> None:
    """Whatever it raises is told as ValueError, for INVALID_ARGUMENT."""

    def fails(data: bytes) -> Any:
        raise KeyError(data)

    handler: Any = grpc.unary_unary_rpc_method_handler(print, request_deserializer=fails)
    method = service_from("a.B", {"Do": handler}).methods["Do"]
    with pytest.raises(ValueError, match="malformed"):
        method.request.decode(b"x")


def test_a_request_of_protobuf_has_json_without_its_service() -> None:
    """Its class is found by its ``FromString``."""
    handler: Any = grpc.unary_unary_rpc_method_handler(
        print, request_deserializer=behave().messages.Ask.FromString
    )
    method = service_from("unknown.Service", {"Do": handler}).methods["Do"]
    assert method.request.python_type is behave().messages.Ask
    assert method.request.descriptor is not None


def test_what_is_no_method_handler_is_named() -> None:
    """A function, for one."""
    with pytest.raises(WiringError, match=r"a\.B/Do is answered by .*, no grpc method handler"):
        service_from("a.B", {"Do": print})


def test_a_service_needs_a_name() -> None:
    """Methods are called by it."""
    with pytest.raises(WiringError, match="has no name"):
        service_from("", {})
