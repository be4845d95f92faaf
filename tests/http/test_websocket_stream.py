"""Facts about `mainstay.http.websocket_stream`: time, pressure, and the ways in which it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import ClosedError, InvalidRequest, PeerGone, UsageError
from mainstay.http.websocket import WebSocket
from mainstay.http.websocket_options import WebSocketOptions
from mainstay.http.websocket_stream import FAREWELL
from mainstay.net.limits import Limits
from mainstay.net.registry import HANDED_OVER
from mainstay.wire.websocket import SLICE, Closed
from mainstay.wire.websocket_handshake import offer
from tests.http.conversation import SOON, talking

Text = WebSocket[str, str]


def now() -> float:
    return asyncio.get_running_loop().time()


async def listen(socket: Text) -> None:
    async for _ in socket:
        pass


# --- pressure -----------------------------------------------------------------------------------


async def test_a_handler_that_does_not_receive_holds_the_peer_back() -> None:
    """From `read_buffer` on nothing is read, and all of it arrives in the end."""
    received = []
    go = asyncio.Event()

    async def slow(socket: Text) -> None:
        await socket.open()
        await go.wait()
        received.extend([message async for message in socket])

    async with talking(slow, limits=Limits(read_buffer=1000)) as peer:
        for _ in range(100):
            peer.say("x" * 100)
        assert peer.held_back
        assert peer.stream._held < 1000 + 200
        go.set()
        await asyncio.sleep(SOON)
        assert not peer.tunnel.paused
        peer.goodbye()
        await peer.done()
        assert len(received) == 100


async def test_empty_messages_count_too() -> None:
    """A flood of nothing does not fill the memory."""

    async def slow(socket: Text) -> None:
        await socket.open()
        await asyncio.sleep(5)

    async with talking(slow, limits=Limits(read_buffer=1000)) as peer:
        for _ in range(100):
            peer.say("")
        assert peer.held_back
        assert len(peer.stream._inbox) < 20


async def test_one_chunk_of_many_messages_is_taken_in_portions() -> None:
    """What is decompressed waits as bytes until the handler has room."""

    async def slow(socket: Text) -> None:
        assert len(await socket.receive()) == 10_000
        await asyncio.sleep(1)
        for _ in range(99):
            assert len(await socket.receive()) == 10_000

    async with talking(slow, limits=Limits(read_buffer=20_000)) as peer:
        peer.say(*["x" * 10_000] * 100)
        await asyncio.sleep(SOON)
        # One slice of small frames may be open, and no more.
        assert peer.stream._held < 100 * 10_000
        await peer.done()


async def test_a_peer_that_does_not_take_makes_the_sender_wait() -> None:
    """`send` returns when there is room."""
    sent = []

    async def talk(socket: Text) -> None:
        await socket.open()
        await asyncio.sleep(1)
        for number in range(3):
            await socket.send(str(number))
            sent.append(number)

    async with talking(talk) as peer:
        peer.tunnel.hold()
        await asyncio.sleep(2)
        assert sent == []
        peer.tunnel.release()
        await peer.done()
        assert sent == [0, 1, 2]


async def test_a_peer_that_leaves_ends_the_waiting() -> None:
    """Who waits for room gets PeerGone."""
    raised = []

    async def talk(socket: Text) -> None:
        await socket.open()
        await asyncio.sleep(1)
        with pytest.raises(PeerGone):
            await socket.send("x")
        raised.append(1)

    async with talking(talk) as peer:
        peer.tunnel.hold()
        await asyncio.sleep(2)
        peer.tunnel.leave()
        await peer.done()
    assert raised == [1]


async def test_a_peer_that_pings_and_does_not_take_the_answers_has_to_wait() -> None:
    """Pongs are bounded by `write_buffer`; it goes on when they are taken."""
    async with talking(listen, limits=Limits(write_buffer=1000)) as peer:
        peer.tunnel.hold()
        for _ in range(50):
            peer.wire.ping(b"x" * 100)
            peer.tunnel.feed(peer.wire.data_to_send())
        await asyncio.sleep(SOON)
        assert peer.held_back
        assert len(peer.tunnel.take()) < 1300
        peer.tunnel.release()
        await asyncio.sleep(SOON)
        assert not peer.tunnel.paused
        peer.goodbye()
        await peer.done()


async def test_a_peer_that_leaves_with_pongs_untaken_is_gone() -> None:
    """The wait for room tells it."""
    async with talking(listen, limits=Limits(write_buffer=10)) as peer:
        peer.tunnel.hold()
        peer.wire.ping(b"x" * 100)
        peer.tunnel.feed(peer.wire.data_to_send())
        await asyncio.sleep(SOON)
        peer.tunnel.leave("it takes nothing")
        await peer.done()
        assert peer.stream.closed == Closed(1006, "", clean=False)


# --- floods -------------------------------------------------------------------------------------

PING, PONG, PART = (bytes([first, 0x80, 0, 0, 0, 0]) for first in (0x89, 0x8A, 0x00))
BEGIN = b"\x01\x80" + bytes(4)


@pytest.mark.parametrize("frame", [PING, PONG, PART], ids=["ping", "pong", "part"])
@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_frames_that_bring_nothing_end_it(frame: bytes, version: str) -> None:
    """Beyond `control_frames` it is closed with 1008, and the handler hears why."""
    heard: list[str] = []

    async def talk(socket: Text) -> None:
        with pytest.raises(PeerGone) as caught:
            await socket.receive()
        heard.append(str(caught.value))

    fields = offer(b"", ["chat"]) if version == "2" else None
    limits = Limits(control_frames=50)
    async with talking(talk, limits=limits, version=version, fields=fields) as peer:
        peer.tunnel.feed(BEGIN + frame * 50)
        await asyncio.sleep(SOON)
        assert b"too many" not in peer.tunnel.take()
        peer.tunnel.feed(frame)
        await asyncio.sleep(SOON)
        reason = "too many frames that bring nothing"
        assert peer.stream.closed == Closed(1008, reason, clean=False)
        sent = peer.tunnel.take()
        assert sent.endswith((1008).to_bytes(2, "big") + reason.encode())
        assert peer.tunnel.closed
        await peer.done()
    assert heard == [f"the peer broke the protocol (1008 {reason})"]


async def test_a_flood_is_counted_for_its_time() -> None:
    """Who pings now and then does so for ever, and messages are none, empty or not."""
    received = []

    async def count(socket: Text) -> None:
        received.extend([message async for message in socket])

    async with talking(count, limits=Limits(control_frames=50, flood_window=5.0)) as peer:
        for _ in range(20):
            peer.tunnel.feed(PING * 50)
            await asyncio.sleep(5.1)
        peer.say(*[""] * 200)
        peer.goodbye()
        await peer.done()
        assert peer.stream.closed == Closed(1000, "", clean=True)
    assert received == [""] * 200


@pytest.mark.parametrize("frame", [PING, PONG, PART, b"\x81\x80" + bytes(4)])
async def test_others_have_turns_between_many_frames(frame: bytes) -> None:
    """What came at once is parsed in parts, and no more is read meanwhile."""
    async with talking(listen, limits=Limits(control_frames=10**9)) as peer:
        peer.tunnel.feed((BEGIN if frame == PART else b"") + frame * 10_000)
        turns = 0
        while peer.held_back:
            left = len(peer.stream._wire._data)
            await asyncio.sleep(0)
            assert left - len(peer.stream._wire._data) <= SLICE
            turns += 1
        assert turns > 25
        assert not peer.stream._wire.unparsed
        if frame == PART:
            peer.tunnel.feed(b"\x80\x80" + bytes(4))
        peer.goodbye()
        await peer.done()
        assert peer.stream.closed.clean


# --- messages -----------------------------------------------------------------------------------


async def test_a_message_that_is_too_long_ends_it() -> None:
    """With 1009, and the handler hears that the peer broke the rules."""
    raised = []

    async def careful(socket: Text) -> None:
        with pytest.raises(PeerGone, match="1009"):
            await socket.receive()
        raised.append(1)

    async with talking(careful, options=WebSocketOptions(max_size=100)) as peer:
        peer.say("x" * 101)
        assert (await peer.hears_goodbye())[0] == 1009
        await peer.done()
        assert peer.tunnel.closed
    assert raised == [1]


async def test_a_handler_may_forgive_a_bad_message() -> None:
    """The next one can be received."""

    async def forgiving(socket: WebSocket[int, str]) -> None:
        with pytest.raises(InvalidRequest, match="Expected `int`, got `str`"):
            await socket.receive()
        await socket.send(f"{await socket.receive()} is a number")

    async with talking(forgiving) as peer:
        peer.say('"seven"', "7")
        assert await peer.hears() == "7 is a number"


async def test_two_tasks_may_not_receive() -> None:
    """Which of them gets a message would be chance."""

    async def twice(socket: Text) -> None:
        first = asyncio.create_task(socket.receive())
        await asyncio.sleep(SOON / 10)
        with pytest.raises(UsageError, match="two tasks receive"):
            await socket.receive()
        await socket.send(await first)

    async with talking(twice) as peer:
        peer.say("hello")
        assert await peer.hears() == "hello"


async def test_messages_that_came_before_the_goodbye_are_received() -> None:
    """A peer that says all it has and closes loses nothing, however long they take together."""
    received = []

    async def slow(socket: Text) -> None:
        async for message in socket:
            await asyncio.sleep(1)
            received.append(message)

    async with talking(slow) as peer:
        peer.say(*"abcdefghij")
        peer.goodbye()
        await peer.done()
    assert received == [*"abcdefghij"]


async def test_nothing_can_be_sent_after_either_goodbye() -> None:
    """After the peer's it is gone, after ours the program is wrong."""

    async def after_ours(socket: Text) -> None:
        await socket.close()
        with pytest.raises(ClosedError):
            await socket.send("x")

    async def after_theirs(socket: Text) -> None:
        await listen(socket)
        with pytest.raises(PeerGone, match="1000"):
            await socket.send("x")

    async with talking(after_ours) as peer:
        await peer.done()
    async with talking(after_theirs) as peer:
        peer.goodbye()
        await peer.done()


