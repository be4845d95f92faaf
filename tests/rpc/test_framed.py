"""Streams of messages: order, bounds, and independent directions."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.core.call import StreamMiddleware, messages
from mainstay.core.metadata import Metadata
from mainstay.errors import ClosedError, PeerGone, UsageError
from mainstay.rpc.framed import wire_fields
from mainstay.rpc.method import Kind
from mainstay.wire.envelopes import seal
from tests.rpc.grpc_world import World
from tests.wire.http2_world import reset, window


async def upper(call: Any) -> None:
    """A handler of both directions: every message in capitals."""
    async for message in messages(call.stream):
        await call.stream.send(message.upper())


async def test_both_directions_go_on_side_by_side() -> None:
    """Each message is answered before the next one comes."""
    world = World(upper, Kind.BIDI)
    world.begin()
    for word in (b"one", b"two", b"three"):
        world.send(seal(word))
        assert (await world.settled()).messages[-1] == word.upper()
    assert world.reply().status is None
    world.send(b"", ended=True)
    reply = await world.settled()
    assert (reply.messages, reply.status) == ([b"ONE", b"TWO", b"THREE"], 0)
    assert (world.endpoint.received, world.endpoint.sent) == (3, 3)


async def test_the_server_may_end_first() -> None:
    """The status comes, and the peer is told to send no more, without an error."""

    async def first_only(call: Any) -> None:
        await call.stream.send(await call.stream.receive())

    world = World(first_only, Kind.BIDI)
    world.begin()
    world.send(seal(b"a"), seal(b"b"))
    reply = await world.settled()
    assert (reply.messages, reply.status, reply.reset) == ([b"a"], 0, 0)
    assert world.wire.port.in_flight == 0


async def test_a_handler_may_receive_after_the_end_of_what_it_sends() -> None:
    """Closing our direction is not the end of theirs."""
    got: list[bytes] = []

    async def close_first(call: Any) -> None:
        await call.stream.send(b"hello")
        await call.stream.close(Metadata([("x-last", "1")]))
        with pytest.raises(ClosedError):
            await call.stream.send(b"more")
        got.extend([message async for message in messages(call.stream)])

    world = World(close_first, Kind.BIDI)
    world.begin()
    world.send(seal(b"a"))
    await world.settled()
    world.send(seal(b"b"), ended=True)
    reply = await world.settled()
    assert (got, reply.messages, reply.status) == ([b"a", b"b"], [b"hello"], 0)
    assert reply.trailers[b"x-last"] == b"1"


async def test_messages_that_come_without_waiting_leave_together() -> None:
    """A hundred of them in one write, and in one frame of DATA."""

    async def many(call: Any) -> None:
        for index in range(100):
            await call.stream.send(b"%d" % index)

    world = World(many, Kind.SERVER_STREAM)
    before = world.wire.transport.writes
    world.call(b"x")
    reply = await world.settled()
    assert reply.messages == [b"%d" % index for index in range(100)]
    assert (reply.status, world.wire.transport.writes) == (0, before + 1)


async def test_a_message_does_not_wait_for_the_next_one() -> None:
    """It is on its way as soon as the handler waits for something."""

    async def slowly(call: Any) -> None:
        for index in range(3):
            await call.stream.send(b"%d" % index)
            await asyncio.sleep(10)

    world = World(slowly, Kind.SERVER_STREAM)
    world.begin()
    world.send(seal(b"x"), ended=True)
    assert (await world.settled()).messages == [b"0"]
    await asyncio.sleep(10.1)
    assert world.reply().messages == [b"0", b"1"]
    await asyncio.sleep(20)
    assert world.reply().status == 0


async def test_a_peer_that_takes_nothing_stops_the_handler() -> None:
    """However long; at most two windows' worth of messages wait, and one byte at a time comes out."""
    sent = 0

    async def endless(call: Any) -> None:
        nonlocal sent
        while True:
            await call.stream.send(bytes(1000))
            sent += 1

    world = World(endless, Kind.SERVER_STREAM, first=[(4, 1)])
    world.begin()
    world.send(seal(b"x"), ended=True)
    await asyncio.sleep(1000)
    assert 16 <= sent <= 34
    before = sent
    for _ in range(50):
        world.wire.say(window(1, 1))
    await world.settled()
    assert sent == before
    world.wire.say(window(1, 40_000))
    await asyncio.sleep(1)
    assert before < sent < before + 60
    world.wire.say(reset(1))
    await world.settled()
    assert world.app.tasks == {}


