"""The client of RPC servers: a channel to one server, over connections of HTTP/2."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from mainstay.core.backoff import Backoff
from mainstay.core.call import Middleware
from mainstay.core.effects import Effects
from mainstay.core.scope import Scope
from mainstay.errors import ClosedError, UsageError
from mainstay.net.client_streams import StreamConnection
from mainstay.net.dialing import Dialer, Tls
from mainstay.net.outgoing import Shared
from mainstay.rpc.client.connecting import BACKOFF, ChannelStatistics, Connector, StreamDialer
from mainstay.rpc.client.core import ChannelCore, WireMethod
from mainstay.rpc.client.limits import ChannelLimits
from mainstay.rpc.client.methods import (
    BidiMethod,
    ClientStreamMethod,
    Method,
    ServerStreamMethod,
    UnaryMethod,
)
from mainstay.rpc.client.pairs import MetadataSource, to_fields
from mainstay.rpc.client.target import parse_target
from mainstay.rpc.compression import COMPRESSORS
from mainstay.rpc.method import Kind, RpcMethod

if TYPE_CHECKING:
    from google.protobuf.descriptor import ServiceDescriptor

    from mainstay.rpc.definition_client import RpcClient

__all__ = ["Channel"]

_METHODS: Final[dict[Kind, type[Method]]] = {
    Kind.UNARY: UnaryMethod,
    Kind.SERVER_STREAM: ServerStreamMethod,
    Kind.CLIENT_STREAM: ClientStreamMethod,
    Kind.BIDI: BidiMethod,
}


class Channel:
    """Calls one gRPC server. Use it as ``async with Channel("tcp://host:port") as channel:``, one
    for long; stubs that ``grpcio-tools`` generated take it as they take one of ``grpc.aio``.

    Nothing is connected before the first call. A call ends with the deadline of the current scope,
    is cancelled with its caller, and tells the server how much time is left.

    Args:
        target: ``host:port``, ``tcp://host:port``, ``tls://host:port``, ``https://host`` or
            ``unix:/path``.
        tls: whom to trust, and who we are; True for the system's authorities. Targets that say
            ``tls`` or ``https`` need nothing here.
        limits: see `ChannelLimits`.
        connections: open at once at most; another one is dialled when the server allows no more
            streams on those there are.
        compression: of requests: ``gzip`` or ``deflate``; None for none.
        metadata: sent with every call, but for names that the call gives itself.
        middleware: around every call, the first outermost; `Call` is an `OutgoingCall`.
        timeout: seconds for a unary call that does not say; None: only the scope's deadline holds.
        wait_for_ready: whether calls wait for a server that cannot be reached, to their deadline,
            or fail at once with UNAVAILABLE.
        authority: what requests say that they want; the target's host and port unless given.
        propagate: whether to send the request id and the place in the trace (``x-request-id``,
            ``traceparent``).
        backoff: between attempts to connect; gRPC's unless given.
        effects: the world; the current scope's unless given.
        dialer: makes what opens the connections, instead of sockets; for tests. `tls` is not its
            concern.

    Raises: UsageError for arguments that cannot be.
    """

    def __init__(
        self,
        target: str,
        *,
        tls: Tls | bool = None,
        limits: ChannelLimits | None = None,
        connections: int = 4,
        compression: str | None = None,
        metadata: MetadataSource = (),
        middleware: Sequence[Middleware] = (),
        timeout: float | None = None,
        wait_for_ready: bool = False,
        authority: str | None = None,
        propagate: bool = True,
        backoff: Backoff = BACKOFF,
        effects: Effects | None = None,
        dialer: Callable[[Shared], StreamDialer] | None = None,
    ) -> None:
        if connections < 1:
            raise UsageError(f"connections={connections}: a channel needs one at least")
        if compression is not None and compression not in COMPRESSORS:
            message = f"{compression!r} is no compression; there are {', '.join(COMPRESSORS)}"
            raise UsageError(message)
        scope = Scope.current_or_none()
        self.effects = effects or (Effects() if scope is None else scope.effects)
        self.origin = parse_target(target, tls=bool(tls))
        self.limits = limits or ChannelLimits()
        self.timeout = timeout
        self.wait_for_ready = wait_for_ready
        self.compression = compression
        self.propagate = propagate
        self.middleware: Sequence[Middleware] = tuple(middleware)
        self.core: ChannelCore | None = None
        self._tls: Tls = None if isinstance(tls, bool) else tls
        self._most = connections
        self._backoff = backoff
        self._authority = self.origin.authority if authority is None else authority
        self._extra = tuple(to_fields(metadata))
        self._new_dialer = dialer
        self._connector: Connector | None = None
        self._closed = False

    # --- methods --------------------------------------------------------------------------------

    def client(self, descriptor: ServiceDescriptor) -> RpcClient:
        """Calls of the service of a ``.proto``, such as one of `load_proto`, by the names of its
        methods and in snake_case: ``await client.say_hello(HelloRequest(name="Ada"))``.

        Raises: UsageError for what is no descriptor of a service.
        """
        from mainstay.rpc.definition_client import described_client  # noqa: PLC0415 - it needs us

        return described_client(descriptor, self)

    def method(self, described: RpcMethod) -> Any:
        """What calls `described`: `UnaryMethod`, `ServerStreamMethod`, `ClientStreamMethod` or
        `BidiMethod`. Make it once, and call it often."""
        reply = described.response
        wire = WireMethod(
            described.path,
            described.kind,
            described.request.encode,
            reply.decode,
            self._extra,
            reply.weigh,
        )
        return _METHODS[described.kind](self, wire)

    def method_at(
        self,
        path: str,
        kind: Kind,
        encode: Callable[[Any], bytes] = bytes,
        decode: Callable[[bytes], Any] = bytes,
    ) -> Any:
        """The same of its parts.

        Args:
            path: ``/hello.v1.Greeter/SayHello``.
            kind: of the method.
            encode: a request to bytes.
            decode: a reply from them. Raises: ValueError for what is none.
        """
        return _METHODS[kind](self, WireMethod(path, kind, encode, decode, self._extra))

    # --- for code that grpcio-tools generated ---------------------------------------------------

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """As ``grpc.aio.Channel.unary_unary``."""
        return self._stub(method, Kind.UNARY, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """As ``grpc.aio.Channel.unary_stream``."""
        return self._stub(method, Kind.SERVER_STREAM, request_serializer, response_deserializer)

    def stream_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """As ``grpc.aio.Channel.stream_unary``."""
        return self._stub(method, Kind.CLIENT_STREAM, request_serializer, response_deserializer)

    def stream_stream(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """As ``grpc.aio.Channel.stream_stream``."""
        return self._stub(method, Kind.BIDI, request_serializer, response_deserializer)

    def _stub(
        self,
        path: str,
        kind: Kind,
        encode: Callable[[Any], bytes] | None,
        decode: Callable[[bytes], Any] | None,
    ) -> Any:
        from mainstay.rpc.grpcio.client import stub_method  # noqa: PLC0415 - not without grpcio

        return stub_method(self.method_at(path, kind, encode or bytes, decode or bytes))

    async def close(self, grace: float | None = None) -> None:
        """As ``grpc.aio.Channel.close``; the same as `aclose`."""
        await self.aclose(grace)

    async def channel_ready(self) -> None:
        """As ``grpc.aio.Channel.channel_ready``; the same as `wait_ready`."""
        await self.wait_ready()

    # --- life -----------------------------------------------------------------------------------

    def open(self) -> ChannelCore:
        """The running half; made by the first call, on its loop. Raises: ClosedError; UsageError on
        another loop."""
        if self._closed:
            raise ClosedError("the channel was closed")
        if self.core is not None and self.core.loop is not asyncio.get_running_loop():
            raise UsageError(
                "the channel belongs to another event loop, that of its first call: make one in each "
                "asyncio.run(), with `async with Channel(…)`"
            )
        if self.core is None:
            shared = Shared(self.limits.for_connections())
            dialer = (self._new_dialer or self._default_dialer)(shared)
            self._connector = connector = Connector(
                self.origin,
                shared,
                dialer,
                self.limits,
                self.effects,
                self._backoff,
                self._most,
            )
            origin = self.origin
            self.core = ChannelCore(
                shared.loop, shared.wheel, connector, self.limits, origin.scheme, self._authority
            )
        return self.core

    def _default_dialer(self, shared: Shared) -> StreamDialer:
        return Dialer(shared, self._tls, ("2",), StreamConnection)

    async def wait_ready(self) -> None:
        """Wait until there is a connection, and dial until then. Raises: ClosedError."""
        self.open()
        assert self._connector is not None
        await self._connector.wait_ready()

    def statistics(self) -> ChannelStatistics:
        """A moment's numbers."""
        if self._connector is None:
            return ChannelStatistics(0, 0, 0, 0, 0)
        return self._connector.statistics()

    async def aclose(self, grace: float | None = None) -> None:
        """Close every connection; calls under way end with ClosedError, after `grace` seconds if
        they have not ended by then. Idempotent."""
        self._closed = True
        self.core = None
        connector = self._connector
        if connector is None:
            return
        if grace is not None:
            await connector.wait_idle(grace)
        await connector.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        numbers = self.statistics()
        count, streams = numbers.connections, numbers.streams
        return f"<Channel {self.origin} connections={count} streams={streams}>"
