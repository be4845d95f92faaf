"""What the peer is told of an error."""

import sys
from typing import Any

import pytest
from google.rpc import error_details_pb2 as kinds
from google.rpc.status_pb2 import Status

from mainstay.errors import (
    BrokenError,
    BugError,
    Cancelled,
    Code,
    ConfigError,
    Conflict,
    DeadlineExceeded,
    Error,
    HttpError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PeerGone,
    PermissionDenied,
    RpcError,
    ShuttingDown,
    TooLarge,
    Unimplemented,
    UsageError,
    ValidationFailed,
    Violation,
)
from mainstay.rpc.client.failures import UnavailableFailure
from mainstay.rpc.status import status_of, understood
from mainstay.wire.grpc import encode_message


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (NotFound("no such user"), Code.NOT_FOUND, "no such user"),
        (RpcError(Code.DATA_LOSS, "gone"), Code.DATA_LOSS, "gone"),
        (ShuttingDown("soon back"), Code.UNAVAILABLE, "soon back"),
        (HttpError(404, "no"), Code.NOT_FOUND, "no"),
        (HttpError(503, "no"), Code.UNAVAILABLE, "no"),
        (HttpError(418, "no"), Code.UNKNOWN, "no"),
        (BrokenError("db-7 refused"), Code.UNAVAILABLE, "something the server depends on failed"),
        (UsageError("line 3"), Code.INTERNAL, "the server failed"),
        (ConfigError("password"), Code.INTERNAL, "the server failed"),
        (BugError("bug"), Code.INTERNAL, "the server failed"),
        (ValueError("secret"), Code.UNKNOWN, "the server failed"),
    ],
    ids=lambda value: repr(value) if isinstance(value, Exception) else None,
)
def test_who_is_at_fault_decides_what_is_told(error: Exception, code: Code, message: str) -> None:
    """Callers hear in full what they did; of us they hear that it was us."""
    status = status_of(error)
    assert (status.code, status.message) == (code, message)


def _info(error: Error) -> kinds.ErrorInfo | None:
    message = status_of(error).to_message()
    if message is None:
        return None
    info = kinds.ErrorInfo()
    assert message.details[0].Unpack(info)
    return info


def test_a_reason_and_its_facts_are_there_for_machines() -> None:
    """As ErrorInfo; of a failure on our side without the facts."""
    info = _info(NotFound("no", reason="USER_UNKNOWN", metadata={"id": "7"}))
    assert info is not None
    assert (info.reason, dict(info.metadata)) == ("USER_UNKNOWN", {"id": "7"})
    info = _info(BrokenError("db", metadata={"host": "db-7"}))
    assert info is not None
    assert (info.reason, dict(info.metadata)) == ("BROKEN", {})


class OutOfStockError(Conflict):
    """An error of a program, with a reason of its own."""

    reason = "OUT_OF_STOCK"


class TakenError(Conflict):
    """One that has the reason of its base."""


@pytest.mark.parametrize(
    ("error", "reason", "domain"),
    [
        (NotFound("x"), "NOT_FOUND", "mainstay"),
        (InvalidRequest("x"), "INVALID_REQUEST", "mainstay"),
        (Conflict("x"), "CONFLICT", "mainstay"),
        (PermissionDenied("x"), "PERMISSION_DENIED", "mainstay"),
        (HttpError(409, "x"), "HTTP", "mainstay"),
        (UnavailableFailure("x"), "RPC_FAILED", "mainstay"),
        (TakenError("x"), "CONFLICT", "mainstay"),
        (OutOfStockError("x"), "OUT_OF_STOCK", "shop.v1.Items"),
        (NotFound("x", reason="ITEM_UNKNOWN"), "ITEM_UNKNOWN", "shop.v1.Items"),
        (RpcError(Code.ABORTED, "x", reason="MINE"), "MINE", "shop.v1.Items"),
        (TooLarge("x", reason="MINE"), "MINE", "shop.v1.Items"),
    ],
    ids=repr,
)
def test_a_reason_has_the_domain_of_who_named_it(error: Error, reason: str, domain: str) -> None:
    """Those of mainstay's classes are mainstay's; the program's are those of its service."""
    status = status_of(error)
    status.service = "shop.v1.Items"
    message = status.to_message()
    assert message is not None
    info = kinds.ErrorInfo()
    assert message.details[0].Unpack(info)
    assert (info.reason, info.domain) == (reason, domain)


