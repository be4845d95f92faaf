"""Facts about `mainstay.errors`; the tree and its page are held by tests/architecture."""

import pickle
from enum import Enum
from typing import Any

import pytest

from mainstay import errors
from mainstay.errors import (
    Code,
    ConfigError,
    Conflict,
    DeadlineExceeded,
    Error,
    Fault,
    HttpError,
    NotFound,
    PermissionDenied,
    RpcError,
    StartError,
    UsageError,
    ValidationFailed,
    Violation,
)

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type)
    and issubclass(value, Error)
    and value not in (StartError, HttpError, RpcError, ValidationFailed)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_says_what_machines_and_people_need(kind: type[Error]) -> None:
    """A code, who is at fault, a stable reason, whether to try again, and the sentence."""
    error = kind("the lamp is dark; change the bulb")
    assert isinstance(error.code, Code)
    assert isinstance(error.fault, Fault)
    assert error.reason == error.reason.upper()
    assert isinstance(error.retryable, bool)
    assert error.metadata == {}
    assert str(error) == error.message == "the lamp is dark; change the bulb"


@pytest.mark.parametrize("kind", [NotFound, PermissionDenied, Conflict])
def test_what_a_class_says_may_be_all(kind: type[Error]) -> None:
    """``raise NotFound`` is an answer as well, with no more to say."""
    with pytest.raises(kind) as caught:
        raise kind
    assert (str(caught.value), caught.value.message) == ("", "")


def test_reasons_are_told_apart() -> None:
    """No two classes share a reason, so a reason names one paragraph of the page."""
    reasons = [kind.reason for kind in CLASSES]
    assert len(set(reasons)) == len(reasons)


def test_codes_are_those_of_grpc() -> None:
    """The numbers of google.rpc.Code, all but OK."""
    assert [code.value for code in Code] == list(range(1, 17))
    assert Code.UNAUTHENTICATED.value == 16


def test_an_error_of_ones_own_has_its_own_reason() -> None:
    """What the class says is replaced for one error only."""
    error = NotFound(
        "no order 7",
        reason="ORDER_NOT_FOUND",
        retryable=True,
        metadata={"order": "7"},
    )
    assert (error.reason, error.retryable, dict(error.metadata)) == (
        "ORDER_NOT_FOUND",
        True,
        {"order": "7"},
    )
    assert (NotFound.reason, NotFound.retryable) == ("NOT_FOUND", False)


def test_metadata_cannot_be_changed_afterwards() -> None:
    """Neither through the error nor through the mapping that was given."""
    given = {"order": "7"}
    error = NotFound("no order 7", metadata=given)
    given["order"] = "8"
    assert error.metadata["order"] == "7"
    with pytest.raises(TypeError):
        error.metadata["order"] = "9"  # type: ignore[index]


def test_a_passed_deadline_is_a_timeout() -> None:
    """`except TimeoutError` works, as it does for asyncio's own."""
    with pytest.raises(TimeoutError):
        raise DeadlineExceeded("over")


def test_a_failed_start_names_the_component() -> None:
    """The cause's words are taken over; one without words gives its type."""
    error = StartError("resource 'database'", OSError("no route"))
    assert error.component == "resource 'database'"
    assert str(error) == "resource 'database' could not be started: no route"
    assert str(StartError("server", KeyError())).endswith("KeyError")


def test_the_repr_has_the_reason() -> None:
    """For logs and debuggers."""
    assert repr(NotFound("no order 7")) == "<NotFound NOT_FOUND 'no order 7'>"


def test_wrong_configuration_carries_every_problem() -> None:
    """What the message lists, machines can read."""
    assert ConfigError("two", problems=["a", "b"]).problems == ("a", "b")


def test_errors_cross_process_borders() -> None:
    """Pickling keeps class, message and facts, since processes report to each other by it."""
    given = NotFound("no order 7", reason="ORDER_NOT_FOUND", metadata={"order": "7"})
    again = pickle.loads(pickle.dumps(given))
    assert isinstance(again, NotFound)
    assert (again.message, again.reason, str(again)) == (
        "no order 7",
        "ORDER_NOT_FOUND",
        "no order 7",
    )
    assert dict(again.metadata) == {"order": "7"}
    failed = pickle.loads(pickle.dumps(StartError("server", OSError("in use"))))
    assert (failed.component, str(failed)) == ("server", "server could not be started: in use")


def test_every_violation_is_kept_and_three_are_told() -> None:
    """The message stays readable; the list is whole, and survives pickling."""
    violations = [Violation(f"/body/{number}", "Expected `int`", "type") for number in range(5)]
    error = ValidationFailed(iter(violations))
    assert error.message == (
        "/body/0: Expected `int`; /body/1: Expected `int`; /body/2: Expected `int`; and 2 more"
    )
    assert not error.malformed
    copied = pickle.loads(pickle.dumps(error))
    assert copied.violations == tuple(violations)
    assert ValidationFailed(violations[:1]).message == "/body/0: Expected `int`"


class _StatusCode(Enum):
    """As ``grpc.StatusCode`` is."""

    OK = (0, "ok")
    UNAVAILABLE = (14, "unavailable")


def test_an_rpc_error_takes_the_codes_of_grpcio() -> None:
    """Who comes from there has them in many places."""
    error = RpcError(_StatusCode.UNAVAILABLE, "soon back")
    assert error.code is Code.UNAVAILABLE
    assert error.retryable
    assert RpcError(Code.NOT_FOUND).code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("NOT_FOUND", "not 'NOT_FOUND': write Code.NOT_FOUND"),
        (5, "not 5: write Code.NOT_FOUND"),
        ("there is no such item", "not 'there is no such item'"),
        (0, "not 0"),
        (None, "not None"),
        ([], r"not \[\]"),
        (Fault.PEER, "not <Fault.PEER: 'peer'>"),
        (_StatusCode.OK, r"not <_StatusCode.OK: \(0, 'ok'\)>"),
    ],
    ids=repr,
)
def test_an_rpc_error_without_a_code_is_refused(given: Any, hint: str) -> None:
    """Where it is made, so that the traceback shows the line; success is no error."""
    with pytest.raises(UsageError, match=f"such as Code.NOT_FOUND, {hint}$"):
        RpcError(given, "x")
