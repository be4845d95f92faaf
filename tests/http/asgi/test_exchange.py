"""Requests that come by ASGI, as exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mainstay.core.scope import Scope
from mainstay.core.wheel import Wheel
from mainstay.errors import BrokenError, PeerGone, TooLarge, UsageError
from mainstay.http.asgi.exchange import AsgiExchange
from mainstay.http.asgi.types import AsgiScope, Message
from mainstay.net.exchange import Exchange
from mainstay.net.limits import Limits
from mainstay.net.port import Port
from tests.unseen import listen

BASE: AsgiScope = {
    "type": "http",
    "method": "GET",
    "path": "/a b",
    "raw_path": b"/a%20b",
    "query_string": b"x=1",
    "headers": [(b"Host", b"example.org"), (b"x", b"1")],
    "http_version": "1.1",
    "scheme": "https",
    "client": ("10.0.0.7", 1234),
}


class Other:
    """Plays the other server: gives what the peer sends, keeps what is answered."""

    def __init__(self, *messages: Message) -> None:
        self.said: list[Message] = []
        self.room = asyncio.Event()
        self.room.set()
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages:
            self.messages.put_nowait(message)

    async def receive(self) -> Message:
        return await self.messages.get()

    async def send(self, message: Message) -> None:
        await self.room.wait()
        self.said.append(message)


class Answering:
    """An application of one function."""

    def __init__(self, begin: Callable[[Exchange], Any]) -> None:
        self.begin = begin


def exchange_of(
    begin: Callable[[Exchange], Any], other: Other, limits: Limits | None = None, **scope: Any
) -> AsgiExchange:
    clock = Scope.current().effects.clock
    wheel = Wheel(asyncio.get_running_loop(), clock.monotonic)
    port = Port(Answering(begin), limits or Limits(), wheel, clock.monotonic, clock.time)
    return AsgiExchange(port, {**BASE, **scope}, other.receive, other.send)


def request(body: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_the_request_is_described() -> None:
    """Target as sent, fields in lower case, the peer's address."""
    exchange = exchange_of(lambda _: None, Other())
    assert (exchange.method, exchange.target) == ("GET", b"/a%20b?x=1")
    assert exchange.fields == [(b"host", b"example.org"), (b"x", b"1")]
    assert (exchange.authority, exchange.scheme) == ("example.org", "https")
    assert (exchange.peer.address, exchange.length) == ("10.0.0.7:1234", 0)


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        ({"root_path": "/a b", "path": "/a b/c d", "raw_path": b"/a%20b/c%20d"}, b"/c%20d?x=1"),
        ({"root_path": "/a b", "path": "/a b/c d", "raw_path": None}, b"/c%20d?x=1"),
        ({"root_path": "/a b", "path": "/a b", "raw_path": b"/a%20b"}, b"/?x=1"),
        ({"root_path": "", "raw_path": None, "query_string": b""}, b"/a%20b"),
    ],
)
async def test_the_prefix_at_which_it_is_mounted_is_left_out(
    scope: dict[str, Any], target: bytes
) -> None:
    """Routes of the service begin behind it."""
    assert exchange_of(lambda _: None, Other(), **scope).target == target


async def test_a_whole_reply_is_two_messages() -> None:
    """Head with its length, and the body."""
    other = Other(request())

    def begin(exchange: Exchange) -> None:
        exchange.respond(200, b"text/plain", [(b"a", b"b")], b"hi")

    await exchange_of(begin, other).run()
    fields = [(b"content-type", b"text/plain"), (b"a", b"b"), (b"content-length", b"2")]
    assert other.said == [
        {"type": "http.response.start", "status": 200, "headers": fields},
        {"type": "http.response.body", "body": b"hi", "more_body": False},
    ]


