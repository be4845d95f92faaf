"""Calls whose heads are the same bytes each time are calls like any other."""

import asyncio
from typing import Any

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import DeadlineExceeded, NotFound, PeerGone
from mainstay.rpc.grpc import GrpcCall, KnownGrpcCall
from mainstay.rpc.method import Kind
from mainstay.rpc.settings import RpcSettings
from mainstay.wire.envelopes import COMPRESSED, seal
from mainstay.wire.http2_frames import frame
from tests.rpc.grpc_world import Reply, World, echo
from tests.wire.http2_world import DATA, END_STREAM, POST, reset

Fields = tuple[tuple[bytes, bytes], ...]


class Caller:
    """Calls again and again with one head; the third call is the first whose head is known."""

    def __init__(
        self, world: World, *fields: tuple[bytes, bytes], content_type: bytes = b"application/grpc"
    ) -> None:
        self.world = world
        self.stream = -1
        self.head: Fields = (
            *(POST[0], POST[1], (b":path", b"/test.Service/Do"), POST[3]),
            (b"content-type", content_type),
            (b"te", b"trailers"),
            *fields,
        )

    async def call(self, body: bytes) -> Reply:
        """The reply, as far as it comes without time passing."""
        self.say(body)
        return await self.world.settled(self.stream)

    def say(self, body: bytes) -> None:
        """A call with this body."""
        self.stream += 2
        head = self.world.wire.peer.head(self.stream, self.head, ended=False)
        self.world.wire.say(head + frame(DATA, END_STREAM, self.stream, body))


async def test_calls_with_a_known_head_are_answered_as_all_are() -> None:
    """Whether they wait or not; only the class of the call shows it."""
    seen: list[Any] = []

    async def answer(call: Any) -> bytes:
        seen.append(call)
        if call.request == b"wait":
            await asyncio.sleep(0)
        call.trailing_metadata.append(("x-said", call.request.decode()))
        return b"re: " + bytes(call.request)

    world = World(answer)
    caller = Caller(world, (b"x-id", b"7"), (b"grpc-timeout", b"9S"))
    replies = [await caller.call(seal(each)) for each in (b"a", b"b", b"c", b"wait", b"d")]
    assert [reply.messages for reply in replies] == [
        [b"re: a"],
        [b"re: b"],
        [b"re: c"],
        [b"re: wait"],
        [b"re: d"],
    ]
    assert {str(reply.head) for reply in replies} == {str(replies[0].head)}
    assert [reply.trailers for reply in replies] == [
        {b"grpc-status": b"0", b"x-said": said} for said in (b"a", b"b", b"c", b"wait", b"d")
    ]
    assert [type(call) for call in seen] == [GrpcCall] * 2 + [KnownGrpcCall] * 3
    assert {repr(call) for call in seen} == {"<Call grpc test.Service/Do unary>"}
    assert seen[4].scope.metadata.get("x-id") == "7"
    assert world.endpoint.counts.statuses == {0: 5}
    assert world.wire.port.in_flight == 0


async def test_every_attribute_of_a_call_is_there() -> None:
    """Its constructor writes those of all classes above it."""
    seen: list[Any] = []

    async def answer(call: Any) -> bytes:
        seen.append(
            {
                name: getattr(call, name)
                for cls in type(call).__mro__
                for name in getattr(cls, "__slots__", ())
                if name not in ("exchange", "request", "_made", "scope")
            }
        )
        return b""

    caller = Caller(World(answer))
    for _ in range(4):
        await caller.call(seal(b"same"))
    assert seen[0] == seen[3]


async def test_a_known_deadline_is_a_deadline() -> None:
    """The head is the same, and the time runs anew for each call."""
    left: list[float] = []

    async def answer(call: Any) -> bytes:
        left.append(round(Scope.current().remaining(), 3))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            assert isinstance(call.scope.cause, DeadlineExceeded)
            raise
        raise AssertionError

    world = World(answer)
    caller = Caller(world, (b"grpc-timeout", b"2S"))
    for _ in range(4):
        await caller.call(seal(b"x"))
        await asyncio.sleep(3)
        reply = await world.settled(caller.stream)
        assert (reply.status, world.wire.port.in_flight) == (4, 0)
    assert left == [2.0] * 4


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (((b"grpc-encoding", b"gzip"),), 0),
        (((b"grpc-encoding", b"identity"),), 0),
        (((b"grpc-encoding", b"nobody's"),), 12),
        (((b"grpc-timeout", b"soon"),), 13),
    ],
)
async def test_a_head_that_says_more_is_looked_at_each_time(fields: Fields, status: int) -> None:
    """It may be refused, or what follows is compressed."""
    seen = []

    async def answer(call: Any) -> bytes:
        seen.append(type(call))
        return bytes(call.request)

    caller = Caller(World(answer), *fields)
    for _ in range(5):
        assert (await caller.call(seal(b"hello"))).status == status
    assert seen == ([GrpcCall] * 5 if not status else [])


