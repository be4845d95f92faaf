"""What the server gets from a path."""

import pytest

from mainstay.errors import Unimplemented
from mainstay.rpc.endpoint import JsonEndpoint, RpcEndpoint
from mainstay.rpc.method import Kind, RpcMethod
from tests.rpc.grpc_world import BYTES, echo
from tests.rpc.web_world import TEXT


def made(kind: Kind = Kind.UNARY, message: object = TEXT) -> RpcEndpoint:
    """An endpoint with such messages."""
    assert message in (TEXT, BYTES)
    known = TEXT if message is TEXT else BYTES
    return RpcEndpoint(
        RpcMethod(service="a.B", name="C", kind=kind, request=known, response=known), echo
    )


def test_one_message_each_way_is_unary() -> None:
    """Whoever answers needs no stream then."""
    assert [made(kind).unary for kind in Kind] == [kind is Kind.UNARY for kind in Kind]
    assert repr(made()) == "<RpcEndpoint a.B/C>"


def test_the_twin_for_json_is_made_once_and_counts_with_it() -> None:
    """It has the other codec, and is the same method for everybody who looks at counters."""
    endpoint = made()
    twin = JsonEndpoint.of(endpoint)
    assert twin is JsonEndpoint.of(endpoint) is JsonEndpoint.of(twin)
    assert (twin.decode(b'"x"'), twin.encode(b"x")) == (b"x", b'"x"')
    assert (twin.name, twin.method, twin.handler) == (endpoint.name, endpoint.method, echo)
    twin.received += 2
    twin.sent += 1
    assert (endpoint.received, endpoint.sent, twin.received, twin.sent) == (2, 1, 2, 1)
    assert twin.counts is endpoint.counts


def test_messages_without_json_are_refused_when_they_come() -> None:
    """And not before, since nobody may ever ask."""
    twin = JsonEndpoint.of(made(message=BYTES))
    with pytest.raises(Unimplemented, match="C has no JSON"):
        twin.decode(b"{}")
