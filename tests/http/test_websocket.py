"""Facts about `mainstay.http.websocket`: what a handler sees and says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from mainstay.core.call import Call, Handler, StreamMiddleware
from mainstay.errors import EndOfStream, PeerGone, UsageError
from mainstay.http.websocket import WebSocket
from mainstay.http.websocket_options import WebSocketOptions
from mainstay.net.limits import Limits
from tests.http.conversation import SOON, talking


@dataclass
class Said:
    text: str


@dataclass
class Heard:
    text: str
    number: int


async def test_messages_come_and_go_by_their_types() -> None:
    """JSON is read into the one type and written from the other."""

    async def chat(socket: WebSocket[Said, Heard]) -> None:
        number = 0
        async for said in socket:
            number += 1
            await socket.send(Heard(said.text.upper(), number))

    async with talking(chat) as peer:
        peer.say('{"text":"a"}', '{"text":"b"}')
        assert await peer.hears() == '{"text":"A","number":1}'
        assert await peer.hears() == '{"text":"B","number":2}'
        peer.goodbye()
        await peer.done()


async def test_the_arguments_of_the_route_are_passed() -> None:
    """Beside the socket, the function gets what the route has found."""

    async def join(socket: WebSocket[str, str], room: str) -> None:
        await socket.send(f"welcome to {room}")

    async with talking(join, arguments={"room": "lobby"}) as peer:
        assert await peer.hears() == "welcome to lobby"


async def test_the_iteration_ends_with_the_peer_s_goodbye() -> None:
    """And the code and the reason can be asked for."""
    ended = []

    async def listen(socket: WebSocket[str, str]) -> None:
        async for _ in socket:
            pass
        ended.append((socket.close_code, socket.close_reason))
        with pytest.raises(EndOfStream, match=r"the peer closed the WebSocket \(4001 enough\)"):
            await socket.receive()

    async with talking(listen) as peer:
        peer.goodbye(4001, "enough")
        await peer.done()
        assert await peer.hears_goodbye() == (4001, "enough")
        assert peer.tunnel.closed
    assert ended == [(4001, "enough")]


async def test_a_peer_that_just_leaves_is_told_apart() -> None:
    """The iteration raises PeerGone, and the handler can still clean up."""
    left = []

    async def listen(socket: WebSocket[str, str]) -> None:
        try:
            async for _ in socket:
                pass
        except PeerGone as error:
            await socket.request.read()
            left.append((str(error), socket.close_code, socket.close_reason))
            with pytest.raises(PeerGone):
                await socket.send("are you there?")

    async with talking(listen) as peer:
        peer.vanish()
        await peer.done()
    assert left == [("the peer left without a goodbye", 1006, "")]


async def test_a_handler_says_goodbye_in_its_own_words() -> None:
    """With a code of its own; twice does nothing; messages on the way are still received."""

    async def turn_away(socket: WebSocket[str, str]) -> None:
        await socket.close(4000, "we are closed")
        await socket.close()
        assert [message async for message in socket] == ["late"]

    async with talking(turn_away) as peer:
        peer.say("late")
        assert await peer.hears_goodbye() == (4000, "we are closed")
        await peer.done()
        assert peer.tunnel.closed


async def test_a_code_that_may_not_be_sent_is_a_mistake() -> None:
    """The program is told, and the peer hears that something went wrong."""

    async def turn_away(socket: WebSocket[str, str]) -> None:
        with pytest.raises(UsageError, match="use 1000, or 3000 to 4999"):
            await socket.close(1006)
        await socket.close(3000)

    async with talking(turn_away) as peer:
        assert await peer.hears_goodbye() == (3000, "")


async def test_the_answer_can_have_fields_and_a_subprotocol() -> None:
    """Those of `open`, and those that were set for any reply."""
    seen = []

    async def greet(socket: WebSocket[str, str]) -> None:
        socket.request.reply_headers.add("set-cookie", "a=b")
        await socket.open([("x-room", "7")])
        seen.append(socket.subprotocol)
        with pytest.raises(UsageError, match="was accepted before"):
            await socket.open()

    options = WebSocketOptions(subprotocols=["superchat", "chat"])
    async with talking(greet, options=options) as peer:
        headers = peer.exchange.reply.headers
        assert peer.exchange.reply.status == 101
        assert headers.get("x-room") == "7"
        assert headers.get("set-cookie") == "a=b"
        assert headers.get("sec-websocket-protocol") == "chat"
    assert seen == ["chat"]


async def test_http_2_is_accepted_without_a_key() -> None:
    """RFC 8441: status 200, and no proof."""

    async def greet(socket: WebSocket[str, str]) -> None:
        await socket.send("hello")

    fields = [(b"sec-websocket-version", b"13")]
    async with talking(greet, fields=fields, version="2") as peer:
        assert peer.exchange.reply.status == 200
        assert "sec-websocket-accept" not in peer.exchange.reply.headers
        assert await peer.hears() == "hello"


async def test_middleware_sees_the_messages_of_the_stream() -> None:
    """As values, both ways, and the socket goes through it."""
    seen: list[object] = []

    class Seeing(StreamMiddleware):
        async def receive(self) -> object:
            message = await super().receive()
            seen.append(message)
            return message

        async def send(self, message: object) -> None:
            seen.append(message)
            await super().send(message)

    async def watching(call: Call, next: Handler) -> object:
        assert call.stream is not None
        call.stream = Seeing(call.stream)
        return await next(call)

    async def answer(socket: WebSocket[Said, Heard]) -> None:
        said = await socket.receive()
        await socket.send(Heard(said.text, 1))

    async with talking(answer, middleware=[watching]) as peer:
        peer.say('{"text":"a"}')
        assert await peer.hears() == '{"text":"a","number":1}'
    assert seen == [Said("a"), Heard("a", 1)]


async def test_a_message_is_sent_without_waiting_while_there_is_room() -> None:
    """Not before the socket is accepted; and nothing is lost or doubled where it says no."""
    done: list[bool] = []

    async def feed(socket: WebSocket[str, str]) -> None:
        done.append(socket.send_nowait("too early"))
        await socket.open()
        done.append(socket.send_nowait("a"))
        await socket.receive()
        done.append(socket.send_nowait("b"))
        await socket.send("c")
        done.append(socket.send_nowait("d"))

    async with talking(feed) as peer:
        assert await peer.hears() == "a"
        peer.tunnel.hold()
        peer.say("go on")
        await asyncio.sleep(SOON)
        assert done == [False, True, False]
        peer.tunnel.release()
        assert [await peer.hears(), await peer.hears()] == ["c", "d"]
    assert done == [False, True, False, True]


async def test_who_never_waits_is_made_to_let_others_work() -> None:
    """After `Limits.write_buffer` bytes it is a turn for `send`, which does."""
    sent: list[bool] = []

    async def flood(socket: WebSocket[str, str]) -> None:
        await socket.open()
        while not sent or sent[-1]:
            sent.append(socket.send_nowait("x" * 1000))
        await socket.send("others have worked")
        sent.append(socket.send_nowait("x"))

    async with talking(flood, limits=Limits(write_buffer=10_000)) as peer:
        await peer.done()
    assert sent == [True] * 10 + [False, True]


async def test_a_middleware_around_the_stream_is_not_passed_by() -> None:
    """What it has to see goes by `send`."""

    async def wrapping(call: Call, next: Handler) -> object:
        assert call.stream is not None
        call.stream = StreamMiddleware(call.stream)
        return await next(call)

    async def feed(socket: WebSocket[str, str]) -> None:
        await socket.open()
        assert not socket.send_nowait("unseen")
        await socket.send("seen")

    async with talking(feed, middleware=[wrapping]) as peer:
        assert await peer.hears() == "seen"


async def test_a_peer_that_has_left_is_gone_without_waiting_too() -> None:
    """As `send` says it."""

    async def feed(socket: WebSocket[str, str]) -> None:
        with pytest.raises(EndOfStream):
            await socket.receive()
        with pytest.raises(PeerGone):
            socket.send_nowait("hello?")

    async with talking(feed) as peer:
        peer.goodbye()
        await peer.done()


async def test_the_repr_tells_the_state() -> None:
    """For whoever meets it in a debugger."""
    seen = []

    async def greet(socket: WebSocket[str, str]) -> None:
        seen.append(repr(socket))
        await socket.open()
        seen.append(repr(socket))

    async with talking(greet):
        pass
    assert seen == [
        "<WebSocket <WebSocketStream waiting WEBSOCKET /talk>>",
        "<WebSocket <WebSocketStream open WEBSOCKET /talk>>",
    ]
