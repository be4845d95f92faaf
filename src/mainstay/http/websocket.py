"""What a handler of a WebSocket holds in its hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast

from mainstay.core.call import Stream
from mainstay.core.metadata import EMPTY, Metadata
from mainstay.errors import EndOfStream
from mainstay.http.request import Request

if TYPE_CHECKING:
    from mainstay.http.websocket_stream import WebSocketStream

__all__ = ["WebSocket"]

In = TypeVar("In")
Out = TypeVar("Out")


class WebSocket(Generic[In, Out]):
    """A conversation with a peer: messages of the type `In` come, those of the type `Out` go.

    ::

        async def chat(socket: WebSocket[Said, Heard], room: str) -> None:
            async for message in socket:
                await socket.send(Heard(room=room, text=message.text))

    ``str`` and ``bytes`` travel as text and binary messages, every other type as JSON. Made by the
    framework, for the parameter with this annotation.

    Attributes:
        request: what the peer asked with: headers, cookies, query.
    """

    __slots__ = ("_base", "_stream", "request")

    def __init__(self, stream: Stream, base: WebSocketStream, request: Request) -> None:
        # The stream is what middleware made of the base, and sees what is sent and received.
        self._stream = stream
        self._base = base
        self.request = request

    async def open(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Accept the WebSocket now, with more fields in the answer; otherwise the first `send` or
        `receive` does. Until then an error that is raised is a plain HTTP answer.

        Raises: PeerGone; UsageError when it was accepted before.
        """
        await self._stream.open(Metadata(headers))

    async def receive(self) -> In:
        """The next message; waits for it.

        Raises: EndOfStream when the peer has said goodbye; PeerGone if it left without one;
        InvalidRequest for a message that is no `In`, after which the next one can be received.
        """
        return cast(In, await self._stream.receive())

    async def send(self, message: Out) -> None:
        """Send a message; waits while the peer takes no more.

        Raises: PeerGone once the peer has closed or left; ClosedError after `close`.
        """
        await self._stream.send(message)

    def send_nowait(self, message: Out) -> bool:
        """Send a message if there is room for it at once, without waiting.

        For who has something to say to many, and keeps it for those who take nothing now. It may
        overtake a `send` that is still to begin: whoever keeps messages for `send` keeps the order.

        Returns: whether it was sent. False before the WebSocket is accepted, while the peer has
            enough to take, now and then to let others work, and always when a middleware has put
            itself around the stream, so that it sees every message: use `send` then.

        Raises: as `send`.
        """
        return self._stream is self._base and self._base.send_nowait(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye. Idempotent; what the peer sent before it heard can still be received.

        Args:
            code: 1000, or one of your own from 3000 to 4999 (RFC 6455 §7.4).
            reason: for the peer; cut after 123 bytes.

        Raises: UsageError for a code that may not be sent.
        """
        if code == 1000 and not reason:  # noqa: PLR2004 - the usual end
            await self._stream.close(EMPTY)
        else:
            await self._stream.close(Metadata([("code", str(code)), ("reason", reason)]))

    @property
    def subprotocol(self) -> str | None:
        """What was agreed upon, of those that the route supports."""
        return self._base.subprotocol

    @property
    def draining(self) -> bool:
        """Whether the service is stopping: the peer is told so as soon as the handler waits."""
        return self._base.draining

    @property
    def close_code(self) -> int | None:
        """The code of the peer's goodbye; 1005 for one without, 1006 if it just left; None before."""
        closed = self._base.closed
        return None if closed is None else closed.code

    @property
    def close_reason(self) -> str:
        """The reason that the peer gave."""
        closed = self._base.closed
        return "" if closed is None else closed.reason

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> In:
        """The next message, to the peer's goodbye. Raises: PeerGone, InvalidRequest; see `receive`."""
        # Not a generator, and not by `receive`: many wait here, and each would take more memory.
        try:
            return cast(In, await self._stream.receive())
        except EndOfStream:
            raise StopAsyncIteration from None

    def __repr__(self) -> str:
        return f"<WebSocket {self._base!r}>"