async def test_a_reply_in_parts_waits_for_the_other_server() -> None:
    """Nothing is produced ahead of what it has taken."""
    other, produced = Other(request()), []
    other.room.clear()

    async def answer(exchange: Exchange) -> None:
        exchange.open(200, [])
        for number in range(3):
            produced.append(number)
            await exchange.send(b"x")
        exchange.finish()

    running = asyncio.ensure_future(
        exchange_of(lambda each: tasks.append(asyncio.ensure_future(answer(each))), other).run()
    )
    tasks: list[Any] = []
    await asyncio.sleep(1)
    assert produced == [0]
    other.room.set()
    await running
    assert [each.get("body") for each in other.said] == [None, b"x", b"x", b"x", b""]
    assert [each.get("more_body") for each in other.said] == [None, True, True, True, False]


async def test_a_body_is_taken_as_it_is_asked_for() -> None:
    """One part is read ahead, and no more."""
    other = Other(*[request(b"x", more=True) for _ in range(10)], request())

    async def answer(exchange: Exchange) -> None:
        assert await exchange.receive() == b"x"
        await asyncio.sleep(1)
        left = other.messages.qsize()
        rest = b""
        while part := await exchange.receive():
            rest += part
        exchange.respond(200, None, [], b"%d %d" % (left, len(rest)))

    tasks: list[Any] = []
    fields = [(b"transfer-encoding", b"chunked")]
    exchange = exchange_of(
        lambda each: tasks.append(asyncio.ensure_future(answer(each))), other, headers=fields
    )
    await exchange.run()
    assert other.said[-1]["body"] == b"9 9"


async def test_a_body_that_is_too_long_raises() -> None:
    """By the limit of our server."""
    other = Other(request(b"x" * 11))
    limits = Limits(body_size=10)
    exchange = exchange_of(
        lambda _: None, other, limits, headers=[(b"content-length", b"11")], method="POST"
    )
    running = asyncio.ensure_future(exchange.run())
    with pytest.raises(TooLarge):
        await exchange.receive()
    exchange.respond(413, None, [], b"")
    await running


async def test_a_peer_that_leaves_is_told_to_the_application() -> None:
    """Once; receiving and sending raise from then on."""
    other = Other(request())
    told: list[str] = []

    def begin(exchange: Exchange) -> None:
        exchange.gone = told.append

    exchange = exchange_of(begin, other, headers=[(b"content-length", b"5")])
    running = asyncio.ensure_future(exchange.run())
    await asyncio.sleep(1)
    other.messages.put_nowait({"type": "http.disconnect"})
    await running
    assert told == ["the peer left"]
    with pytest.raises(PeerGone):
        await exchange.send(b"x")


async def test_a_reply_that_is_broken_off_fails_the_application() -> None:
    """The only way to have the other server close the connection."""

    def begin(exchange: Exchange) -> None:
        exchange.open(200, [])
        exchange.reset()

    with pytest.raises(BrokenError):
        await exchange_of(begin, Other(request())).run()


async def test_a_websocket_that_is_refused_is_closed_or_answered() -> None:
    """By what the other server knows."""

    def begin(exchange: Exchange) -> None:
        exchange.respond(404, None, [], b"no")

    scope: dict[str, Any] = {"type": "websocket", "scheme": "ws", "subprotocols": []}
    plain = Other({"type": "websocket.connect"})
    await exchange_of(begin, plain, **scope).run()
    assert plain.said == [{"type": "websocket.close"}]
    able = Other({"type": "websocket.connect"})
    extensions: dict[str, Any] = {"websocket.http.response": {}}
    await exchange_of(begin, able, **scope, extensions=extensions).run()
    assert [each["type"] for each in able.said] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]


async def test_only_a_websocket_can_be_upgraded() -> None:
    """Anything else has no bytes to take over."""
    with pytest.raises(UsageError):
        exchange_of(lambda _: None, Other()).upgrade()


async def test_a_server_whose_receive_fails_is_left_in_peace() -> None:
    """It says so of a peer that has left; the reply is answered all the same."""
    complaints = listen()
    other = Other()

    async def fail() -> Message:
        raise OSError("gone")

    other.receive = fail  # type: ignore[method-assign]
    exchange = exchange_of(lambda each: each.respond(204, None, [], b""), other)
    await exchange.run()
    assert other.said[0]["status"] == 204
    del exchange
    assert complaints() == []
