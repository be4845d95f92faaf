"""What can be set for the RPC server of a service: the ``[mainstay.rpc]`` table."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mainstay.rpc.origins import is_origin

__all__ = ["RpcSettings"]


class RpcSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds and choices of everything that is spoken to RPC methods. They share the port, and so
    the limits, of HTTP (``[mainstay.http]``).

    Attributes:
        receive_size: bytes of one message that may be received, after decompression.
        receive_elements: of one such message that is longer than 64 KiB and becomes Python objects one
            by one: submessages and entries of maps; in JSON objects, and items of lists. Lists of
            scalars in protobuf do not count, and nothing does in generated messages.
        send_size: bytes of one message that may be sent.
        compression: of what is sent, where the peer takes it.
        compress_from: bytes; smaller messages are sent as they are.
        reflection: whether ``grpc.reflection.v1`` and ``v1alpha`` are answered.
        health: whether ``grpc.health.v1`` is answered.
        health_interval: seconds between two looks at the ready probe while somebody watches.
        connect: whether Connect is spoken.
        web: whether gRPC-Web is spoken.
        transcoding: whether ``google.api.http`` options are paths.
        origins: of pages in browsers that may call, such as ``https://app.example.org``; ``*`` for
            all. Without any, browsers let only pages of the service's own origin call.
        credentials: whether such pages may send cookies; not together with ``*``.
    """

    receive_size: Annotated[int, Meta(ge=1)] = 4 * 1024 * 1024
    receive_elements: Annotated[int, Meta(ge=1)] = 100_000
    send_size: Annotated[int, Meta(ge=1024)] = 2**31 - 1
    compression: Literal["identity", "gzip", "deflate"] = "identity"
    compress_from: Annotated[int, Meta(ge=0)] = 1024
    reflection: bool = True
    health: bool = True
    health_interval: Annotated[float, Meta(gt=0)] = 5.0
    connect: bool = True
    web: bool = True
    transcoding: bool = True
    origins: tuple[str, ...] = ()
    credentials: bool = False

    def __post_init__(self) -> None:
        """Raises: ValueError for what no browser would take."""
        for origin in self.origins:
            if origin != "*" and not is_origin(origin):
                raise ValueError(
                    f"{origin!r} is no origin: it is https://host or https://host:port, in lower "
                    "case, without a path"
                )
        if self.credentials and "*" in self.origins:
            raise ValueError(
                "credentials for every origin would let any page act as the user: name the origins"
            )
