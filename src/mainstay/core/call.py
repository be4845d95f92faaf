"""The shape of a call: one idea for every transport.

A `Call` is one unit of work to be answered. A `Handler` is an async function from a call to its
reply. A `Middleware` is an async function that gets a call and the next handler, and decides what
happens around it. `chain` folds a list of middleware and a handler into one handler::

    async def timing(call: Call, next: Handler) -> Any:
        started = perf_counter()
        try:
            return await next(call)
        finally:
            record(call.method, perf_counter() - started)

    handler = chain([timing, authenticate], answer)     # timing is outermost: list order is run order

The same function guards HTTP, gRPC, framed TCP, broker messages and calls made in process, on the
server and on the client.

**Unary calls** have the message in `call.request` and the reply as the return value.

**Streaming calls** have a `Stream` in `call.stream`, and the handler ends when the stream does: a
middleware's ``await next(call)`` spans the whole life of the stream, its scope and its deadline
too. Handlers written as async generators are driven by the innermost handler, inside that span.
To see the four events of a stream, replace it by a `StreamMiddleware`::

    class Counted(StreamMiddleware):
        async def send(self, message: Any) -> None:
            count()
            await self.inner.send(message)

    async def counting(call: Call, next: Handler) -> Any:
        if call.stream is not None:
            call.stream = Counted(call.stream)
        return await next(call)

After kratos' ``middleware.Handler`` and tower's ``Service``; the streams are ours, because a shape
made for unary calls and forced on streams hides what happens in them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from mainstay.core.metadata import EMPTY, Metadata
from mainstay.errors import EndOfStream

if TYPE_CHECKING:
    from mainstay.core.scope import Scope

__all__ = ["Call", "Handler", "Middleware", "Stream", "StreamMiddleware", "chain", "messages"]


class Stream(Protocol):
    """The messages of one call, in both directions. The transport implements it.

    One that can do better than a call of `send` for each message may have ``send_all(messages)`` as
    well, which takes an async iterator; a middleware that puts itself around `send` does not have it.

    The directions are independent: receiving goes on after `close`, sending after the end of what
    the peer sends. Every method may wait, and is a point where cancellation is delivered.
    """

    async def open(self, metadata: Metadata = EMPTY) -> None:
        """Send the head of the reply (HTTP status and headers, gRPC initial metadata, WebSocket
        accept). Implied by the first `send`; a second call raises UsageError."""

    async def receive(self) -> Any:
        """The next message of the peer.

        Raises: EndOfStream after the peer's last one; PeerGone if the peer left.
        """

    async def send(self, message: Any) -> None:
        """Send one message; returns when the transport has taken it (backpressure).

        Raises: ClosedError after `close`; PeerGone if the peer left.
        """

    async def close(self, metadata: Metadata = EMPTY) -> None:
        """End our direction, with trailing metadata where the transport has it; idempotent."""


class Call:
    """One unit of work to be answered.

    Attributes:
        transport: the family it came by: ``http``, ``grpc``, ``tcp``, ``local``, …
        method: the low-cardinality name of what is called, such as ``hello.v1.Greeter/SayHello``.
        scope: deadline, cancellation, metadata, peer and values of this call.
        request: the message of a unary call; None for a stream.
        stream: the messages of a streaming call; None for a unary one.
    """

    __slots__ = ("method", "request", "scope", "stream", "transport")

    def __init__(
        self,
        transport: str,
        method: str,
        scope: Scope,
        request: Any = None,
        stream: Stream | None = None,
    ) -> None:
        self.transport = transport
        self.method = method
        self.scope = scope
        self.request = request
        self.stream = stream

    def __repr__(self) -> str:
        kind = "unary" if self.stream is None else "stream"
        return f"<Call {self.transport} {self.method} {kind}>"


Handler: TypeAlias = Callable[[Call], Awaitable[Any]]
Middleware: TypeAlias = Callable[[Call, Handler], Awaitable[Any]]


def chain(middleware: Sequence[Middleware], handler: Handler) -> Handler:
    """Fold `middleware` around `handler`; the first listed is the outermost and runs first."""
    for layer in reversed(middleware):
        handler = _bind(layer, handler)
    return handler


def _bind(layer: Middleware, inner: Handler) -> Handler:
    # A plain closure: `functools.partial` with a keyword costs more per call (see bench/).
    return lambda call: layer(call, inner)


class StreamMiddleware:
    """A `Stream` that passes everything on to `inner`; override what you want to see or change."""

    __slots__ = ("inner",)

    def __init__(self, inner: Stream) -> None:
        self.inner = inner

    async def open(self, metadata: Metadata = EMPTY) -> None:
        """See `Stream.open`."""
        await self.inner.open(metadata)

    async def receive(self) -> Any:
        """See `Stream.receive`."""
        return await self.inner.receive()

    async def send(self, message: Any) -> None:
        """See `Stream.send`."""
        await self.inner.send(message)

    async def close(self, metadata: Metadata = EMPTY) -> None:
        """See `Stream.close`."""
        await self.inner.close(metadata)


async def messages(stream: Stream) -> AsyncIterator[Any]:
    """What the peer sends on `stream`, one message at a time, to its end."""
    while True:
        try:
            message = await stream.receive()
        except EndOfStream:
            return
        yield message