async def test_a_peer_that_takes_nothing_stops_a_generator() -> None:
    """Whether it waits between its messages or not."""
    made = 0

    async def endless(pause: float) -> AsyncIterator[bytes]:
        nonlocal made
        while True:
            made += 1
            yield bytes(1000)
            if pause:
                await asyncio.sleep(pause)

    async def answer(call: Any) -> None:
        await call.stream.send_all(endless(float(await call.stream.receive())))

    for pause in (b"0", b"1"):
        made = 0
        world = World(answer, Kind.SERVER_STREAM, first=[(4, 1)])
        world.begin()
        world.send(seal(pause), ended=True)
        await asyncio.sleep(1000)
        assert 1 <= made <= 34
        before = made
        await asyncio.sleep(1000)
        assert made == before
        world.wire.say(reset(1))
        await world.settled()
        assert world.app.tasks == {}


async def test_a_handler_that_reads_nothing_stops_the_peer() -> None:
    """Nothing is credited but what was received; then the peer may go on."""
    gate = asyncio.Event()
    got: list[bytes] = []

    async def later(call: Any) -> None:
        await gate.wait()
        async for message in messages(call.stream):
            got.append(message)  # noqa: PERF401 - one by one, as it is watched

    world = World(later, Kind.CLIENT_STREAM)
    world.begin()
    world.send(*[seal(bytes(16_000))] * 4)
    frames = await world.wire.settled()
    assert not [each for each in frames if each[0] == 8]
    gate.set()
    frames = await world.wire.settled()
    assert [each for each in frames if each[0] == 8]
    assert len(got) == 4
    world.send(b"", ended=True)
    assert (await world.settled()).status == 0


async def test_a_peer_that_leaves_ends_what_is_received_and_sent() -> None:
    """Whichever the handler waits for, it is cancelled because the peer is gone."""
    causes: list[Any] = []

    async def wait(call: Any) -> None:
        await call.stream.open(Metadata([("x-a", "b")]))
        try:
            await call.stream.receive()
        except BaseException:
            causes.append(call.scope.cause)
            with pytest.raises((PeerGone, asyncio.CancelledError)):
                for _ in range(100):
                    await call.stream.send(bytes(1000))
            raise

    world = World(wait, Kind.BIDI)
    world.begin()
    assert (await world.settled()).head[b"x-a"] == b"b"
    world.wire.connection.connection_lost(None)
    await world.settled()
    assert [type(each) for each in causes] == [PeerGone]
    assert world.app.tasks == {}


async def test_an_error_comes_after_the_messages_before_it() -> None:
    """What was sent arrives, then the status."""

    async def fails(call: Any) -> None:
        await call.stream.send(b"one")
        raise UsageError("broken")

    world = World(fails, Kind.SERVER_STREAM)
    world.call(b"x")
    reply = await world.settled()
    assert (reply.messages, reply.status) == ([b"one"], 13)
    assert b"grpc-status" not in reply.head


@pytest.mark.parametrize(
    ("data", "status"), [(b"\0\0\0\0\2a", 13), (b"\0\0\0", 13), (seal(b"a", 2), 13)]
)
async def test_a_malformed_stream_fails_when_it_is_read(data: bytes, status: int) -> None:
    """After the messages before it, and with a code that says whose fault it is."""
    got: list[bytes] = []

    async def read(call: Any) -> None:
        async for message in messages(call.stream):
            got.append(message)  # noqa: PERF401 - one by one, as it fails in the midst

    world = World(read, Kind.CLIENT_STREAM)
    world.begin()
    world.send(seal(b"good"), data, ended=True)
    assert (await world.settled()).status == status
    assert got == [b"good"]


