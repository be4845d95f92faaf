"""gRPC-Web: gRPC for peers that cannot read trailers, over any version of HTTP.

The trailers are the last envelope of the body (grpc/grpc, doc/PROTOCOL-WEB.md). So is the status of
a call that failed before its first message, though gRPC-Web would allow it in the head: a page reads
a body without being allowed to read each field by name.
"""

from __future__ import annotations

from typing import Any

from mainstay.net.exchange import Fields
from mainstay.rpc.compression import ACCEPTED
from mainstay.rpc.framed import wire_fields
from mainstay.rpc.grpc import GrpcCall
from mainstay.rpc.in_json import InJson
from mainstay.rpc.origins import origin_fields
from mainstay.rpc.status import RpcStatus
from mainstay.wire.envelopes import TRAILERS, seal

__all__ = ["WebCall", "WebJsonCall"]


class WebCall(GrpcCall):
    """One call, in protobuf."""

    __slots__ = ()

    spoken = "grpc-web"
    dated = True
    content_type = (b"content-type", b"application/grpc-web+proto")

    def head_fields(self) -> Fields:
        """See `FramedCall`."""
        return [self.content_type, *self._further_fields()]

    def _further_fields(self) -> list[tuple[bytes, bytes]]:
        fields = []
        if self.compression is not None:
            fields.append((b"grpc-encoding", self.compression.encode()))
            fields.append((b"grpc-accept-encoding", ACCEPTED))
        if self._initial:
            fields += wire_fields(self._initial)
        settings = self.settings
        if settings.origins:
            names = [name for name, _ in fields]
            fields += origin_fields(
                settings.origins, self.head, names, credentials=settings.credentials
            )
        return fields

    def respond(self, message: Any) -> None:
        """See `RpcCall`."""
        data = self.packed(message) + self.end_stream()[0]
        self.exchange.respond(200, self.content_type[1], self._further_fields(), data)

    def end_stream(self) -> tuple[bytes, Fields]:
        """See `FramedCall`."""
        return self.sealed_trailers(GrpcCall.end_stream(self)[1]), ()

    def end_failed(self, status: RpcStatus, *, opened: bool) -> tuple[bytes, Fields]:
        """See `FramedCall`."""
        # As gRPC would end a call whose head is sent: without anything of the head.
        trailers = GrpcCall.end_failed(self, status, opened=True)[1]
        return self.sealed_trailers(trailers), () if opened else self.head_fields()

    def sealed_trailers(self, trailers: Fields) -> bytes:
        """The last envelope."""
        block = b"".join([b"%b: %b\r\n" % each for each in trailers])
        return seal(block, TRAILERS)


class WebJsonCall(InJson, WebCall):
    """The same, in JSON."""

    __slots__ = ()

    content_type = (b"content-type", b"application/grpc-web+json")
