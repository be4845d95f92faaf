"""gRPC over HTTP/2: one call (grpc/grpc, doc/PROTOCOL-HTTP2.md).

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from mainstay.core.scope import Scope
from mainstay.errors import Code, DeadlineExceeded, RpcError
from mainstay.net.exchange import Exchange, Fields
from mainstay.rpc.compression import ACCEPTED
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.framed import FramedCall, incoming_of, wire_fields
from mainstay.rpc.long_messages import LIGHT
from mainstay.rpc.settings import RpcSettings
from mainstay.rpc.status import OVER, RpcStatus
from mainstay.wire.envelopes import PLAIN, PREFIX
from mainstay.wire.grpc import decode_timeout, encode_message, is_over, is_timeout

__all__ = ["GrpcCall", "KnownGrpcCall"]

_OK: Final = ((b"grpc-status", b"0"),)
_SMALL: Final = len(PLAIN)
_ACCEPT: Final = (b"grpc-accept-encoding", ACCEPTED)


class GrpcCall(FramedCall):
    """See `RpcCall`.

    Attributes:
        content_type, plain_head: the field of replies, and the head of those that have no other.
    """

    __slots__ = ()

    dated = False
    content_type: ClassVar[tuple[bytes, bytes]] = (b"content-type", b"application/grpc")
    plain_head: ClassVar[Fields] = (content_type,)

    def accept(self) -> None:
        """See `RpcCall`."""
        self._flow = None
        head = self.head
        self.incoming = None
        if self.settings.compression == "identity":
            self.compress_next = True
            self.compression = None
        else:
            self.choose_compression(head.get(b"grpc-accept-encoding"))
        if b"grpc-encoding" in head:
            self.incoming = incoming_of(head, b"grpc-encoding")
        timeout = head.get(b"grpc-timeout")
        if timeout is not None and not is_timeout(timeout):
            raise RpcError(Code.INTERNAL, "grpc-timeout is not up to eight digits and a unit")
        if timeout is not None and is_over(timeout):
            raise DeadlineExceeded(OVER)

    def limit(self) -> float | None:
        """See `RpcCall`."""
        value = self.head.get(b"grpc-timeout")
        return None if value is None else decode_timeout(value)

    def whole(self) -> Any:
        """The one request, if all of it is here and it is plain; else None, and `read` has it."""
        body = self.exchange.body
        if body is None:
            return None
        size = len(body) - PREFIX
        if size < 0 or size > self.settings.receive_size:
            return None
        if size < _SMALL:
            if not body.startswith(PLAIN[size]):
                return None
        elif size > LIGHT or not body.startswith(b"\0" + size.to_bytes(4, "big")):
            return None
        try:
            return self.endpoint.parse(body[PREFIX:])
        except Exception:
            return self.unpacked(0, body[PREFIX:])  # which says what is wrong

    def respond(self, message: Any) -> None:
        """See `RpcCall`."""
        endpoint = self.endpoint
        data = None
        if type(message) is endpoint.usual:
            try:
                data = endpoint.serialize(message)
            except Exception:
                data = None  # and `encode` says what is wrong
        if data is None:
            data = endpoint.encode(message)
        size = len(data)
        head = self.plain_head
        if size < _SMALL and self.compression is None:
            data = PLAIN[size] + data
            if self._initial is not None:
                head = self.head_fields()
        else:
            data = self.sealed(data)
            head = self.head_fields()
        end = _OK if self._trailing is None else self.end_stream()[1]
        if self._flow is not None and self._flow.opened:
            self.respond_opened(data, end)
        else:
            self.exchange.respond_with_trailers(200, head, data, end)

    def head_fields(self) -> Fields:
        """See `FramedCall`."""
        fields = [self.content_type]
        if self.compression is not None:
            fields.append((b"grpc-encoding", self.compression.encode()))
            fields.append(_ACCEPT)
        if self._initial:
            fields += wire_fields(self._initial)
        return fields

    def end_stream(self) -> tuple[bytes, Fields]:
        """See `FramedCall`."""
        if not self._trailing:
            return b"", _OK
        return b"", [*_OK, *wire_fields(self._trailing)]

    def end_failed(self, status: RpcStatus, *, opened: bool) -> tuple[bytes, Fields]:
        """See `FramedCall`."""
        fields: list[tuple[bytes, bytes]] = []
        if not opened:
            fields.append(self.content_type)
            if status.code is Code.UNIMPLEMENTED:
                fields.append(_ACCEPT)
        fields.append((b"grpc-status", b"%d" % status.code.value))
        if status.message:
            fields.append((b"grpc-message", encode_message(status.message)))
        fields += status.binary_details()
        trailing = [*(self._trailing or ()), *status.trailers]
        if trailing:
            fields += wire_fields(trailing)
        return b"", fields


class KnownGrpcCall(GrpcCall):
    """One whose head is known from calls before it, and says nothing of how messages are compressed."""

    __slots__ = ()

    def __init__(
        self,
        exchange: Exchange,
        endpoint: RpcEndpoint,
        head: Mapping[bytes, bytes],
        settings: RpcSettings,
        scope_maker: Callable[[Any], Scope] | Scope,
        timeout: float | None = None,
    ) -> None:
        # All that those of the classes above and `accept` would do.
        self.transport = "grpc"
        self.method = endpoint.name
        self.request = None
        self.stream = None
        self.exchange = exchange
        self.timeout = timeout
        self.endpoint = endpoint
        self.head = head
        self.settings = settings
        self.begun = False
        self.answered = False
        self._made = None
        self._maker = scope_maker
        self._ended = False
        self._initial = None
        self._trailing = None
        self._flow = None
        self.incoming = None
        self.compress_next = True
        self.compression = None

    def accept(self) -> None:
        """See `RpcCall`; done before."""

    @staticmethod
    def may_be(head: Mapping[bytes, bytes], settings: RpcSettings) -> bool:
        """Whether this is all that calls with this head need."""
        if settings.compression != "identity" or b"grpc-encoding" in head:
            return False
        timeout = head.get(b"grpc-timeout")
        return timeout is None or (is_timeout(timeout) and not is_over(timeout))
