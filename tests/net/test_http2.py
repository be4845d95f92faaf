"""The life of an HTTP/2 connection: its bounds, its times, and its end; on virtual time."""

import asyncio
from typing import Any

import pytest

from mainstay.errors import PeerGone, PeerTooSlow
from mainstay.net.exchange import Exchange
from mainstay.net.http2 import Http2Connection, settings_of
from mainstay.wire.http2_frames import frame
from tests.net.http2_world import Wire, codes
from tests.wire.http2_world import (
    ACK,
    DATA,
    GET,
    GOAWAY,
    HEADERS,
    PING,
    POST,
    SETTINGS,
    hello,
    reset,
    window,
)


def ok(exchange: Exchange) -> None:
    """Answer at once."""
    exchange.respond(200, None, (), b"")


def never(exchange: Exchange) -> None:
    """Be at work for as long as anybody looks."""


def status(frames: list[Any]) -> list[bytes]:
    """The statuses of the heads."""
    return [payload[0][1] for kind, _, _, payload in frames if kind == HEADERS]


async def test_limits_are_said_as_settings() -> None:
    """And windows are as large as the protocol needs at least."""
    wire = Wire(ok, streams=7, head_size=5000, header_count=9, read_buffer=100)
    settings = settings_of(wire.port)
    assert (settings.streams, settings.head_size, settings.header_count) == (7, 5000, 9)
    assert (settings.stream_window, settings.connection_window) == (65_535, 16 * 65_535)
    settings = settings_of(Wire(ok, read_buffer=2**40).port)
    assert (settings.stream_window, settings.connection_window) == (2**31 - 1, 2**31 - 1)


async def test_a_connection_belongs_to_its_port_while_it_is_open() -> None:
    """From `begin` to `connection_lost`, which is told once."""
    wire = Wire(ok)
    assert wire.port.connections == {wire.connection}
    wire.transport.abort()
    await wire.settled()
    assert wire.port.connections == set()
    assert wire.lost == 1


async def test_more_streams_than_allowed_are_refused() -> None:
    """REFUSED_STREAM says that they may be asked again."""
    wire = Wire(never, streams=2)
    wire.say(b"".join(wire.peer.head(stream, GET) for stream in (1, 3, 5, 7)))
    assert codes(await wire.settled()) == [7, 7]
    assert len(wire.program.begun) == 2


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ((*GET, *((b"x", b"y"),) * 101), b"431"),
        ((*GET, (b"x", b"y" * 33_000)), b"431"),
        ((*GET[:2], (b":path", b"/" * 9000), GET[3]), b"414"),
    ],
)
async def test_heads_have_limits(fields: Any, answer: bytes) -> None:
    """The program never sees what is longer."""
    wire = Wire(ok)
    wire.say(b"".join(_parts(wire.peer.head(1, fields))))
    assert status(await wire.settled()) == [answer]
    assert wire.program.begun == []


def _parts(raw: bytes) -> list[bytes]:
    """HEADERS in frames that are allowed."""
    payload = raw[9:]
    pieces = [payload[at : at + 16_384] for at in range(0, len(payload), 16_384)]
    last = len(pieces) - 1
    return [
        frame(
            9 if number else HEADERS, (4 if number == last else 0) | (0 if number else 1), 1, part
        )
        for number, part in enumerate(pieces)
    ]


async def test_requests_of_a_connection_can_be_bounded() -> None:
    """After the last one it drains."""
    wire = Wire(ok, requests=2)
    wire.say(wire.peer.head(1, GET))
    assert GOAWAY not in [kind for kind, *_ in wire.heard()]
    wire.say(wire.peer.head(3, GET))
    assert GOAWAY in [kind for kind, *_ in wire.heard()]
    wire.say(frame(PING, ACK, 0, b"SHUTDOWN"))
    await wire.settled()
    assert wire.lost == 1


# --- the drain ----------------------------------------------------------------------------------


async def test_a_drain_answers_what_is_on_its_way() -> None:
    """GOAWAY, what comes meanwhile, GOAWAY with the last, and close after the last reply."""
    release = asyncio.Event()

    async def wait(exchange: Exchange) -> None:
        await release.wait()
        ok(exchange)

    wire = Wire(wait)
    wire.say(wire.peer.head(1, GET))
    wire.connection.drain()
    wire.connection.drain()
    kinds = [kind for kind, *_ in await wire.settled()]
    assert kinds == [GOAWAY, PING]
    wire.say(wire.peer.head(3, GET) + frame(PING, ACK, 0, b"SHUTDOWN"))
    [(kind, _, _, payload)] = await wire.settled()
    assert (kind, payload[:4]) == (GOAWAY, b"\0\0\0\3")
    wire.say(wire.peer.head(5, GET))
    assert wire.connection.busy
    assert wire.lost == 0
    release.set()
    assert status(await wire.settled()) == [b"200", b"200"]
    assert wire.lost == 1


