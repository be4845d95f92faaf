"""What an RPC service is made of: methods, the types of their messages, how those are encoded.

Whatever a service was defined by (generated code, a class for a ``.proto``, annotated functions),
it becomes an `RpcService`: the one description from which servers, clients, reflection, OpenAPI and
the export of ``.proto`` files are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from mainstay.core.call import Handler
from mainstay.core.middleware import Layer

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor

    from mainstay.rpc.transcoding.rules import HttpRule

__all__ = ["CATCH_ALL", "NO_SIDE_EFFECTS", "Kind", "MessageType", "RpcMethod", "RpcService"]


class Kind(Enum):
    """How many messages go each way: `requests_stream`, `replies_stream`."""

    UNARY = (False, False)
    SERVER_STREAM = (False, True)
    CLIENT_STREAM = (True, False)
    BIDI = (True, True)

    @property
    def requests_stream(self) -> bool:
        """Whether the caller sends any number of messages."""
        return self.value[0]

    @property
    def replies_stream(self) -> bool:
        """Whether the server does."""
        return self.value[1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MessageType:
    """One type of messages, and how it goes over the wire.

    Attributes:
        name: full, such as ``hello.v1.HelloRequest``.
        python_type: what handlers get and return.
        decode: from protobuf's bytes. Raises: ValueError for others.
        encode: to them. Raises: TypeError or ValueError for what is no such message.
        from_json: from the bytes of proto3's JSON. Raises: ValueError, or ValidationFailed.
        to_json: to them. Raises: as `encode`.
        descriptor: of protobuf; None for types that come as a pair of functions only.
        serialize: as `encode`, in C, for messages of `python_type` and of no class below it; when it
            fails, `encode` says of what. None where there is no such function.
        parse: the same for `decode`.
        weigh: from protobuf's bytes and a number of elements: how many there are, and a function
            that makes what `decode` would. Raises: ValueError; TooLarge for more elements. None where
            objects are not made one by one.
        weigh_json: the same from JSON; what there are at most, and the function raises TooLarge.
    """

    name: str
    python_type: type
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    from_json: Callable[[bytes], Any] | None = None
    to_json: Callable[[Any], bytes] | None = None
    descriptor: Descriptor | None = None
    serialize: Callable[[Any], bytes] | None = None
    parse: Callable[[bytes], Any] | None = None
    weigh: Callable[[bytes, int], tuple[int, Callable[[], Any]]] | None = None
    weigh_json: Callable[[bytes, int], tuple[int, Callable[[], Any]]] | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class RpcMethod:
    """One method.

    Attributes:
        service: full name, such as ``hello.v1.Greeter``.
        name: such as ``SayHello``.
        kind: see `Kind`.
        request, response: the types of the messages.
        function: the user's, to be bound by type: `request` is left over; or None.
        owner: the class of which `function` is a method; a resource of the service makes the one
            instance. None for plain functions.
        handler: answers in its place, bound already; or None.
        middleware: around it, inside that of the service.
        timeout: seconds, if the caller allows more or says nothing; None for the service's own, and
            for streams without any.
        idempotent: whether it changes nothing, so that it may be asked by GET
            (``idempotency_level = NO_SIDE_EFFECTS``).
        descriptor: of protobuf, if there is one.
        http: paths by which it is called with JSON; empty for those that the options of the
            descriptor say.
    """

    service: str
    name: str
    kind: Kind
    request: MessageType
    response: MessageType
    function: Callable[..., Any] | None = None
    owner: type | None = None
    handler: Handler | None = None
    middleware: tuple[Layer, ...] = ()
    timeout: float | None = None
    idempotent: bool = False
    descriptor: MethodDescriptor | None = None
    vital: bool = False
    """Whether it is answered even if the server has as many calls in flight as it may have."""
    http: tuple[HttpRule, ...] = ()

    @property
    def full_name(self) -> str:
        """``hello.v1.Greeter/SayHello``: what calls, logs and metrics name it."""
        return f"{self.service}/{self.name}"

    @property
    def path(self) -> str:
        """``/hello.v1.Greeter/SayHello``: where it is called."""
        return f"/{self.service}/{self.name}"

    def __repr__(self) -> str:
        return f"<RpcMethod {self.full_name} {self.kind.name.lower()}>"


@dataclass(slots=True, kw_only=True, eq=False)
class RpcService:
    """The methods that have one service's name.

    Attributes:
        name: full, such as ``hello.v1.Greeter``.
        methods: by name.
        descriptor: of protobuf; None when only paths and functions are known, as of generated code
            whose messages nobody has looked at: then there is no JSON and no reflection for it.
        doc: for people.
    """

    name: str
    methods: dict[str, RpcMethod] = field(default_factory=dict)
    descriptor: ServiceDescriptor | None = None
    doc: str = ""

    def __iter__(self) -> Iterator[RpcMethod]:
        return iter(self.methods.values())

    def __repr__(self) -> str:
        return f"<RpcService {self.name} methods={len(self.methods)}>"


NO_SIDE_EFFECTS: Final = 1
"""``google.protobuf.MethodOptions.IdempotencyLevel.NO_SIDE_EFFECTS``."""

CATCH_ALL: Final = "*"
"""The name of a service, and of its one method, that answers gRPC to methods that no other has: on
its stream are the bytes of messages."""
