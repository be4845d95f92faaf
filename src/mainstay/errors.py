"""Every error that mainstay raises on purpose.

The tree is by fault, because the first question about a failure is whose it is::

    Error
    ├── UsageError              your program or its operator asked for something impossible
    │   ├── WiringError         a handler, resource or worker cannot be put together
    │   └── ConfigError         a configuration value is missing or wrong
    ├── PeerError               the caller sent or did something wrong
    │   ├── InvalidRequest      the request does not mean anything
    │   │   └── ValidationFailed  values in it are missing or wrong; every one is named
    │   ├── Unauthenticated     who is calling is not known
    │   ├── PermissionDenied    the caller may not do this
    │   ├── NotFound            the thing asked for does not exist
    │   ├── Conflict            the state of the thing forbids this
    │   ├── Unimplemented       no handler answers to that name
    │   ├── PeerGone            the caller left before the answer
    │   ├── TooLarge            what it sends is longer than allowed
    │   ├── PeerTooSlow         it began to send something, and did not go on in time
    │   ├── HttpError           an HTTP status of the handler's choice
    │   └── RpcError            a gRPC code of the handler's choice
    ├── ResourceError           something the service depends on failed
    │   ├── StartError          a component could not be started
    │   ├── ClosedError         it was closed on our side
    │   │   └── EndOfStream     its sender closed it, and everything sent was received
    │   ├── BrokenError         it failed on the other side
    │   ├── BusyError           it has no room now
    │   └── UpstreamError       a server that we called answered with an error
    ├── PolicyError             refused, or given up, by a rule
    │   ├── DeadlineExceeded    the time allowed is over
    │   ├── Cancelled           whoever asked no longer wants it
    │   ├── ShuttingDown        the service is stopping
    │   └── Overloaded          a limit is reached
    └── BugError                a fault of mainstay itself; please report it

Each class has a stable `reason`, which is a heading in ``docs/errors.md``, and a canonical `Code`
from which every transport derives its own status exactly once. The codes are those of gRPC
(google.rpc.Code): they are the widest set on which the transports agree, and unlike HTTP statuses
they survive a hop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Final

__all__ = [
    "BrokenError",
    "BugError",
    "BusyError",
    "Cancelled",
    "ClosedError",
    "Code",
    "ConfigError",
    "Conflict",
    "DeadlineExceeded",
    "EndOfStream",
    "Error",
    "Fault",
    "HttpError",
    "InvalidRequest",
    "NotFound",
    "Overloaded",
    "PeerError",
    "PeerGone",
    "PeerTooSlow",
    "PermissionDenied",
    "PolicyError",
    "ResourceError",
    "RpcError",
    "ShuttingDown",
    "StartError",
    "TooLarge",
    "Unauthenticated",
    "Unimplemented",
    "UpstreamError",
    "UsageError",
    "ValidationFailed",
    "Violation",
    "WiringError",
]


class Code(Enum):
    """What kind of failure this is, for machines; the value is gRPC's number (google.rpc.Code)."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Fault(Enum):
    """Who has to act for the failure to go away."""

    PROGRAM = "program"
    OPERATOR = "operator"
    PEER = "peer"
    RESOURCE = "resource"
    POLICY = "policy"
    MAINSTAY = "mainstay"


_FIRST_ERROR: Final = 400
_LAST_STATUS: Final = 599
_SAID: Final = 3
"""Violations that a message tells of; the error has them all."""
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Error(Exception):
    """Base of every deliberate error; raise a subclass.

    Args:
        message: one sentence for a person: what, what is wrong with it, what to do. Without one,
            what the class says is all that there is to say.
        reason: replaces the class's stable reason, in UPPER_SNAKE; for errors of your own.
        retryable: replaces the class's answer to "can the same call succeed later?".
        metadata: facts for machines. They may travel to the peer, so no secrets.
    """

    code: Code = Code.UNKNOWN
    fault: ClassVar[Fault] = Fault.MAINSTAY
    reason: str = "ERROR"
    retryable: bool = False
    metadata: Mapping[str, str] = _NOTHING

    def __init__(
        self,
        message: str = "",
        *,
        reason: str | None = None,
        retryable: bool | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason
        if retryable is not None:
            self.retryable = retryable
        if metadata:
            self.metadata = MappingProxyType(dict(metadata))

    def __reduce__(self) -> tuple[object, ...]:
        # Not by calling the class again: a subclass may take other arguments.
        state = {**self.__dict__, "metadata": dict(self.metadata)}
        return _revive, (type(self), self.args, state)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.reason} {self.message!r}>"


