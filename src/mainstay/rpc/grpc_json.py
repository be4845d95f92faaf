"""gRPC whose messages are JSON: ``application/grpc+json``."""

from __future__ import annotations

from mainstay.rpc.grpc import GrpcCall
from mainstay.rpc.in_json import InJson

__all__ = ["GrpcJsonCall"]


class GrpcJsonCall(InJson, GrpcCall):
    """See `GrpcCall`."""

    __slots__ = ()

    content_type = (b"content-type", b"application/grpc+json")
    plain_head = (content_type,)