@pytest.mark.parametrize(
    "error",
    [
        UsageError("x"),
        RpcError(Code.ABORTED, "x"),
        Cancelled("x"),
        DeadlineExceeded("x"),
        PeerGone("x"),
        TooLarge("x"),
        Unimplemented("x"),
    ],
    ids=repr,
)
def test_what_nobody_could_branch_on_has_no_details(error: Error) -> None:
    """A fault of the program, a bare code, and what every implementation of gRPC says by itself, with
    a code alone."""
    assert status_of(error).encode() is None
    assert status_of(error).binary_details() == []


def test_fields_at_fault_are_named() -> None:
    """As BadRequest, with the path of each field."""
    error = ValidationFailed([Violation("/items/0/price", "must be positive", "range")])
    message = status_of(error).to_message()
    assert message is not None
    bad = kinds.BadRequest()
    assert message.details[1].Unpack(bad)
    [violation] = bad.field_violations
    assert (violation.field, violation.description, violation.reason) == (
        "items.0.price",
        "must be positive",
        "RANGE",
    )


@pytest.mark.parametrize(("metadata", "seconds"), [({"retry_after": "7"}, 7), ({}, 1)])
def test_an_overload_says_when_to_come_again(metadata: dict[str, str], seconds: int) -> None:
    """As RetryInfo, in seconds."""
    message = status_of(Overloaded("busy", metadata=metadata)).to_message()
    assert message is not None
    retry = kinds.RetryInfo()
    assert message.details[1].Unpack(retry)
    assert retry.retry_delay.seconds == seconds


def test_a_bare_code_of_a_handler_may_have_details_of_its_own() -> None:
    """They come first, and a reason of its own follows."""
    own = kinds.Help(links=[kinds.Help.Link(url="https://example.org")])
    message = status_of(RpcError(Code.ABORTED, "x", details=[own], reason="MINE")).to_message()
    assert message is not None
    assert [each.TypeName() for each in message.details] == [
        "google.rpc.Help",
        "google.rpc.ErrorInfo",
    ]


def test_a_message_is_no_longer_than_clients_take() -> None:
    """It may have the caller's own words in it; what is encoded for the wire is bounded."""
    for text in ("x" * 1_000_000, "é" * 1_000_000, "\U0001f600" * 1_000_000, "%" * 1_000_000):
        status = status_of(NotFound(text))
        assert len(encode_message(status.message)) < 6000
        assert status.message[:400] == text[:400]
        assert status.message.endswith("…")
    assert status_of(NotFound("x" * 1000)).message == "x" * 1000
    assert status_of(NotFound("é" * 400)).message == "é" * 400


def test_details_that_do_not_fit_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever cannot take the metadata would not hear of the status at all; the log says so."""
    short, long = kinds.ErrorInfo(reason="A"), kinds.ErrorInfo(reason="B" * 7000)
    message = Status.FromString(
        status_of(RpcError(Code.ABORTED, "x", details=[short, long])).encode() or b""
    )
    assert [each.type_url for each in message.details] == [
        "type.googleapis.com/google.rpc.ErrorInfo"
    ]
    assert "the details of a status are 7105 bytes long" in caplog.text
    status = status_of(RpcError(Code.ABORTED, "x", details=[long]))
    assert status.binary_details() == []
    whole = status.to_message()  # as Connect sends it, in a body
    assert whole is not None
    assert len(whole.details) == 1


def test_without_the_classes_of_details_a_status_has_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Protobuf alone, as it comes with grpcio-tools, answers as well; the log says what is missing."""
    monkeypatch.setitem(sys.modules, "google.rpc", None)
    monkeypatch.delitem(sys.modules, "google.rpc.error_details_pb2")
    assert status_of(NotFound("x")).binary_details() == []
    assert "details of errors are not sent: RPC needs googleapis-common-protos" in caplog.text


def test_an_error_of_ones_own_needs_a_code_and_a_message() -> None:
    """Else it is a fault of the program, which says what is missing."""

    class OddError(NotFound):
        code: Any = "NOT_FOUND"

    found = understood(OddError("x"))
    assert isinstance(found, UsageError)
    assert "OddError cannot be told: its code 'NOT_FOUND' is none" in found.message
    assert isinstance(found.__cause__, OddError)
    mute = NotFound.__new__(NotFound)
    assert "its message None is none" in str(understood(mute))
    right = NotFound("x")
    assert understood(right) is right
    other = ValueError("x")
    assert understood(other) is other
