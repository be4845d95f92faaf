"""Facts about one request on a connection of HTTP/1.1 and its reply; the others: `test_http1`."""

from __future__ import annotations

import asyncio

import pytest

from mainstay.net.exchange import Exchange
from mainstay.wire.errors import WireError
from tests.net.serving import serving

pytestmark = pytest.mark.real_loop

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "broken",
    [
        {"content_type": b"a\r\nb: c", "fields": ()},
        {"content_type": None, "fields": [(b"a", b"b\nc")]},
    ],
    ids=["content type", "field"],
)
async def test_a_reply_that_cannot_be_sent_can_be_replaced(broken: dict[str, object]) -> None:
    """Nothing of it is on the wire, so the application may answer with something else."""

    def answer(exchange: Exchange) -> None:
        with pytest.raises(WireError):
            exchange.respond(200, broken["content_type"], broken["fields"], b"")  # type: ignore[arg-type]
        exchange.respond(500, None, (), b"no")

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(GET % b"")
        status, _, body = await client.reply()
        assert (status, body) == (500, b"no")


async def test_one_that_pipelines_without_end_lets_others_have_a_turn() -> None:
    """Between two of its bursts, another connection is answered."""
    order = []

    def answer(exchange: Exchange) -> None:
        order.append(exchange.target)
        exchange.respond(200, None, (), b"")

    async with serving(answer) as site:
        flood, other = await site.connect(), await site.connect()
        await other.send(GET % b"first")
        await other.reply()
        await asyncio.gather(flood.send(GET % b"x" * 5000), other.send(GET % b"other"))
        await other.reply()
        assert order.index(b"/other") < 4500
        for _ in range(5000):
            await flood.reply()


async def test_trailers_end_a_reply_in_chunks() -> None:
    """`respond_with_trailers` on HTTP/1.1."""

    def answer(exchange: Exchange) -> None:
        exchange.respond_with_trailers(200, ((b"a", b"b"),), b"data", ((b"t", b"u"),))

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(GET % b"")
        data = await client.until(b"t: u\r\n\r\n")
        assert data.endswith(b"\r\n\r\n4\r\ndata\r\n0\r\nt: u\r\n\r\n")


async def test_what_is_written_leaves_in_the_order_in_which_it_was() -> None:
    """`write` and `send` can be mixed; `write` says when the transport is full."""
    rooms: list[bool] = []

    async def answer(exchange: Exchange) -> None:
        exchange.open(200, ())
        rooms.append(exchange.write(b"one"))
        await exchange.send(b"two")
        while exchange.write(bytes(1 << 20)):
            pass
        rooms.append(False)
        await exchange.wait_writable()
        exchange.write(b"end")
        exchange.finish()

    async with serving(answer) as site:
        client = await site.connect()
        await client.send(GET % b"")
        start = await client.until(b"100000\r\n")
        assert start.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n100000\r\n")
        end = b""
        while not end.endswith(b"3\r\nend\r\n0\r\n\r\n"):
            end = end[-20:] + await client.reader.read(1 << 20)
        assert rooms == [True, False]
