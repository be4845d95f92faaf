"""Errors become problem details: the right status, the whole truth about the caller, none of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mainstay import errors
from mainstay.errors import (
    BrokenError,
    BugError,
    BusyError,
    Cancelled,
    ClosedError,
    Code,
    ConfigError,
    Conflict,
    DeadlineExceeded,
    Error,
    HttpError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PeerTooSlow,
    PermissionDenied,
    PolicyError,
    ResourceError,
    RpcError,
    ShuttingDown,
    TooLarge,
    Unauthenticated,
    Unimplemented,
    UsageError,
    ValidationFailed,
    Violation,
)
from mainstay.http.problems import Problem, problem_of, problem_response, status_of, title_of
from mainstay.http.request import Request
from mainstay.http.response import Response
from mainstay.testing.exchange import MemoryExchange

SECRET = "db.internal:5432 refused"


def told(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    assert response.content_type == "application/problem+json"
    return json.loads(response.body)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest("x"), 400),
        (ValidationFailed([Violation("/body", "x")]), 422),
        (ValidationFailed([Violation("/body", "x")], malformed=True), 400),
        (Unauthenticated("x"), 401),
        (PermissionDenied("x"), 403),
        (NotFound("x"), 404),
        (PeerTooSlow("x"), 408),
        (Conflict("x"), 409),
        (TooLarge("x"), 413),
        (HttpError(418, "x"), 418),
        (Cancelled("x"), 499),
        (UsageError("x"), 500),
        (ConfigError("x"), 500),
        (BugError("x"), 500),
        (Error("x"), 500),
        (ClosedError("x"), 500),
        (ValueError("x"), 500),
        (ExceptionGroup("x", [NotFound("x")]), 500),
        (Unimplemented("x"), 501),
        (ResourceError("x"), 503),
        (BrokenError("x"), 503),
        (BusyError("x"), 503),
        (Overloaded("x"), 503),
        (ShuttingDown("x"), 503),
        (PolicyError("x"), 503),
        (DeadlineExceeded("x"), 504),
    ],
    ids=lambda each: getattr(each, "reason", None) or str(each),
)
def test_each_error_has_its_status(error: Exception, status: int) -> None:
    """Derived from class, fault and code."""
    assert status_of(error) == status
    assert problem_response(error).status == status


def test_a_subclass_of_ones_own_has_the_status_of_its_parent() -> None:
    """An application's errors need no registration."""

    class TooManyItems(TooLarge):
        reason = "ITEMS"

    assert status_of(TooManyItems("x")) == 413


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_status(code: Code) -> None:
    """An error of the caller with any code can be answered."""
    kind = type("Mine", (errors.PeerError,), {"code": code})
    assert 400 <= status_of(kind("x")) <= 599


def test_what_the_caller_did_is_told_in_full() -> None:
    """Status, title, detail, reason and metadata; what is empty is left out."""
    error = NotFound("order 7 does not exist", reason="ORDER", metadata={"order": "7"})
    assert told(problem_response(error)) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "order 7 does not exist",
        "reason": "ORDER",
        "metadata": {"order": "7"},
    }


def test_every_violation_is_listed() -> None:
    """With pointer, detail and code."""
    error = ValidationFailed([Violation("/query/a", "no", "type"), Violation("/body/b", "missing")])
    assert told(problem_response(error))["errors"] == [
        {"pointer": "/query/a", "detail": "no", "code": "type"},
        {"pointer": "/body/b", "detail": "missing", "code": "value"},
    ]


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        UsageError(SECRET),
        BugError(SECRET),
        ResourceError(SECRET, metadata={"host": SECRET}),
        Error(SECRET),
    ],
)
def test_what_failed_on_our_side_is_not_told(error: Exception) -> None:
    """Its text may name hosts, files and tables: the peer gets the status, and ours a reason."""
    response = problem_response(error)
    assert SECRET.encode() not in (response.body if isinstance(response.body, bytes) else b"")
    assert "detail" not in told(response)


def test_an_http_error_says_what_it_likes() -> None:
    """Title, type, fields and extensions; reserved members win over extensions of the name."""
    error = HttpError(
        402,
        "Top up first.",
        title="No credit",
        type="https://example.org/no-credit",
        headers={"retry-after": "60"},
        extensions={"balance": 30, "status": 1},
        reason="NO_CREDIT",
    )
    response = problem_response(error)
    assert response.headers["retry-after"] == "60"
    assert told(response) == {
        "balance": 30,
        "status": 402,
        "type": "https://example.org/no-credit",
        "title": "No credit",
        "detail": "Top up first.",
        "reason": "NO_CREDIT",
    }


def test_extensions_that_are_no_json_break_nothing() -> None:
    """Objects are told as text; what cannot be written at all is left out."""
    response = problem_response(HttpError(400, extensions={"a": object(), "b": {1, 2}}))
    assert told(response)["b"] == [1, 2]
    circle: list[object] = []
    circle.append(circle)
    assert told(problem_response(HttpError(400, extensions={"a": circle})))["status"] == 400


@pytest.mark.parametrize("error", [Overloaded("full"), ShuttingDown("stopping")])
def test_who_is_turned_away_is_told_when_to_come_back(error: Error) -> None:
    """One second, or what the error says."""
    assert problem_response(error).headers["retry-after"] == "1"
    later = Overloaded("full", metadata={"retry_after": "30"})
    assert problem_response(later).headers["retry-after"] == "30"


async def test_the_request_id_is_the_instance() -> None:
    """As the reply has it; escaped, since it is a URI reference."""
    request = Request(MemoryExchange())
    assert "instance" not in told(problem_response(NotFound("x"), request))
    request.reply_headers.set("x-request-id", "a:b c")
    assert told(problem_response(NotFound("x"), request))["instance"] == "a%3Ab%20c"
    assert told(problem_response(NotFound("x"), request, instance="7"))["instance"] == "7"


def test_titles_are_the_same_on_every_python() -> None:
    """Those that RFC 9110 renamed, and a status nobody knows."""
    assert [title_of(status) for status in (404, 413, 422, 599)] == [
        "Not Found",
        "Content Too Large",
        "Unprocessable Content",
        "Error",
    ]


def test_a_problem_can_be_read_again() -> None:
    """What was sent, with extensions apart; for clients and tests."""
    error = HttpError(409, "taken", extensions={"by": "you"}, reason="TAKEN")
    assert Problem.decode(problem_of(error).encode()) == problem_of(error)
    other = ValidationFailed([Violation("/body", "x", "type")])
    assert Problem.decode(problem_of(other).encode()) == problem_of(other)


def test_a_foreign_problem_is_read_as_far_as_it_goes() -> None:
    """Members of the wrong type are dropped; what is no object is refused."""
    problem = Problem.decode(b'{"status": "x", "title": "T", "errors": [1], "more": 1}')
    assert (problem.status, problem.title, problem.errors) == (0, "T", ())
    assert problem.extensions == {"more": 1}
    for body in (b"", b"[]", b"<html>", b'"\xff"', b"[" * 100_000):
        with pytest.raises(ValueError, match="no problem"):
            Problem.decode(body)


def test_an_error_of_rpc_has_its_code_for_a_reason() -> None:
    """Unless it has a reason of its own; and who tells of it may add members."""
    plain = problem_of(RpcError(Code.ABORTED, "again"))
    assert (plain.status, plain.reason, plain.detail) == (409, "ABORTED", "again")
    assert problem_of(RpcError(Code.ABORTED, "again", reason="RACE")).reason == "RACE"
    response = problem_response(RpcError(Code.NOT_FOUND, "no"), extensions={"details": [1]})
    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["details"] == [1]