async def test_a_drain_does_not_wait_for_ever_for_the_peer() -> None:
    """One that does not acknowledge loses the connection within two seconds, if nothing runs."""
    wire = Wire(ok)
    wire.connection.drain()
    await asyncio.sleep(2.0)
    assert wire.lost == 1
    assert [kind for kind, *_ in wire.heard()] == [GOAWAY, PING, GOAWAY]


async def test_connections_that_come_during_a_drain_are_drained() -> None:
    """The settings, and GOAWAY."""
    wire = Wire(ok)
    wire.port.draining = True
    late = Http2Connection(wire.port, wire.transport, wire.connection.peer, "http", lambda: None)
    late.begin()
    assert [kind for kind, *_ in wire.heard()][-2:] == [GOAWAY, PING]
    late.abort()


async def test_a_peer_that_leaves_is_answered_and_closed() -> None:
    """Its GOAWAY starts the drain."""
    wire = Wire(ok)
    wire.say(wire.peer.head(1, GET) + frame(GOAWAY, 0, 0, bytes(8)))
    assert status(wire.heard()) == [b"200"]
    await asyncio.sleep(2.0)
    assert wire.lost == 1


async def test_abort_tells_the_calls() -> None:
    """And closes at once; twice is once."""
    gone: list[str] = []
    caught: list[Exception] = []

    async def wait(exchange: Exchange) -> None:
        exchange.gone = gone.append
        try:
            await exchange.receive()
        except PeerGone as error:
            caught.append(error)

    wire = Wire(wait)
    wire.say(wire.peer.head(1, POST, ended=False))
    await wire.settled()
    wire.connection.abort()
    wire.connection.abort()
    await wire.settled()
    assert gone == ["the server closed the connection"]
    assert len(caught) == 1
    assert (wire.lost, wire.port.in_flight) == (1, 0)


async def test_a_lost_connection_tells_the_calls() -> None:
    """With the reason, where there is one."""
    gone: list[str] = []

    def wait(exchange: Exchange) -> None:
        exchange.gone = gone.append

    wire = Wire(wait)
    wire.say(wire.peer.head(1, GET))
    assert wire.connection.eof_received() is False
    wire.connection.connection_lost(OSError("cable cut"))
    wire.transport.protocol = None
    assert gone == ["cable cut"]
    assert wire.port.in_flight == 0


# --- what the peer must not do ------------------------------------------------------------------


async def test_a_violation_closes_the_connection() -> None:
    """With GOAWAY, and the calls are told; what comes afterwards is not looked at."""
    gone: list[str] = []

    def wait(exchange: Exchange) -> None:
        exchange.gone = gone.append

    wire = Wire(wait)
    wire.say(wire.peer.head(1, GET))
    connection = wire.connection
    wire.say(frame(DATA, 0, 0, b"x"))
    connection.data_received(wire.peer.head(3, GET))
    assert codes(await wire.settled()) == [1]
    assert wire.lost == 1
    assert "broke the protocol" in gone[0]


@pytest.mark.parametrize(
    "flood",
    [
        frame(PING, 0, 0, bytes(8)),
        frame(4, 0, 0, b""),
        frame(2, 0, 1, bytes(5)),
        frame(DATA, 0, 1, b""),
    ],
    ids=["ping", "settings", "priority", "empty data"],
)
async def test_a_flood_is_calmed(flood: bytes) -> None:
    """ENHANCE_YOUR_CALM, after as many as are allowed."""
    wire = Wire(never, control_frames=50)
    wire.say(wire.peer.head(1, POST, ended=False))
    for _ in range(40):
        wire.say(flood)
    assert not wire.transport.closed
    wire.say(flood * 20)
    assert codes(await wire.settled())[-1] == 11
    assert wire.lost == 1


