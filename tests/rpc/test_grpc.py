"""What gRPC's calls look like on the wire, frame by frame."""

import asyncio
import contextlib
from typing import Any

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import Code, DeadlineExceeded, NotFound, RpcError, UsageError
from mainstay.rpc.method import Kind
from mainstay.rpc.settings import RpcSettings
from mainstay.wire.envelopes import seal
from tests.rpc.grpc_world import World, echo


async def at_once(call: Any) -> bytes:
    """A unary handler that does not wait."""
    return b"re: " + bytes(call.request)


@pytest.mark.parametrize("answer", [at_once, echo], ids=["at once", "later"])
async def test_a_unary_call_is_answered_in_three_frames(answer: Any) -> None:
    """Head, message and trailers, in one write, with nothing in the head but its type."""
    world = World(answer)
    before = world.wire.transport.writes
    world.call(b"hello")
    reply = await world.settled()
    assert reply.head == {b":status": b"200", b"content-type": b"application/grpc"}
    assert reply.messages == [b"re: hello" if answer is at_once else b"hello"]
    assert reply.trailers == {b"grpc-status": b"0"}
    assert world.wire.transport.writes == before + 1
    assert world.endpoint.counts.statuses == {0: 1}


async def test_a_message_may_come_byte_by_byte() -> None:
    """Messages and DATA frames have nothing to do with one another."""
    world = World(echo)
    world.begin()
    for byte in seal(b"hello"):
        world.send(bytes([byte]))
    world.send(b"", ended=True)
    assert (await world.settled()).messages == [b"hello"]


async def test_an_error_before_any_message_is_one_frame() -> None:
    """Trailers-Only: clients take the status from the head, if that ends the stream."""

    async def refuse(call: Any) -> Any:
        raise NotFound("there is no such thing: 100%")

    world = World(refuse)
    world.call(b"x")
    reply = await world.settled()
    assert (reply.status, reply.messages, reply.trailers) == (5, [], {})
    assert reply.message == b"there is no such thing: 100%25"
    assert b"content-length" not in reply.head
    assert world.endpoint.counts.statuses == {5: 1}


async def test_what_a_handler_raises_stays_inside() -> None:
    """The peer learns that the server failed, and nothing of what failed."""

    async def fail(call: Any) -> Any:
        raise RuntimeError("password=secret")

    world = World(fail)
    world.call(b"x")
    reply = await world.settled()
    assert (reply.status, reply.message) == (2, b"the server failed")
    assert b"secret" not in b"".join(reply.head.values())


async def test_a_fault_of_the_program_is_internal() -> None:
    """One of ours, which says so by its class."""

    async def fail(call: Any) -> Any:
        raise UsageError("the program is wrong")

    world = World(fail)
    world.call(b"x")
    reply = await world.settled()
    assert (reply.status, reply.message) == (13, b"the server failed")


async def test_a_reply_that_cannot_be_encoded_fails_the_call() -> None:
    """As an exception of the handler would, since nothing of it is on the wire."""

    async def wrong(call: Any) -> Any:
        return "no bytes"

    world = World(wrong)
    world.call(b"x")
    reply = await world.settled()
    assert (reply.status, reply.messages) == (2, [])


async def test_details_and_trailers_of_an_error_go_with_its_status() -> None:
    """As ``google.rpc.Status``, and as metadata."""
    from google.protobuf.wrappers_pb2 import StringValue  # noqa: PLC0415
    from google.rpc.status_pb2 import Status  # noqa: PLC0415

    from mainstay.wire.grpc import decode_binary  # noqa: PLC0415

    async def refuse(call: Any) -> Any:
        raise RpcError(
            Code.ABORTED,
            "try again",
            details=[StringValue(value="why")],
            trailers=[("x-a", "b"), ("x-bin", b"\xff")],
        )

    world = World(refuse)
    world.call(b"x")
    reply = await world.settled()
    assert (reply.status, reply.head[b"x-a"], reply.head[b"x-bin"]) == (10, b"b", b"/w")
    status = Status.FromString(decode_binary(reply.head[b"grpc-status-details-bin"]))
    detail = StringValue()
    assert (status.code, status.message, len(status.details)) == (10, "try again", 1)
    assert status.details[0].Unpack(detail)
    assert detail.value == "why"


async def test_a_reason_of_the_program_goes_out_in_the_name_of_its_service() -> None:
    """As the domain of ``google.rpc.ErrorInfo``."""
    from google.rpc.error_details_pb2 import ErrorInfo  # noqa: PLC0415
    from google.rpc.status_pb2 import Status  # noqa: PLC0415

    from mainstay.wire.grpc import decode_binary  # noqa: PLC0415

    async def refuse(call: Any) -> Any:
        raise NotFound("no such item", reason="ITEM_UNKNOWN")

    world = World(refuse)
    world.call(b"x")
    reply = await world.settled()
    status = Status.FromString(decode_binary(reply.head[b"grpc-status-details-bin"]))
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("ITEM_UNKNOWN", world.endpoint.method.service)


