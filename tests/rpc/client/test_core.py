"""What a call says before its first message."""

import asyncio

import pytest

from mainstay.core.ids import REQUEST_ID, TRACE_ID
from mainstay.core.scope import Scope
from mainstay.errors import UsageError
from mainstay.rpc.client.core import WireMethod, grpc_timeout
from mainstay.rpc.client.failures import ResourceExhaustedFailure
from mainstay.rpc.client.limits import ChannelLimits
from mainstay.rpc.method import Kind
from mainstay.wire.http2 import Event, RequestHead
from tests.rpc.client.world import Side, World, unary


@pytest.mark.parametrize(
    ("seconds", "coarse", "expected"),
    [
        (5, False, b"5000m"),
        (0.0001, False, b"1m"),
        (1.2345, False, b"1235m"),
        (1.2345, True, b"1300m"),
        (0.987, True, b"987m"),
        (29.99, True, b"30000m"),
        (9.91, True, b"10000m"),
        (99.1, True, b"100000m"),
        (123, True, b"130000m"),
        (86_400, False, b"86400000m"),
        (200_000, False, b"200000S"),
        (1e12, False, b"99999999H"),
    ],
)
def test_timeouts_on_the_wire(seconds: float, coarse: bool, expected: bytes) -> None:
    """Milliseconds rounded up, never down: the server must not give up first. Coarse ones have two
    digits, so that calls after one another say the same."""
    assert grpc_timeout(seconds, coarse=coarse) == expected


async def test_what_limits_are_remembered_as() -> None:
    """Fields that are made once for each limit and compression; any number of limits is taken."""
    wire = WireMethod("/a.B/C", Kind.UNARY, bytes, bytes, ())
    fields = wire.fields_within(None, 1.5)
    assert fields == (*wire.fields[None], (b"grpc-timeout", b"1500m"))
    assert wire.fields_within(None, 1.5) is fields
    assert wire.fields_within(None, b"2S")[-1] == (b"grpc-timeout", b"2S")
    assert (b"grpc-encoding", b"gzip") in wire.fields_within("gzip", 1.5)
    for each in range(1000):
        assert wire.fields_within(None, each + 1.0)[-1] == (b"grpc-timeout", b"%d000m" % (each + 1))
    assert len(wire.timed) < 1000


@pytest.mark.parametrize("first", [0.5, 1.0, 1.0001, 9.05, 9.9, 9.99, 10.0, 59.9, 99.01, 5e4, 2e5])
def test_what_was_said_lately_is_right_where_it_is_said_again(first: float) -> None:
    """It is just what would be said anew, as far as it goes."""
    wire = WireMethod("/a.B/C", Kind.UNARY, bytes, bytes, ())
    fields = wire.fields_left(None, first)
    assert fields[-1] == (b"grpc-timeout", grpc_timeout(first, coarse=True))
    above, to, again = wire.lately
    if to:
        assert again is fields
        assert above < first <= to
        for part in range(1, 101):
            left = above + (to - above) * part / 100
            assert grpc_timeout(left, coarse=True) == fields[-1][1]
    else:
        assert not 1 < first < 1e5


def test_what_was_said_lately_is_for_no_compression_only() -> None:
    """The fields of another one are others."""
    wire = WireMethod("/a.B/C", Kind.UNARY, bytes, bytes, ())
    assert wire.fields_left("gzip", 5.0)[-1] == (b"grpc-timeout", b"5000m")
    assert wire.lately[:2] == (0, 0)


async def test_the_head_of_a_call() -> None:
    """Everything the protocol asks for; metadata of the channel, then of the call."""
    world = World()
    async with world.channel(metadata={"x-channel": "1"}, authority="name:7") as channel:
        await unary(channel)(b"q", metadata=[("x-call", "2"), ("y-bin", b"\0\1")])
    head = world.heads[0]
    assert head[b":path"] == b"/test.Service/Unary"
    assert head[b"content-type"] == b"application/grpc"
    assert head[b"te"] == b"trailers"
    assert head[b"grpc-accept-encoding"] == b"identity,gzip,deflate"
    assert head[b"user-agent"].startswith(b"mainstay/")
    assert (head[b"x-channel"], head[b"x-call"], head[b"y-bin"]) == (b"1", b"2", b"AAE")
    assert b"grpc-timeout" not in head
    assert b"x-request-id" not in head