async def test_rapid_resets_are_calmed() -> None:
    """Each begins a call and takes it back (CVE-2023-44487)."""
    wire = Wire(never, resets=100)
    for stream in range(1, 203, 2):
        if not wire.transport.closed:
            wire.say(wire.peer.head(stream, GET)).say(reset(stream))
    assert codes(await wire.settled()) == [11]
    assert wire.port.in_flight == 0
    assert len(wire.program.begun) == 101


async def test_resets_that_the_peer_provokes_are_calmed() -> None:
    """Malformed requests by the hundred (CVE-2025-8671)."""
    wire = Wire(never, resets=100)
    for stream in range(1, 203, 2):
        wire.say(wire.peer.head(stream, GET[1:]))
    assert codes(await wire.settled())[-1] == 11
    assert wire.lost == 1


@pytest.mark.parametrize("knows", [True, False])
async def test_refused_streams_are_calmed(knows: bool) -> None:
    """A peer that knows how many it may open has no more than resets to spend."""
    wire = Wire(never, streams=5, resets=20)
    if knows:
        wire.say(frame(SETTINGS, ACK, 0, b""))
    for stream in range(1, 81, 2):
        if not wire.transport.closed:
            wire.say(wire.peer.head(stream, GET))
    assert codes(await wire.settled()) == [7] * (21 if knows else 26) + [11]
    assert wire.lost == 1


async def test_window_updates_of_the_connection_wake_who_waits_once() -> None:
    """However many come in one read; and crumbs of it are a flood."""
    wire = Wire(lambda exchange: exchange.respond(200, None, (), bytes(70_000)))
    wire.say(b"".join(wire.peer.head(stream, GET) for stream in range(1, 101, 2)))
    woken = 0

    class Counted(dict[int, Any]):
        def update(self, *args: Any, **more: Any) -> None:
            nonlocal woken
            woken += 1
            super().update(*args, **more)

    wire.connection._ready = Counted(wire.connection._ready)
    wire.say(window(0, 2000) * 50)
    assert woken == 1
    wire.say(window(0, 1) * 1200)
    assert codes(await wire.settled())[-1:] == [11]
    assert wire.lost == 1


async def test_answers_to_control_frames_are_bounded() -> None:
    """A peer that asks and does not read is not read any more, and then left."""
    wire = Wire(never, control_frames=10**9, write_buffer=10_000)
    wire.transport.taking = False
    ping = frame(PING, 0, 0, bytes(8)) * 100
    for _ in range(1000):
        if not wire.transport.reading:
            break
        wire.say(ping)
    assert wire.transport.get_write_buffer_size() < 25_000
    await asyncio.sleep(31.0)
    assert wire.lost == 1


async def test_reading_goes_on_when_the_peer_reads() -> None:
    """Nothing is lost by the pause."""
    wire = Wire(ok, control_frames=10**9, write_buffer=1000)
    wire.transport.taking = False
    paused = wire.transport.pauses
    while wire.transport.pauses == paused:
        wire.say(frame(PING, 0, 0, bytes(8)))
    wire.transport.taking = True
    wire.transport.let()
    assert wire.transport.reading
    assert status(wire.say(wire.peer.head(1, GET)).heard()) == [b"200"]


# --- time ---------------------------------------------------------------------------------------


async def test_an_idle_connection_is_closed() -> None:
    """After `keep_alive`, with GOAWAY first; pings do not keep it."""
    wire = Wire(ok, keep_alive=5.0)
    await asyncio.sleep(4.0)
    wire.say(frame(PING, 0, 0, bytes(8)))
    wire.say(wire.peer.head(1, GET))
    await asyncio.sleep(4.9)
    assert not wire.transport.closed
    await asyncio.sleep(2.0)
    assert wire.lost == 1


async def test_a_connection_at_work_is_not_idle() -> None:
    """However long it takes, while the peer answers pings."""
    wire = Wire(never, keep_alive=5.0, ping_interval=None)
    wire.say(wire.peer.head(1, GET))
    await asyncio.sleep(1000.0)
    assert not wire.transport.closed


async def test_a_head_has_its_time() -> None:
    """From its first byte; the greeting, too."""
    wire = Wire(ok, header_timeout=3.0)
    wire.say(frame(HEADERS, 0, 1, b"\x82"))
    await asyncio.sleep(2.0)
    assert not wire.transport.closed
    await asyncio.sleep(1.1)
    assert wire.lost == 1
    assert codes(wire.heard()) == [11]