@pytest.mark.parametrize("kind", list(Kind))
async def test_the_head_has_what_the_protocol_and_the_handler_say(kind: Kind) -> None:
    """And no date: all that is left of it is what a client takes for metadata of the method."""

    async def answer(call: Any) -> Any:
        if kind is Kind.UNARY:
            return b"ok"
        await call.stream.send(b"ok")
        return None

    world = World(answer, kind)
    world.call(b"x")
    reply = await world.settled()
    assert reply.head == {b":status": b"200", b"content-type": b"application/grpc"}
    assert reply.messages == [b"ok"]


async def test_metadata_goes_both_ways() -> None:
    """The peer's is in the scope; the handler's before the message and after it."""
    seen: list[Any] = []

    async def answer(call: Any) -> bytes:
        seen.append(call.scope.metadata.get("x-a"))
        call.initial_metadata.append(("X-Early", "1"))
        call.trailing_metadata.append(("x-late-bin", b"\0\1"))
        return b"ok"

    world = World(answer)
    world.call(b"x", fields=[(b"x-a", b"b")])
    reply = await world.settled()
    assert seen == ["b"]
    assert reply.head[b"x-early"] == b"1"
    assert reply.trailers == {b"grpc-status": b"0", b"x-late-bin": b"AAE"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("grpc-status", "0"), ("content-type", "x"), (":path", "/"), ("x-ä", "a"), ("x-a", "ä")],
)
async def test_metadata_that_the_protocol_owns_is_refused(name: str, value: str) -> None:
    """A handler cannot say another status than the one it ends with; the call fails."""

    async def answer(call: Any) -> bytes:
        call.trailing_metadata.append((name, value))
        return b"ok"

    world = World(answer)
    world.call(b"x")
    reply = await world.settled()
    assert (reply.status, reply.messages, reply.reset) == (13, [], None)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 12),
        (seal(b"a") + seal(b"b"), 12),
        (seal(b"abc")[:-1], 13),
        (b"\0\0", 13),
        (seal(b"a", 0x40), 13),
        (seal(b"a", 1), 13),
        (seal(b"broken"), 3),
        (b"\0\xff\xff\xff\xff", 8),
        (seal(b"a") + b"\0", 13),
    ],
    ids=["none", "two", "cut", "cut head", "flags", "compressed", "wrong", "long", "rest"],
)
async def test_a_unary_call_has_exactly_one_whole_message(data: bytes, status: int) -> None:
    """Anything else has a status of its own, whether it comes at once or byte by byte; and the
    connection goes on."""
    world = World(echo)
    for stream, parts in ((1, [data]), (3, [bytes([byte]) for byte in data] or [b""])):
        world.begin(stream=stream)
        world.send(*parts, stream=stream, ended=True)
        assert (await world.settled(stream)).status == status
    world.begin(stream=5)
    world.send(seal(b"fine"), stream=5, ended=True)
    assert (await world.settled(5)).messages == [b"fine"]
    assert world.wire.port.in_flight == 0
    assert world.app.tasks == {}


async def test_a_caller_sets_its_own_limit() -> None:
    """Shorter or longer than what the service gives those who do not say."""
    left: list[float] = []

    async def slow(call: Any) -> bytes:
        left.append(Scope.current().remaining())
        await asyncio.sleep(100)
        return b"late"

    world = World(slow, timeout=20)
    world.call(b"x", fields=[(b"grpc-timeout", b"5S")])
    await asyncio.sleep(4.9)
    assert world.reply().status is None
    await asyncio.sleep(0.2)
    assert world.reply().status == 4
    world.begin((b"grpc-timeout", b"50S"), stream=3)
    world.send(seal(b"x"), stream=3, ended=True)
    world.begin(stream=5)
    world.send(seal(b"x"), stream=5, ended=True)
    await asyncio.sleep(25)
    assert (world.reply(3).status, world.reply(5).status) == (None, 4)
    await asyncio.sleep(26)
    assert world.reply(3).status == 4
    assert left == [5, 50, 20]


@pytest.mark.parametrize("value", [b"5", b"S", b"1.5S", b"123456789S", b"-1S"])
async def test_a_limit_that_cannot_be_read_is_an_error(value: bytes) -> None:
    """Not one that is guessed at."""
    world = World(echo)
    world.call(b"x", fields=[(b"grpc-timeout", value)])
    assert (await world.settled()).status == 13


async def test_a_handler_that_ignores_its_deadline_is_answered_without() -> None:
    """A second after it; what it returns later goes nowhere."""

    async def stubborn(call: Any) -> bytes:
        for _ in range(10):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        return b"late"

    world = World(stubborn)
    world.call(b"x", fields=[(b"grpc-timeout", b"1S")])
    await asyncio.sleep(4)
    reply = world.reply()
    assert (reply.status, reply.messages) == (4, [])
    await asyncio.sleep(120)
    assert world.reply() == reply
    assert world.app.tasks == {}


