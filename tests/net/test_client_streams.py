"""Streams of a client's connection, against a server that the package h2 makes, in memory."""

import asyncio
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from mainstay.errors import BrokenError, ClosedError, Error
from mainstay.net import client_streams
from mainstay.net.client_http1 import CLOSE_TIMEOUT
from mainstay.net.client_limits import ClientLimits
from mainstay.net.client_streams import ClientStream, StreamConnection
from mainstay.net.outgoing import Shared
from mainstay.testing.memory import connect_in_memory
from mainstay.wire.http2 import ResponseHead
from tests.net.client_connections import Owner

FIELDS = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
HEAD = [(":status", "200"), ("content-type", "application/grpc")]

React = Callable[["Server", Any], None]


class Server(asyncio.Protocol):
    """Does as `react` says about every event; credits nothing by itself."""

    def __init__(self, react: React, window: int | None, streams: int) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding=None)
        self.h2 = h2.connection.H2Connection(config)
        settings: dict[Any, int] = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: streams}
        if window is not None:
            settings[h2.settings.SettingCodes.INITIAL_WINDOW_SIZE] = window
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values=settings)
        self.react = react
        self.events: list[Any] = []
        self.bodies: dict[int, bytes] = {}
        self.writes: list[int] = []
        self.left = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.h2.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.writes.append(len(data))
        for event in self.h2.receive_data(data):
            self.events.append(event)
            if isinstance(event, h2.events.DataReceived):
                body = self.bodies.get(event.stream_id, b"")
                self.bodies[event.stream_id] = body + event.data
            self.react(self, event)
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.left = True

    def flush(self) -> None:
        self.transport.write(self.h2.data_to_send())

    def has(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class Heard(ClientStream):
    """Remembers everything."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, ...]] = []

    def on_head(self, event: ResponseHead) -> None:
        self.told.append(("head", event.status, event.ended))

    def on_data(self, data: bytes, ended: bool) -> None:
        self.told.append(("data", data, ended))

    def on_trailers(self, fields: list[tuple[bytes, bytes]]) -> None:
        self.told.append(("trailers", fields))

    def on_reset(self, code: int) -> None:
        self.told.append(("reset", code))

    def on_lost(self, error: Error, *, untouched: bool) -> None:
        self.told.append(("lost", type(error), untouched))

    def on_room(self) -> None:
        self.told.append(("room",))


async def settle(turns: int = 10) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def connected(
    react: React = lambda server, event: None,
    *,
    window: int | None = None,
    streams: int = 100,
    **limits: Any,
) -> tuple[StreamConnection, Server, Owner]:
    owner = Owner()
    made = StreamConnection(Shared(ClientLimits(**limits)), "the server", owner)
    server = Server(react, window, streams)
    connect_in_memory(made, server)
    await made.ready
    await settle()  # so that our acknowledgement has arrived
    return made, server, owner


def opened(
    connection: StreamConnection, data: bytes = b"", *, ended: bool = False, expected: bool = True
) -> Heard:
    stream = Heard()
    assert connection.open(stream, "http", "there", "/a.B/C", FIELDS, data, ended) is expected
    return stream


async def test_a_request_and_its_reply() -> None:
    """Pseudo-fields, fields and body arrive; head, data and trailers are told in order."""

    def react(server: Server, event: Any) -> None:
        if isinstance(event, h2.events.StreamEnded):
            server.h2.send_headers(event.stream_id, HEAD)
            server.h2.send_data(event.stream_id, b"pong")
            server.h2.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)

    connection, server, owner = await connected(react)
    stream = opened(connection, b"ping", ended=True)
    await settle()
    head = dict(server.has(h2.events.RequestReceived)[0].headers)
    assert (head[b":method"], head[b":path"]) == (b"POST", b"/a.B/C")
    assert head[b":authority"] == b"there"
    assert head[b"te"] == b"trailers"
    assert server.bodies == {1: b"ping"}
    assert stream.told == [
        ("head", 200, False),
        ("data", b"pong", False),
        ("trailers", [(b"grpc-status", b"0")]),
    ]
    assert connection.streams == 0
    assert owner.freed_count
    await connection.aclose()


async def test_a_window_of_one_byte() -> None:
    """A server that allows one byte at a time gets all of them, in order, while it answers one
    byte at a time."""

    def react(server: Server, event: Any) -> None:
        if isinstance(event, h2.events.RequestReceived):
            server.h2.send_headers(event.stream_id, HEAD)
        elif isinstance(event, h2.events.DataReceived):
            assert len(event.data) <= 1
            if event.data:
                server.h2.send_data(event.stream_id, event.data)
                if event.stream_ended is None:
                    server.h2.increment_flow_control_window(1, event.stream_id)

    connection, server, _ = await connected(react, window=1)
    text = bytes(range(100))
    stream = opened(connection, text[:50])
    assert stream.pending is not None
    assert connection.write(stream, text[50:], True) is False
    for _ in range(200):
        await settle(3)
    assert server.bodies == {1: text}
    assert b"".join(each[1] for each in stream.told if each[0] == "data") == text
    assert ("room",) in stream.told
    assert stream.sent
    await connection.aclose()


async def test_credit_is_what_lets_the_server_go_on() -> None:
    """Nothing that is not credited is replaced."""

    def react(server: Server, event: Any) -> None:
        if isinstance(event, h2.events.RequestReceived):
            server.h2.send_headers(event.stream_id, HEAD)

    connection, server, _ = await connected(react, read_buffer=65_535)
    stream = opened(connection)
    await settle()
    for _ in range(10):
        room = server.h2.local_flow_control_window(1)
        if room:
            server.h2.send_data(1, bytes(min(room, 16_384)))
            server.flush()
        await settle()
    got = sum(len(each[1]) for each in stream.told if each[0] == "data")
    assert got == 65_535
    connection.credit(stream, got)
    await settle()
    assert server.h2.local_flow_control_window(1) == 65_535
    await connection.aclose()


async def test_what_is_opened_in_one_turn_leaves_in_one_write() -> None:
    """But for the first, which does not wait to see whether others come."""
    connection, server, _ = await connected()
    before = len(server.writes)
    for _ in range(20):
        opened(connection, b"x", ended=True)
    await settle()
    assert len(server.bodies) == 20
    assert len(server.writes) - before <= 2
    await connection.aclose()


async def test_the_servers_limit_of_streams_is_kept() -> None:
    """`open` says that there is no place, and `freed` when there is one."""

    def react(server: Server, event: Any) -> None:
        if isinstance(event, h2.events.StreamEnded):
            server.h2.send_headers(event.stream_id, HEAD, end_stream=True)

    connection, _, owner = await connected(react, streams=2)
    opened(connection)
    second = opened(connection)
    opened(connection, expected=False)
    count = owner.freed_count
    connection.write(second, b"", True)
    await settle()
    assert owner.freed_count > count
    opened(connection)
    await connection.aclose()


async def test_our_own_limit_of_streams_is_kept() -> None:
    """`ClientLimits.streams`."""
    connection, _, _ = await connected(streams=100)
    await connection.aclose()
    owner = Owner()
    shared = Shared(ClientLimits(streams=1))
    made = StreamConnection(shared, "the server", owner)
    connect_in_memory(made, Server(lambda server, event: None, None, 100))
    await made.ready
    opened(made)
    opened(made, expected=False)
    await made.aclose()


async def test_an_answer_before_our_end_resets_our_half() -> None:
    """The server has said all; what waits of ours is dropped."""

    def react(server: Server, event: Any) -> None:
        if isinstance(event, h2.events.RequestReceived):
            server.h2.send_headers(event.stream_id, HEAD, end_stream=True)

    connection, server, _ = await connected(react)
    stream = opened(connection, bytes(200_000))
    await settle(30)
    assert stream.told == [("head", 200, True)]
    assert server.has(h2.events.StreamReset)
    assert connection.write(stream, b"late", False)
    await connection.aclose()


async def test_cancelling_a_stream() -> None:
    """RST_STREAM(CANCEL), and nothing is told any more."""
    connection, server, _ = await connected()
    stream = opened(connection, b"x")
    await settle()
    connection.cancel(stream)
    connection.cancel(stream)
    await settle()
    assert [event.error_code for event in server.has(h2.events.StreamReset)] == [8]
    assert stream.told == []
    await connection.aclose()


async def test_a_transport_that_is_full_holds_back() -> None:
    """`write` says so, and `on_room` when it is no more."""
    connection, _, _ = await connected()
    stream = opened(connection)
    connection.pause_writing()
    assert connection.write(stream, b"x", False) is False
    connection.tell_room(stream)
    assert stream.told == []
    connection.resume_writing()
    assert stream.told == [("room",)]
    connection.tell_room(stream)
    assert stream.told == [("room",)] * 2
    await connection.aclose()


async def test_goaway_refuses_what_the_server_did_not_look_at() -> None:
    """Streams above the last are reset; the others go on, and then the connection closes."""
    connection, server, owner = await connected()
    one, two = opened(connection), opened(connection)
    await settle()
    server.h2.close_connection(last_stream_id=1)
    # h2 believes that all is over; the frames that follow are made for another connection of it.
    server.flush()
    await settle()
    assert two.told == [("reset", 7)]
    assert one.told == []
    assert owner.gone_count == 1
    assert connection.over
    opened(connection, expected=False)
    connection.cancel(one)
    await settle()
    assert server.left
    assert owner.gone_count == 1


async def test_a_lost_connection_tells_its_streams() -> None:
    """And whether anything of them had left."""
    connection, server, owner = await connected()
    one = opened(connection)
    await settle()
    two = opened(connection)
    server.transport.abort()
    connection.connection_lost(None)
    assert one.told == [("lost", BrokenError, False)]
    assert two.told == [("lost", BrokenError, True)]
    assert owner.gone_count == 1
    await settle()


async def test_closing_tells_streams_and_server() -> None:
    """Streams end with ClosedError, the server gets GOAWAY."""
    connection, server, _ = await connected()
    stream = opened(connection)
    await settle()
    await connection.aclose()
    assert stream.told == [("lost", ClosedError, False)]
    assert server.has(h2.events.ConnectionTerminated)
    assert server.left


async def test_what_breaks_the_protocol_ends_the_connection() -> None:
    """No frame, no HTTP/2."""
    connection, server, _ = await connected()
    stream = opened(connection)
    await settle()
    server.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await settle()
    assert stream.told[0][:2] == ("lost", BrokenError)
    await settle()
    assert server.left


async def test_a_server_that_never_speaks_is_never_ready() -> None:
    """A connection that ends before SETTINGS raises for who waits."""
    made = StreamConnection(Shared(ClientLimits()), "the server", Owner())
    there = connect_in_memory(made, asyncio.Protocol())
    there.abort()
    with pytest.raises(BrokenError, match="the server"):
        await made.ready


async def test_keepalive_gives_up_after_silence() -> None:
    """A ping that is answered keeps the connection; one that is not ends it."""
    connection, server, _ = await connected()
    stream = opened(connection)
    connection.keep_alive(10, 5, always=False)
    await asyncio.sleep(35)
    assert len(server.has(h2.events.PingReceived)) == 3
    assert stream.told == []
    server.data_received = lambda data: None  # type: ignore[method-assign]
    await asyncio.sleep(20)
    assert stream.told == [("lost", BrokenError, False)]


async def test_keepalive_without_streams_only_if_always() -> None:
    """Servers take pings on idle connections for abuse."""
    connection, server, _ = await connected()
    connection.keep_alive(10, 5, always=False)
    await asyncio.sleep(50)
    assert server.has(h2.events.PingReceived) == []
    await connection.aclose()
    connection, server, _ = await connected()
    connection.keep_alive(10, 5, always=True)
    await asyncio.sleep(25)
    assert len(server.has(h2.events.PingReceived)) == 2
    await connection.aclose()


async def test_an_idle_connection_that_retires_closes() -> None:
    """At once without streams, after the last one else."""
    connection, server, _ = await connected()
    connection.retire()
    await settle()
    assert server.left
    assert "closing" in repr(connection)


def reported(loop: asyncio.AbstractEventLoop) -> list[Any]:
    """What is reported to the loop from now on."""
    found: list[Any] = []
    loop.set_exception_handler(lambda _, context: found.append(context["exception"]))
    return found


async def test_a_stream_that_raises_ends_the_connection_and_hangs_nobody() -> None:
    """Its fault is reported, and every stream of the connection hears that it is lost: also when
    one of them raises again."""

    class Faulty(Heard):
        def on_head(self, event: ResponseHead) -> None:
            raise ZeroDivisionError("in on_head")

        def on_lost(self, error: Error, *, untouched: bool) -> None:
            raise ZeroDivisionError("in on_lost")

    connection, server, owner = await connected()
    found = reported(asyncio.get_running_loop())
    faulty = Faulty()
    assert connection.open(faulty, "http", "there", "/a.B/C", FIELDS, b"", False)
    other = opened(connection)
    await settle()
    server.h2.send_headers(1, HEAD)
    server.flush()
    await settle()
    assert [str(each) for each in found] == ["in on_head", "in on_lost"]
    assert other.told == [("lost", BrokenError, False)]
    assert owner.gone_count == 1
    assert server.has(h2.events.ConnectionTerminated)[0].error_code == 2
    assert server.left
    assert connection.closed.done()


async def test_a_server_that_reads_nothing_does_not_keep_what_is_closed() -> None:
    """What waits to be written is given up after `CLOSE_TIMEOUT`."""
    connection, server, _ = await connected(window=1 << 24)
    stream = opened(connection)
    server.transport.pause_reading()
    connection.write(stream, bytes(1 << 20), False)
    connection.retire()
    await settle()
    connection.cancel(stream)
    await asyncio.sleep(CLOSE_TIMEOUT / 2)
    assert not connection.closed.done()
    await asyncio.sleep(CLOSE_TIMEOUT)
    assert connection.closed.done()
    assert server.left


async def test_the_end_of_what_the_server_sends_ends_streams_in_time() -> None:
    """Also when it reads nothing of what still waits."""
    connection, server, _ = await connected(window=1 << 24)
    stream = opened(connection)
    server.transport.pause_reading()
    connection.write(stream, bytes(1 << 20), False)
    await settle()
    server.transport.write_eof()
    await asyncio.sleep(2 * CLOSE_TIMEOUT)
    assert stream.told == [("lost", BrokenError, False)]
    assert connection.closed.done()


async def test_answers_to_a_server_that_reads_nothing_are_bounded() -> None:
    """We read no further until it takes what it made us answer; then all of it is answered."""
    connection, server, _ = await connected(window=1 << 24)
    stream = opened(connection)
    server.transport.pause_reading()
    connection.write(stream, bytes(1 << 20), False)
    await settle()
    transport: Any = connection._transport
    body = transport.get_write_buffer_size()
    assert transport.is_reading()
    ping = bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + b"12345678"
    for _ in range(100):
        server.transport.write(ping * 150)
        await settle(2)
    assert not transport.is_reading()
    answers = transport.get_write_buffer_size() - body
    assert 64 * 1024 < answers < 3 * 64 * 1024
    server.transport.resume_reading()
    await settle(200)
    assert transport.is_reading()
    assert len(server.has(h2.events.PingAckReceived)) == 15_000
    assert sum(map(len, server.bodies.values())) < 1 << 20  # the rest of it waits for a window
    await connection.aclose()


async def test_a_window_that_grows_fills_no_transport_that_is_full() -> None:
    """What waits is sent once the server takes it."""
    connection, server, _ = await connected()
    stream = opened(connection)
    await settle()
    server.transport.pause_reading()
    connection.write(stream, bytes(1 << 20), False)
    await settle()
    transport: Any = connection._transport
    connection.pause_writing()
    before = transport.get_write_buffer_size()
    server.h2.increment_flow_control_window(1 << 20)
    server.h2.increment_flow_control_window(1 << 20, 1)
    server.flush()
    await settle()
    assert transport.get_write_buffer_size() == before
    server.transport.resume_reading()
    connection.resume_writing()
    await settle(300)
    assert server.bodies == {1: bytes(1 << 20)}
    await connection.aclose()


async def test_the_last_number_of_a_stream_retires_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There are 2**30 of them; the next calls need another connection."""
    monkeypatch.setattr(client_streams, "_LAST", 3)
    connection, server, owner = await connected()
    opened(connection)
    before = connection.over
    last = opened(connection)
    assert (before, connection.over) == (False, True)
    assert owner.gone_count == 1
    opened(connection, expected=False)
    await settle()
    server.h2.send_headers(3, HEAD)
    server.flush()
    await settle()
    assert last.told == [("head", 200, False)]
    await connection.aclose()


async def test_a_server_of_another_protocol_is_told_before_it_is_ready() -> None:
    """Who waits for the connection hears what is wrong with it."""
    made = StreamConnection(Shared(ClientLimits()), "the server", Owner())
    there = connect_in_memory(made, asyncio.Protocol())
    peer: Any = there._peer
    peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(BrokenError, match="the first frame is not SETTINGS"):
        await made.ready
    await made.closed
