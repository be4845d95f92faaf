"""What a reply says about how the call ended."""

import pytest

from mainstay.errors import (
    BrokenError,
    BusyError,
    ClosedError,
    Code,
    RpcError,
    TooLarge,
    UsageError,
)
from mainstay.rpc.client.failures import (
    ResourceExhaustedFailure,
    RpcFailed,
    UnavailableFailure,
    UnknownFailure,
)
from mainstay.rpc.client.outcome import FINE_HEAD, is_grpc, lost, of_code, of_reset, outcome

Fields = list[tuple[bytes, bytes]]


def told(status: int, head: Fields, trailers: Fields | None) -> tuple[Code, str] | None:
    """Code and message of a reply."""
    error = outcome("a.B/C", status, head, trailers)
    return None if error is None else (error.code, error.message)


@pytest.mark.parametrize(
    "head",
    [
        FINE_HEAD,
        [(b"content-type", b"application/grpc+proto"), (b"x", b"y")],
        [(b"content-type", b"application/grpc; charset=utf-8")],
    ],
)
def test_success(head: Fields) -> None:
    """Status 0 is success, whatever stands beside it."""
    assert told(200, head, [(b"grpc-status", b"0")]) is None
    assert told(200, head, [(b"grpc-status", b"0"), (b"a", b"b")]) is None


def test_every_code() -> None:
    """A number is its code, and the message is decoded."""
    for code in Code:
        trailers = [(b"grpc-status", b"%d" % code.value), (b"grpc-message", b"caf%C3%A9")]
        assert told(200, FINE_HEAD, trailers) == (code, "café")


@pytest.mark.parametrize("value", [b"17", b"-1", b"ok", b"", b"\xb2"])
def test_a_status_that_is_none_is_unknown(value: bytes) -> None:
    """Numbers that no code has, and what is no number."""
    found = told(200, FINE_HEAD, [(b"grpc-status", value)])
    assert found is not None
    assert found[0] is Code.UNKNOWN
    assert "grpc-status" in found[1]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, Code.INTERNAL),
        (401, Code.UNAUTHENTICATED),
        (403, Code.PERMISSION_DENIED),
        (404, Code.UNIMPLEMENTED),
        (429, Code.UNAVAILABLE),
        (502, Code.UNAVAILABLE),
        (503, Code.UNAVAILABLE),
        (504, Code.UNAVAILABLE),
        (500, Code.UNKNOWN),
        (302, Code.UNKNOWN),
    ],
)
def test_http_statuses(status: int, code: Code) -> None:
    """Without a grpc-status it is HTTP's that counts (doc/http-grpc-status-mapping.md)."""
    head = [(b"content-type", b"text/html")]
    assert told(status, head, None) == (code, f"the server answered with HTTP status {status}")
    said = [(b"grpc-status", b"5"), *FINE_HEAD]
    assert told(status, said, said) == (Code.NOT_FOUND, "")


def test_what_is_missing() -> None:
    """Another content type is UNKNOWN, no trailers INTERNAL, no status in them UNKNOWN."""
    html = told(200, [(b"content-type", b"text/html")], [(b"grpc-status", b"0")])
    assert html == (Code.UNKNOWN, "the server answered with content-type 'text/html'")
    for trailers, code in ((None, Code.INTERNAL), ([], Code.UNKNOWN)):
        found = told(200, FINE_HEAD, trailers)
        assert found is not None
        assert found[0] is code


def test_content_types() -> None:
    """``application/grpc``, alone or with a format or parameters."""
    for value in (b"application/grpc", b"application/grpc+json", b"application/grpc;a=b"):
        assert is_grpc([(b"content-type", value)])
    for value in (b"application/grpc-web", b"application/json", b""):
        assert not is_grpc([(b"content-type", value)])
    assert not is_grpc([])


def test_metadata_of_a_reply_that_is_only_a_head() -> None:
    """It is all trailing."""
    head = [*FINE_HEAD, (b"grpc-status", b"5"), (b"x-why", b"none"), (b"y-bin", b"AAE")]
    error = outcome("a.B/C", 200, head, head)
    assert isinstance(error, RpcFailed)
    assert error.initial_metadata == ()
    assert error.trailing_metadata == (("x-why", "none"), ("y-bin", b"\0\1"))


def test_lost_connections() -> None:
    """What broke is UNAVAILABLE, what has no room RESOURCE_EXHAUSTED; the others stay."""
    assert isinstance(lost("a.B/C", BrokenError("gone")), UnavailableFailure)
    assert isinstance(lost("a.B/C", BusyError("full")), ResourceExhaustedFailure)
    assert isinstance(lost("a.B/C", ClosedError("closed")), ClosedError)
    usage = UsageError("wrong")
    assert lost("a.B/C", usage) is usage


def test_what_was_found_on_our_side() -> None:
    """Keeps its code if it has one of gRPC's."""
    assert of_code("a.B/C", TooLarge("long")).code is Code.RESOURCE_EXHAUSTED
    assert of_code("a.B/C", RpcError(Code.DATA_LOSS, "x")).code is Code.DATA_LOSS
    assert of_code("a.B/C", UsageError("x")).code is Code.INTERNAL


def test_unknown_resets() -> None:
    """A code that HTTP/2 does not have is INTERNAL."""
    error = of_reset("a.B/C", 99)
    assert (error.code, error.message) == (Code.INTERNAL, "the stream was reset: 99")
    assert not isinstance(error, UnknownFailure)