async def test_a_peer_that_resets_cancels_its_call() -> None:
    """The handler is told why, and nothing is answered."""
    told: list[Any] = []

    async def slow(call: Any) -> bytes:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            told.append(call.scope.cause)
            raise
        return b"late"

    from tests.wire.http2_world import reset  # noqa: PLC0415

    world = World(slow)
    world.call(b"x")
    await world.settled()
    world.wire.say(reset(1))
    reply = await world.settled()
    assert [type(each).__name__ for each in told] == ["PeerGone"]
    assert (reply.head, world.app.tasks, world.wire.port.in_flight) == ({}, {}, 0)
    assert world.endpoint.counts.statuses == {1: 1}


async def test_messages_are_compressed_as_both_sides_agree() -> None:
    """The peer's as it says, ours if it accepts that and they are long enough."""
    import gzip  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    world = World(echo, settings=RpcSettings(compression="gzip", compress_from=100))
    long = b"a" * 1000
    world.begin((b"grpc-encoding", b"deflate"), (b"grpc-accept-encoding", b"identity, gzip"))
    world.send(seal(zlib.compress(long), 1), ended=True)
    reply = await world.settled()
    assert reply.head[b"grpc-encoding"] == b"gzip"
    assert reply.flags == [1]
    assert gzip.decompress(reply.messages[0]) == long
    world.begin((b"grpc-accept-encoding", b"gzip"), stream=3)
    world.send(seal(b"short"), stream=3, ended=True)
    reply = await world.settled(3)
    assert (reply.flags, reply.messages) == ([0], [b"short"])
    world.begin(stream=5)
    world.send(seal(long), stream=5, ended=True)
    reply = await world.settled(5)
    assert (reply.flags, b"grpc-encoding" in reply.head) == ([0], False)


async def test_an_unknown_compression_names_those_that_are_known() -> None:
    """UNIMPLEMENTED, and the list, as the specification asks for."""
    world = World(echo)
    world.call(b"x", fields=[(b"grpc-encoding", b"snappy")])
    reply = await world.settled()
    assert (reply.status, reply.head[b"grpc-accept-encoding"]) == (12, b"identity,gzip,deflate")


async def test_a_small_message_cannot_become_a_large_one() -> None:
    """The limit is that of the message as it is after decompression."""
    import gzip  # noqa: PLC0415

    world = World(echo, settings=RpcSettings(receive_size=1000))
    world.begin((b"grpc-encoding", b"gzip"))
    world.send(seal(gzip.compress(bytes(1001)), 1), ended=True)
    assert (await world.settled()).status == 8
    world.begin((b"grpc-encoding", b"gzip"), stream=3)
    world.send(seal(gzip.compress(bytes(1000)), 1), stream=3, ended=True)
    assert (await world.settled(3)).messages == [bytes(1000)]


async def test_a_handler_can_choose_the_compression() -> None:
    """Of all messages, and of the next one."""

    async def stream(call: Any) -> None:
        call.set_compression("gzip")
        await call.stream.send(b"a" * 2000)
        call.compress_next = False
        await call.stream.send(b"b" * 2000)
        await call.stream.send(b"c" * 2000)

    world = World(stream, Kind.SERVER_STREAM)
    world.call(b"x", fields=[(b"grpc-accept-encoding", b"gzip")])
    reply = await world.settled()
    assert (reply.flags, reply.head[b"grpc-encoding"], reply.status) == ([1, 0, 1], b"gzip", 0)


async def test_a_message_of_ours_has_a_limit_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """RESOURCE_EXHAUSTED, as everywhere in gRPC; whoever runs the service is told in the log, since
    it is no fault of the peer."""
    world = World(echo, settings=RpcSettings(send_size=1024))
    world.call(bytes(1024))
    assert (await world.settled()).status == 0
    world = World(echo, settings=RpcSettings(send_size=1024))
    world.call(bytes(1025))
    reply = await world.settled()
    said = "a message of 1025 bytes is longer than the 1024 that may be sent"
    assert (reply.status, reply.message) == (8, said.encode())
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == [
        f"{said} (mainstay.rpc.send_size)"
    ]


async def test_deadlines_are_told_by_their_own_code() -> None:
    """A deadline inside of a handler is DEADLINE_EXCEEDED as well."""

    async def answer(call: Any) -> bytes:
        raise DeadlineExceeded("no time")

    world = World(answer)
    world.call(b"x")
    assert (await world.settled()).status == 4


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_call_whose_time_is_over_when_it_comes_is_not_begun(kind: Kind) -> None:
    """DEADLINE_EXCEEDED, also when its head is known; some microseconds are time."""
    begun: list[Any] = []

    async def answer(call: Any) -> bytes:
        begun.append(call)
        return b""

    world = World(answer, kind)
    for stream, said in ((1, b"0n"), (3, b"0S"), (5, b"0S"), (7, b"0S"), (9, b"1n")):
        world.begin((b"grpc-timeout", said), stream=stream)
        world.send(seal(b"x"), stream=stream, ended=True)
        reply = await world.settled(stream)
        assert (reply.status, begun) == (4, [])
        assert reply.message == b"the time that the caller allows was over before the call began"
    world.begin((b"grpc-timeout", b"1000S"), stream=11)
    world.send(seal(b"x"), stream=11, ended=True)
    assert ((await world.settled(11)).status, len(begun)) == (0, 1)