def _revive(kind: type[Error], args: tuple[object, ...], state: dict[str, Any]) -> Error:
    error = kind.__new__(kind, *args)
    state["metadata"] = MappingProxyType(state["metadata"])
    error.__dict__.update(state)
    return error


class UsageError(Error):
    """The program that uses mainstay asks for something that cannot be; mend the program."""

    code = Code.FAILED_PRECONDITION
    fault = Fault.PROGRAM
    reason = "USAGE"


class WiringError(UsageError):
    """A handler, resource, worker or hook cannot be put together; found before anything starts."""

    reason = "WIRING"


class ConfigError(UsageError):
    """One or more configuration values are missing or wrong; the message lists every one.

    Attributes:
        problems: a `mainstay.config.Problem` for each fault that was found while loading, in the
            order of the message; empty when the message is all that there is to say.
    """

    code = Code.INVALID_ARGUMENT
    fault = Fault.OPERATOR
    reason = "CONFIG_INVALID"

    def __init__(self, message: str, *, problems: Iterable[object] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class PeerError(Error):
    """The caller is at fault; the same call will fail again."""

    code = Code.INVALID_ARGUMENT
    fault = Fault.PEER
    reason = "PEER"


class InvalidRequest(PeerError):
    """The request cannot be understood or breaks a stated rule."""

    reason = "INVALID_REQUEST"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a request.

    Attributes:
        pointer: where, as a JSON pointer (RFC 6901) into the request: ``/body/items/0/price``,
            ``/query/limit``.
        detail: what is wrong, for a person.
        code: the same for machines: ``missing``, ``type``, ``range``, …
    """

    pointer: str
    detail: str
    code: str = "value"


class ValidationFailed(InvalidRequest):
    """Values of the request are missing or wrong; each is named.

    Args:
        violations: what is wrong, at least one.
        malformed: whether a part of the request could not be read at all.
    """

    reason = "VALIDATION_FAILED"

    def __init__(self, violations: Iterable[Violation], *, malformed: bool = False) -> None:
        self.violations = tuple(violations)
        self.malformed = malformed
        said = [f"{each.pointer}: {each.detail}" for each in self.violations[:_SAID]]
        more = len(self.violations) - len(said)
        super().__init__("; ".join(said) + (f"; and {more} more" if more else ""))


class Unauthenticated(PeerError):
    """The call carries no credentials, or credentials that do not hold."""

    code = Code.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class PermissionDenied(PeerError):
    """The caller is known and may not do this."""

    code = Code.PERMISSION_DENIED
    reason = "PERMISSION_DENIED"


class NotFound(PeerError):
    """What the call asks for does not exist."""

    code = Code.NOT_FOUND
    reason = "NOT_FOUND"


class Conflict(PeerError):
    """The state of the thing forbids the call: it exists already, or somebody changed it first."""

    code = Code.ALREADY_EXISTS
    reason = "CONFLICT"


class Unimplemented(PeerError):
    """No handler answers to the method called."""

    code = Code.UNIMPLEMENTED
    reason = "UNIMPLEMENTED"


class PeerGone(PeerError):
    """The caller disconnected or reset the call before it was answered."""

    code = Code.CANCELLED
    reason = "PEER_GONE"


class TooLarge(PeerError):
    """A message, a body or a head is longer than what is allowed."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "TOO_LARGE"


class PeerTooSlow(PeerError):
    """The peer began to send something, and did not go on in time."""

    code = Code.DEADLINE_EXCEEDED
    reason = "PEER_TOO_SLOW"
    retryable = True


class HttpError(PeerError):
    """An answer with an HTTP status of the handler's choice, told as a problem (RFC 9457).

    Args:
        status: 400 to 599.
        message: the problem's detail, which the peer reads.
        title: a short name for all problems of this kind; the status's own phrase unless given.
        type: a URI that names the kind; ``about:blank`` unless given.
        headers: more fields of the answer, such as ``retry-after``.
        extensions: more members of the problem; what JSON can hold.
        reason: see `Error`.

    Raises: UsageError for a status that is no error.
    """

    reason = "HTTP"

    def __init__(
        self,
        status: int,
        message: str = "",
        *,
        title: str | None = None,
        type: str = "about:blank",
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        if not _FIRST_ERROR <= status <= _LAST_STATUS:
            raise UsageError(f"an HttpError has a status from 400 to 599, not {status}")
        super().__init__(message, reason=reason, retryable=status in (429, 502, 503, 504))
        self.status = status
        self.title = title
        self.type = type
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})


