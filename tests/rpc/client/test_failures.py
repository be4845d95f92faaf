"""Failures of calls: a class for every code."""

import copy
import pickle

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from mainstay.errors import ClosedError, Code, Error, UpstreamError
from mainstay.rpc.client import failures
from mainstay.rpc.client.failures import NotFoundFailure, RpcFailed, again, failure
from mainstay.rpc.status import status_of


@pytest.mark.parametrize("code", Code)
def test_every_code_has_its_class(code: Code) -> None:
    """Named after the code, and nothing but UNAVAILABLE says that the same call may succeed."""
    made = failure(code, "no", method="a.B/C")
    expected = "".join(each.capitalize() for each in code.name.split("_")) + "Failure"
    assert type(made).__name__ == expected
    assert expected in failures.__all__
    assert isinstance(made, UpstreamError)
    assert made.retryable is (code is Code.UNAVAILABLE)
    assert str(made) == f"a.B/C: {code.name}: no"
    assert made.message == "no"


def test_a_deadline_is_a_timeout() -> None:
    """As Python's own is."""
    assert isinstance(failure(Code.DEADLINE_EXCEEDED, ""), TimeoutError)


def test_details_are_read_when_asked_for() -> None:
    """Known messages come as themselves, unknown ones in their envelope."""
    status = Status(code=5, message="no")
    info = error_details_pb2.ErrorInfo(reason="GONE", domain="test")
    status.details.add().Pack(info)
    unknown = AnyMessage(type_url="type.googleapis.com/nobody.Knows", value=b"\0")
    status.details.append(unknown)
    pairs = (("grpc-status-details-bin", status.SerializeToString()),)
    made = failure(Code.NOT_FOUND, "no", trailing_metadata=pairs)
    assert made.details == (info, unknown)
    assert made.to_message() == status


def test_details_that_are_none() -> None:
    """Neither absent nor broken ones are an error of their own."""
    assert failure(Code.NOT_FOUND, "no").details == ()
    pairs = (("grpc-status-details-bin", b"\xff"),)
    assert failure(Code.NOT_FOUND, "no", trailing_metadata=pairs).details == ()


def test_they_can_be_copied_and_sent() -> None:
    """With everything that they know."""
    made = failure(Code.NOT_FOUND, "no", method="a.B/C", initial_metadata=(("a", "b"),))
    for copied in (copy.copy(made), pickle.loads(pickle.dumps(made))):
        assert type(copied) is NotFoundFailure
        assert (copied.message, copied.method) == ("no", "a.B/C")
        assert copied.initial_metadata == (("a", "b"),)


def test_uncaught_it_is_a_failure_of_ours() -> None:
    """A server that calls another does not pass its NOT_FOUND on as its own."""
    assert status_of(failure(Code.NOT_FOUND, "secret")).code is Code.INTERNAL
    assert status_of(failure(Code.UNAVAILABLE, "secret")).code is Code.UNAVAILABLE
    assert "secret" not in status_of(failure(Code.UNAVAILABLE, "secret")).message


def test_the_base_is_for_catching() -> None:
    """Every class is one of it, and no two share a code."""
    classes = RpcFailed.__subclasses__()
    assert {each.code for each in classes} == set(Code)
    assert len(classes) == len(Code)


@pytest.mark.parametrize(
    "error",
    [
        failure(Code.NOT_FOUND, "gone", method="a.B/C", trailing_metadata=(("k", "v"),)),
        failure(Code.DEADLINE_EXCEEDED, "late"),
        ClosedError("the channel was closed"),
    ],
)
def test_an_error_again_is_the_same_without_where_it_was_raised(error: Error) -> None:
    """Class, words and what it carries; also of an error that is an OSError as well."""
    try:
        raise error from ValueError("a cause")
    except Error as raised:
        made = again(raised)
    assert made is not error
    assert type(made) is type(error)
    assert str(made) == str(error)
    assert made.args == error.args
    assert vars(made) == vars(error)
    assert (made.__traceback__, made.__cause__, made.__context__) == (None, None, None)


def test_an_error_of_others_is_raised_as_it_is() -> None:
    """What its class keeps beside its attributes nobody can know."""
    error = KeyError("x")
    assert again(error) is error
