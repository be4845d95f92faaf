"""Facts about errors of the logic as values."""

from __future__ import annotations

import pytest

from examples.im import api
from examples.im.logic.outcomes import error_of, outcome_of
from mainstay.errors import (
    BrokenError,
    Error,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
)


def test_what_is_done_is_no_refusal() -> None:
    """A message has its place; a mark has none."""
    posted = api.Posted("client-id", 1, 2, 3, 4)
    assert outcome_of(posted) == api.Outcome(posted)
    assert outcome_of(None) == api.Outcome()


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("a message has up to 4000 characters", reason="TOO_LONG"),
        PermissionDenied("you are no member of it", reason="NOT_A_MEMBER"),
        NotFound("there is no such room"),
        Overloaded("too much waits", metadata={"retry_after": "7"}),
    ],
)
def test_an_error_is_made_again(error: Error) -> None:
    """Its class, its message, its reason and its facts cross."""
    refusal = outcome_of(error).refusal
    assert refusal is not None
    made = error_of(refusal)
    assert type(made) is type(error)
    assert (made.message, made.reason) == (error.message, error.reason)
    assert dict(made.metadata) == dict(error.metadata)


def test_a_database_that_is_away_may_be_asked_again() -> None:
    """As when a call of its own had failed."""
    refusal = outcome_of(BrokenError("the disk is on fire")).refusal
    assert refusal is not None
    assert "fire" not in repr(refusal)
    assert error_of(refusal).retryable
    assert not error_of(api.Refusal("A_CODE_OF_TOMORROW")).retryable


def test_what_nobody_has_foreseen_is_logged_and_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And is not tried again."""
    refusal = outcome_of(OSError("the secret of the disk")).refusal
    assert refusal is not None
    assert "secret" not in repr(refusal)
    assert "the secret of the disk" in caplog.text
    assert not error_of(refusal).retryable
