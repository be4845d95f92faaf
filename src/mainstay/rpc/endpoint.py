"""What the server gets from a path: a method with all that a call of it needs, ready."""

from __future__ import annotations

from mainstay.core.call import Handler
from mainstay.core.counts import Counts
from mainstay.rpc.method import RpcMethod

__all__ = ["RpcEndpoint"]


class RpcEndpoint:
    """A method that can be called.

    Args:
        method: see `RpcMethod`.
        handler: the function with all its middleware. For a unary method it gets the request and
            returns the reply; for the others it works on `Call.stream`, and returns nothing.

    Attributes:
        method, handler: as given.
        name, decode, encode: those of the method and its messages, at hand.
        unary: whether one message goes each way.
        counts: of its calls, by gRPC's code.
        received, sent: messages of its streams.
    """

    __slots__ = (
        "counts",
        "decode",
        "encode",
        "handler",
        "method",
        "name",
        "received",
        "sent",
        "unary",
    )

    def __init__(self, method: RpcMethod, handler: Handler) -> None:
        self.method = method
        self.handler = handler
        self.name = method.full_name
        self.decode = method.request.decode
        self.encode = method.response.encode
        self.unary = not method.kind.requests_stream and not method.kind.replies_stream
        self.counts = Counts()
        self.received = 0
        self.sent = 0

    def __repr__(self) -> str:
        return f"<RpcEndpoint {self.name}>"
