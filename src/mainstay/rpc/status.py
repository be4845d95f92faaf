"""From an error to a gRPC status, in one place, for every protocol of RPC.

Who is at fault decides what the peer is told, as in HTTP's problems: what the caller did, and what a
rule refused, is said in full; what failed on our side is a code without its text, and an exception
that is not ours is UNKNOWN without a word (grpc/grpc, doc/statuscodes.md).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from mainstay.errors import (
    Cancelled,
    Code,
    DeadlineExceeded,
    Error,
    Fault,
    HttpError,
    Overloaded,
    PeerGone,
    RpcError,
    TooLarge,
    Unimplemented,
    UsageError,
    ValidationFailed,
)
from mainstay.rpc.extra import explained
from mainstay.wire.grpc import encode_binary, of_http_status

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.rpc.status_pb2 import Status as StatusMessage

__all__ = ["OVER", "RpcStatus", "details_of", "status_of", "too_long", "understood"]

_log = logging.getLogger("mainstay.rpc")

OVER: Final = "the time that the caller allows was over before the call began"
"""What is told of a deadline that has passed on arrival."""

_TOLD: Final = frozenset({Fault.PEER, Fault.POLICY})

_OF_HTTP: Final = {
    409: Code.ABORTED,
    412: Code.FAILED_PRECONDITION,
    413: Code.RESOURCE_EXHAUSTED,
    429: Code.RESOURCE_EXHAUSTED,
    404: Code.NOT_FOUND,
    400: Code.INVALID_ARGUMENT,
    422: Code.INVALID_ARGUMENT,
    501: Code.UNIMPLEMENTED,
}

_LONG: Final = 1000
_SHORT: Final = 400
"""Characters of a message that is sent: in ASCII, and in any script, where each is up to twelve bytes
on the wire. Clients take 8 KiB of metadata, more or less (grpc/grpc, ``max_metadata_size``)."""
_DETAILS: Final = 6000
"""Bytes of details that are sent in metadata, where they are base64: 8 kB."""

_BARE: Final = frozenset({Cancelled, DeadlineExceeded, PeerGone, TooLarge, Unimplemented})
"""What every implementation of gRPC says by itself, and with a code alone, as connectrpc's conformance
suite wants it: there is nothing to say for machines beyond that."""


@dataclass(slots=True)
class RpcStatus:
    """How a call that failed ended.

    Attributes:
        code: never success.
        message: for a person; a longer one than clients take is cut.
        details: protobuf messages; nothing is imported for them before they are wanted.
        trailers: pairs of trailing metadata; ``-bin`` keys have bytes.
        error: where it comes from, for `details_of`; None for none of ours.
        service: that was called, such as ``shop.v1.Items``: the domain of reasons that are not
            mainstay's.
    """

    code: Code
    message: str = ""
    details: tuple[Any, ...] = ()
    trailers: Sequence[tuple[str, str | bytes]] = ()
    error: Error | None = None
    service: str = ""

    def __post_init__(self) -> None:
        if len(self.message) > _SHORT:  # it may have the caller's own words in it
            most = _LONG if self.message.isascii() else _SHORT
            if len(self.message) > most:
                self.message = self.message[:most] + "…"

    def encode(self) -> bytes | None:
        """The bytes of ``google.rpc.Status``, for ``grpc-status-details-bin``; None without details.

        Details that a client would refuse the whole reply for are left out, and the log says so.
        """
        message = self.to_message()
        if message is None:
            return None
        size = message.ByteSize()
        if size > _DETAILS:
            _log.warning(
                "the details of a status are %d bytes long: those beyond %d are not sent",
                size,
                _DETAILS,
            )
            while message.details and message.ByteSize() > _DETAILS:
                del message.details[-1]
        return message.SerializeToString() if message.details else None

    def binary_details(self) -> list[tuple[bytes, bytes]]:
        """The trailer ``grpc-status-details-bin``, if there are details."""
        encoded = self.encode()
        return [] if encoded is None else [(b"grpc-status-details-bin", encode_binary(encoded))]

    def to_message(self) -> StatusMessage | None:
        """The same as a message; None without details, and where their classes are not installed."""
        try:
            details = [*self.details, *details_of(self.error, self.service)]
            if not details:
                return None
            from google.rpc.status_pb2 import Status  # noqa: PLC0415 - errors are the exception
        except ModuleNotFoundError as error:
            # As where grpcio-tools has brought protobuf: the code and the message do without.
            _warn_of_no_details(str(explained(error)))
            return None

        message = Status(code=self.code.value, message=self.message)
        for each in details:
            _pack(each, message.details.add())
        return message


@cache
def _warn_of_no_details(why: str) -> None:
    """Once, and not with each error."""
    _log.warning("details of errors are not sent: %s", why)


def _pack(detail: Any, into: Any) -> None:
    if detail.DESCRIPTOR.full_name == "google.protobuf.Any":
        into.CopyFrom(detail)  # whoever relays an error may not know its details
    else:
        into.Pack(detail)


def understood(error: Exception) -> Exception:
    """The same error, or the UsageError that takes the place of one whose code or message is none,
    as a class of the program's own can have them."""
    if not isinstance(error, Error):
        return error
    code: object = error.code
    message = getattr(error, "message", None)
    if isinstance(code, Code) and isinstance(message, str):
        return error
    wrong = f"its code {code!r}" if isinstance(message, str) else f"its message {message!r}"
    fault = UsageError(
        f"{type(error).__qualname__} cannot be told: {wrong} is none; "
        "code is a mainstay.Code, and message what Error.__init__ is given"
    )
    fault.__cause__ = error
    return fault


