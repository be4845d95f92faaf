"""Facts about what a context knows of its call."""

from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from mainstay.core.metadata import Peer
from mainstay.errors import Code, InvalidRequest
from mainstay.rpc.grpcio.known import KnownCall, code_of, metadata_of


def call_with(**of_exchange: Any) -> Any:
    return SimpleNamespace(exchange=SimpleNamespace(**of_exchange))


def test_metadata_is_what_the_caller_gave() -> None:
    """Without the fields of the protocol; several binary values may share a field."""
    fields = [(b"te", b"trailers"), (b"a-bin", b"AA,Aw"), (b"grpc-timeout", b"1S"), (b"b", b"1")]
    found = metadata_of(call_with(fields=fields))
    assert found == (("a-bin", b"\0"), ("a-bin", b"\3"), ("b", "1"))
    assert [each.key for each in found] == ["a-bin", "a-bin", "b"]


def test_binary_metadata_that_is_no_base64_is_refused() -> None:
    """When it is looked at, with INVALID_ARGUMENT."""
    with pytest.raises(InvalidRequest, match="'c-bin' is no base64"):
        metadata_of(call_with(fields=[(b"c-bin", b"!")]))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("10.0.0.7:51234", "ipv4:10.0.0.7:51234"),
        ("[::1]:51234", "ipv6:%5B::1%5D:51234"),
        ("unix", "unix:"),
    ],
)
def test_a_peer_is_named_as_grpc_names_it(address: str, said: str) -> None:
    """By family, address and port."""
    assert KnownCall(call_with(peer=Peer(address), scheme="http")).peer() == said


def test_a_certificate_identifies_the_peer() -> None:
    """The key says where the authentication context has it."""
    known = KnownCall(call_with(peer=Peer("10.0.0.7:1", "spiffe://a/b"), scheme="https"))
    key = known.peer_identity_key()
    assert key is not None
    assert known.auth_context()[key] == known.peer_identities() == [b"spiffe://a/b"]
    assert known.auth_context()["transport_security_type"] == [b"ssl"]


def test_a_peer_without_a_certificate_is_nobody() -> None:
    """TLS alone identifies the server."""
    known = KnownCall(call_with(peer=Peer("10.0.0.7:1"), scheme="https"))
    assert (known.peer_identities(), known.peer_identity_key()) == (None, None)


@pytest.mark.parametrize("code", grpc.StatusCode)
def test_every_code_is_ours(code: grpc.StatusCode) -> None:
    """By its number; success is None."""
    found = code_of(code)
    assert (found.name if found is not None else "OK") == code.name
    assert code_of(code.value[0]) is found


@pytest.mark.parametrize("code", [17, -1, "NOT_FOUND", None, object()])
def test_what_is_no_code_is_unknown(code: Any) -> None:
    """As with grpcio."""
    assert code_of(code) is Code.UNKNOWN


@pytest.mark.parametrize("metadata", ["text", 1, [("a",)], [("a", 1)], [(b"a", "b")]])
def test_metadata_that_is_none_is_refused_at_once(metadata: Any) -> None:
    """Where it is set, and not when the call ends."""
    with pytest.raises(TypeError, match="sequence of pairs"):
        KnownCall(call_with()).set_trailing_metadata(metadata)
