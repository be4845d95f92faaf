"""Connect's streams: envelopes in the body, the last of which tells how the call ended.

HTTP's own status is 200 whatever happens, and there are no trailers: that is what browsers and
proxies let through (connectrpc.com/docs/protocol, "Streaming RPCs").
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from mainstay.net.exchange import Fields
from mainstay.rpc.compression import ACCEPTED
from mainstay.rpc.connect import check_head
from mainstay.rpc.connect_errors import error_object
from mainstay.rpc.framed import FramedCall, incoming_of, wire_fields
from mainstay.rpc.in_json import InJson
from mainstay.rpc.origins import origin_fields
from mainstay.rpc.status import RpcStatus
from mainstay.wire.connect import decode_timeout, end_of_stream
from mainstay.wire.envelopes import END_STREAM, seal

__all__ = ["ConnectJsonStreamCall", "ConnectStreamCall"]


class ConnectStreamCall(FramedCall):
    """One call that is not unary, in protobuf."""

    __slots__ = ()

    spoken = "connect"
    content_type: ClassVar[bytes] = b"application/connect+proto"
    unary: ClassVar[bool | None] = False

    def accept(self) -> None:
        """See `RpcCall`."""
        self._flow = None
        self.incoming = None
        head = self.head
        self.choose_compression(head.get(b"connect-accept-encoding"))
        check_head(head)
        if b"connect-content-encoding" in head:
            self.incoming = incoming_of(head, b"connect-content-encoding")

    def limit(self) -> float | None:
        """See `RpcCall`."""
        value = self.head.get(b"connect-timeout-ms")
        return None if value is None else decode_timeout(value)

    def head_fields(self) -> Fields:
        """See `FramedCall`."""
        fields = [(b"content-type", self.content_type)]
        if self.compression is not None:
            fields.append((b"connect-content-encoding", self.compression.encode()))
            fields.append((b"connect-accept-encoding", ACCEPTED))
        if self._initial:
            fields += wire_fields(self._initial)
        settings = self.settings
        if settings.origins:
            names = [name for name, _ in fields]
            fields += origin_fields(
                settings.origins, self.head, names, credentials=settings.credentials
            )
        return fields

    def end_stream(self) -> tuple[bytes, Fields]:
        """See `FramedCall`."""
        if not self._trailing:
            return _OK, ()
        said = end_of_stream(None, wire_fields(self._trailing))
        return seal(msgspec.json.encode(said), END_STREAM), ()

    def end_failed(self, status: RpcStatus, *, opened: bool) -> tuple[bytes, Fields]:
        """See `FramedCall`."""
        trailers = wire_fields([*(self._trailing or ()), *status.trailers])
        said = end_of_stream(error_object(status), trailers)
        end = seal(msgspec.json.encode(said), END_STREAM)
        return end, () if opened else self.head_fields()


class ConnectJsonStreamCall(InJson, ConnectStreamCall):
    """The same, in JSON."""

    __slots__ = ()

    content_type = b"application/connect+json"


_OK = seal(b"{}", END_STREAM)
