"""Channels to a server that is the other side of the engine, in memory and in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any

from mainstay.core.backoff import Backoff
from mainstay.errors import BrokenError
from mainstay.net.client_streams import StreamConnection
from mainstay.net.origin import Origin
from mainstay.net.outgoing import Shared
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.method import Kind
from mainstay.testing.memory import connect_in_memory
from mainstay.wire.envelopes import EnvelopeReader, seal
from mainstay.wire.http2 import Data, Event, Http2Settings, RequestHead, Reset, Trailers
from mainstay.wire.http2_engines import http2_engine

OK = [(b"grpc-status", b"0")]
HEAD = [(b"content-type", b"application/grpc")]
STEADY = Backoff(initial=1.0, factor=2.0, maximum=120.0, jitter=0)


class Side(asyncio.Protocol):
    """The server's side of one connection.

    Attributes:
        heads: of the requests, by stream.
        bodies: what has come of each.
        resets: stream to code.
        held: streams whose requests are whole and were not answered.
    """

    def __init__(self, world: "World") -> None:
        self.world = world
        self.engine = http2_engine(client=False, settings=world.settings)
        self.heads: dict[int, dict[bytes, bytes]] = {}
        self.bodies: dict[int, bytes] = {}
        self.resets: dict[int, int] = {}
        self.held: list[int] = []
        self.left = False
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if not self.world.mute:
            self.engine.begin()
            self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.left = True

    def data_received(self, data: bytes) -> None:
        if self.world.mute:
            return
        for event in self.engine.receive(data):
            self.take(event)
        self.flush()

    def take(self, event: Event) -> None:
        if isinstance(event, RequestHead):
            self.heads[event.stream] = {b":path": event.target, **dict(event.fields)}
            self.bodies[event.stream] = b""
            self.world.heads.append(self.heads[event.stream])
        elif isinstance(event, Data):
            self.bodies[event.stream] += event.data
            if self.world.credits:
                self.engine.credit(event.stream, len(event.data))
        elif isinstance(event, Reset):
            self.resets[event.stream] = event.code
        if self.world.react is not None:
            self.world.react(self, event)
        elif isinstance(event, RequestHead | Data | Trailers) and getattr(event, "ended", True):
            self.held.append(event.stream)
            if self.world.answers:
                self.answer(event.stream)

    def answer(
        self,
        stream: int,
        *messages: bytes,
        head: list[tuple[bytes, bytes]] | None = None,
        trailers: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        """Answer with these, or with what was asked."""
        if stream in self.held:
            self.held.remove(stream)
        data = b"".join(map(seal, messages)) if messages else self.bodies[stream]
        self.engine.respond(stream, 200, HEAD if head is None else head, False)
        self.say(stream, data)
        self.engine.send_trailers(stream, OK if trailers is None else trailers)
        self.flush()

    def say(self, stream: int, data: bytes, *, ended: bool = False) -> None:
        """Send all of `data`; it has to fit."""
        sent = 0
        while sent < len(data) or (ended and not data):
            went = self.engine.send(stream, data, sent, ended)
            sent += went
            self.flush()
            if not went:
                break
        assert sent == len(data)

    def messages(self, stream: int) -> list[bytes]:
        """What was sent to it."""
        reader = EnvelopeReader(1 << 30)
        reader.feed(self.bodies[stream])
        found = []
        while (each := reader.next()) is not None:
            found.append(each[1])
        return found

    def flush(self) -> None:
        if self.transport is not None and (data := self.engine.take()):
            self.transport.write(data)


class World:
    """See the module.

    Attributes:
        sides: of the connections, in order.
        heads: of all requests, in order.
        dials: loop times.
        refused: how many dials fail from now on.
        answers: whether requests are answered with themselves when they are whole.
        credits: whether the server takes what it gets.
        mute: whether new connections say nothing at all.
    """

    def __init__(self, react: Callable[[Side, Event], None] | None = None, **settings: Any) -> None:
        self.react = react
        self.settings = Http2Settings(**settings)
        self.sides: list[Side] = []
        self.heads: list[dict[bytes, bytes]] = []
        self.dials: list[float] = []
        self.refused = 0
        self.answers = True
        self.credits = True
        self.mute = False

    def channel(self, **options: Any) -> Channel:
        """A channel to it."""

        def dialer(shared: Shared) -> World:
            self.shared = shared
            return self

        options.setdefault("backoff", STEADY)
        return Channel("tcp://there:1", dialer=dialer, **options)

    async def dial(self, origin: Origin, owner: Any) -> StreamConnection:
        """See `StreamDialer`."""
        self.dials.append(asyncio.get_running_loop().time())
        if self.refused:
            self.refused -= 1
            raise BrokenError(f"cannot connect to {origin}: refused")
        made = StreamConnection(self.shared, str(origin), owner)
        side = Side(self)
        self.sides.append(side)
        connect_in_memory(made, side)
        return made

    @property
    def side(self) -> Side:
        """The one connection, or the last."""
        return self.sides[-1]


def unary(channel: Channel) -> Any:
    return channel.method_at("/test.Service/Unary", Kind.UNARY)


def replies(channel: Channel) -> Any:
    return channel.method_at("/test.Service/Replies", Kind.SERVER_STREAM)


def collect(channel: Channel) -> Any:
    return channel.method_at("/test.Service/Collect", Kind.CLIENT_STREAM)


def chat(channel: Channel) -> Any:
    return channel.method_at("/test.Service/Chat", Kind.BIDI)


async def settle(turns: int = 20) -> None:
    """Let everything happen that is ready."""
    for _ in range(turns):
        await asyncio.sleep(0)
