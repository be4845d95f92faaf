"""Facts about `examples.im.gateway.outgoing`."""

from __future__ import annotations

import pytest

from examples.im.frames import Pong, Refused, Said
from examples.im.gateway.outgoing import Outgoing, refusal_of
from mainstay.errors import (
    BrokenError,
    Conflict,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
)


def test_a_frame_for_many_is_encoded_once() -> None:
    """Everybody gets the same text, which is a JSON object that says its type."""
    outgoing = Outgoing(Said())
    assert outgoing.text is outgoing.text
    assert Outgoing(Pong()).text == '{"type":"pong"}'


@pytest.mark.parametrize(
    ("error", "code", "retry_after"),
    [
        (NotFound("gone"), "not_found", 0),
        (PermissionDenied("gone"), "not_a_member", 0),
        (InvalidRequest("gone"), "invalid", 0),
        (Conflict("gone"), "conflict", 0),
        (Overloaded("gone", metadata={"retry_after": "7"}), "rate_limited", 7),
        (Overloaded("gone"), "rate_limited", 2),
    ],
)
def test_a_mistake_is_told_in_full(error: Exception, code: str, retry_after: float) -> None:
    """Each kind has its word, and says what the logic said."""
    told = refusal_of(error, "client-id").frame
    assert told == Refused(code, "gone", "client-id", retry_after)


def test_a_failure_of_ours_is_told_without_its_reason() -> None:
    """What may name hosts and files stays here; the client hears that it may try again."""
    told = refusal_of(BrokenError("db-17.internal is down")).frame
    assert isinstance(told, Refused)
    assert told.code == "unavailable"
    assert "db-17" not in told.message
    assert told.retry_after > 0
