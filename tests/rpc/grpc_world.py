"""Methods behind a connection of HTTP/2 in memory, called by a peer of frames, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from mainstay.core.call import Call, Handler
from mainstay.core.scope import Scope
from mainstay.net.exchange import Exchange
from mainstay.net.port import Port
from mainstay.rpc.app import RpcApplication
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.method import Kind, MessageType, RpcMethod
from mainstay.rpc.settings import RpcSettings
from mainstay.testing import virtual_effects
from mainstay.wire.envelopes import EnvelopeReader, seal
from mainstay.wire.http2_frames import frame
from tests.net.http2_world import Wire
from tests.wire.http2_world import DATA, END_STREAM, HEADERS, RST

Answer = Callable[[Any], Awaitable[Any]]


def _decode(data: bytes) -> bytes:
    if data == b"broken":
        raise ValueError("cannot be decoded")
    return data


def _encode(message: Any) -> bytes:
    if not isinstance(message, bytes):
        raise TypeError(f"a message is bytes, not {message!r}")
    return message


BYTES = MessageType(name="test.Bytes", python_type=bytes, decode=_decode, encode=_encode)
"""Messages that are what they say."""


class Nobody:
    """Answers what is no RPC."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def open(self, port: Port, calls: Scope, handler: Handler) -> None:
        """See `PortApplication`."""

    def begin(self, exchange: Exchange) -> None:
        """See `Application`."""
        self.asked.append(exchange.target)
        exchange.respond(404, b"text/plain", (), b"nothing here")


class Reply(NamedTuple):
    """What was answered on one stream."""

    head: dict[bytes, bytes]
    messages: list[bytes]
    flags: list[int]
    trailers: dict[bytes, bytes]
    reset: int | None
    """The code of RST_STREAM."""

    @property
    def status(self) -> int | None:
        """The code of gRPC, wherever it stands."""
        value = self.trailers.get(b"grpc-status", self.head.get(b"grpc-status"))
        return None if value is None else int(value)

    @property
    def message(self) -> bytes:
        """What goes with it."""
        return self.trailers.get(b"grpc-message", self.head.get(b"grpc-message", b""))


class World:
    """A server with methods of ``test.Service``, and its peer.

    Args:
        answer: the handler of every method, middleware included.
        kind: of them.
        settings: of RPC.
        first: settings that the peer has said.
        timeout: seconds, of a unary call without a limit.
        limits: of the port.
    """

    def __init__(
        self,
        answer: Answer,
        kind: Kind = Kind.UNARY,
        *,
        settings: RpcSettings | None = None,
        first: Sequence[tuple[int, int]] = (),
        timeout: float | None = None,
        **limits: Any,
    ) -> None:
        method = RpcMethod(
            service="test.Service", name="Do", kind=kind, request=BYTES, response=BYTES
        )
        self.method = method
        self.nobody = Nobody()
        self.endpoint = RpcEndpoint(method, answer)
        self.app = RpcApplication(
            [self.endpoint], settings or RpcSettings(), self.nobody, call_timeout=timeout
        )
        self.wire = Wire(self.app.begin, *first, **{"ping_interval": None, **limits})
        loop: Any = asyncio.get_running_loop()
        self.calls = Scope("calls", parent=None, effects=virtual_effects(loop)).open()
        self.app.open(self.wire.port, self.calls, _no_handler)
        self._frames: list[tuple[int, int, int, Any]] = []

    def begin(
        self,
        *fields: tuple[bytes, bytes],
        path: bytes = b"/test.Service/Do",
        stream: int = 1,
        content_type: bytes = b"application/grpc",
        method: bytes = b"POST",
        ended: bool = False,
    ) -> None:
        """The head of a call."""
        head = (
            (b":method", method),
            (b":scheme", b"http"),
            (b":path", path),
            (b":authority", b"a"),
            (b"content-type", content_type),
            (b"te", b"trailers"),
            *fields,
        )
        self.wire.say(self.wire.peer.head(stream, head, ended=ended))

    def send(self, *data: bytes, stream: int = 1, ended: bool = False) -> None:
        """Frames of a call's body, as they are."""
        for index, each in enumerate(data):
            last = ended and index == len(data) - 1
            self.wire.say(frame(DATA, END_STREAM if last else 0, stream, each))

    def call(self, *messages: bytes, fields: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """A whole call on stream 1, in one piece."""
        peer = self.wire.peer
        head = (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/test.Service/Do"),
            (b":authority", b"a"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            *fields,
        )
        body = b"".join(map(seal, messages))
        data = frame(DATA, END_STREAM, 1, body)
        self.wire.say(peer.head(1, head, ended=False) + data)

    def reply(self, stream: int = 1) -> Reply:
        """What was answered on `stream` up to now."""
        self._frames += self.wire.heard()
        heads: list[dict[bytes, bytes]] = []
        reader = EnvelopeReader(1 << 30)
        messages, flags = [], []
        code: int | None = None
        for kind, _, number, payload in self._frames:
            if number != stream:
                continue
            if kind == HEADERS:
                heads.append(dict(payload))
            elif kind == DATA:
                reader.feed(payload)
            elif kind == RST:
                code = int.from_bytes(payload, "big")
        head = heads[0] if heads else {}
        if head.get(b":status", b"200") == b"200":
            while (found := reader.next()) is not None:
                flags.append(found[0])
                messages.append(found[1])
        return Reply(head, messages, flags, heads[1] if len(heads) > 1 else {}, code)

    async def settled(self, stream: int = 1) -> Reply:
        """The same, after every task has gone as far as it can without time passing."""
        self._frames += await self.wire.settled()
        return self.reply(stream)


async def _no_handler(call: Call) -> Any:
    raise AssertionError("methods have handlers of their own")


async def echo(call: Any) -> Any:
    """A unary handler: what was asked."""
    await asyncio.sleep(0)
    return call.request