async def test_a_middleware_sees_all_that_happens_in_a_stream() -> None:
    """Opening, receiving, sending and closing."""
    seen: list[str] = []

    class Watch(StreamMiddleware):
        async def open(self, metadata: Any = Metadata()) -> None:  # noqa: B008
            seen.append("open")
            await self.inner.open(metadata)

        async def receive(self) -> Any:
            message = await self.inner.receive()
            seen.append(f"received {message.decode()}")
            return message

        async def send(self, message: Any) -> None:
            seen.append(f"sends {message.decode()}")
            await self.inner.send(message)

        async def close(self, metadata: Any = Metadata()) -> None:  # noqa: B008
            seen.append("close")
            await self.inner.close(metadata)

    async def answer(call: Any) -> None:
        call.stream = Watch(call.stream)
        await call.stream.open()
        await upper(call)
        await call.stream.close()

    world = World(answer, Kind.BIDI)
    world.call(b"a", b"b")
    await world.settled()
    assert seen == ["open", "received a", "sends A", "received b", "sends B", "close"]


async def test_the_head_is_sent_once() -> None:
    """Opening a stream a second time is a fault of the program."""
    refused: list[Exception] = []

    async def answer(call: Any) -> None:
        await call.stream.open()
        for again in (call.stream.open(), _compress(call)):
            try:
                await again
            except UsageError as error:
                refused.append(error)

    async def _compress(call: Any) -> None:
        call.set_compression("gzip")

    world = World(answer, Kind.BIDI)
    world.begin(ended=True)
    assert (await world.settled()).status == 0
    assert len(refused) == 2


async def test_a_message_that_cannot_be_encoded_leaves_the_stream_as_it_is() -> None:
    """The handler may go on after it."""

    async def answer(call: Any) -> None:
        with pytest.raises(TypeError):
            await call.stream.send("text")
        await call.stream.send(b"bytes")

    world = World(answer, Kind.SERVER_STREAM)
    world.call(b"x")
    reply = await world.settled()
    assert (reply.messages, reply.status) == ([b"bytes"], 0)


def test_metadata_on_the_wire() -> None:
    """Names in lower case; ``-bin`` is base64; bytes elsewhere are taken as they are."""
    assert wire_fields([("X-A", "b"), ("k-bin", b"\xff"), ("t-bin", "é"), ("raw", b"r")]) == [
        (b"x-a", b"b"),
        (b"k-bin", b"/w"),
        (b"t-bin", b"w6k"),
        (b"raw", b"r"),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "1\r\nset-cookie: a=b"),
        ("x-a", "1\n"),
        ("x-a", b"\xff"),
        ("x-a", "a\tb"),
        ("x-a", "\ud800"),
        ("x a", "1"),
        ("x-a\r\ny", "1"),
        ("x-a:", "1"),
        ("ſ-a", "1"),
        ("", "1"),
        ("content-length", "3"),
        ("Date", "1"),
        ("upgrade", "h2c"),
        ("trailer", "x"),
        ("keep-alive", "1"),
        ("proxy-connection", "1"),
        ("grpc-message", "x"),
        ("x-a", 1),
        (None, "1"),
    ],
)
def test_metadata_that_would_mean_something_else_is_refused(name: Any, value: Any) -> None:
    """Names that the protocols use, and bytes that end a line, as in trailers of gRPC-Web."""
    with pytest.raises(UsageError, match="metadata"):
        wire_fields([(name, value)])


def test_spaces_around_a_value_are_left_out() -> None:
    """HTTP/2 has none there (RFC 9113 §8.2.1), and gRPC allows it."""
    assert wire_fields([("x-a", " b c ")]) == [(b"x-a", b"b c")]


async def test_a_stream_that_has_ended_leaves_nothing_to_the_collector() -> None:
    """Its call and its buffers go with the last who holds them."""
    seen: list[weakref.ref[Any]] = []

    class Mark:
        """Can be watched."""

    async def answer(call: Any) -> None:
        call.request = mark = Mark()  # which lives as long as the call
        seen.append(weakref.ref(mark))
        del mark
        await upper(call)

    world = World(answer, Kind.BIDI)
    gc.collect()
    gc.disable()
    try:
        world.call(b"a")
        assert (await world.settled()).messages == [b"A"]
        world.wire.program.begun.clear()
        assert [each() for each in seen] == [None]
    finally:
        gc.enable()
