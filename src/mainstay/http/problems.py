"""From an error to an HTTP answer, in one place: problem details (RFC 9457).

Who is at fault decides what the peer is told. What the caller did, and what a rule refused, is
said in full: status, reason, detail, metadata. What failed on our side is a bare status: its text
may name hosts, files or tables. Exceptions that are not ours are 500 without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from mainstay.errors import (
    Code,
    DeadlineExceeded,
    Error,
    Fault,
    HttpError,
    Overloaded,
    PeerTooSlow,
    RpcError,
    ShuttingDown,
    TooLarge,
    UpstreamError,
    UsageError,
    ValidationFailed,
    Violation,
)
from mainstay.http.request import Request
from mainstay.http.response import Response
from mainstay.wire.statuses import phrase_of

__all__ = ["PROBLEM_JSON", "Problem", "problem_of", "problem_response", "status_of", "title_of"]

PROBLEM_JSON: Final = "application/problem+json"

# google.rpc.Code, as its comments map them to HTTP.
_OF_CODE: Final[Mapping[Code, int]] = {
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}

# Where HTTP knows better than the code.
_OF_CLASS: Final[Mapping[type[Error], int]] = {
    ValidationFailed: 422,
    TooLarge: 413,
    PeerTooSlow: 408,
    DeadlineExceeded: 504,
    Overloaded: 503,
    ShuttingDown: 503,
    UpstreamError: 502,
}

_TOLD: Final = frozenset({Fault.PEER, Fault.POLICY})
_SERVER_ERROR: Final = 500
_RETRY_AFTER: Final = "1"
"""Seconds; the least that the field can say."""

_encoder: Final = msgspec.json.Encoder(enc_hook=str, decimal_format="string")


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Problem details, to be sent, or read from an answer with `decode`.

    Attributes:
        type: a URI that names the kind of problem.
        title: a short name for all problems of this kind.
        status: of the answer.
        detail: what happened here, for a person.
        instance: names this one occurrence: the request's id, where it has one.
        reason: the stable word of `mainstay.Error`, on which a client may branch.
        errors: what is wrong with the request, place by place.
        metadata: facts for machines.
        extensions: further members.
    """

    status: int
    type: str = "about:blank"
    title: str = ""
    detail: str = ""
    instance: str = ""
    reason: str = ""
    errors: tuple[Violation, ...] = ()
    metadata: Mapping[str, str] = {}
    extensions: Mapping[str, Any] = {}

    def encode(self) -> bytes:
        """As it goes over the wire; extensions stand beside the other members."""
        members: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status}
        for name in ("detail", "instance", "reason", "errors", "metadata"):
            if value := getattr(self, name):
                members[name] = value
        try:
            return _encoder.encode({**self.extensions, **members})
        except (TypeError, ValueError, OverflowError, RecursionError):
            # Extensions are the user's, and an answer that cannot be written helps nobody.
            return _encoder.encode(members)

    @classmethod
    def decode(cls, body: bytes) -> Problem:
        """Read one from the body of an answer; of wrong types in it, what can be kept is kept.

        Raises: ValueError when it is no JSON object.
        """
        try:
            members = msgspec.json.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise ValueError(f"the body is no problem: {error}") from None
        if not isinstance(members, dict):
            raise ValueError("the body is no problem: it is no JSON object")  # noqa: TRY004
        taken: dict[str, Any] = {"status": 0}
        for name, kind in _MEMBERS.items():
            if name in members:
                try:
                    taken[name] = msgspec.convert(members.pop(name), kind)
                except msgspec.ValidationError:
                    continue
        return cls(**taken, extensions=members)


_MEMBERS: Final[Mapping[str, Any]] = {
    "type": str,
    "title": str,
    "status": int,
    "detail": str,
    "instance": str,
    "reason": str,
    "errors": tuple[Violation, ...],
    "metadata": dict[str, str],
}


def title_of(status: int) -> str:
    """The phrase of a status (RFC 9110), or ``Error`` for one that nobody registered."""
    return phrase_of(status) or "Error"


def status_of(error: BaseException) -> int:
    """The status that says what happened."""
    if isinstance(error, HttpError):
        return error.status
    if not isinstance(error, Error):
        return _SERVER_ERROR
    if isinstance(error, ValidationFailed) and error.malformed:
        return 400
    for kind in type(error).__mro__:
        if kind in _OF_CLASS:
            return _OF_CLASS[kind]
    if error.fault is Fault.RESOURCE:
        return 503 if error.retryable else _SERVER_ERROR
    if error.fault not in _TOLD:
        return _SERVER_ERROR
    return _OF_CODE[error.code]


def problem_of(error: BaseException, instance: str = "") -> Problem:
    """What the peer is told of `error`.

    Args:
        error: whatever a handler or middleware raised.
        instance: the request's id.
    """
    status = status_of(error)
    instance = quote(instance, safe="")
    if not isinstance(error, Error):
        return Problem(status=status, title=title_of(status), instance=instance)
    if error.fault not in _TOLD:
        # A fault of the program is nothing that its caller could branch on.
        reason = "" if isinstance(error, UsageError) else error.reason
        return Problem(status=status, title=title_of(status), instance=instance, reason=reason)
    http = error if isinstance(error, HttpError) else None
    return Problem(
        status=status,
        type=http.type if http else "about:blank",
        title=(http.title if http else None) or title_of(status),
        detail=error.message,
        instance=instance,
        reason=_reason_of(error),
        errors=error.violations if isinstance(error, ValidationFailed) else (),
        metadata=dict(error.metadata),
        extensions=http.extensions if http else {},
    )


def _reason_of(error: Error) -> str:
    """Of an RpcError without a reason of its own the code says more than ``RPC``."""
    if isinstance(error, RpcError) and error.reason == RpcError.reason:
        return error.code.name
    return error.reason


def problem_response(
    error: BaseException,
    request: Request | None = None,
    *,
    instance: str = "",
    extensions: Mapping[str, Any] | None = None,
) -> Response:
    """The answer that tells the peer of `error`; for transports and middleware.

    Args:
        error: whatever was raised.
        request: its ``x-request-id``, as the reply will have it, becomes the instance.
        instance: the same, given.
        extensions: further members of the problem.
    """
    if not instance and request is not None and request._reply_headers is not None:
        instance = request._reply_headers.get("x-request-id") or ""
    problem = problem_of(error, instance)
    if extensions:
        problem = msgspec.structs.replace(problem, extensions={**problem.extensions, **extensions})
    response = Response(problem.encode(), problem.status, content_type=PROBLEM_JSON)
    if isinstance(error, HttpError):
        for name, value in error.headers.items():
            response.headers.set(name, value)
    elif isinstance(error, Overloaded | ShuttingDown):
        response.headers.set("retry-after", error.metadata.get("retry_after", _RETRY_AFTER))
    return response
