"""Connections of a channel: dialling, backoff, places, draining, idling, in virtual time."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import BugError, ClosedError, ConfigError, UsageError
from mainstay.net.client_http1 import CLOSE_TIMEOUT
from mainstay.net.client_streams import StreamConnection
from mainstay.net.origin import Origin
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.client.connecting import BACKOFF
from mainstay.rpc.client.failures import ResourceExhaustedFailure, UnavailableFailure
from mainstay.rpc.client.limits import ChannelLimits
from mainstay.testing.memory import connect_in_memory
from mainstay.wire.http2 import ErrorCode, Event, RequestHead
from tests.rpc.client.world import Side, World, collect, settle, unary


async def test_nothing_is_dialled_before_the_first_call() -> None:
    """And then one connection serves the calls that come one after another."""
    world = World()
    async with world.channel() as channel:
        assert world.dials == []
        for text in (b"a", b"b"):
            assert await unary(channel)(text) == text
    assert len(world.dials) == 1


async def test_a_server_out_of_reach_fails_calls_at_once() -> None:
    """With UNAVAILABLE, and again at once for as long as the backoff lasts, without dialling."""
    world = World()
    world.refused = 1
    async with world.channel() as channel:
        for _ in range(2):
            with pytest.raises(UnavailableFailure, match="refused") as caught:
                await unary(channel)(b"x")
            assert caught.value.retryable
        assert len(world.dials) == 1
        await asyncio.sleep(1.1)
        assert await unary(channel)(b"x") == b"x"


async def test_the_backoff_grows_while_somebody_waits() -> None:
    """A call that waits for ready is behind every attempt: after 1, 2 and 4 seconds here."""
    world = World()
    world.refused = 3
    async with world.channel() as channel:
        assert await unary(channel)(b"x", wait_for_ready=True) == b"x"
    gaps = [b - a for a, b in zip(world.dials, world.dials[1:], strict=False)]
    assert gaps == pytest.approx([1, 2, 4])


def test_the_backoff_is_grpcs() -> None:
    """1 s, growing by 1.6 up to 120 s, spread by a fifth (doc/connection-backoff.md)."""
    assert (BACKOFF.initial, BACKOFF.factor, BACKOFF.maximum) == (1.0, 1.6, 120.0)
    assert BACKOFF.jitter == pytest.approx(0.2)


async def test_waiting_for_ready_ends_with_the_deadline() -> None:
    """A timeout holds for a call that was never sent."""
    world = World()
    world.refused = 1000
    async with world.channel() as channel:
        with pytest.raises(TimeoutError, match="within 10 s"):
            await unary(channel)(b"x", wait_for_ready=True, timeout=10)
    assert 2 < len(world.dials) < 6


async def test_a_server_that_says_nothing_is_given_up() -> None:
    """A connection is ready when the settings have come, and has the connect timeout for it."""
    world = World()
    world.mute = True
    async with world.channel(limits=ChannelLimits(connect_timeout=3)) as channel:
        with pytest.raises(UnavailableFailure, match="said nothing within 3 s"):
            await unary(channel)(b"x")


async def test_what_speaks_no_http2_is_told_apart() -> None:
    """A dialer may come back with HTTP/1.1, which is closed and an error."""

    class Old:
        closed = False

        async def dial(self, origin: Origin, owner: object) -> "Old":
            return self

        async def aclose(self) -> None:
            self.closed = True

    old = Old()
    world = World()
    async with world.channel() as channel:
        channel._new_dialer = lambda shared: old
        with pytest.raises(UnavailableFailure, match="does not speak HTTP/2"):
            await unary(channel)(b"x")
    assert old.closed


async def test_more_streams_than_allowed_take_more_connections_and_then_wait() -> None:
    """100 calls at once, a server that allows 10, two connections: all are answered, and no stream
    was ever refused."""
    world = World(streams=10)
    async with world.channel(connections=2) as channel:
        found = await asyncio.gather(*(unary(channel)(b"%d" % i) for i in range(100)))
        assert found == [b"%d" % i for i in range(100)]
        assert len(world.sides) == 2
        assert not any(side.resets for side in world.sides)
    assert len(world.heads) == 100


async def test_too_many_that_wait_are_turned_away() -> None:
    """`ChannelLimits.waiting` bounds what waits for a connection."""
    world = World()
    world.mute = True
    async with world.channel(limits=ChannelLimits(waiting=2)) as channel:
        waiting = [asyncio.create_task(unary(channel)(b"x")) for _ in range(2)]
        await settle()
        with pytest.raises(ResourceExhaustedFailure, match="2 calls wait"):
            await unary(channel)(b"x")
        assert channel.statistics().waiting == 2
        # Those that were given up do not count.
        waiting[0].cancel()
        await settle()
        third = asyncio.create_task(unary(channel)(b"x"))
        await settle()
        assert not third.done()
        await channel.aclose()
        for each in (waiting[1], third):
            with pytest.raises(ClosedError):
                await each


async def test_goaway_finishes_what_was_taken_and_sends_the_rest_elsewhere() -> None:
    """Streams up to the last one end where they are; those above are sent again on a new
    connection, and nobody notices."""
    world = World()
    world.answers = False
    async with world.channel() as channel:
        calls = [asyncio.create_task(unary(channel)(b"%d" % i)) for i in range(3)]
        await settle()
        first = world.sides[0]
        assert len(first.held) == 3
        # GOAWAY with the first stream as the last.
        first.transport.write(bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + (1).to_bytes(4) + bytes(4))
        await settle()
        assert len(world.sides) == 2
        second = world.sides[1]
        assert sorted(second.messages(s)[0] for s in second.held) == [b"1", b"2"]
        first.answer(1)
        for stream in list(second.held):
            second.answer(stream)
        assert await asyncio.gather(*calls) == [b"0", b"1", b"2"]
        await settle()
        assert first.left
        assert channel.statistics().connections == 1


async def test_a_refused_stream_is_sent_a_few_times_more() -> None:
    """The sixth refusal is UNAVAILABLE: what was refused was not looked at (RFC 9113 §8.7)."""
    asked = []

    def refuse(side: Side, event: Event) -> None:
        if isinstance(event, RequestHead):
            asked.append(event.stream)
            side.engine.reset(event.stream, ErrorCode.REFUSED_STREAM)

    world = World(refuse)
    async with world.channel() as channel:
        with pytest.raises(UnavailableFailure, match="REFUSED_STREAM"):
            await unary(channel)(b"x")
    assert len(asked) == 6


async def test_a_connection_that_dies_fails_its_calls() -> None:
    """With UNAVAILABLE, for the server may have done them; the next call dials at once."""
    world = World()
    world.answers = False
    async with world.channel() as channel:
        call = asyncio.create_task(unary(channel)(b"x"))
        await settle()
        world.side.transport.abort()
        with pytest.raises(UnavailableFailure):
            await call
        world.answers = True
        assert await unary(channel)(b"y") == b"y"
        assert len(world.dials) == 2
        assert world.dials[0] == world.dials[1]


async def test_an_idle_connection_is_closed() -> None:
    """After `ChannelLimits.idle` seconds without a call; the next one dials."""
    world = World()
    async with world.channel(limits=ChannelLimits(idle=60)) as channel:
        await unary(channel)(b"x")
        await asyncio.sleep(59)
        assert channel.statistics().connections == 1
        await asyncio.sleep(2)
        assert channel.statistics().connections == 0
        assert world.side.left
        assert await unary(channel)(b"x") == b"x"


async def test_a_connection_in_use_is_not_idle() -> None:
    """A call that lasts longer than that keeps it."""
    world = World()
    world.answers = False
    async with world.channel(limits=ChannelLimits(idle=60)) as channel:
        call = asyncio.create_task(unary(channel)(b"x"))
        await asyncio.sleep(200)
        world.side.answer(1)
        assert await call == b"x"


async def test_waiting_for_a_connection() -> None:
    """`Channel.wait_ready` dials, again and again, and returns when there is a connection."""
    world = World()
    world.refused = 2
    async with world.channel() as channel:
        await channel.wait_ready()
        assert len(world.dials) == 3
        assert channel.statistics().connections == 1


async def test_no_sign_of_life_ends_the_connection() -> None:
    """After `keepalive_time` without a byte the server is asked, and after `keepalive_timeout`
    given up; one that answers is not."""
    world = World()
    world.answers = False
    limits = ChannelLimits(keepalive_time=30, keepalive_timeout=5)
    async with world.channel(limits=limits) as channel:
        call = asyncio.create_task(unary(channel)(b"x"))
        await asyncio.sleep(100)
        assert not call.done()
        world.mute = True  # from now on nothing is heard of it
        begun = asyncio.get_running_loop().time()
        with pytest.raises(UnavailableFailure, match="no sign of life for 35 s"):
            await call
        assert asyncio.get_running_loop().time() - begun < 66


async def test_pings_that_a_server_calls_abuse_are_sent_less_often() -> None:
    """GOAWAY with ENHANCE_YOUR_CALM doubles `keepalive_time` (gRFC A8)."""
    world = World()
    async with world.channel(limits=ChannelLimits(keepalive_time=30)) as channel:
        await unary(channel)(b"x")
        code = int(ErrorCode.ENHANCE_YOUR_CALM).to_bytes(4)
        world.side.transport.write(bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + (1).to_bytes(4) + code)
        await settle()
        assert channel._connector is not None
        assert channel._connector._keepalive == 60
        assert await unary(channel)(b"x") == b"x"


async def test_closing_with_grace_lets_calls_end() -> None:
    """`aclose(grace)` takes no calls and waits for those under way."""
    world = World()
    world.answers = False
    channel = world.channel()
    call = asyncio.create_task(unary(channel)(b"x"))
    await settle()
    closing = asyncio.create_task(channel.aclose(grace=10))
    await settle()
    with pytest.raises(ClosedError):
        await unary(channel)(b"y")
    world.side.answer(1)
    assert await call == b"x"
    await closing


async def test_closing_without_grace_ends_calls() -> None:
    """With ClosedError, and the server is told."""
    world = World()
    world.answers = False
    with Scope():
        channel = world.channel()
        call = asyncio.create_task(unary(channel)(b"x"))
        await settle()
        await channel.aclose()
        with pytest.raises(ClosedError, match="the channel was closed"):
            await call
        await channel.aclose()
    assert world.side.left


async def test_a_fault_of_the_program_fails_even_who_waits() -> None:
    """A dialer that cannot work, for a certificate that is missing, is no matter of waiting."""
    world = World()
    async with world.channel() as channel:

        async def dial(origin: Origin, owner: object) -> object:
            raise ConfigError("there is no file client.pem")

        world.dial = dial  # type: ignore[assignment, method-assign]
        with pytest.raises(ConfigError, match=r"client\.pem"):
            await unary(channel)(b"x", wait_for_ready=True)


async def test_the_backoff_grows_for_a_server_that_greets_and_leaves() -> None:
    """SETTINGS and GOAWAY in one piece are no connection: as bad as none."""
    world = World()
    told: list[float] = []

    class Leaving(Side):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.engine.begin()
            goaway = bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + bytes(8)
            transport.write(self.engine.take() + goaway)

    async def dial(origin: Origin, owner: Any) -> StreamConnection:
        told.append(asyncio.get_running_loop().time())
        made = StreamConnection(world.shared, str(origin), owner)
        connect_in_memory(made, Leaving(world))
        return made

    world.dial = dial  # type: ignore[method-assign]
    async with world.channel() as channel:
        with pytest.raises(TimeoutError):
            await unary(channel)(b"x", wait_for_ready=True, timeout=20)
        assert channel.statistics().failures == len(told)
    gaps = [b - a for a, b in pairwise(told)]
    assert gaps == pytest.approx([1, 2, 4, 8])


async def test_whatever_dialling_raises_ends_the_calls_that_wait() -> None:
    """An error that is nobody's of ours is reported, and the call fails with BugError; also one
    that would wait for ready."""
    world = World()
    found: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: found.append(context["exception"]))
    async with world.channel() as channel:

        async def dial(origin: Origin, owner: object) -> object:
            raise ZeroDivisionError

        world.dial = dial  # type: ignore[assignment, method-assign]
        for waits in (False, True):
            with pytest.raises(BugError, match="ZeroDivisionError"):
                await unary(channel)(b"x", wait_for_ready=waits)
            await asyncio.sleep(10)
    assert [type(each) for each in found] == [ZeroDivisionError] * 2


@pytest.mark.real_loop
async def test_a_name_that_is_none_is_a_fault_of_the_program() -> None:
    """The resolver refuses it as a value, not as a host that it does not find."""
    async with Channel(f"{'a' * 70}.invalid:1") as channel:
        with pytest.raises(UsageError, match="is no server that can be connected to"):
            await unary(channel)(b"x", wait_for_ready=True, timeout=60)


async def test_a_connection_counts_until_it_is_closed() -> None:
    """One that the server left while it reads nothing is seen in `statistics`, and closed with the
    channel if not before."""
    world = World()
    world.answers = False
    channel = world.channel(limits=ChannelLimits(window=1 << 20))
    async with channel, collect(channel)() as stream:
        await stream.send(b"x")
        await settle()
        side = world.side
        side.engine.credit(0, 1 << 20)
        side.transport.pause_reading()
        connection: Any = channel._connector._connections[0]  # type: ignore[union-attr]
        connection._transport.write(bytes(1 << 20))  # more than fits on the way
        side.transport.write(bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + (1).to_bytes(4) + bytes(4))
        await settle()
        assert channel.statistics().connections == 1
        stream.cancel()
        await settle()
        assert channel.statistics().streams == 0
        assert channel.statistics().connections == 1
        await channel.aclose()
        assert connection.closed.done()
        await settle()
        assert channel.statistics().connections == 0
    assert side.left


async def test_a_connection_that_nobody_reads_is_given_up() -> None:
    """In time, and without the end of the channel."""
    world = World()
    world.answers = False
    async with world.channel(limits=ChannelLimits(idle=60)) as channel:
        call = asyncio.create_task(unary(channel)(b"x"))
        await settle()
        world.side.answer(1)
        await call
        world.side.transport.pause_reading()
        connection: Any = channel._connector._connections[0]  # type: ignore[union-attr]
        connection._transport.write(bytes(1 << 20))
        await asyncio.sleep(60.5)
        assert channel.statistics().connections == 1
        await asyncio.sleep(CLOSE_TIMEOUT)
        assert channel.statistics().connections == 0