@pytest.mark.parametrize("kind", list(Kind))
async def test_metadata_of_a_call_takes_the_place_of_that_of_its_channel(kind: Kind) -> None:
    """Name by name, whatever the letters' case; all that a call gives of one name are sent. So are the
    ids of the scope, and who we are."""
    heads: list[list[tuple[bytes, bytes]]] = []

    def note(side: Side, event: Event) -> None:
        if isinstance(event, RequestHead):
            heads.append(list(event.fields))
            side.answer(event.stream, b"a")

    world = World(note)
    own = [("Authorization", "bob"), ("x-many", "1"), ("x-many", "2"), ("user-agent", "me")]
    given = {"authorization": "ada", "x-many": "0", "x-kept": "k"}
    with Scope() as scope:
        scope.set(REQUEST_ID, "abc")
        async with world.channel(metadata=given) as channel:
            call = channel.method_at("/a.B/C", kind)
            for metadata in (own, {"x-request-id": "7"}):
                asked = call([b"q"] if kind.requests_stream else b"q", metadata=metadata)
                if kind.replies_stream:
                    assert [each async for each in asked] == [b"a"]
                else:
                    assert await asked == b"a"
    names = (b"authorization", b"user-agent", b"x-kept", b"x-many", b"x-request-id")
    first, second = ([(n, v) for n, v in head if n in names] for head in heads)
    assert sorted(first) == [
        (b"authorization", b"bob"),
        (b"user-agent", b"me"),
        (b"x-kept", b"k"),
        (b"x-many", b"1"),
        (b"x-many", b"2"),
        (b"x-request-id", b"abc"),
    ]
    assert [each for each in second if each[0] != b"user-agent"] == [
        (b"authorization", b"ada"),
        (b"x-many", b"0"),
        (b"x-kept", b"k"),
        (b"x-request-id", b"7"),
    ]


async def test_the_ids_of_the_scope_are_sent() -> None:
    """The request id as it is, the trace with a span of its own; neither if not wanted."""
    world = World()
    with Scope() as scope:
        scope.set(REQUEST_ID, "abc")
        scope.set(TRACE_ID, "1" * 32)
        async with world.channel() as channel, world.channel(propagate=False) as silent:
            await unary(channel)(b"q")
            await unary(silent)(b"q")
    head = world.heads[0]
    assert head[b"x-request-id"] == b"abc"
    assert head[b"traceparent"].startswith(b"00-" + b"1" * 32 + b"-")
    assert b"x-request-id" not in world.heads[1]


async def test_a_message_that_is_too_long_is_not_sent() -> None:
    """RESOURCE_EXHAUSTED, as of the server's limit."""
    world = World()
    async with world.channel(limits=ChannelLimits(send_size=10)) as channel:
        with pytest.raises(ResourceExhaustedFailure, match="11 bytes"):
            await unary(channel)(bytes(11))
    assert world.dials == []


async def test_what_cannot_be_sent_says_so() -> None:
    """Metadata with a line break is refused before or by the engine; the connection stays."""
    world = World()
    async with world.channel() as channel:
        for _ in range(2):
            with pytest.raises(UsageError):
                await unary(channel)(b"q", metadata={"x-a": "b\r\nc"})
            assert await unary(channel)(b"q") == b"q"
        await asyncio.sleep(0)
        assert channel.statistics().streams == 0
    assert len(world.sides) == 1


def test_a_path_is_a_path() -> None:
    """It begins with a slash, and is ASCII."""
    for path in ("a.B/C", "/ä"):
        with pytest.raises(UsageError):
            WireMethod(path, Kind.UNARY, bytes, bytes, ())
