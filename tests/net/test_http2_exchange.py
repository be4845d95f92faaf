"""Requests and replies over HTTP/2, on a transport in memory and in virtual time."""

import asyncio
from typing import Any

import pytest

from mainstay.errors import InvalidRequest, PeerGone, TooLarge, UsageError
from mainstay.net.exchange import Exchange
from mainstay.wire.http2_frames import frame
from tests.net.http2_world import Wire, codes
from tests.wire.http2_world import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    HEADERS,
    POST,
    RST,
    WINDOW,
    reset,
    window,
)


def ok(exchange: Exchange) -> None:
    """Answer with what came."""
    exchange.respond(200, b"text/plain", ((b"x-y", b"z"),), exchange.body or b"hello")


async def echo(exchange: Exchange) -> None:
    """Send the body back as it comes."""
    exchange.open(200, ())
    while part := await exchange.receive():
        await exchange.send(part)
    exchange.finish(exchange.trailers())


async def test_a_reply_is_one_write() -> None:
    """HEADERS and DATA, with type, length and date."""
    wire = Wire(ok)
    before = wire.transport.writes
    wire.say(wire.peer.head(1, (*GET, (b"a", b"b"))))
    head, data = wire.heard()
    assert wire.transport.writes == before + 1
    assert head[3] == [
        (b":status", b"200"),
        (b"content-type", b"text/plain"),
        (b"content-length", b"5"),
        (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
        (b"x-y", b"z"),
    ]
    assert data == (DATA, END_STREAM, 1, b"hello")
    [exchange] = wire.program.begun
    assert (exchange.method, exchange.target, exchange.version) == ("GET", b"/", "2")
    assert (exchange.authority, exchange.scheme, exchange.peer.address) == (
        "a",
        "http",
        "10.0.0.7:5",
    )
    assert exchange.fields == [(b"a", b"b")]
    assert (exchange.body, exchange.length, exchange.protocol) == (b"", 0, "")
    assert wire.port.in_flight == 0
    assert wire.port.requests == 1


async def test_the_scheme_is_that_of_the_connection() -> None:
    """Whatever the peer says: cookies depend on whether it is secure."""
    wire = Wire(ok)
    wire.say(wire.peer.head(1, (GET[0], (b":scheme", b"https"), *GET[2:])))
    assert wire.program.begun[0].scheme == "http"


async def test_a_long_reply_is_not_copied_at_every_window() -> None:
    """The engine is given the same bytes, and where what is left of them begins."""
    body = bytes(4_000_000)
    given: list[tuple[bool, int]] = []
    wire = Wire(lambda exchange: exchange.respond(200, None, (), body))
    engine = wire.connection.engine
    send = engine.send

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(engine, name)

        def send(self, stream: int, data: bytes, start: int, ended: bool) -> int:
            given.append((data is body, start))
            return send(stream, data, start, ended)

    wire.connection.engine = Watched()
    wire.say(wire.peer.head(1, GET))
    got = len(wire.body(await wire.settled()))
    while got < len(body):
        wire.say(window(0, 40_000) + window(1, 40_000))
        came = len(wire.body(await wire.settled()))
        assert came
        got += came
    assert all(same for same, _ in given)
    starts = [start for _, start in given]
    assert starts == sorted(starts)
    assert len(given) < 4 * len(body) // 40_000


async def test_replies_of_one_read_are_one_write() -> None:
    """However many streams they are on."""
    wire = Wire(ok)
    before = wire.transport.writes
    wire.say(b"".join(wire.peer.head(stream, GET) for stream in range(1, 41, 2)))
    assert len(wire.heard()) == 40
    assert wire.transport.writes == before + 1


async def test_a_body_that_came_with_the_head_is_whole() -> None:
    """No waiting for it; `receive` has it, too, once."""
    wire = Wire(ok)
    wire.say(wire.peer.head(1, POST, ended=False) + frame(DATA, END_STREAM, 1, b"body"))
    assert wire.body(wire.heard()) == b"body"
    [exchange] = wire.program.begun
    assert exchange.length == 4
    assert await exchange.receive() == b"body"
    assert await exchange.receive() == b""
    assert await exchange.receive() == b""


async def test_a_body_is_read_in_parts() -> None:
    """And the trailers after it; the reply goes on meanwhile."""
    wire = Wire(echo)
    wire.say(wire.peer.head(1, POST, ended=False))
    await wire.settled()
    wire.say(frame(DATA, 0, 1, b"one"))
    assert wire.body(await wire.settled()) == b"one"
    wire.say(frame(DATA, 0, 1, b"two") + wire.peer.head(1, [(b"x-sum", b"6")]))
    *_, data, trailers = await wire.settled()
    assert data == (DATA, 0, 1, b"two")
    assert trailers == (HEADERS, END_HEADERS | END_STREAM, 1, [(b"x-sum", b"6")])
    assert not wire.connection.busy


async def test_who_does_not_read_is_not_sent_more() -> None:
    """The window of the stream opens when the handler has read, not before."""
    reading = asyncio.Event()

    async def late(exchange: Exchange) -> None:
        await reading.wait()
        size = 0
        while part := await exchange.receive():
            size += len(part)
        exchange.respond(200, None, (), b"%d" % size)

    wire = Wire(late)
    wire.say(wire.peer.head(1, POST, ended=False) + frame(DATA, 0, 1, bytes(16_384)) * 4)
    assert [kind for kind, *_ in await wire.settled() if kind == WINDOW] == []
    reading.set()
    assert (WINDOW, 1) in [(kind, stream) for kind, _, stream, _ in await wire.settled()]
    wire.say(frame(DATA, END_STREAM, 1, b"x"))
    assert wire.body(await wire.settled()) == b"65537"


async def test_a_body_may_be_expected() -> None:
    """100 is sent when the handler asks for the body, and not otherwise."""
    wire = Wire(echo)
    fields = (*POST, (b"expect", b"100-continue"))
    wire.say(wire.peer.head(1, fields, ended=False))
    heads = [payload for kind, _, _, payload in await wire.settled() if kind == HEADERS]
    assert (b":status", b"200") in heads[0]
    wire.say(frame(DATA, END_STREAM, 1, b""))

    async def read(exchange: Exchange) -> None:
        exchange.respond(200, None, (), await exchange.receive())

    wire = Wire(read)
    wire.say(wire.peer.head(1, fields, ended=False))
    assert await wire.settled() == [(HEADERS, END_HEADERS, 1, [(b":status", b"100")])]
    wire.say(frame(DATA, END_STREAM, 1, b"x"))
    assert wire.body(await wire.settled()) == b"x"


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_has_a_limit(declared: bool) -> None:
    """Declared or found to be longer, it is not read; the peer can still be told."""

    async def read(exchange: Exchange) -> None:
        exchange.body_limit = 10
        try:
            while await exchange.receive():
                pass
        except TooLarge as error:
            exchange.respond(413, None, (), error.message.encode())

    wire = Wire(read)
    length = ((b"content-length", b"20"),) if declared else ()
    wire.say(wire.peer.head(1, (*POST, *length), ended=False))
    if not declared:
        await wire.settled()
        wire.say(frame(DATA, 0, 1, bytes(11)))
    frames = await wire.settled()
    assert wire.body(frames) == b"the body is longer than the 10 bytes that are allowed here"
    assert codes(frames) == [0]


async def test_a_limit_holds_for_a_body_that_came_whole() -> None:
    """It is not handed over as one, and `receive` refuses it."""

    async def read(exchange: Exchange) -> None:
        assert exchange.body is None
        with pytest.raises(TooLarge):
            await exchange.receive()
        exchange.respond(413, None, (), b"")

    wire = Wire(read, body_size=3)
    wire.say(wire.peer.head(1, POST, ended=False) + frame(DATA, END_STREAM, 1, b"four"))
    await wire.settled()
    assert wire.program.errors == []


async def test_a_reply_may_be_long() -> None:
    """It waits for the peer's windows, and all of it goes; the handler need not."""
    body = bytes(range(256)) * 1000
    wire = Wire(lambda exchange: exchange.respond(200, None, (), body), (4, 100_000))
    wire.say(wire.peer.head(1, GET))
    got = wire.body(await wire.settled())
    assert len(got) == 65_535
    assert wire.connection.busy
    for _ in range(40):
        wire.say(window(0, 10_000) + window(1, 10_000))
        got += wire.body(await wire.settled())
    assert got == body
    assert not wire.connection.busy


async def test_many_long_replies_share_the_connection() -> None:
    """Every one of them gets on, and all arrive whole."""
    body = bytes(range(256)) * 300
    wire = Wire(lambda exchange: exchange.respond(200, None, (), body), (4, 1_000_000))
    wire.say(b"".join(wire.peer.head(stream, GET) for stream in range(1, 21, 2)))
    frames = await wire.settled()
    for _ in range(100):
        wire.say(window(0, 10_000))
        frames += await wire.settled()
    for stream in range(1, 21, 2):
        assert wire.body(frames, stream) == body


async def test_who_sends_too_much_waits() -> None:
    """`send` returns when the peer's window has taken it."""
    sent: list[int] = []

    async def stream(exchange: Exchange) -> None:
        exchange.open(200, ())
        for number in range(3):
            await exchange.send(bytes(40_000))
            sent.append(number)
        exchange.finish()

    wire = Wire(stream)
    wire.say(wire.peer.head(1, GET))
    got = len(wire.body(await wire.settled()))
    assert (got, sent) == (65_535, [0])
    wire.say(window(0, 100_000) + window(1, 100_000))
    got += len(wire.body(await wire.settled()))
    assert (got, sent) == (120_000, [0, 1, 2])


async def test_who_sends_waits_for_the_transport() -> None:
    """A peer with wide windows that does not read holds the handler back as well."""
    sent: list[int] = []

    async def stream(exchange: Exchange) -> None:
        exchange.open(200, ())
        for number in range(100):
            await exchange.send(bytes(10_000))
            sent.append(number)
        exchange.finish()

    wire = Wire(stream, (4, 10_000_000), write_buffer=50_000)
    wire.say(window(0, 10_000_000))
    wire.transport.taking = False
    wire.say(wire.peer.head(1, GET))
    await wire.settled()
    assert len(sent) < 10
    assert wire.transport.get_write_buffer_size() < 80_000
    wire.transport.taking = True
    wire.transport.let()
    got = len(wire.body(await wire.settled()))
    while len(sent) < 100:
        got += len(wire.body(await wire.settled()))
    assert got + len(wire.body(await wire.settled())) == 1_000_000


async def test_parts_of_one_breath_are_one_write() -> None:
    """What a handler sends without waiting leaves together."""

    async def stream(exchange: Exchange) -> None:
        exchange.open(200, ())
        for _ in range(10):
            await exchange.send(b"x")
        exchange.finish(((b"t", b"1"),))

    wire = Wire(stream)
    before = wire.transport.writes
    wire.say(wire.peer.head(1, GET))
    assert wire.body(await wire.settled()) == b"x" * 10
    assert wire.transport.writes == before + 1


@pytest.mark.parametrize("status", [204, 304])
async def test_some_replies_have_no_body(status: int) -> None:
    """END_STREAM comes with the head."""
    wire = Wire(lambda exchange: exchange.respond(status, None, (), b"ignored"))
    wire.say(wire.peer.head(1, GET))
    [(kind, flags, _, fields)] = wire.heard()
    assert (kind, flags) == (HEADERS, END_HEADERS | END_STREAM)
    assert b"content-length" not in dict(fields)


async def test_head_is_told_the_length_only() -> None:
    """In one piece or streamed."""
    head = ((b":method", b"HEAD"), *GET[1:])
    wire = Wire(ok)
    wire.say(wire.peer.head(1, head))
    [(_, flags, _, fields)] = wire.heard()
    assert flags & END_STREAM
    assert dict(fields)[b"content-length"] == b"5"

    async def stream(exchange: Exchange) -> None:
        exchange.open(200, (), 3)
        await exchange.send(b"abc")
        exchange.finish()

    wire = Wire(stream)
    wire.say(wire.peer.head(1, head))
    frames = await wire.settled()
    assert wire.body(frames) == b""
    assert frames[-1][1] & END_STREAM


async def test_a_declared_length_is_kept() -> None:
    """Too much is refused, and too little breaks the reply off."""

    async def more(exchange: Exchange) -> None:
        exchange.open(200, (), 3)
        await exchange.send(b"four")

    async def less(exchange: Exchange) -> None:
        exchange.open(200, (), 3)
        await exchange.send(b"ab")
        exchange.finish()

    for handler, resets in ((more, []), (less, [2])):
        wire = Wire(handler)
        wire.say(wire.peer.head(1, GET))
        assert codes(await wire.settled()) == resets
        assert isinstance(wire.program.errors[0], UsageError)


async def test_interim_replies() -> None:
    """Before the reply only."""

    def hint(exchange: Exchange) -> None:
        exchange.inform(103, ((b"link", b"x"),))
        exchange.respond(200, None, (), b"")
        exchange.inform(103, ())

    wire = Wire(hint)
    wire.say(wire.peer.head(1, GET))
    heads = [payload[0] for kind, _, _, payload in wire.heard() if kind == HEADERS]
    assert heads == [(b":status", b"103"), (b":status", b"200")]


async def test_fields_that_cannot_be_sent_are_a_mistake_of_the_program() -> None:
    """It is told, and can answer otherwise."""

    def bad(exchange: Exchange) -> None:
        with pytest.raises(UsageError, match="cannot be sent"):
            exchange.respond(200, None, ((b"x", b"a\r\nb: c"),), b"")
        with pytest.raises(UsageError, match="cannot be sent"):
            exchange.open(200, ((b"connection", b"close"),))
        with pytest.raises(UsageError, match="cannot be sent"):
            exchange.inform(103, ((b"x", b"\0"),))
        exchange.respond(500, None, (), b"")

    wire = Wire(bad)
    wire.say(wire.peer.head(1, GET))
    assert wire.heard()[0][3][0] == (b":status", b"500")


async def test_one_request_has_one_reply() -> None:
    """A second is refused, whichever way it is begun; one that is not begun cannot end."""

    async def twice(exchange: Exchange) -> None:
        with pytest.raises(UsageError, match="before it was opened"):
            exchange.finish()
        exchange.open(200, ())
        with pytest.raises(UsageError, match="one reply"):
            exchange.open(200, ())
        with pytest.raises(UsageError, match="one reply"):
            exchange.respond(200, None, (), b"")
        exchange.finish()

    wire = Wire(twice)
    wire.say(wire.peer.head(1, GET))
    await wire.settled()
    assert wire.program.errors == []


async def test_a_reply_can_be_broken_off() -> None:
    """The peer sees that it is not whole."""

    async def half(exchange: Exchange) -> None:
        exchange.open(200, ())
        await exchange.send(b"half")
        exchange.reset()

    wire = Wire(half)
    wire.say(wire.peer.head(1, GET))
    frames = await wire.settled()
    assert frames[-1][:3] == (RST, 0, 1)
    assert codes(frames) == [2]
    assert not wire.connection.busy


async def test_a_reset_reaches_who_reads_sends_and_listens() -> None:
    """`gone` is called once; `receive` and `send` raise; the rest does nothing."""
    reasons: list[str] = []
    caught: list[str] = []

    async def wait(exchange: Exchange) -> None:
        exchange.gone = reasons.append
        exchange.open(200, ())
        try:
            await (exchange.receive() if exchange.target == b"/" else exchange.send(bytes(99_999)))
        except PeerGone:
            caught.append(exchange.target.decode())
        with pytest.raises(PeerGone):
            await exchange.send(b"x")
        exchange.finish()
        exchange.respond(200, None, (), b"")
        exchange.open(200, ())
        exchange.reset()
        exchange.inform(103)

    wire = Wire(wait)
    other = (*POST[:2], (b":path", b"/send"), POST[3])
    wire.say(wire.peer.head(1, POST, ended=False) + wire.peer.head(3, other, ended=False))
    await wire.settled()
    wire.say(reset(1) + reset(3))
    await wire.settled()
    assert sorted(caught) == ["/", "/send"]
    assert reasons == ["the peer reset the request"] * 2
    assert wire.program.errors == []
    assert wire.port.in_flight == 0


async def test_a_request_that_is_taken_back_at_once_is_not_begun() -> None:
    """HEADERS and RST_STREAM in one breath cost no call."""
    wire = Wire(ok)
    wire.say(wire.peer.head(1, GET) + reset(1))
    assert wire.program.begun == []
    assert wire.port.in_flight == 0


async def test_a_body_of_the_wrong_length_is_told() -> None:
    """The reader learns that the request is malformed."""
    caught: list[Exception] = []

    async def read(exchange: Exchange) -> None:
        try:
            await exchange.receive()
        except InvalidRequest as error:
            caught.append(error)

    wire = Wire(read)
    wire.say(wire.peer.head(1, (*POST, (b"content-length", b"5")), ended=False))
    await wire.settled()
    wire.say(frame(DATA, END_STREAM, 1, b"four"))
    assert codes(await wire.settled()) == [1]
    assert len(caught) == 1


async def test_nothing_is_read_after_the_reply() -> None:
    """A reader that is left over learns it, and the peer is told to stop."""
    caught: list[Exception] = []

    async def read(exchange: Exchange) -> None:
        reader = asyncio.ensure_future(exchange.receive())
        await asyncio.sleep(0)
        exchange.respond(200, None, (), b"early")
        try:
            await reader
        except PeerGone as error:
            caught.append(error)

    wire = Wire(read)
    wire.say(wire.peer.head(1, POST, ended=False))
    assert codes(await wire.settled()) == [0]
    assert "complete" in str(caught[0])


async def test_replies_that_wait_cost_nothing_meanwhile() -> None:
    """Who has no window is not looked at again before it has one."""
    body = bytes(70_000)
    wire = Wire(lambda exchange: exchange.respond(200, None, (), body), (4, 10))
    wire.say(b"".join(wire.peer.head(stream, GET) for stream in range(1, 101, 2)))
    waiting = wire.connection._blocked
    assert len(waiting) == 50
    assert wire.connection._ready == {}
    wire.heard()
    wire.say(window(7, 5))
    assert [stream for _, _, stream, _ in wire.heard()] == [7]
    assert wire.connection._ready == {}


async def test_a_reply_with_trailers_is_one_write() -> None:
    """HEADERS, DATA and HEADERS, with neither a length nor a date."""

    def answer(exchange: Exchange) -> None:
        exchange.respond_with_trailers(200, ((b"a", b"b"),), b"data", ((b"t", b"u"),))

    wire = Wire(answer)
    before = wire.transport.writes
    wire.say(wire.peer.head(1, GET))
    head, data, trailers = wire.heard()
    assert wire.transport.writes == before + 1
    assert head[3] == [(b":status", b"200"), (b"a", b"b")]
    assert data == (DATA, 0, 1, b"data")
    assert (trailers[0], trailers[1] & END_STREAM, trailers[3]) == (HEADERS, 1, [(b"t", b"u")])
    assert wire.port.in_flight == 0


async def test_a_reply_of_fields_only_ends_with_its_head() -> None:
    """One frame, as gRPC's Trailers-Only has to be."""
    wire = Wire(lambda exchange: exchange.respond_with_trailers(200, ((b"a", b"b"),), b"", ()))
    wire.say(wire.peer.head(1, GET))
    [(kind, flags, _, fields)] = wire.heard()
    assert (kind, flags & END_STREAM) == (HEADERS, END_STREAM)
    assert fields == [(b":status", b"200"), (b"a", b"b")]


async def test_trailers_wait_for_the_window_of_the_body() -> None:
    """They come last, however long the body has to wait."""

    def answer(exchange: Exchange) -> None:
        exchange.respond_with_trailers(200, (), b"12345678", ((b"t", b"u"),))

    wire = Wire(answer, (4, 3))
    wire.say(wire.peer.head(1, GET))
    frames = await wire.settled()
    assert wire.body(frames) == b"123"
    wire.say(window(1, 100))
    frames = await wire.settled()
    assert [frame[0] for frame in frames] == [DATA, HEADERS]
    assert wire.body(frames) == b"45678"


async def test_what_is_written_without_waiting_is_kept() -> None:
    """`write` says that there is no room, and `wait_writable` when there is."""
    rooms: list[bool] = []

    async def answer(exchange: Exchange) -> None:
        exchange.open(200, ())
        rooms.append(exchange.write(b"123"))
        rooms.append(exchange.write(b"456"))
        await exchange.wait_writable()
        rooms.append(exchange.write(b"789"))
        exchange.finish(((b"t", b"u"),))

    wire = Wire(answer, (4, 5))
    wire.say(wire.peer.head(1, GET))
    frames = await wire.settled()
    assert (wire.body(frames), rooms) == (b"12345", [True, False])
    wire.say(window(1, 100))
    frames = await wire.settled()
    assert (wire.body(frames), rooms) == (b"6789", [True, False, True])


async def test_who_is_patient_waits_for_as_long_as_it_takes() -> None:
    """Neither a pause in what the peer sends nor a window that it does not open ends the call."""
    got: list[bytes] = []

    async def answer(exchange: Exchange) -> None:
        exchange.patient = True
        exchange.lasts()
        exchange.open(200, ())
        got.append(await exchange.receive())
        exchange.write(b"123456")
        await exchange.wait_writable()
        exchange.finish()

    wire = Wire(answer, (4, 3), body_timeout=1, write_timeout=1, ping_interval=None)
    wire.say(wire.peer.head(1, POST, ended=False))
    await asyncio.sleep(50)
    wire.say(frame(DATA, END_STREAM, 1, b"hello"))
    await asyncio.sleep(50)
    assert wire.body(wire.heard()) == b"123"
    wire.say(window(1, 100))
    frames = await wire.settled()
    assert (got, wire.body(frames), wire.program.errors) == ([b"hello"], b"456", [])


def asked(wire: Wire, stream: int, body: bytes = b"hello") -> bytes:
    """A request whose head is the same each time."""
    head = wire.peer.head(stream, (*POST, (b"a", b"b")), ended=False)
    return head + frame(DATA, END_STREAM, stream, body)


async def test_a_known_head_makes_an_exchange_like_any_other() -> None:
    """By the third request the peer says the same bytes again; nothing else is the same object."""
    wire = Wire(ok)
    for stream in (1, 3, 5, 7):
        wire.say(asked(wire, stream, b"body of %d" % stream))
        assert wire.body(wire.heard(), stream) == b"body of %d" % stream
    _, first, third, fourth = wire.program.begun
    names = ("method", "target", "fields", "version", "scheme", "authority", "protocol", "peer")
    more = ("length", "body_limit", "patient", "long", "gone")
    assert first.known is None
    assert third.known is not None
    assert third.known is fourth.known
    for name in (*names, *more):
        assert getattr(first, name) == getattr(third, name) == getattr(fourth, name)
    assert third.fields is not fourth.fields
    assert third.trailers() == ()
    assert wire.port.in_flight == 0
    assert wire.port.requests == 4


async def test_what_is_taken_back_at_once_is_not_begun() -> None:
    """Though its head is known."""
    wire = Wire(ok)
    wire.say(asked(wire, 1)).say(asked(wire, 3))
    wire.say(asked(wire, 5) + reset(5) + asked(wire, 7))
    assert [exchange.stream for exchange in wire.program.begun] == [1, 3, 7]  # type: ignore[attr-defined]
    assert wire.port.in_flight == 0


async def test_a_body_above_its_limit_is_refused_though_the_head_is_known() -> None:
    """It is read as any other, and whoever reads it is told."""
    wire = Wire(echo, body_size=8)
    for stream in (1, 3, 5):
        wire.say(asked(wire, stream, b"12345678"))
        await wire.settled()
    wire.say(asked(wire, 7, b"123456789"))
    await wire.settled()
    assert [type(each) for each in wire.program.errors] == [TooLarge]
    assert [exchange.known is None for exchange in wire.program.begun] == [True, True, False, True]
