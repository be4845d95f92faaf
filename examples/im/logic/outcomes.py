"""What became of one thing among many, as a value: errors of the logic, there and back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from examples.im import api
from mainstay.errors import (
    BrokenError,
    Code,
    Conflict,
    Error,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    Unauthenticated,
)

log = logging.getLogger(__name__)

KINDS: Final[Mapping[Code, type[Error]]] = {
    each.code: each
    for each in (InvalidRequest, Unauthenticated, PermissionDenied, NotFound, Conflict, Overloaded)
}
"""What the logic raises on purpose, by the codes of gRPC."""


def outcome_of(found: api.Posted | Exception | None) -> api.Outcome:
    """Where a message is, or why it is refused. Of what the logic does not raise on purpose only the
    code is told; what nobody has foreseen is logged."""
    if not isinstance(found, Exception):
        return api.Outcome(found)
    if not isinstance(found, Error):
        log.error("something could not be stored", exc_info=found)
        return api.Outcome(None, api.Refusal(Code.INTERNAL.name))
    if found.code not in KINDS:
        return api.Outcome(None, api.Refusal(found.code.name))
    later = found.metadata.get("retry_after", "")
    return api.Outcome(None, api.Refusal(found.code.name, found.reason, found.message, later))


def error_of(refusal: api.Refusal) -> Error:
    """The error that a refusal stands for."""
    code = Code.__members__.get(refusal.code)
    kind = None if code is None else KINDS.get(code)
    if kind is None:
        return BrokenError("the logic could not store it", retryable=code is Code.UNAVAILABLE)
    metadata = {"retry_after": refusal.retry_after} if refusal.retry_after else {}
    return kind(refusal.message, reason=refusal.reason, metadata=metadata)