def status_of(error: BaseException) -> RpcStatus:
    """What the peer is told of `error`; see `understood`."""
    if isinstance(error, RpcError):
        return RpcStatus(error.code, error.message, error.details, error.trailers, error)
    if not isinstance(error, Error):
        return RpcStatus(Code.UNKNOWN, "the server failed")
    if isinstance(error, HttpError):
        found = _OF_HTTP.get(error.status) or Code(of_http_status(error.status))
        return RpcStatus(found, error.message, error=error)
    if error.fault in _TOLD:
        return RpcStatus(error.code, error.message, error=error)
    if error.fault is Fault.RESOURCE and error.retryable:
        return RpcStatus(Code.UNAVAILABLE, "something the server depends on failed", error=error)
    return RpcStatus(Code.INTERNAL, "the server failed", error=error)


def too_long(size: int, limit: int) -> RpcError:
    """The error for a message of ours that is longer than what may be sent: the code is that of all
    implementations of gRPC. The log is told as well, since it is no fault of the peer."""
    said = f"a message of {size} bytes is longer than the {limit} that may be sent"
    _log.error("%s (mainstay.rpc.send_size)", said)
    return RpcError(Code.RESOURCE_EXHAUSTED, said)


def _domain_of(error: Error, service: str) -> str:
    """Who gave the reason its meaning: mainstay, if it is that of a class of mainstay's, as in
    docs/errors.md; else the service that was called."""
    for kind in type(error).__mro__:
        ours = kind.__module__.partition(".")[0] == "mainstay"
        if ours and kind.__dict__.get("reason") == error.reason:
            return "mainstay"
    return service


def details_of(error: Error | None, service: str = "") -> Iterable[Message]:
    """What machines can know of an error of ours: its reason and facts (``google.rpc.ErrorInfo``),
    the fields at fault (``BadRequest``), when to come again (``RetryInfo``).

    Args:
        error: that a call ended with.
        service: see `RpcStatus`.
    """
    if error is None or isinstance(error, UsageError):
        return
    told = error.fault in _TOLD
    if isinstance(error, RpcError) and error.reason == RpcError.reason:
        return
    if type(error) in _BARE and error.reason == type(error).reason and not error.metadata:
        return
    from google.protobuf.duration_pb2 import Duration  # noqa: PLC0415 - errors are the exception
    from google.rpc import error_details_pb2 as kinds  # noqa: PLC0415 - same

    metadata = dict(error.metadata) if told else {}
    domain = _domain_of(error, service)
    yield kinds.ErrorInfo(reason=error.reason, domain=domain, metadata=metadata)
    if isinstance(error, ValidationFailed):
        violations = [
            kinds.BadRequest.FieldViolation(
                field=each.pointer.strip("/").replace("/", "."),
                description=each.detail,
                reason=each.code.upper(),
            )
            for each in error.violations
        ]
        yield kinds.BadRequest(field_violations=violations)
    if isinstance(error, Overloaded):
        seconds = error.metadata.get("retry_after", "1")
        yield kinds.RetryInfo(retry_delay=Duration(seconds=int(seconds)))