# --- the peer's end -----------------------------------------------------------------------------


async def test_a_handler_that_asks_for_nothing_is_cancelled_at_once() -> None:
    """One that never receives, and has nothing to receive, when the peer leaves or says goodbye."""
    ended: list[float] = []

    async def brooding(socket: Text) -> None:
        await socket.open()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(now())

    for leave in ("goodbye", "vanish"):
        async with talking(brooding) as peer:
            started = now()
            getattr(peer, leave)()
            await peer.done()
            assert ended.pop() - started < 1
            assert isinstance(peer.scope.cause, PeerGone)


async def test_a_handler_at_work_is_given_time() -> None:
    """It may finish what it does with the last message, for `close_timeout`."""
    ended: list[str] = []

    async def working(socket: Text) -> None:
        seconds = float(await socket.receive())
        try:
            await asyncio.sleep(seconds)
            ended.append("in time")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    for seconds in ("4", "6"):
        async with talking(working) as peer:
            peer.say(seconds)
            peer.goodbye()
            await peer.done()
    assert ended == ["in time", "cancelled"]


async def test_a_handler_that_was_told_ends_in_its_own_time() -> None:
    """Once `receive` has raised it knows, and what it does then is its own affair."""
    ended = []

    async def thorough(socket: Text) -> None:
        await listen(socket)
        await asyncio.sleep(60)
        ended.append(1)

    async with talking(thorough) as peer:
        peer.goodbye()
        await peer.done()
    assert ended == [1]


