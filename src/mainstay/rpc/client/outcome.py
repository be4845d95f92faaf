"""How a call ended, from what came: status, head and trailers of HTTP to a failure, or none.

After grpc/grpc: doc/PROTOCOL-HTTP2.md ("Responses", "Errors"), doc/http-grpc-status-mapping.md and
doc/statuscodes.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mainstay.errors import (
    BrokenError,
    BusyError,
    ClosedError,
    Code,
    DeadlineExceeded,
    Error,
    RpcError,
    TooLarge,
)
from mainstay.rpc.client.failures import RpcFailed, failure
from mainstay.rpc.client.pairs import pairs_of
from mainstay.wire.grpc import decode_message, of_http_status
from mainstay.wire.http2 import ErrorCode

__all__ = ["FINE_HEAD", "FINE_TRAILERS", "is_grpc", "lost", "of_code", "of_reset", "outcome"]

Fields = Sequence[tuple[bytes, bytes]]

FINE_HEAD: Final = [(b"content-type", b"application/grpc")]
FINE_TRAILERS: Final = [(b"grpc-status", b"0")]
"""What most calls that succeed bring, and nothing else."""

_FOUND: Final = 200
_UNAUTHENTICATED: Final = 16
_PREFIX: Final = b"application/grpc"

_RESETS: Final = {
    ErrorCode.REFUSED_STREAM: Code.UNAVAILABLE,
    ErrorCode.CANCEL: Code.CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: Code.RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: Code.PERMISSION_DENIED,
}


def is_grpc(head: Fields) -> bool:
    """Whether the content type is one of gRPC's."""
    kind = next((value for name, value in head if name == b"content-type"), b"")
    rest = kind[len(_PREFIX) :]
    return kind.startswith(_PREFIX) and (not rest or rest[:1] in (b"+", b";"))


def outcome(method: str, status: int, head: Fields, trailers: Fields | None) -> RpcFailed | None:
    """The failure that a reply says, or None.

    Args:
        method: that was called.
        status: of HTTP.
        head: fields.
        trailers: those of the end; None when there were none. For a reply that is nothing but a
            head, the same as `head`.
    """
    if trailers == FINE_TRAILERS and head == FINE_HEAD and status == _FOUND:
        return None
    found = dict(trailers or ())
    said = found.get(b"grpc-status")
    if said is None or not (status != _FOUND or is_grpc(head)):
        return _not_grpc(method, status, head, trailers)
    try:
        number = int(said) if said.isdigit() else -1
    except ValueError:
        number = -1
    if number == 0:
        return None
    known = 0 < number <= _UNAUTHENTICATED
    message = decode_message(found.get(b"grpc-message", b""))
    if not known and not message:
        message = f"the server answered with grpc-status {said.decode('latin-1')!r}"
    only_head = trailers is head
    return failure(
        Code(number) if known else Code.UNKNOWN,
        message,
        method=method,
        initial_metadata=() if only_head else pairs_of(head),
        trailing_metadata=pairs_of(trailers or ()),
    )


def _not_grpc(method: str, status: int, head: Fields, trailers: Fields | None) -> RpcFailed:
    if status != _FOUND:
        code = Code(of_http_status(status))
        message = f"the server answered with HTTP status {status}"
    elif not is_grpc(head):
        kind = next((value for name, value in head if name == b"content-type"), b"")
        code = Code.UNKNOWN
        message = f"the server answered with content-type {kind.decode('latin-1')!r}"
    elif trailers is None:
        code = Code.INTERNAL
        message = "the reply ended without trailers, so it may not be whole"
    else:
        code = Code.UNKNOWN
        message = "the server did not say how the call ended: there is no grpc-status"
    return failure(
        code,
        message,
        method=method,
        initial_metadata=pairs_of(head),
        trailing_metadata=() if trailers is head else pairs_of(trailers or ()),
    )


def of_reset(method: str, code: int) -> RpcFailed:
    """The failure of a stream that the server reset."""
    name = ErrorCode(code).name if code in _CODES else str(code)
    found = _RESETS.get(code, Code.INTERNAL)  # type: ignore[call-overload]
    return failure(found, f"the stream was reset: {name}", method=method)


_CODES: Final = frozenset(ErrorCode)


def lost(method: str, error: Error) -> Error:
    """What a call raises whose connection is gone, or never was."""
    if isinstance(error, BusyError):
        return failure(Code.RESOURCE_EXHAUSTED, error.message, method=method)
    if isinstance(error, BrokenError):
        return failure(Code.UNAVAILABLE, error.message, method=method)
    if isinstance(error, ClosedError):
        return ClosedError(f"{method}: {error.message}")
    return error


def of_code(method: str, error: Error) -> RpcFailed:
    """A failure that was found on our side, in what came."""
    code = (
        error.code if isinstance(error, RpcError | TooLarge | DeadlineExceeded) else Code.INTERNAL
    )
    return failure(code, error.message, method=method)
