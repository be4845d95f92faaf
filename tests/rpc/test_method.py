"""The description of methods."""

import pytest

from mainstay.rpc.method import Kind, RpcMethod, RpcService
from tests.rpc.grpc_world import BYTES


@pytest.mark.parametrize(
    ("kind", "ways"),
    [
        (Kind.UNARY, (False, False)),
        (Kind.SERVER_STREAM, (False, True)),
        (Kind.CLIENT_STREAM, (True, False)),
        (Kind.BIDI, (True, True)),
    ],
)
def test_a_kind_says_which_ways_stream(kind: Kind, ways: tuple[bool, bool]) -> None:
    """And is found by that."""
    assert (kind.requests_stream, kind.replies_stream) == ways
    assert Kind(ways) is kind


def test_a_method_has_a_name_and_a_path() -> None:
    """The one for people, the other on the wire."""
    method = RpcMethod(service="a.v1.B", name="C", kind=Kind.BIDI, request=BYTES, response=BYTES)
    assert (method.full_name, method.path) == ("a.v1.B/C", "/a.v1.B/C")
    assert repr(method) == "<RpcMethod a.v1.B/C bidi>"
    service = RpcService(name="a.v1.B", methods={"C": method})
    assert list(service) == [method]
    assert repr(service) == "<RpcService a.v1.B methods=1>"