async def test_a_peer_that_says_nothing_is_closed() -> None:
    """It has `header_timeout` for its settings."""
    wire = Wire(ok, header_timeout=3.0)
    silent = Http2Connection(wire.port, wire.transport, wire.connection.peer, "http", lambda: None)
    wire.transport.protocol = silent
    silent.begin()
    await asyncio.sleep(3.1)
    assert wire.transport.closed


async def test_a_body_has_its_time() -> None:
    """Only while somebody waits for it; the peer can still be answered."""

    async def read(exchange: Exchange) -> None:
        await asyncio.sleep(100.0)
        try:
            while await exchange.receive():
                pass
        except PeerTooSlow as error:
            exchange.respond(408, None, (), error.message.encode())

    wire = Wire(read, body_timeout=5.0, ping_interval=None)
    wire.say(wire.peer.head(1, POST, ended=False))
    await asyncio.sleep(103.0)
    wire.say(frame(DATA, 0, 1, b"x"))
    await asyncio.sleep(4.0)
    assert wire.body(wire.heard()) == b""
    await asyncio.sleep(1.1)
    frames = wire.heard()
    assert status(frames) == [b"408"]
    assert wire.body(frames) == b"the rest of the body did not come in time"


async def test_a_peer_without_window_has_its_time() -> None:
    """A reply that nobody takes is given up, with CANCEL; progress gives more time."""
    gone: list[str] = []

    def long(exchange: Exchange) -> None:
        exchange.gone = gone.append
        exchange.respond(200, None, (), bytes(1000))

    wire = Wire(long, (4, 10), write_timeout=5.0, ping_interval=None)
    wire.say(wire.peer.head(1, GET))
    for _ in range(3):
        await asyncio.sleep(4.0)
        wire.say(window(1, 10))
    assert codes(wire.heard()) == []
    await asyncio.sleep(5.1)
    assert codes(wire.heard()) == [8]
    assert gone == ["the peer gave no window for the reply in time"]
    assert wire.port.in_flight == 0
    assert not wire.transport.closed


async def test_a_peer_that_does_not_read_has_its_time() -> None:
    """The transport is aborted when nothing was taken for `write_timeout`."""
    wire = Wire(
        lambda exchange: exchange.respond(200, None, (), bytes(60_000)),
        write_timeout=5.0,
        write_buffer=10_000,
        ping_interval=None,
    )
    wire.transport.taking = False
    wire.say(wire.peer.head(1, GET))
    await asyncio.sleep(4.0)
    del wire.transport.waiting[:100]
    await asyncio.sleep(4.0)
    assert not wire.transport.closed
    await asyncio.sleep(6.1)
    assert wire.lost == 1


async def test_a_close_does_not_wait_for_ever() -> None:
    """GOAWAY that nobody takes is given up, too."""
    wire = Wire(ok, write_timeout=5.0)
    wire.transport.taking = False
    wire.say(frame(DATA, 0, 0, b"x"))
    await asyncio.sleep(4.0)
    assert wire.lost == 0
    await asyncio.sleep(1.1)
    assert wire.lost == 1


async def test_silence_is_pinged() -> None:
    """And a peer that does not answer is gone."""
    wire = Wire(never, ping_interval=10.0, ping_timeout=5.0)
    wire.say(wire.peer.head(1, GET))
    await asyncio.sleep(10.1)
    [(kind, flags, _, payload)] = wire.heard()
    assert (kind, flags) == (PING, 0)
    wire.say(frame(PING, ACK, 0, payload))
    await asyncio.sleep(14.0)
    assert not wire.transport.closed
    await asyncio.sleep(1.1)
    assert wire.lost == 1


async def test_one_timer_serves_a_connection() -> None:
    """However many requests and waits there are; none is left behind."""
    wire = Wire(never)
    wire.say(b"".join(wire.peer.head(stream, POST, ended=False) for stream in range(1, 101, 2)))
    assert len(wire.port.wheel) == 1
    wire.transport.abort()
    await wire.settled()
    assert len(wire.port.wheel) == 0


async def test_any_cut_of_the_bytes_is_the_same_to_it() -> None:
    """Preface, settings and a request, byte by byte."""
    wire = Wire(ok)
    late = Http2Connection(wire.port, wire.transport, wire.connection.peer, "http", lambda: None)
    late.begin()
    peer = type(wire.peer)()
    sent = hello() + peer.head(1, (*GET, (b"x", b"y")))
    for byte in sent:
        late.data_received(bytes([byte]))
    assert status(peer.read(bytes(wire.transport.taken))) == [b"200"]
    late.abort()
