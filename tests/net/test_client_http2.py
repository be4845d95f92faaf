"""Exchanges over a real socket with an HTTP/2 server made from the other side of the engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from mainstay.errors import BrokenError, ClosedError, UsageError
from mainstay.net.client_http1 import CLOSE_TIMEOUT
from mainstay.net.client_http2 import Http2Connection
from mainstay.net.client_limits import ClientLimits
from mainstay.net.outgoing import Incoming, Lost, Outgoing, Shared
from mainstay.wire.http2 import (
    Data,
    ErrorCode,
    Event,
    Http2Engine,
    Http2Settings,
    RequestHead,
    Writable,
)
from mainstay.wire.http2_engines import http2_engine
from tests.net.client_connections import Owner, whole
from tests.net.raw_server import RawServer, Script, Talk, raw_server

React = Callable[[Http2Engine, Event], None]


def http2(react: React, **settings: Any) -> Script:
    """A script that speaks HTTP/2, and does as `react` says about every event."""

    async def script(talk: Talk) -> None:
        engine = http2_engine(client=False, settings=Http2Settings(**settings))
        engine.begin()
        while True:
            talk.say(engine.take())
            await talk.writer.drain()
            data = await talk.reader.read(65536)
            if not data:
                return
            for event in engine.receive(data):
                react(engine, event)

    return script


def hello(engine: Http2Engine, event: Event) -> None:
    """Answers every request, and has read its body."""
    if isinstance(event, RequestHead):
        engine.respond(event.stream, 200, [(b"x-a", b"b")], ended=False)
        engine.send(event.stream, event.target, 0, ended=True)
    elif isinstance(event, Data) and event.data:
        engine.credit(event.stream, len(event.data))


async def connected(server: RawServer, **limits: Any) -> tuple[Http2Connection, Owner]:
    owner = Owner()
    shared = Shared(ClientLimits(**limits))
    made = Http2Connection(shared, "the server", owner)
    await shared.loop.create_connection(lambda: made, "127.0.0.1", server.port)
    return made, owner


def asking(
    method: str = "GET", target: str = "/", body: Any = None, length: int | None = None
) -> Outgoing:
    fields = [(b"host", b"h"), (b"connection", b"x"), (b"x-b", b"c")]
    return Outgoing(method, "http", "h", target, fields, body, length)


async def asked(connection: Http2Connection, outgoing: Outgoing | None = None) -> Incoming:
    assert connection.reserve()
    return await connection.exchange(outgoing or asking())


async def test_exchanges_share_a_connection() -> None:
    """At once, each with its own reply; fields of a connection are not sent."""
    seen = []

    def react(engine: Http2Engine, event: Event) -> None:
        if isinstance(event, RequestHead):
            seen.append(event.fields)
        hello(engine, event)

    async with raw_server(http2(react)) as server:
        connection, owner = await connected(server)
        targets = [f"/{number}" for number in range(40)]
        replies = await asyncio.gather(
            *(asked(connection, asking(target=target)) for target in targets)
        )
        assert [await whole(each) for each in replies] == [each.encode() for each in targets]
        assert {(each.status, each.version) for each in replies} == {(200, "2")}
        assert replies[0].fields == [(b"x-a", b"b")]
        assert seen[0] == [(b"x-b", b"c")]
        assert (server.connections, owner.freed_count, connection.busy) == (1, 40, False)
        await connection.aclose()
        assert owner.gone_count == 1


async def test_places_are_those_of_the_limit() -> None:
    """And one is given back with `release`."""
    async with raw_server(http2(hello)) as server:
        connection, owner = await connected(server, streams=2)
        assert connection.reserve()
        assert connection.reserve()
        assert not connection.reserve()
        connection.release()
        assert owner.freed_count == 1
        assert connection.reserve()
        await connection.aclose()


async def test_a_server_that_allows_fewer_streams_is_waited_for() -> None:
    """Requests beyond its number go when others have ended."""
    async with raw_server(http2(hello, streams=1)) as server:
        connection, _ = await connected(server)
        await asked(connection)  # its settings are known from here on
        replies = await asyncio.gather(*(asked(connection) for _ in range(10)))
        assert len(replies) == 10
        await connection.aclose()


class Echo:
    """Sends bodies back, when they are whole."""

    def __init__(self) -> None:
        self.bodies: dict[int, bytes] = {}
        self.sent: dict[int, int] = {}

    def __call__(self, engine: Http2Engine, event: Event) -> None:
        if isinstance(event, RequestHead):
            self.bodies[event.stream] = b""
        elif isinstance(event, Data):
            self.bodies[event.stream] += event.data
            if event.data:
                engine.credit(event.stream, len(event.data))
            if event.ended:
                engine.respond(event.stream, 200, [], ended=False)
                self.sent[event.stream] = 0
        if isinstance(event, Data | Writable):
            for stream, at in tuple(self.sent.items()):
                body = self.bodies[stream]
                if at < len(body):
                    self.sent[stream] += engine.send(stream, body, at, ended=True)


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for each in given:
        yield each


BIG = bytes(range(256)) * 8192


@pytest.mark.parametrize("kind", ["bytes", "parts", "parts of known length"])
async def test_bodies_larger_than_every_window(kind: str) -> None:
    """Both ways, and several at once, in the right order."""
    size = 65536
    cut = [BIG[start : start + size] for start in range(0, len(BIG), size)]

    def body() -> Any:
        return BIG if kind == "bytes" else parts(*cut)

    length = len(BIG) if kind == "parts of known length" else None
    async with raw_server(http2(Echo())) as server:
        connection, _ = await connected(server)
        replies = await asyncio.gather(
            *(asked(connection, asking("POST", body=body(), length=length)) for _ in range(3))
        )
        assert all([await whole(each) == BIG for each in replies])
        await connection.aclose()


async def test_unread_replies_do_not_stop_the_others() -> None:
    """What was received and not read yet counts against its own stream's window only, as long as
    the connection's has room; and when it is read, the window grows again."""
    async with raw_server(http2(Echo())) as server:
        connection, _ = await connected(server)
        for _ in range(40):
            reply = await asked(connection, asking("POST", body=b"x" * 60_000))
            await asyncio.sleep(0.1)
            assert await whole(reply) == b"x" * 60_000
        await connection.aclose()


