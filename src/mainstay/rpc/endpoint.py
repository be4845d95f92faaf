"""What the server gets from a path: a method with all that a call of it needs, ready."""

from __future__ import annotations

from typing import Any, NoReturn

from mainstay.core.call import Handler
from mainstay.core.counts import Counts
from mainstay.errors import Unimplemented
from mainstay.rpc.method import RpcMethod

__all__ = ["JsonEndpoint", "RpcEndpoint"]


class RpcEndpoint:
    """A method that can be called.

    Args:
        method: see `RpcMethod`.
        handler: the function with all its middleware. For a unary method it gets the request and
            returns the reply; for the others it works on `Call.stream`, and returns nothing.

    Attributes:
        method, handler: as given.
        name, decode, encode: those of the method and its messages, at hand.
        parse, serialize: as `decode` and `encode`, quicker, for messages of the class `usual`; they may
            raise anything, and the others say what is wrong.
        weigh: as `decode`, for long messages; see `MessageType`. None where `decode` will do.
        unary: whether one message goes each way.
        counts: of its calls, by gRPC's code.
        received, sent: messages of its streams.
        in_json: the same for peers that speak JSON, made when the first one comes.
    """

    __slots__ = (
        "counts",
        "decode",
        "encode",
        "handler",
        "in_json",
        "method",
        "name",
        "parse",
        "received",
        "sent",
        "serialize",
        "unary",
        "usual",
        "weigh",
    )

    def __init__(self, method: RpcMethod, handler: Handler) -> None:
        self.method = method
        self.handler = handler
        self.name = method.full_name
        self.decode = method.request.decode
        self.encode = method.response.encode
        self.parse = method.request.parse or self.decode
        self.serialize = method.response.serialize or self.encode
        self.usual = method.response.python_type
        self.weigh = method.request.weigh
        self.unary = not method.kind.requests_stream and not method.kind.replies_stream
        self.counts = Counts()
        self.received = 0
        self.sent = 0
        self.in_json: JsonEndpoint | None = None

    def __repr__(self) -> str:
        return f"<RpcEndpoint {self.name}>"


class JsonEndpoint(RpcEndpoint):
    """An endpoint whose messages go over the wire as JSON; it counts with the one it is of.

    A class of its own, so that calls whose messages are protobuf's need not ask.

    Args:
        endpoint: that it is of.
    """

    __slots__ = ("_of",)

    @classmethod
    def of(cls, endpoint: RpcEndpoint) -> RpcEndpoint:
        """The one of `endpoint`, made once."""
        found = endpoint.in_json
        if found is None:
            found = endpoint.in_json = cls(endpoint)
        return found

    def __init__(self, endpoint: RpcEndpoint) -> None:
        method = endpoint.method
        self._of = endpoint
        self.method = method
        self.handler = endpoint.handler
        self.name = endpoint.name
        self.decode = method.request.from_json or self._refuse
        self.encode = method.response.to_json or self._refuse
        self.parse, self.serialize, self.usual = self.decode, self.encode, endpoint.usual
        self.weigh = method.request.weigh_json
        self.unary = endpoint.unary
        self.counts = endpoint.counts
        self.in_json = self

    def _refuse(self, message: Any) -> NoReturn:
        raise Unimplemented(f"{self.name} has no JSON; its messages are protobuf only")

    @property
    def received(self) -> int:
        """See `RpcEndpoint`."""
        return self._of.received

    @received.setter
    def received(self, count: int) -> None:
        self._of.received = count

    @property
    def sent(self) -> int:
        """See `RpcEndpoint`."""
        return self._of.sent

    @sent.setter
    def sent(self, count: int) -> None:
        self._of.sent = count
