"""gRPC-Web as text: base64 around each envelope, for browsers that read streams only as text."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from mainstay.net.exchange import Fields
from mainstay.rpc.in_json import InJson
from mainstay.rpc.web import WebCall
from mainstay.wire.base64_stream import TextEnvelopeReader

__all__ = ["WebTextCall", "WebTextJsonCall"]


class WebTextCall(WebCall):
    """One call, in protobuf."""

    __slots__ = ()

    content_type = (b"content-type", b"application/grpc-web-text+proto")

    def whole(self) -> None:
        """See `RpcCall`; text is read piece by piece."""

    def reader(self) -> TextEnvelopeReader:
        """See `FramedCall`."""
        return TextEnvelopeReader(self.settings.receive_size, self.flags)

    def packed(self, message: Any) -> bytes:
        """See `FramedCall`; each message is whole base64, so that it can be read when it arrives."""
        return b64encode(super().packed(message))

    def sealed_trailers(self, trailers: Fields) -> bytes:
        """See `WebCall`."""
        return b64encode(super().sealed_trailers(trailers))


class WebTextJsonCall(InJson, WebTextCall):
    """The same, in JSON."""

    __slots__ = ()

    content_type = (b"content-type", b"application/grpc-web-text+json")