async def test_replies_given_up_return_their_bytes() -> None:
    """The connection's window does not shrink by what nobody reads."""
    async with raw_server(http2(Echo())) as server:
        connection, _ = await connected(server)
        for _ in range(40):
            reply = await asked(connection, asking("POST", body=b"x" * 60_000))
            await asyncio.sleep(0.1)
            reply.close()
        reply = await asked(connection, asking("POST", body=BIG))
        assert await whole(reply) == BIG
        assert server.connections == 1
        await connection.aclose()


@pytest.mark.parametrize(
    ("code", "untouched"), [(ErrorCode.REFUSED_STREAM, True), (ErrorCode.INTERNAL_ERROR, False)]
)
async def test_a_reset_before_the_reply_is_lost(code: ErrorCode, untouched: bool) -> None:
    """A refused stream was not looked at; the connection goes on."""

    def react(engine: Http2Engine, event: Event) -> None:
        if isinstance(event, RequestHead):
            engine.reset(event.stream, code)

    async with raw_server(http2(react)) as server:
        connection, owner = await connected(server)
        with pytest.raises(Lost, match=code.name) as caught:
            await asked(connection)
        assert caught.value.untouched is untouched
        assert (owner.freed_count, owner.gone_count) == (1, 0)
        await connection.aclose()


async def test_a_reset_in_the_middle_is_an_error() -> None:
    """What came before is read first."""

    def react(engine: Http2Engine, event: Event) -> None:
        if isinstance(event, RequestHead):
            engine.respond(event.stream, 200, [], ended=False)
            engine.send(event.stream, b"abc", 0, ended=False)
            asyncio.get_running_loop().call_later(1, engine.reset, event.stream, 2)

    async with raw_server(http2(react)) as server:
        connection, _ = await connected(server)
        reply = await asked(connection)
        assert await reply.receive() == b"abc"
        # Makes the server write what it has.
        other = asyncio.create_task(asked(connection))
        await asyncio.sleep(3)
        third = asyncio.create_task(asked(connection))
        with pytest.raises(BrokenError, match="INTERNAL_ERROR"):
            await reply.receive()
        await connection.aclose()
        await asyncio.gather(other, third, return_exceptions=True)


