"""What the calls of one channel share, and what a call says before its first message.

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import ceil, inf
from typing import Any, Final

from mainstay.core.ids import REQUEST_ID, TRACE_ID
from mainstay.core.scope import Scope
from mainstay.core.wheel import Wheel
from mainstay.errors import Code, UsageError
from mainstay.rpc.client.connecting import Connector
from mainstay.rpc.client.failures import failure
from mainstay.rpc.client.limits import ChannelLimits
from mainstay.rpc.client.pairs import MetadataSource, to_fields
from mainstay.rpc.compression import ACCEPTED, COMPRESSORS, compress
from mainstay.rpc.method import Kind
from mainstay.version import VERSION
from mainstay.wire.envelopes import COMPRESSED, seal
from mainstay.wire.grpc import encode_timeout

__all__ = ["ChannelCore", "Terms", "WireMethod", "grpc_timeout", "packed"]

WireFields = tuple[tuple[bytes, bytes], ...]

_BASE: Final[WireFields] = (
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
    (b"user-agent", f"mainstay/{VERSION}".encode()),
    (b"grpc-accept-encoding", ACCEPTED),
)
_BACKSTOP: Final = 0.05
"""Seconds after the deadline of its scope at which a call ends that its scope did not cancel."""

_COARSE: Final = 1000
"""Milliseconds from which a deadline is said in two digits."""


class ChannelCore:
    """The running half of a channel; made on its loop.

    Attributes:
        loop, wheel: of the channel.
        connector: of the channel.
        limits: of the channel.
        scheme, authority: what every request says.
    """

    __slots__ = ("authority", "connector", "limits", "loop", "scheme", "wheel")

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


class WireMethod:
    """One method, with all that does not change from call to call.

    Args:
        path: ``/hello.v1.Greeter/SayHello``.
        kind: of the method.
        encode: a request to bytes.
        decode: a reply from them. Raises: ValueError for what is none.
        extra: fields of every call.

    Attributes:
        name: ``hello.v1.Greeter/SayHello``.
    """

    __slots__ = ("decode", "encode", "fields", "kind", "name", "path")

    def __init__(
        self,
        path: str,
        kind: Kind,
        encode: Callable[[Any], bytes],
        decode: Callable[[bytes], Any],
        extra: WireFields,
    ) -> None:
        if not path.startswith("/") or not path.isascii():
            raise UsageError(f"the path of a method is like '/pkg.Service/Method', not {path!r}")
        self.path = path
        self.name = path[1:]
        self.kind = kind
        self.encode = encode
        self.decode = decode
        plain = _BASE + extra
        self.fields: dict[str | None, WireFields] = {None: plain}
        for each in COMPRESSORS:
            self.fields[each] = (*plain, (b"grpc-encoding", each.encode()))


class Terms:
    """How one call is made.

    Args:
        method: see the attribute.
        scope: the current one, or None.
        timeout: seconds; None for no limit but the scope's.
        metadata: of the call.
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
        self.end: float | None = None
        self.allowed = inf
        more: list[tuple[bytes, bytes]] = []
        left = inf if scope is None or scope.deadline is None else scope.remaining()
        if timeout is not None and timeout < left:
            self.end = now() + timeout
            self.allowed = timeout
            more.append((b"grpc-timeout", grpc_timeout(timeout, coarse=False)))
        elif left < inf:
            self.end = now() + left + _BACKSTOP
            self.allowed = left
            more.append((b"grpc-timeout", grpc_timeout(left, coarse=True)))
        if self.allowed <= 0:
            message = "the deadline was over before the call began"
            raise failure(Code.DEADLINE_EXCEEDED, message, method=method.name)
        if scope is not None and propagate:
            _say_ids(scope, more)
        if metadata:
            more += to_fields(metadata)
        fields = method.fields[compression]
        self.fields = (*fields, *more) if more else fields


def grpc_timeout(seconds: float, *, coarse: bool) -> bytes:
    """What ``grpc-timeout`` says: milliseconds, rounded up.

    Args:
        seconds: that are left.
        coarse: two digits are enough. A value that is new in every call costs a place in the
            compression table of the head each time, and pushes out what would be used again.
    """
    left = ceil(seconds * 1000)
    if left >= 10**8 or left <= 0:
        return encode_timeout(seconds)
    if coarse and left > _COARSE:
        step = 10 ** (len(str(left)) - 2)
        left = -(-left // step) * step
    return b"%dm" % left


def _say_ids(scope: Scope, more: list[tuple[bytes, bytes]]) -> None:
    request_id = scope.get(REQUEST_ID)
    if request_id is not None:
        more.append((b"x-request-id", request_id.encode()))
    trace = scope.get(TRACE_ID)
    if trace is not None:
        span = scope.effects.random.getrandbits(64) or 1
        more.append((b"traceparent", f"00-{trace}-{span:016x}-01".encode()))


def packed(terms: Terms, limits: ChannelLimits, message: Any) -> bytes:
    """A message of ours in its envelope.

    Raises: what the encoder does; ResourceExhaustedFailure for a message that is too long.
    """
    data = terms.method.encode(message)
    if len(data) > limits.send_size:
        said = (
            f"a message of {len(data)} bytes is longer than the {limits.send_size} that may be "
            "sent (ChannelLimits.send_size)"
        )
        raise failure(Code.RESOURCE_EXHAUSTED, said, method=terms.method.name)
    if terms.compression is not None and len(data) >= limits.compress_from:
        return seal(compress(terms.compression, data), COMPRESSED)
    return seal(data)
