"""Methods of a channel, ready to be called: one class for each kind.

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mainstay.core.call import Call, Handler, Middleware, chain
from mainstay.core.effects import Effects
from mainstay.core.scope import Scope
from mainstay.errors import UsageError
from mainstay.rpc.client.calls import UnaryCall
from mainstay.rpc.client.core import ChannelCore, Terms, WireMethod, packed
from mainstay.rpc.client.outgoing_call import OutgoingCall
from mainstay.rpc.client.pairs import MetadataSource, PairTuple
from mainstay.rpc.client.rpc_stream import Requests, RpcStream, span
from mainstay.rpc.client.streaming import StreamingCall
from mainstay.rpc.compression import COMPRESSORS

__all__ = [
    "Answered",
    "BidiMethod",
    "ClientStreamMethod",
    "Method",
    "MethodHome",
    "OutgoingCall",
    "ServerStreamMethod",
    "UnaryMethod",
    "UnaryReply",
]


_MOST_USUAL: Final = 64
"""Timeouts whose terms are remembered."""


@dataclass(frozen=True, slots=True)
class UnaryReply:
    """A reply with what came beside it.

    Attributes:
        message: the reply.
        initial_metadata, trailing_metadata: pairs; ``-bin`` keys have bytes.
    """

    message: Any
    initial_metadata: PairTuple
    trailing_metadata: PairTuple


class MethodHome(Protocol):
    """What a method needs of its channel."""

    core: ChannelCore | None
    effects: Effects
    timeout: float | None
    compression: str | None
    wait_for_ready: bool
    propagate: bool
    middleware: Sequence[Middleware]

    def open(self) -> ChannelCore:
        """The running half. Raises: ClosedError."""


class Method:
    """What the four kinds have in common.

    Args:
        home: the channel.
        wire: the method.
    """

    __slots__ = ("_handler", "_home", "wire")

    def __init__(self, home: MethodHome, wire: WireMethod) -> None:
        self._home = home
        self.wire = wire
        self._handler: Handler | None = None

    def _terms(
        self,
        scope: Scope | None,
        timeout: float | None,
        metadata: MetadataSource | None,
        wait_for_ready: bool | None,
        compression: str | None,
    ) -> tuple[ChannelCore, Terms]:
        home = self._home
        core = home.core
        if core is None or core.loop is not get_running_loop():
            core = home.open()
        how = home.compression if compression is None else compression
        if how is not None:
            if how == "identity":
                how = None
            elif how not in COMPRESSORS:
                raise UsageError(f"{how!r} is no compression; there are {', '.join(COMPRESSORS)}")
        terms = Terms(
            self.wire,
            scope,
            timeout,
            metadata,
            home.wait_for_ready if wait_for_ready is None else wait_for_ready,
            how,
            home.propagate,
            core.loop.time,
        )
        return core, terms

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.wire.name}>"


class UnaryMethod(Method):
    """One request, one reply: ``reply = await method(request)``."""

    __slots__ = ("_usual",)

    def __init__(self, home: MethodHome, wire: WireMethod) -> None:
        super().__init__(home, wire)
        self._usual: dict[float | None, Terms] = {}

    async def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: MetadataSource | None = None,
        wait_for_ready: bool | None = None,
        compression: str | None = None,
    ) -> Any:
        """Call it.

        Args:
            request: the message.
            timeout: seconds; the channel's unless given. The scope's deadline holds as well.
            metadata: pairs; names that end with ``-bin`` have bytes. In the place of the channel's
                of the same name.
            wait_for_ready: wait for a server that cannot be reached now, to the deadline.
            compression: ``gzip``, ``deflate`` or ``identity``; the channel's unless given.

        Raises: RpcFailed, as the subclass of its code; ClosedError when the channel is closed;
            UsageError for what cannot be sent; what the encoder of requests raises.
        """
        if self._home.middleware:
            answered = Answered()
            return await self._through(
                answered, request, timeout, metadata, wait_for_ready, compression
            )
        call = self.start(request, timeout, metadata, wait_for_ready, compression)
        # As `_reply_of`, but for its coroutine.
        if not call.over:
            try:
                await call.future
            except BaseException:
                call.cancel()
                raise
        return call.result()

    async def with_metadata(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: MetadataSource | None = None,
        wait_for_ready: bool | None = None,
        compression: str | None = None,
    ) -> UnaryReply:
        """Call it as `__call__` does, and return what came beside the message as well."""
        if self._home.middleware:
            answered, run = self.answered(request, timeout, metadata, wait_for_ready, compression)
            message = await run
            found = answered.last
            if found is None:
                return UnaryReply(message, (), ())
            call = found
        else:
            call = self.start(request, timeout, metadata, wait_for_ready, compression)
            message = await _reply_of(call)
        return UnaryReply(message, call.initial_metadata, call.trailing_metadata)

    def start(
        self,
        request: Any,
        timeout: float | None,
        metadata: MetadataSource | None,
        wait_for_ready: bool | None,
        compression: str | None,
    ) -> UnaryCall:
        """Begin a call that no middleware sees; for who waits in a way of its own."""
        if timeout is None:
            timeout = self._home.timeout
        scope = Scope.nearest()
        if scope is None and metadata is None and wait_for_ready is None and compression is None:
            core = self._home.core
            if core is None or core.loop is not get_running_loop():
                core = self._home.open()
            terms = self._usual.get(timeout) or self._usually(timeout)
            # Terms without an end have a timeout that limits nothing, such as an infinite one.
            end = None if terms.end is None or timeout is None else core.loop.time() + timeout
        else:
            core, terms = self._terms(scope, timeout, metadata, wait_for_ready, compression)
            end = terms.end
        call = UnaryCall(core, terms, packed(terms, core.limits, request), end)
        call.begin()
        return call

    def _usually(self, timeout: float | None) -> Terms:
        """The terms of calls that say nothing but their timeout, which have them in common."""
        _, terms = self._terms(None, timeout, None, None, None)
        if len(self._usual) >= _MOST_USUAL:
            self._usual.clear()
        self._usual[timeout] = terms
        return terms

    @property
    def has_middleware(self) -> bool:
        """Whether the channel has any."""
        return bool(self._home.middleware)

    def answered(
        self,
        request: Any,
        timeout: float | None,
        metadata: MetadataSource | None,
        wait_for_ready: bool | None,
        compression: str | None,
    ) -> tuple[Answered, Coroutine[Any, Any, Any]]:
        """What runs a call through the middleware, and where it says what it did."""
        answered = Answered()
        run = self._through(answered, request, timeout, metadata, wait_for_ready, compression)
        return answered, run

    async def _through(
        self,
        answered: Answered,
        request: Any,
        timeout: float | None,
        metadata: MetadataSource | None,
        wait_for_ready: bool | None,
        compression: str | None,
    ) -> Any:
        async def innermost(call: Call) -> Any:
            assert isinstance(call, OutgoingCall)
            request, metadata = call.request, call.metadata
            wire = self.start(request, timeout, metadata, wait_for_ready, compression)
            answered.last = wire
            # As `_reply_of`, but for its coroutine.
            if not wire.over:
                try:
                    await wire.future
                except BaseException:
                    wire.cancel()
                    raise
            return wire.result()

        home = self._home
        first, *others = home.middleware
        handler = chain(others, innermost) if others else innermost
        call = OutgoingCall("grpc", self.wire.name, None, request)
        call.add(metadata)
        task = asyncio.current_task()
        if not call.stand_in(task):
            effects = home.effects if Scope.current_or_none() is None else None
            with Scope(self.wire.name, effects=effects) as scope:
                call.scope = scope
                return await first(call, handler)
        try:
            reply = await first(call, handler)
        except BaseException as error:
            call.leave(error)  # which raises the cause in its place, if the scope has one
            raise
        call.leave(None)
        return reply


class Answered:
    """What came of a unary call with middleware.

    Attributes:
        last: the last call on the wire.
    """

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: UnaryCall | None = None


async def _reply_of(call: UnaryCall) -> Any:
    if not call.over:
        try:
            await call.future
        except BaseException:
            call.cancel()
            raise
    return call.result()


class _StreamMethod(Method):
    __slots__ = ()

    def _begin(
        self,
        timeout: float | None,
        metadata: MetadataSource | None,
        wait_for_ready: bool | None,
        compression: str | None,
    ) -> RpcStream:
        home = self._home
        if home.middleware:
            return self._through(timeout, metadata, wait_for_ready, compression)
        scope = Scope.nearest()
        core, terms = self._terms(scope, timeout, metadata, wait_for_ready, compression)
        call = StreamingCall(core, terms)
        call.begin()
        return RpcStream(call, self.wire.kind, call)

    def _through(
        self,
        timeout: float | None,
        metadata: MetadataSource | None,
        wait_for_ready: bool | None,
        compression: str | None,
    ) -> RpcStream:
        home = self._home
        scope = Scope.nearest()
        core, terms = self._terms(scope, timeout, None, wait_for_ready, compression)
        wire = StreamingCall(core, terms)
        out: asyncio.Future[Any] = core.loop.create_future()

        async def innermost(call: Call) -> None:
            assert isinstance(call, OutgoingCall)
            assert call.stream is not None
            here = Scope.nearest()
            wire.terms = self._terms(here, timeout, call.metadata, wait_for_ready, compression)[1]
            await span(wire, out, call.stream, wire.begin)

        async def run() -> None:
            effects = home.effects if Scope.current_or_none() is None else None
            try:
                with Scope(self.wire.name, effects=effects) as own:
                    call = OutgoingCall("grpc", self.wire.name, own, stream=wire)
                    call.add(metadata)
                    await chain(home.middleware, innermost)(call)
            finally:
                wire.cancel()

        task = core.loop.create_task(run(), name=self.wire.name)
        return RpcStream(wire, self.wire.kind, out, task)


class ServerStreamMethod(_StreamMethod):
    """One request, any number of replies: ``async for reply in method(request): …``."""

    __slots__ = ()

    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: MetadataSource | None = None,
        wait_for_ready: bool | None = None,
        compression: str | None = None,
    ) -> RpcStream:
        """Call it; see `UnaryMethod.__call__`. Without `timeout` only the scope's deadline holds."""
        stream = self._begin(timeout, metadata, wait_for_ready, compression)
        stream.feed((request,))
        return stream


class ClientStreamMethod(_StreamMethod):
    """Any number of requests, one reply: ``reply = await method(requests)``, or ``stream =
    method()``, `RpcStream.send`, and ``await stream.reply()``."""

    __slots__ = ()

    def __call__(
        self,
        requests: Requests | None = None,
        *,
        timeout: float | None = None,
        metadata: MetadataSource | None = None,
        wait_for_ready: bool | None = None,
        compression: str | None = None,
    ) -> RpcStream:
        """Call it; see `UnaryMethod.__call__`. Without `timeout` only the scope's deadline holds."""
        stream = self._begin(timeout, metadata, wait_for_ready, compression)
        if requests is not None:
            stream.feed(requests)
        return stream


class BidiMethod(ClientStreamMethod):
    """Any number of messages both ways, independently."""

    __slots__ = ()