async def test_goaway_ends_the_connection_when_its_streams_have_ended() -> None:
    """No place is given any more; what the server took is answered."""

    def react(engine: Http2Engine, event: Event) -> None:
        if isinstance(event, RequestHead):
            engine.drain_now()
            engine.respond(event.stream, 200, [], ended=False)
            engine.send(event.stream, b"abc", 0, ended=True)

    async with raw_server(http2(react)) as server:
        connection, owner = await connected(server)
        reply = await asked(connection)
        assert await whole(reply) == b"abc"
        assert not connection.reserve()
        await asyncio.sleep(1)
        assert owner.gone_count == 1
        await connection.aclose()


async def test_a_request_after_the_end_is_lost_untouched() -> None:
    """The place was taken before, and the server has left meanwhile."""
    async with raw_server(http2(hello)) as server:
        connection, _ = await connected(server)
        assert connection.reserve()
        await connection.aclose()
        with pytest.raises(Lost) as caught:
            await connection.exchange(asking())
        assert caught.value.untouched


async def test_no_http2_is_an_error() -> None:
    """The server speaks something else."""

    async def script(talk: Talk) -> None:
        await talk.reader.read(10)
        talk.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await talk.wait_left()

    async with raw_server(script) as server:
        connection, _ = await connected(server)
        with pytest.raises(BrokenError, match="the server"):
            await asked(connection)
        await connection.aclose()


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param((bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + b"ping" * 2) * 2000, id="PING"),
        pytest.param(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) * 2000, id="SETTINGS"),
        pytest.param(
            bytes([0, 0, 1, 1, 0, 0, 0, 0, 1, 0x88])
            + (bytes([0x00, 0x40, 0x00, 9, 0, 0, 0, 0, 1]) + bytes(16384)) * 200,
            id="CONTINUATION",
        ),
    ],
)
async def test_floods_end_the_connection(flood: bytes) -> None:
    """Frames that cost us and bring nothing, and a header block without an end."""

    async def script(talk: Talk) -> None:
        await talk.reader.read(10)
        talk.say(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) + flood)
        await talk.wait_left()

    async with raw_server(script) as server:
        connection, owner = await connected(server)
        with pytest.raises(BrokenError, match="the server"):
            await asked(connection)
        await asyncio.sleep(1)
        assert owner.gone_count == 1
        await connection.aclose()


async def test_a_head_that_is_too_long_is_refused() -> None:
    """The stream is reset, the connection goes on."""

    def react(engine: Http2Engine, event: Event) -> None:
        if isinstance(event, RequestHead):
            many = [(b"x-%d" % number, b"a") for number in range(50)]
            engine.respond(event.stream, 200, many if event.target == b"/long" else [], ended=True)

    async with raw_server(http2(react)) as server:
        connection, owner = await connected(server, header_count=20)
        with pytest.raises(BrokenError, match="more than 20 fields"):
            await asked(connection, asking(target="/long"))
        assert (await asked(connection)).status == 200
        assert owner.freed_count == 2
        await connection.aclose()


async def test_cancelling_resets_the_stream_only() -> None:
    """Others on the connection do not notice, and the upload ends."""
    resets = []
    closed = []

    def react(engine: Http2Engine, event: Event) -> None:
        if type(event).__name__ == "Reset":
            resets.append(event)
        if isinstance(event, RequestHead) and event.target == b"/ok":
            hello(engine, event)

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(1)
        finally:
            closed.append(True)

    async with raw_server(http2(react)) as server:
        connection, owner = await connected(server)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asked(connection, asking("PUT", body=endless())), 5)
        assert await whole(await asked(connection, asking(target="/ok"))) == b"/ok"
        assert (len(resets), closed, owner.freed_count) == (1, [True], 2)
        await connection.aclose()


