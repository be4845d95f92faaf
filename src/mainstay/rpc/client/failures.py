"""What a call that failed raises: one class for each code, so that ``except`` can tell them apart.

A code says what the server, or the way to it, made of our call. It is none of our own caller's
concern: uncaught, each of these is a failure of something that the service depends on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mainstay.errors import Code, Error, UpstreamError
from mainstay.rpc.client.pairs import PairTuple

if TYPE_CHECKING:
    from google.rpc.status_pb2 import Status

__all__ = [
    "AbortedFailure",
    "AlreadyExistsFailure",
    "CancelledFailure",
    "DataLossFailure",
    "DeadlineExceededFailure",
    "FailedPreconditionFailure",
    "InternalFailure",
    "InvalidArgumentFailure",
    "NotFoundFailure",
    "OutOfRangeFailure",
    "PermissionDeniedFailure",
    "ResourceExhaustedFailure",
    "RpcFailed",
    "UnauthenticatedFailure",
    "UnavailableFailure",
    "UnimplementedFailure",
    "UnknownFailure",
    "again",
    "failure",
]


class RpcFailed(UpstreamError):
    """A call of ours ended with an error. Raised as the subclass of its code; make one by `failure`.

    Attributes:
        code: as the server said it, or as gRPC maps what happened on the way.
        message: of the server, as it is.
        method: that was called, such as ``hello.v1.Greeter/SayHello``.
        initial_metadata, trailing_metadata: pairs; ``-bin`` keys have bytes.
        ours: whether our side ended the call.
        retryable: whether the code says that the same call may succeed later (UNAVAILABLE).
    """

    reason = "RPC_FAILED"

    def __init__(
        self,
        message: str,
        *,
        method: str = "",
        initial_metadata: PairTuple = (),
        trailing_metadata: PairTuple = (),
    ) -> None:
        said = f"{self.code.name}: {message}" if message else self.code.name
        super().__init__(f"{method}: {said}" if method else said)
        self.message = message
        self.retryable = self.code is Code.UNAVAILABLE
        self.method = method
        self.ours = False
        self.initial_metadata = initial_metadata
        self.trailing_metadata = trailing_metadata

    def to_message(self) -> Status | None:
        """The ``google.rpc.Status`` that the server sent; None without one that can be read."""
        for name, value in self.trailing_metadata:
            if name == "grpc-status-details-bin" and isinstance(value, bytes):
                from google.protobuf.message import DecodeError  # noqa: PLC0415 - only when asked
                from google.rpc.status_pb2 import Status  # noqa: PLC0415 - same

                try:
                    return Status.FromString(value)
                except DecodeError:
                    return None
        return None

    @property
    def details(self) -> tuple[Any, ...]:
        """The details of the status: messages, or ``google.protobuf.Any`` for types that this
        program does not know."""
        status = self.to_message()
        if status is None:
            return ()
        import google.rpc.error_details_pb2  # noqa: F401, PLC0415 - so that they are known
        from google.protobuf import symbol_database  # noqa: PLC0415 - same

        known = symbol_database.Default()
        found: list[Any] = []
        for each in status.details:
            try:
                made = known.GetSymbol(each.TypeName())()
            except KeyError:
                found.append(each)
            else:
                found.append(made if each.Unpack(made) else each)
        return tuple(found)


class CancelledFailure(RpcFailed):
    """Our side gave the call up, or the server did."""

    code = Code.CANCELLED


class UnknownFailure(RpcFailed):
    """The server failed without saying why, or its answer is no answer of gRPC."""

    code = Code.UNKNOWN


class InvalidArgumentFailure(RpcFailed):
    """The request is wrong, whatever the state of the server."""

    code = Code.INVALID_ARGUMENT


class DeadlineExceededFailure(RpcFailed, TimeoutError):
    """The time for the call was over; the server may have done it nevertheless."""

    code = Code.DEADLINE_EXCEEDED


class NotFoundFailure(RpcFailed):
    """What the call asks for does not exist."""

    code = Code.NOT_FOUND


class AlreadyExistsFailure(RpcFailed):
    """What the call wants to make exists."""

    code = Code.ALREADY_EXISTS


class PermissionDeniedFailure(RpcFailed):
    """We are known, and may not do this."""

    code = Code.PERMISSION_DENIED


class ResourceExhaustedFailure(RpcFailed):
    """A quota or a limit is reached, or a message is too long."""

    code = Code.RESOURCE_EXHAUSTED


class FailedPreconditionFailure(RpcFailed):
    """The state of the server forbids this until somebody changes it."""

    code = Code.FAILED_PRECONDITION


class AbortedFailure(RpcFailed):
    """Somebody else was faster; try again from the beginning of the transaction."""

    code = Code.ABORTED


class OutOfRangeFailure(RpcFailed):
    """The call goes past the end of something."""

    code = Code.OUT_OF_RANGE


class UnimplementedFailure(RpcFailed):
    """The server does not have the method, or it is of another kind."""

    code = Code.UNIMPLEMENTED


class InternalFailure(RpcFailed):
    """Something is broken: the server says so, or what came breaks the protocol."""

    code = Code.INTERNAL


class UnavailableFailure(RpcFailed):
    """The server cannot be reached, or cannot answer now; try again, after a pause."""

    code = Code.UNAVAILABLE


class DataLossFailure(RpcFailed):
    """Data is lost or damaged for good."""

    code = Code.DATA_LOSS


class UnauthenticatedFailure(RpcFailed):
    """The server does not know who we are."""

    code = Code.UNAUTHENTICATED


_BY_CODE: Final = {each.code: each for each in RpcFailed.__subclasses__()}


def failure(
    code: Code,
    message: str,
    *,
    method: str = "",
    initial_metadata: PairTuple = (),
    trailing_metadata: PairTuple = (),
) -> RpcFailed:
    """The error of a call that ended with `code`."""
    return _BY_CODE[code](
        message,
        method=method,
        initial_metadata=initial_metadata,
        trailing_metadata=trailing_metadata,
    )


def again(error: Exception) -> Exception:
    """The same error, to be raised.

    What a call keeps is never raised itself: its traceback would know the frames that know the
    call, a cycle that only the collector finds. Errors that are not ours cannot be copied.
    """
    if not isinstance(error, Error):
        return error
    kind = type(error)
    made = kind.__new__(kind)
    made.args = error.args
    made.__dict__.update(error.__dict__)
    return made