class RpcError(PeerError):
    """An answer with a gRPC code of the handler's choice; over HTTP, the status that goes with it.

    Args:
        code: of the answer; a ``grpc.StatusCode`` is taken for the `Code` of its number.
        message: for a person; the peer reads it.
        details: protobuf messages, such as those of ``google.rpc.error_details``; sent as the
            details of `google.rpc.Status`.
        trailers: pairs of trailing metadata; ``-bin`` keys have bytes.
        reason: see `Error`.

    Raises: UsageError for what is no code of an error.
    """

    reason = "RPC"

    def __init__(
        self,
        code: Code | Enum,
        message: str = "",
        *,
        details: Iterable[Any] = (),
        trailers: Iterable[tuple[str, str | bytes]] = (),
        reason: str | None = None,
    ) -> None:
        code = _error_code(code)
        super().__init__(message, reason=reason, retryable=code is Code.UNAVAILABLE)
        self.code = code
        self.details = tuple(details)
        self.trailers = tuple(trailers)


def _error_code(given: object) -> Code:
    """The code that an `RpcError` was given."""
    if isinstance(given, Code):
        return given
    value = given.value if isinstance(given, Enum) else None
    number = value[0] if isinstance(value, tuple) and value else None  # grpc.StatusCode's
    try:
        return Code(number)
    except ValueError:
        hint = ""
        if isinstance(given, str) and given in Code.__members__:
            hint = f": write Code.{given}"
        elif isinstance(given, int) and given in Code._value2member_map_:
            hint = f": write Code.{Code(given).name}"
        message = f"an RpcError has a mainstay.Code, such as Code.NOT_FOUND, not {given!r}{hint}"
        raise UsageError(message) from None


class ResourceError(Error):
    """Something the service depends on failed; a later try may succeed."""

    code = Code.UNAVAILABLE
    fault = Fault.RESOURCE
    reason = "RESOURCE"
    retryable = True


class StartError(ResourceError):
    """A component could not be started; everything that had started was stopped again.

    Attributes:
        component: what failed, such as ``resource 'database'``.
    """

    reason = "START_FAILED"
    retryable = False

    def __init__(self, component: str, cause: BaseException) -> None:
        said = str(cause) or type(cause).__name__
        super().__init__(f"{component} could not be started: {said}")
        self.component = component


class ClosedError(ResourceError):
    """It was closed on our side and cannot be used again."""

    code = Code.FAILED_PRECONDITION
    reason = "CLOSED"
    retryable = False


class EndOfStream(ClosedError):
    """The sender closed the stream or channel, and everything it sent has been received."""

    code = Code.OUT_OF_RANGE
    reason = "END_OF_STREAM"


class BrokenError(ResourceError):
    """It failed on the other side; opening it anew may help."""

    reason = "BROKEN"


class BusyError(ResourceError):
    """It has no room at this moment; waiting would have helped."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "BUSY"


class UpstreamError(ResourceError):
    """A server that we called answered with an error, or with something that cannot be understood.

    What is its fault, or ours in asking, is none of our own caller: uncaught, it is a failure of
    something that the service depends on.

    Attributes:
        status: what it answered.
        problem: its problem details (RFC 9457, `mainstay.http.problems.Problem`), or None.
        retry_after: seconds that it asks to wait, or None.
    """

    reason = "UPSTREAM"

    def __init__(
        self,
        message: str,
        *,
        status: int = 502,
        problem: Any = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, retryable=status in (408, 425, 429, 500, 502, 503, 504))
        self.status = status
        self.problem = problem
        self.retry_after = retry_after


class PolicyError(Error):
    """A rule refused the work or gave it up; nobody made a mistake."""

    code = Code.UNAVAILABLE
    fault = Fault.POLICY
    reason = "POLICY"


class DeadlineExceeded(PolicyError, TimeoutError):
    """The time allowed for the work is over. Also a `TimeoutError`, as asyncio's own is."""

    code = Code.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


class Cancelled(PolicyError):
    """Whoever asked for the work no longer wants it."""

    code = Code.CANCELLED
    reason = "CANCELLED"


class ShuttingDown(PolicyError):
    """The service is stopping and takes no new work; another instance will."""

    reason = "SHUTTING_DOWN"
    retryable = True


class Overloaded(PolicyError):
    """A limit is reached; try again later, or elsewhere."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "OVERLOADED"
    retryable = True


class BugError(Error):
    """A fault of mainstay itself. Please report it with the traceback."""

    code = Code.INTERNAL
    fault = Fault.MAINSTAY
    reason = "BUG"