async def test_replies_are_compressed_for_whom_it_is_said() -> None:
    """The settings are of the server, the wish is of the head."""
    world = World(echo, settings=RpcSettings(compression="gzip", compress_from=1))
    caller = Caller(world, (b"grpc-accept-encoding", b"gzip"))
    for _ in range(4):
        reply = await caller.call(seal(b"hello"))
        assert (reply.head[b"grpc-encoding"], reply.flags) == (b"gzip", [COMPRESSED])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (seal(b"broken"), 3),
        (seal(b"one") + seal(b"two"), 12),
        (seal(b"x", COMPRESSED), 13),
        (b"\0\0\0\0\x09short", 13),
        (seal(b"x" * 2000), 0),
        (b"\0\0\0\0\0", 0),
    ],
    ids=["no message", "two", "compressed", "cut", "long", "empty"],
)
async def test_what_is_wrong_with_a_message_is_said(body: bytes, status: int) -> None:
    """The head is known, the body is not."""
    caller = Caller(World(echo))
    statuses = [(await caller.call(body)).status for _ in range(5)]
    assert statuses == [status] * 5


async def test_what_a_handler_raises_is_the_status() -> None:
    """And the next call knows nothing of it."""

    async def answer(call: Any) -> Any:
        if call.request == b"nothing":
            call.initial_metadata.append(("x-begun", "yes"))
            raise NotFound("there is nothing")
        return None if call.request == b"none" else call.request

    caller = Caller(World(answer))
    for _ in range(2):
        for said, status in ((b"nothing", 5), (b"none", 2), (b"fine", 0)):
            reply = await caller.call(seal(said))
            assert reply.status == status
            assert (b"x-begun" in reply.head) == (said == b"nothing")


async def test_known_calls_are_refused_beyond_the_bound() -> None:
    """They are calls at work as all others."""
    gate = asyncio.Event()

    async def answer(call: Any) -> bytes:
        if call.request == b"wait":
            await gate.wait()
        return b"done"

    world = World(answer, in_flight=2)
    caller = Caller(world)
    for _ in range(3):
        await caller.call(seal(b"x"))
    caller.say(seal(b"wait"))
    caller.say(seal(b"wait"))
    refused = await caller.call(seal(b"x"))
    assert (refused.head[b":status"], refused.head[b"retry-after"]) == (b"503", b"1")
    gate.set()
    assert (await world.settled(caller.stream - 2)).status == 0
    assert (await caller.call(seal(b"x"))).status == 0
    assert world.endpoint.counts.statuses == {0: 6, 14: 1}


async def test_a_peer_that_takes_a_known_call_back_cancels_it() -> None:
    """The handler learns of it as ever."""
    causes: list[Any] = []

    async def answer(call: Any) -> bytes:
        if call.request != b"wait":
            return b""
        try:
            await asyncio.sleep(60)
        finally:
            causes.append(call.scope.cause)
        return b""

    world = World(answer)
    caller = Caller(world)
    for _ in range(3):
        await caller.call(seal(b"x"))
    await caller.call(seal(b"wait"))
    world.wire.say(reset(caller.stream))
    await world.settled()
    assert [type(cause) for cause in causes] == [PeerGone]
    assert (world.wire.port.in_flight, world.app.tasks) == (0, {})


@pytest.mark.parametrize("kind", [Kind.SERVER_STREAM, Kind.BIDI])
async def test_streams_have_known_heads_as_well(kind: Kind) -> None:
    """All of their requests came with the head; they are long, and count as such."""
    long = []

    async def answer(call: Any) -> None:
        long.append((call.exchange.long, world.wire.port.long))
        asked = await call.stream.receive()
        for _ in range(3):
            await call.stream.send(asked)

    world = World(answer, kind)
    caller = Caller(world)
    for number in range(5):
        said = b"%d" % number
        reply = await caller.call(seal(said))
        assert (reply.messages, reply.status) == ([said] * 3, 0)
    assert long == [(True, 1)] * 5
    assert (world.endpoint.received, world.endpoint.sent) == (5, 15)
    assert world.wire.port.long == 0


async def test_what_is_no_rpc_is_no_rpc_the_fourth_time() -> None:
    """Nothing is kept for it."""
    world = World(echo)
    caller = Caller(world, content_type=b"text/plain")
    for _ in range(4):
        assert (await caller.call(seal(b"x"))).head[b":status"] == b"415"