async def test_a_detached_handler_goes_on() -> None:
    """The route says that the peer does not matter."""
    ended = []

    async def detached(socket: Text) -> None:
        await socket.open()
        await asyncio.sleep(60)
        ended.append(1)

    async with talking(detached, detached=True) as peer:
        peer.vanish()
        await peer.done()
    assert ended == [1]


async def test_an_end_behind_waiting_messages_is_noticed() -> None:
    """A peer that breaks off while it is held back still ends a handler that never asks again."""

    async def stuck(socket: Text) -> None:
        await socket.receive()
        await asyncio.sleep(3600)

    async with talking(stuck, limits=Limits(read_buffer=100)) as peer:
        peer.say("x", *["x" * 100] * 10)
        started = now()
        peer.stream._arrived(b"")  # connections tell it though reading is paused
        await peer.done()
        assert 4 < now() - started < 6


async def test_a_peer_that_does_not_answer_our_goodbye_is_cut() -> None:
    """After `close_timeout`; the call is over long before."""

    async def brief(socket: Text) -> None:
        await socket.send("bye")

    async with talking(brief) as peer:
        started = now()
        await peer.done()
        assert now() - started < 1
        await asyncio.sleep(4)
        assert not peer.tunnel.closed
        await asyncio.sleep(2)
        assert peer.tunnel.closed


# --- silence ------------------------------------------------------------------------------------


async def test_a_silent_peer_is_pinged_and_given_up() -> None:
    """After `ping_interval`, and then after `ping_timeout`; the handler hears why."""
    raised = []

    async def waiting(socket: Text) -> None:
        with pytest.raises(PeerGone, match="did not answer a ping in 20 s"):
            await socket.receive()
        raised.append(now())

    async with talking(waiting, limits=Limits(ping_interval=30.0)) as peer:
        started = now()
        await asyncio.sleep(31)
        assert peer.tunnel.take()[:1] == b"\x89"
        await peer.done()
        assert peer.tunnel.closed
        assert 49 < raised[0] - started < 51


async def test_a_peer_that_answers_stays() -> None:
    """A pong is a sign of life, and so is anything else; the interval counts from there."""
    async with talking(listen, limits=Limits(ping_interval=30.0)) as peer:
        for _ in range(20):
            await asyncio.sleep(15)
            await peer.hears()
        assert peer.answer is not None
        assert not peer.answer.done()
        peer.goodbye()


async def test_a_peer_that_is_held_back_is_not_given_up() -> None:
    """Its pongs wait behind what the handler has not received."""

    async def slow(socket: Text) -> None:
        assert await socket.receive()
        await asyncio.sleep(300)
        async for _ in socket:
            pass

    async with talking(slow, limits=Limits(read_buffer=100)) as peer:
        peer.say(*["x" * 100] * 10)
        await asyncio.sleep(299)
        assert peer.tunnel.take() == b""
        assert not peer.tunnel.closed
        await asyncio.sleep(5)
        peer.goodbye()
        await peer.done()