async def test_an_answer_before_the_end_of_the_upload_ends_it() -> None:
    """The reply is whole; the rest of the body is neither made nor sent."""
    closed = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(1)
        finally:
            closed.append(True)

    async with raw_server(http2(hello)) as server:
        connection, owner = await connected(server)
        reply = await asked(connection, asking("PUT", body=endless()))
        assert await whole(reply) == b"/"
        await asyncio.sleep(0)
        assert (closed, owner.freed_count) == ([True], 1)
        await connection.aclose()


async def test_a_failing_body_resets_the_stream() -> None:
    """The caller gets the error of the iterator."""

    async def failing() -> AsyncIterator[bytes]:
        yield b"a"
        raise LookupError("no more")

    async with raw_server(http2(lambda *_: None)) as server:
        connection, owner = await connected(server)
        with pytest.raises(LookupError, match="no more"):
            await asked(connection, asking("PUT", body=failing()))
        assert (owner.freed_count, owner.gone_count) == (1, 0)
        await connection.aclose()


async def test_closing_ends_what_goes_on() -> None:
    """Who waits gets ClosedError, and the server a GOAWAY before the end."""
    async with raw_server(http2(lambda *_: None)) as server:
        connection, owner = await connected(server)
        task = asyncio.create_task(asked(connection))
        await asyncio.sleep(1)
        assert repr(connection) == "<Http2Connection the server open streams=1>"
        await connection.aclose()
        assert owner.gone_count == 1
        with pytest.raises(ClosedError):
            await task


async def test_what_cannot_be_sent_leaves_the_connection_usable() -> None:
    """Nothing was written."""
    async with raw_server(http2(hello)) as server:
        connection, owner = await connected(server)
        bad = Outgoing("GET", "http", "h", "/", [(b"x", b"a\r\nb")])
        with pytest.raises(UsageError, match="cannot be sent"):
            await asked(connection, bad)
        assert owner.freed_count == 1
        await asked(connection)
        await connection.aclose()


async def test_what_the_server_does_not_take_keeps_no_connection_open() -> None:
    """When the last exchange ends after a GOAWAY: what is left has `CLOSE_TIMEOUT`."""
    gone = asyncio.Event()

    async def script(talk: Talk) -> None:
        settings = Http2Settings(stream_window=1 << 24, connection_window=1 << 24)
        engine = http2_engine(client=False, settings=settings)
        engine.begin()
        while not gone.is_set():
            talk.say(engine.take())
            data = await talk.reader.read(65536)
            if any(isinstance(each, RequestHead) for each in engine.receive(data)):
                engine.drain_now()
                talk.say(engine.take())
                # It takes nothing from here on.
                talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
                await gone.wait()

    async with raw_server(script) as server:
        connection, owner = await connected(server)
        task = asyncio.create_task(asked(connection, asking("PUT", body=bytes(1 << 23))))
        try:
            async with asyncio.timeout(60):
                await asyncio.sleep(1)
                while connection.reserve():  # until the GOAWAY is there
                    connection.release()
                    await asyncio.sleep(0.1)
            assert not connection._writable
            task.cancel()
            await asyncio.sleep(CLOSE_TIMEOUT + 0.1)
            assert owner.gone_count == 1
        finally:
            gone.set()
            await connection.aclose()


async def test_a_fault_of_ours_ends_the_exchanges_and_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits for a reply that will not be read; the loop's handler gets the fault."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

    def broken(self: Http2Connection, stream: Any, event: Any) -> None:
        raise LookupError("a fault of ours")

    monkeypatch.setattr(Http2Connection, "_take_head", broken)
    async with raw_server(http2(hello)) as server:
        connection, owner = await connected(server)
        with pytest.raises(BrokenError, match="could not be handled: LookupError"):
            await asked(connection)
        await connection.aclose()
    assert owner.gone_count == 1
    assert [str(each["exception"]) for each in faults] == ["a fault of ours"]
