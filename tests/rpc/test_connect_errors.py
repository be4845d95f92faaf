"""How Connect tells an error."""

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2 as kinds

from mainstay.errors import Code, DeadlineExceeded, NotFound, Overloaded, TooLarge, Unimplemented
from mainstay.rpc.connect_errors import error_object
from mainstay.rpc.status import RpcStatus, status_of


@pytest.mark.parametrize("code", Code)
def test_every_code_can_be_told(code: Code) -> None:
    """A message is left out where there is none."""
    told = error_object(RpcStatus(code))
    assert told.keys() == {"code"}


def test_what_machines_know_of_an_error_of_ours_goes_along() -> None:
    """As the details of gRPC's status, without their type's prefix."""
    said = error_object(status_of(Overloaded("too many")))
    assert said["code"] == "resource_exhausted"
    assert [each["type"] for each in said["details"]] == [
        "google.rpc.ErrorInfo",
        "google.rpc.RetryInfo",
    ]
    assert said["details"][0]["debug"] == {"reason": "OVERLOADED", "domain": "mainstay"}


def test_a_detail_that_nobody_here_knows_is_relayed() -> None:
    """Its bytes are all that can be said."""
    unknown = AnyMessage(type_url="type.googleapis.com/far.Away", value=b"\xff\xfe")
    said = error_object(RpcStatus(Code.ABORTED, details=(unknown,)))
    assert said["details"] == [{"type": "far.Away", "value": "//4"}]


def test_a_detail_in_an_any_is_not_wrapped_twice() -> None:
    """Whoever relays an error has its details so."""
    packed = AnyMessage()
    packed.Pack(kinds.ErrorInfo(reason="X"))
    said = error_object(RpcStatus(Code.ABORTED, details=(packed,)))
    assert said["details"][0]["debug"] == {"reason": "X"}


@pytest.mark.parametrize("error", [Unimplemented("no"), DeadlineExceeded("late"), TooLarge("long")])
def test_an_error_that_says_nothing_beyond_its_code_has_no_details(error: Exception) -> None:
    """Peers compare, and a detail that repeats the code is noise."""
    assert "details" not in error_object(status_of(error))


def test_an_error_with_a_reason_or_facts_of_its_own_has_them() -> None:
    """For machines."""
    status = status_of(NotFound("no", reason="NO_SUCH_USER", metadata={"user": "7"}))
    status.service = "shop.v1.Users"
    (detail,) = error_object(status)["details"]
    assert detail["debug"] == {
        "reason": "NO_SUCH_USER",
        "domain": "shop.v1.Users",
        "metadata": {"user": "7"},
    }
