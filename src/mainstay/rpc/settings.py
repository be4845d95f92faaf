"""What can be set for the RPC server of a service: the ``[mainstay.rpc]`` table."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = ["RpcSettings"]


class RpcSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds and choices of everything that is spoken to RPC methods. They share the port, and so
    the limits, of HTTP (``[mainstay.http]``).

    Attributes:
        receive_size: bytes of one message that may be received, after decompression.
        send_size: bytes of one message that may be sent.
        compression: of what is sent, where the peer takes it.
        compress_from: bytes; smaller messages are sent as they are.
        reflection: whether ``grpc.reflection.v1`` and ``v1alpha`` are answered.
        health: whether ``grpc.health.v1`` is answered.
        connect: whether Connect is spoken.
        web: whether gRPC-Web is spoken.
        transcoding: whether ``google.api.http`` options are paths.
    """

    receive_size: Annotated[int, Meta(ge=1)] = 4 * 1024 * 1024
    send_size: Annotated[int, Meta(ge=1)] = 2**31 - 1
    compression: Literal["identity", "gzip", "deflate"] = "identity"
    compress_from: Annotated[int, Meta(ge=0)] = 1024
    reflection: bool = True
    health: bool = True
    connect: bool = True
    web: bool = True
    transcoding: bool = True
