"""What the calls of one channel share, and what a call says before its first message.

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import ceil, inf
from typing import Any, Final

from mainstay.core.ids import REQUEST_ID, TRACE_ID
from mainstay.core.scope import Scope
from mainstay.core.wheel import Wheel
from mainstay.errors import Code, UsageError
from mainstay.rpc.client.connecting import Connector
from mainstay.rpc.client.failures import failure
from mainstay.rpc.client.limits import ChannelLimits
from mainstay.rpc.client.outcome import FINE_HEAD, FINE_TRAILERS
from mainstay.rpc.client.pairs import MetadataSource, to_fields
from mainstay.rpc.compression import ACCEPTED, COMPRESSORS, compress
from mainstay.rpc.long_messages import Weighed
from mainstay.rpc.method import Kind
from mainstay.version import VERSION
from mainstay.wire.envelopes import COMPRESSED, PLAIN, seal
from mainstay.wire.grpc import encode_timeout

__all__ = ["ChannelCore", "Terms", "WireMethod", "grpc_timeout", "packed"]

Fields = list[tuple[bytes, bytes]]
WireFields = tuple[tuple[bytes, bytes], ...]

_BASE: Final[WireFields] = (
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
    (b"user-agent", f"mainstay/{VERSION}".encode()),
    (b"grpc-accept-encoding", ACCEPTED),
)
_REPLACED: Final = frozenset({b"user-agent", b"x-request-id", b"traceparent"})
_BACKSTOP: Final = 0.05
"""Seconds after the deadline of its scope at which a call ends that its scope did not cancel."""

_COARSE: Final = 1000
"""Milliseconds from which a deadline is said in two digits."""

_MOST_SAID: Final = 10**8
"""Milliseconds; the number has eight digits at most."""

_SHORT: Final = len(PLAIN)

_MOST_TIMED: Final = 256
"""Limits that a method remembers how to say."""


class ChannelCore:
    """The running half of a channel; made on its loop.

    Attributes:
        loop, wheel: of the channel.
        connector: of the channel.
        limits: of the channel.
        scheme, authority: what every request says.
        fine: head and trailers of a reply of gRPC that succeeded, such as the last one.
    """

    __slots__ = ("authority", "connector", "fine", "limits", "loop", "scheme", "wheel")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wheel: Wheel,
        connector: Connector,
        limits: ChannelLimits,
        scheme: str,
        authority: str,
    ) -> None:
        self.loop = loop
        self.wheel = wheel
        self.connector = connector
        self.limits = limits
        self.scheme = scheme
        self.authority = authority
        self.fine: tuple[Fields, Fields] = FINE_HEAD, FINE_TRAILERS


class WireMethod:
    """One method, with all that does not change from call to call.

    Args:
        path: ``/hello.v1.Greeter/SayHello``.
        kind: of the method.
        encode: a request to bytes.
        decode: a reply from them. Raises: ValueError for what is none.
        extra: fields of every call.
        weigh: as `decode` for long replies; see `MessageType`. None where `decode` will do.

    Attributes:
        name: ``hello.v1.Greeter/SayHello``.
        fields: of a call, by its compression.
        replaced: names of fields in whose place a call may have its own.
        timed: see `fields_within`.
        lately: what the last call without compression said of the deadline of its scope, and that it
            is right above so many seconds, up to so many.
    """

    __slots__ = (
        "decode",
        "encode",
        "fields",
        "kind",
        "lately",
        "name",
        "path",
        "replaced",
        "timed",
        "weigh",
    )

    def __init__(
        self,
        path: str,
        kind: Kind,
        encode: Callable[[Any], bytes],
        decode: Callable[[bytes], Any],
        extra: WireFields,
        weigh: Callable[[bytes, int], Weighed] | None = None,
    ) -> None:
        if not path.startswith("/") or not path.isascii():
            raise UsageError(f"the path of a method is like '/pkg.Service/Method', not {path!r}")
        self.path = path
        self.name = path[1:]
        self.kind = kind
        self.encode = encode
        self.decode = decode
        self.weigh = weigh
        plain = _BASE + extra
        self.fields: dict[str | None, WireFields] = {None: plain}
        for each in COMPRESSORS:
            self.fields[each] = (*plain, (b"grpc-encoding", each.encode()))
        self.replaced = _REPLACED.union(name for name, _ in extra)
        self.timed: dict[tuple[str | None, float | bytes], WireFields] = {}
        self.lately: tuple[float, float, WireFields] = (0.0, 0.0, plain)

    def fields_within(self, compression: str | None, limit: float | bytes) -> WireFields:
        """The fields of a call that has a limit, and nothing else of its own.

        Args:
            compression: of its messages, or None.
            limit: seconds, or what ``grpc-timeout`` says.
        """
        key = compression, limit
        found = self.timed.get(key)
        if found is None:
            said = limit if isinstance(limit, bytes) else grpc_timeout(limit, coarse=False)
            found = (*self.fields[compression], (b"grpc-timeout", said))
            if len(self.timed) >= _MOST_TIMED:
                self.timed.clear()
            self.timed[key] = found
        return found

    def fields_left(self, compression: str | None, left: float) -> WireFields:
        """The same for the seconds that are left to a scope, which are others in every call."""
        fields = self.fields_within(compression, grpc_timeout(left, coarse=True))
        said = ceil(left * 1000)
        if compression is None and _COARSE < said < _MOST_SAID:
            step = _step(said)
            above = max((said - 1) // step * step, step * 10 - 1)
            self.lately = above / 1000, -(-said // step) * step / 1000, fields
        return fields


class Terms:
    """How one call is made.

    Args:
        method: see the attribute.
        scope: the current one, or None.
        timeout: seconds; None for no limit but the scope's.
        metadata: of the call; takes the place of the channel's, and of ids, of the same name.
        wait_for_ready, compression: see the attributes.
        propagate: whether the ids of the scope are sent.
        now: the clock of deadlines.

    Attributes:
        method: what is called.
        fields: of the head.
        end: loop time at which the call gives up by itself, or None.
        allowed: seconds that it had, for messages.
        wait_for_ready: whether it waits for a connection that cannot be had now.
        compression: of its messages, or None.

    Raises: DeadlineExceededFailure when no time is left; UsageError for metadata that cannot be
        sent.
    """

    __slots__ = ("allowed", "compression", "end", "fields", "method", "wait_for_ready")

    def __init__(
        self,
        method: WireMethod,
        scope: Scope | None,
        timeout: float | None,
        metadata: MetadataSource | None,
        wait_for_ready: bool,
        compression: str | None,
        propagate: bool,
        now: Callable[[], float],
    ) -> None:
        self.method = method
        self.wait_for_ready = wait_for_ready
        self.compression = compression
        left = inf if scope is None or scope.deadline is None else scope.remaining()
        if timeout is not None and timeout < left:
            if timeout <= 0:
                raise _too_late(method)
            self.end: float | None = now() + timeout
            self.allowed = timeout
            fields = method.timed.get((compression, timeout)) or method.fields_within(
                compression, timeout
            )
        elif left < inf:
            if left <= 0:
                raise _too_late(method)
            self.end = now() + left + _BACKSTOP
            self.allowed = left
            above, to, fields = method.lately
            if compression is not None or not above < left <= to:
                fields = method.fields_left(compression, left)
        else:
            self.end = None
            self.allowed = inf
            fields = method.fields[compression]
        self.fields: Sequence[tuple[bytes, bytes]] = fields
        # Lists, where they are of this call alone: tuples are for engines to remember.
        if scope is not None and propagate:
            ids = _ids(scope)
            if ids:
                self.fields = [*fields, *ids]
        if metadata:
            given = to_fields(metadata)
            named = {name for name, _ in given}
            if not named.isdisjoint(method.replaced):
                self.fields = [each for each in self.fields if each[0] not in named]
            self.fields = [*self.fields, *given]


def _too_late(method: WireMethod) -> Exception:
    message = "the deadline was over before the call began"
    return failure(Code.DEADLINE_EXCEEDED, message, method=method.name)


def grpc_timeout(seconds: float, *, coarse: bool) -> bytes:
    """What ``grpc-timeout`` says: milliseconds, rounded up.

    Args:
        seconds: that are left.
        coarse: two digits are enough. A value that is new in every call costs a place in the
            compression table of the head each time, and pushes out what would be used again.
    """
    left = ceil(seconds * 1000)
    if left >= _MOST_SAID or left <= 0:
        return encode_timeout(seconds)
    if coarse and left > _COARSE:
        step = _step(left)
        left = -(-left // step) * step
    return b"%dm" % left


def _step(milliseconds: int) -> int:
    """What is left out when they are said in two digits."""
    step: int = 10 ** (len(str(milliseconds)) - 2)
    return step


def _ids(scope: Scope) -> WireFields:
    request_id = scope.get(REQUEST_ID)
    trace = scope.get(TRACE_ID)
    said: WireFields = () if request_id is None else ((b"x-request-id", request_id.encode()),)
    if trace is not None:
        span = scope.effects.random.getrandbits(64) or 1
        said = (*said, (b"traceparent", f"00-{trace}-{span:016x}-01".encode()))
    return said


def packed(terms: Terms, limits: ChannelLimits, message: Any) -> bytes:
    """A message of ours in its envelope.

    Raises: what the encoder does; ResourceExhaustedFailure for a message that is too long.
    """
    data = terms.method.encode(message)
    size = len(data)
    if size > limits.send_size:
        said = (
            f"a message of {size} bytes is longer than the {limits.send_size} that may be "
            "sent (ChannelLimits.send_size)"
        )
        raise failure(Code.RESOURCE_EXHAUSTED, said, method=terms.method.name)
    if terms.compression is not None and size >= limits.compress_from:
        return seal(compress(terms.compression, data), COMPRESSED)
    return PLAIN[size] + data if size < _SHORT else seal(data)