async def test_pings_can_be_left_out() -> None:
    """An interval of None."""
    async with talking(listen, limits=Limits(ping_interval=None)) as peer:
        await asyncio.sleep(1000)
        assert peer.tunnel.take() == b""
        peer.goodbye()
        await peer.done()


# --- the drain ----------------------------------------------------------------------------------


async def test_a_drain_tells_a_waiting_peer_to_go() -> None:
    """1001 at once, when nothing is being worked on; the handler ends as after any goodbye."""
    cleaned = []

    async def tidy(socket: Text) -> None:
        await listen(socket)
        cleaned.append(socket.draining)

    async with talking(tidy) as peer:
        peer.scope.drain()
        assert await peer.hears_goodbye() == (1001, "the service is stopping")
        await peer.done()
    assert cleaned == [True]


async def test_a_peer_whose_place_another_process_takes_is_asked_to_come_back() -> None:
    """1012 instead of 1001: whoever serves on answers at the same address."""
    async with talking(listen) as peer:
        peer.scope.set(HANDED_OVER, True)
        peer.scope.drain()
        assert await peer.hears_goodbye() == (1012, "the service is restarting")
        await peer.done()


async def test_a_drain_lets_the_handler_finish_what_it_has() -> None:
    """Messages that came before are answered; 1001 comes when it would wait."""

    async def echo(socket: Text) -> None:
        async for message in socket:
            await asyncio.sleep(10)
            await socket.send(message)

    async with talking(echo) as peer:
        peer.say("a", "b")
        await asyncio.sleep(SOON)
        peer.scope.drain()
        await asyncio.sleep(21)
        assert [await peer.hears(), await peer.hears()] == ["a", "b"]
        assert (await peer.hears_goodbye())[0] == 1001
        await peer.done()


async def test_a_farewell_leaves_time_for_a_goodbye_of_ones_own() -> None:
    """A handler that waits for messages goes on in it, and says where to go; nobody says 1001."""

    async def redirect(socket: Text) -> None:
        hearing = asyncio.create_task(listen(socket))
        await Scope.current().wait_draining()
        await socket.send("over there")
        await socket.close(1012, "restart")
        await hearing

    async with talking(redirect, options=WebSocketOptions(farewell=3)) as peer:
        await asyncio.sleep(SOON)
        peer.scope.drain()
        assert await peer.hears() == "over there"
        assert await peer.hears_goodbye() == (1012, "restart")
        peer.goodbye()
        await peer.done()


async def test_a_farewell_ends() -> None:
    """Messages are taken until it is over; then the peer is told as ever."""

    async def echo(socket: Text) -> None:
        async for message in socket:
            await socket.send(message)

    async with talking(echo, options=WebSocketOptions(farewell=3)) as peer:
        await asyncio.sleep(SOON)
        peer.scope.drain()
        await asyncio.sleep(2.9)
        peer.say("still here")
        assert await peer.hears() == "still here"
        await asyncio.sleep(0.2)
        assert (await peer.hears_goodbye())[0] == 1001
        await peer.done()


async def test_a_handler_that_only_sends_has_a_moment_for_last_words() -> None:
    """After `FAREWELL` seconds the peer is told, and sending ends the handler."""

    async def ticking(socket: Text) -> None:
        for number in range(1000):
            await socket.send("last words" if socket.draining else str(number))
            await asyncio.sleep(FAREWELL / 2)

    async with talking(ticking) as peer:
        assert await peer.hears() == "0"
        peer.scope.drain()
        await asyncio.sleep(1.1 * FAREWELL)
        assert [await peer.hears(), await peer.hears()] == ["last words", "last words"]
        assert (await peer.hears_goodbye())[0] == 1001
        await peer.done()


async def test_a_drain_ends_a_feed_after_its_item() -> None:
    """A generator is not asked for another one."""

    async def feed() -> AsyncIterator[int]:
        for number in range(1000):
            yield number
            await asyncio.sleep(FAREWELL / 2)

    async with talking(feed) as peer:
        assert await peer.hears() == "0"
        peer.scope.drain()
        await asyncio.sleep(FAREWELL)
        assert await peer.hears() == "1"
        assert await peer.hears_goodbye() == (1001, "the service is stopping")
        await peer.done()


async def test_a_call_that_begins_in_a_drain_is_told_at_once() -> None:
    """As soon as it waits."""

    async def late(socket: Text) -> None:
        socket._base._call.scope.drain()
        await listen(socket)

    async with talking(late) as peer:
        assert (await peer.hears_goodbye())[0] == 1001
        await peer.done()
