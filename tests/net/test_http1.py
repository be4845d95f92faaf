"""Facts about connections that speak HTTP/1.1, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from mainstay.errors import InvalidRequest, PeerGone, PeerTooSlow, TooLarge, UsageError
from mainstay.net.exchange import Exchange
from tests.net.serving import PATIENCE, Site, serving

pytestmark = pytest.mark.real_loop

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"


def hello(exchange: Exchange) -> None:
    """Answers with its own target."""
    exchange.respond(200, b"text/plain", [(b"x-a", b"b")], exchange.target)


async def echo(exchange: Exchange) -> None:
    """Answers with the body, read to its end."""
    parts = []
    while part := await exchange.receive():
        parts.append(part)
    exchange.respond(200, None, exchange.trailers(), b"".join(parts))


def _held_back(site: Site) -> bool:
    """Whether a peer has to wait, because nobody reads what it sends."""
    return not all(getattr(each, "_reading", True) for each in site.port.connections)


async def test_a_reply_has_its_length_date_and_fields() -> None:
    """Everything that a client needs, and the connection goes on."""
    async with serving(hello) as site:
        client = await site.connect()
        for target in (b"one", b"two"):
            await client.send(GET % target)
            status, fields, body = await client.reply()
            assert (status, body) == (200, b"/" + target)
            assert fields[b"content-type"] == b"text/plain"
            assert fields[b"x-a"] == b"b"
            assert fields[b"date"].endswith(b" GMT")
            assert b"connection" not in fields
        assert site.port.requests == 2
        assert len(site.port.connections) == 1


async def test_pipelined_requests_are_answered_in_order_and_in_one_write() -> None:
    """Ten at once, of which the fifth has to wait."""
    go = asyncio.Event()

    def answer(exchange: Exchange) -> Any:
        if exchange.target != b"/4":
            return hello(exchange)

        async def later() -> None:
            await go.wait()
            hello(exchange)

        return later()

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(b"".join(GET % b"%d" % number for number in range(10)))
        assert [(await client.reply())[2] for _ in range(4)] == [b"/0", b"/1", b"/2", b"/3"]
        assert len(site.app.exchanges) == 5
        go.set()
        assert [(await client.reply())[2] for _ in range(6)] == [
            b"/%d" % number for number in range(4, 10)
        ]


@pytest.mark.parametrize(
    ("head", "last"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"close"),
        (b"GET / HTTP/1.0\r\n\r\n", b"close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"keep-alive"),
    ],
)
async def test_the_peer_says_whether_the_connection_goes_on(head: bytes, last: bytes) -> None:
    """By version and the Connection field; the reply says what will happen."""
    async with serving(hello) as site:
        client = await site.connect()
        await client.send(head)
        _, fields, _ = await client.reply()
        assert fields[b"connection"] == last
        if last == b"close":
            assert await client.rest() == b""


@pytest.mark.parametrize("status", [200, 204, 304])
async def test_head_and_empty_statuses_have_no_body(status: int) -> None:
    """What follows on the connection is the next reply."""

    def answer(exchange: Exchange) -> None:
        exchange.respond(status, None, (), b"body")

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        found, fields = await client.head()
        assert found == status
        assert (b"content-length" in fields) == (status == 200)
        await client.send(GET % b"")
        found, fields = await client.head()
        assert found == status
        if status == 200:
            assert await client.until(b"body")


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_body_arrives_however_it_is_cut(framing: str) -> None:
    """In the same segment as the head, or byte by byte; trailers too."""
    if framing == "length":
        request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"
    else:
        request = (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n6;x\r\n world\r\n0\r\nX-T: t\r\n\r\n"
        )
    async with serving(echo) as site:
        client = await site.connect()
        await client.send(request)
        _, fields, body = await client.reply()
        assert body == b"hello world"
        assert fields.get(b"x-t") == (b"t" if framing == "chunked" else None)
        for byte in request:
            await client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.reply())[2] == b"hello world"


async def test_a_whole_body_is_there_at_once() -> None:
    """No waiting for what came along with the head."""

    def answer(exchange: Exchange) -> None:
        exchange.respond(200, None, (), exchange.body or b"none")

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        assert (await client.reply())[2] == b"abc"


async def test_a_hundred_is_sent_when_the_body_is_read_and_not_before() -> None:
    """A client that waits for it sends nothing to a handler that refuses."""

    async def answer(exchange: Exchange) -> None:
        if exchange.target == b"/refuse":
            exchange.respond(403, None, (), b"")
        else:
            await echo(exchange)

    head = b"POST /%b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    async with serving(answer) as site:
        client = await site.connect()
        await client.send(head % b"")
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"abc")
        assert (await client.reply())[2] == b"abc"
        await client.send(head % b"refuse")
        status, fields, _ = await client.reply()
        assert (status, fields[b"connection"]) == (403, b"close")


async def test_a_streamed_reply_is_chunked_and_keeps_the_connection() -> None:
    """Parts that are sent without waiting share a write; trailers follow."""

    async def answer(exchange: Exchange) -> None:
        exchange.open(200, [(b"content-type", b"text/plain")])
        for part in (b"one", b"", b"two"):
            await exchange.send(part)
        exchange.finish([(b"x-t", b"t")])

    async with serving(answer) as site:
        client = await site.connect()
        for _ in range(2):
            await client.send(GET % b"")
            status, fields = await client.head()
            assert (status, fields[b"transfer-encoding"]) == (200, b"chunked")
            assert await client.until(b"\r\n\r\n") == (
                b"3\r\none\r\n3\r\ntwo\r\n0\r\nx-t: t\r\n\r\n"
            )


async def test_a_streamed_reply_to_1_0_ends_with_the_connection() -> None:
    """It knows no chunks."""

    async def answer(exchange: Exchange) -> None:
        exchange.open(200, [])
        await exchange.send(b"all")
        exchange.finish()

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        _, fields = await client.head()
        assert fields[b"connection"] == b"close"
        assert await client.rest() == b"all"


@pytest.mark.parametrize("parts", [[b"ab"], [b"ab", b"cd", b"ef"]])
async def test_a_body_of_another_length_than_declared_breaks_the_reply_off(
    parts: list[bytes],
) -> None:
    """Too short or too long: the client sees that it is not whole."""

    async def answer(exchange: Exchange) -> None:
        exchange.open(200, [], 5)
        try:
            for part in parts:
                await exchange.send(part)
        except UsageError:
            exchange.reset()
        exchange.finish()

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(GET % b"")
        _, fields = await client.head()
        assert fields[b"content-length"] == b"5"
        try:
            rest = await client.rest()
        except ConnectionResetError:
            rest = b""
        assert len(rest) < 5


async def test_answering_twice_is_an_error_of_the_program() -> None:
    """And not of the peer, who has its reply."""
    errors = []

    def answer(exchange: Exchange) -> None:
        hello(exchange)
        try:
            exchange.respond(200, None, (), b"again")
            exchange.open(200, ())
        except UsageError as error:
            errors.append(error)

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(GET % b"x")
        assert (await client.reply())[2] == b"/x"
        await client.send(GET % b"y")
        assert (await client.reply())[2] == b"/y"
    assert len(errors) == 2


async def test_an_upload_waits_for_its_reader() -> None:
    """The peer cannot send more than the buffers hold while nobody reads."""
    go = asyncio.Event()
    sizes = []

    async def answer(exchange: Exchange) -> None:
        await go.wait()
        total = 0
        while part := await exchange.receive():
            sizes.append(len(part))
            total += len(part)
        exchange.respond(200, None, (), b"%d" % total)

    size = 40_000_000
    async with serving(answer, body_size=None) as site:
        client = await site.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        sending = asyncio.ensure_future(client.send(b"x" * size))
        await site.wait_for(lambda: _held_back(site))
        assert not sending.done()
        assert site.app.exchanges[0].inbox.buffered < 2_000_000  # type: ignore[attr-defined]
        go.set()
        await sending
        assert (await client.reply())[2] == b"%d" % size
        assert max(sizes) < 2_000_000


async def test_a_download_waits_for_its_client() -> None:
    """The producer stops while the peer does not read, and goes on when it does."""
    sent = 0

    async def answer(exchange: Exchange) -> None:
        nonlocal sent
        exchange.open(200, [], 40_000_000)
        for _ in range(400):
            await exchange.send(b"x" * 100_000)
            sent += 100_000
        exchange.finish()

    async with serving(answer) as site:
        client = await site.connect(limit=1000)
        await client.send(GET % b"")
        await client.head()
        (connection,) = site.port.connections
        await site.wait_for(lambda: connection._writable is not None)  # type: ignore[attr-defined]
        assert sent < 30_000_000
        assert len(await client.reader.readexactly(40_000_000)) == 40_000_000
        await site.wait_for(lambda: sent == 40_000_000)


async def test_a_body_over_the_limit_is_refused() -> None:
    """By its declared length at once, in chunks when it is over; a route may have its own."""
    errors = []

    async def answer(exchange: Exchange) -> None:
        if exchange.target == b"/more":
            exchange.body_limit = 100
        try:
            await echo(exchange)
        except TooLarge as error:
            errors.append(str(error))
            exchange.respond(413, None, (), b"")

    async with serving(answer, body_size=10) as site:
        for target, framing, body, status in [
            (b"", b"Content-Length: 50", b"", 413),
            (b"", b"Content-Length: 50", b"x" * 50, 413),
            (b"more", b"Content-Length: 50", b"x" * 50, 200),
            (b"", b"Transfer-Encoding: chunked", b"b\r\n12345678901\r\n0\r\n\r\n", 413),
            (b"", b"Transfer-Encoding: chunked", b"a\r\n1234567890\r\n0\r\n\r\n", 200),
        ]:
            client = await site.connect()
            await client.send(
                b"POST /%b HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n%b" % (target, framing, body)
            )
            assert (await client.reply())[0] == status
    assert len(errors) == 3
    assert "10 bytes" in errors[0]


async def test_a_malformed_chunk_reaches_the_reader_and_ends_the_connection() -> None:
    """As a bad request, whatever was read before."""
    errors = []

    async def answer(exchange: Exchange) -> None:
        try:
            await echo(exchange)
        except InvalidRequest as error:
            errors.append(error)
            exchange.respond(400, None, (), b"")

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await site.wait_for(lambda: site.port.in_flight)
        await client.send(b"3\r\nabc\r\nXYZ\r\n")
        status, fields, _ = await client.reply()
        assert (status, fields[b"connection"]) == (400, b"close")
    assert len(errors) == 1


async def test_a_peer_that_leaves_is_told_of() -> None:
    """The call hears of it; reading says so; what is still sent goes nowhere."""
    errors = []

    async def answer(exchange: Exchange) -> None:
        try:
            while True:
                await exchange.receive()
        except PeerGone as error:
            errors.append(error)
        exchange.respond(200, None, (), b"nobody hears")
        try:
            await exchange.send(b"x")
        except PeerGone as error:
            errors.append(error)

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        await site.wait_for(lambda: site.port.in_flight)
        client.writer.transport.abort()
        await site.wait_for(lambda: site.app.gone)
        await site.wait_for(lambda: len(errors) == 2)
        assert site.port.in_flight == 0


async def test_a_reset_is_a_peer_that_left() -> None:
    """RST instead of FIN."""

    async def answer(exchange: Exchange) -> None:
        await asyncio.sleep(60)

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(GET % b"")
        await site.wait_for(lambda: site.port.in_flight)
        sock = client.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.writer.transport.abort()
        await site.wait_for(lambda: site.app.gone)


async def test_a_slow_body_fails_the_reader() -> None:
    """When nothing comes for the body timeout."""
    errors = []

    async def answer(exchange: Exchange) -> None:
        try:
            await echo(exchange)
        except PeerTooSlow as error:
            errors.append(error)
            exchange.respond(408, None, (), b"")

    async with serving(answer, body_timeout=0.1) as site:
        client = await site.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        status, fields, _ = await client.reply()
        assert (status, fields[b"connection"]) == (408, b"close")
    assert len(errors) == 1


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_peer_that_reads_nothing_is_cut_off(streamed: bool) -> None:
    """Whether the reply is whole or streamed, after the write timeout."""

    async def answer(exchange: Exchange) -> None:
        if not streamed:
            exchange.respond(200, None, (), b"x" * 50_000_000)
            return
        exchange.open(200, ())
        while True:
            await exchange.send(b"x" * 1_000_000)

    async with serving(answer, write_timeout=0.15) as site:
        client = await site.connect(limit=1000)
        await client.send(GET % b"")
        await client.head()
        await site.wait_for(lambda: not site.port.connections and not site.app.tasks)
        assert [type(error) for error in site.app.errors] == ([PeerGone] if streamed else [])


async def test_a_connection_serves_so_many_requests() -> None:
    """The last reply says that it is the last."""
    async with serving(hello, requests=2) as site:
        client = await site.connect()
        await client.send(GET % b"")
        assert b"connection" not in (await client.reply())[1]
        await client.send(GET % b"")
        assert (await client.reply())[1][b"connection"] == b"close"
        assert await client.rest() == b""


async def test_an_upgrade_hands_the_bytes_over() -> None:
    """Both ways, what came with the head included; the end of the peer is an empty part."""
    got: list[bytes] = []

    def answer(exchange: Exchange) -> None:
        assert exchange.protocol == "websocket"
        before = list(exchange.fields)
        tunnel = exchange.upgrade([(b"x-a", b"b")])
        assert list(exchange.fields) == before

        def arrived(data: bytes) -> None:
            got.append(data)
            if data:
                tunnel.write(data.upper())
            if data == b"bye":
                tunnel.close()

        tunnel.listen(arrived)

    head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
    async with serving(answer) as site:
        client = await site.connect()
        await client.send(head + b"early")
        status, fields = await client.head()
        assert (status, fields[b"upgrade"], fields[b"x-a"]) == (101, b"websocket", b"b")
        assert await client.until(b"EARLY") == b"EARLY"
        await client.send(b"bye")
        assert await client.rest() == b"BYE"
        await site.wait_for(lambda: got[-1] == b"")
        assert got == [b"early", b"bye", b""]


async def test_an_upgrade_that_nobody_takes_is_ignored() -> None:
    """The request is answered as any other (RFC 9110 §7.8)."""
    async with serving(hello) as site:
        client = await site.connect()
        await client.send(
            b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        )
        assert (await client.reply())[2] == b"/x"
        await client.send(GET % b"y")
        assert (await client.reply())[2] == b"/y"


async def test_an_interim_reply_comes_first() -> None:
    """103 before the reply."""

    def answer(exchange: Exchange) -> None:
        exchange.inform(103, [(b"link", b"</a.css>; rel=preload")])
        hello(exchange)

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(GET % b"x")
        assert (await client.head())[0] == 103
        assert (await client.reply())[2] == b"/x"


async def test_a_stream_that_ends_in_a_drain_does_not_hold_it_up() -> None:
    """Its head has promised to go on, and the connection is closed all the same, soon."""
    go = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        exchange.open(200, ())
        await exchange.send(b"one")
        await go.wait()
        exchange.finish()

    async with serving(answer, lame_duck=0.05) as site:
        client = await site.connect()
        await client.send(GET % b"")
        await client.until(b"one\r\n")
        site.port.drain()
        go.set()
        await asyncio.wait_for(site.port.wait_empty(), PATIENCE)
        assert await client.rest() == b"0\r\n\r\n"
