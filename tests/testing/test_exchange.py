"""The exchange in memory keeps the rules of `Exchange`, and plays the peer when asked to."""

from __future__ import annotations

import asyncio

import pytest

from mainstay.core.channel import Channel
from mainstay.errors import BugError, PeerGone, PeerTooSlow, TooLarge, UsageError
from mainstay.http.request import Request
from mainstay.testing.exchange import MemoryExchange


async def test_a_request_is_as_the_test_gives_it() -> None:
    """Text is encoded and names are lower case, as on the wire; a body is whole."""
    exchange = MemoryExchange("PUT", "/a?b=1", [("X-Tag", "1")], b"body")
    assert (exchange.method, exchange.target) == ("PUT", b"/a?b=1")
    assert exchange.fields == [(b"x-tag", b"1")]
    assert (exchange.body, exchange.length) == (b"body", 4)
    assert [await exchange.receive(), await exchange.receive()] == [b"body", b""]


async def test_chunks_come_one_by_one() -> None:
    """The body is not there with the head; an empty chunk ends nothing; trailers come last."""
    exchange = MemoryExchange(chunks=[b"a", b"", b"b"], trailers=[("Sum", "2")])
    assert (exchange.body, exchange.length) == (None, None)
    assert exchange.trailers() == ()
    assert [await exchange.receive() for _ in range(4)] == [b"a", b"b", b"", b""]
    assert exchange.trailers() == [(b"sum", b"2")]


async def test_chunks_may_come_later() -> None:
    """An async iterable is waited for."""
    channel: Channel[bytes] = Channel(1)
    exchange = MemoryExchange(chunks=channel)
    reading = asyncio.ensure_future(Request(exchange).read())
    await channel.send(b"one")
    await channel.send(b"two")
    channel.close()
    assert await reading == b"onetwo"


async def test_an_error_among_the_chunks_is_raised() -> None:
    """So that a test can have a peer that is too slow."""
    exchange = MemoryExchange(chunks=[b"a", PeerTooSlow("nothing came")])
    assert await exchange.receive() == b"a"
    with pytest.raises(PeerTooSlow):
        await exchange.receive()


async def test_a_long_body_is_refused() -> None:
    """Longer than `body_limit`, whole or in parts."""
    with pytest.raises(TooLarge):
        await MemoryExchange(body=b"12345", body_limit=4).receive()
    exchange = MemoryExchange(chunks=[b"123", b"45"], body_limit=4)
    await exchange.receive()
    with pytest.raises(TooLarge):
        await exchange.receive()


async def test_a_whole_reply_is_recorded() -> None:
    """Status, fields, content type, length and body."""
    exchange = MemoryExchange()
    exchange.inform(103, [(b"link", b"</a>")])
    exchange.respond(200, b"text/plain", [(b"x", b"1")], b"hi")
    reply = await exchange.wait_finished()
    assert (reply.status, reply.body, reply.length, reply.finished) == (200, b"hi", 2, True)
    assert list(reply.headers) == [("content-type", "text/plain"), ("x", "1")]
    assert reply.interim == [(103, [(b"link", b"</a>")])]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_some_replies_have_no_body(method: str, status: int) -> None:
    """As on the wire; the declared length stays."""
    exchange = MemoryExchange(method)
    exchange.respond(status, None, (), b"hidden")
    assert (exchange.reply.body, exchange.reply.length) == (b"", 6)


async def test_a_reply_in_parts_is_recorded() -> None:
    """Each part apart, and the trailers."""
    exchange = MemoryExchange()
    exchange.open(200, [(b"content-type", b"text/plain")])
    await exchange.send(b"a")
    await exchange.send(b"b")
    assert not exchange.reply.finished
    exchange.finish([(b"sum", b"2")])
    reply = exchange.reply
    assert (reply.parts, reply.body, reply.trailers) == ([b"a", b"b"], b"ab", [(b"sum", b"2")])
    assert reply.finished


async def test_the_rules_of_the_seam_are_held() -> None:
    """Two answers, a body without a head, and an end without a beginning are bugs of ours."""
    exchange = MemoryExchange()
    with pytest.raises(BugError):
        await exchange.send(b"a")
    with pytest.raises(BugError):
        exchange.finish()
    exchange.respond(200, None, (), b"")
    with pytest.raises(BugError):
        exchange.respond(200, None, (), b"")
    with pytest.raises(BugError):
        exchange.open(200, ())


async def test_a_peer_that_left_takes_and_gives_nothing() -> None:
    """`gone` is called once with the reason; sending and receiving raise."""
    reasons: list[str] = []
    exchange = MemoryExchange(chunks=[b"a"])
    exchange.gone = reasons.append
    exchange.open(200, ())
    exchange.leave("reset")
    exchange.leave("again")
    assert reasons == ["reset"]
    with pytest.raises(PeerGone, match="reset"):
        await exchange.send(b"a")
    with pytest.raises(PeerGone):
        await exchange.receive()


async def test_a_peer_that_has_its_answer_may_leave() -> None:
    """After the reply nobody is told."""
    exchange = MemoryExchange()
    exchange.gone = pytest.fail
    exchange.respond(200, None, (), b"")
    exchange.leave()


async def test_a_peer_that_reads_nothing_is_waited_for() -> None:
    """`send` returns once there is room, or raises when the peer left instead."""
    exchange = MemoryExchange()
    exchange.open(200, ())
    exchange.hold()
    sending = asyncio.ensure_future(exchange.send(b"a"))
    await asyncio.sleep(0)
    assert not sending.done()
    exchange.release()
    await sending
    exchange.hold()
    sending = asyncio.ensure_future(exchange.send(b"b"))
    await asyncio.sleep(0)
    exchange.leave()
    with pytest.raises(PeerGone):
        await sending


async def test_a_reply_that_is_broken_off_ends_the_wait() -> None:
    """It is not finished, and says that it was broken."""
    exchange = MemoryExchange()
    exchange.open(200, ())
    exchange.reset()
    reply = await exchange.wait_finished()
    assert (reply.broken, reply.finished) == (True, False)


@pytest.mark.parametrize(("version", "status"), [("1.1", 101), ("2", 200)])
async def test_an_upgrade_gives_the_bytes_of_both_directions(version: str, status: int) -> None:
    """What the peer feeds is heard, what is written can be taken; closing ends writing."""
    exchange = MemoryExchange(protocol="websocket", version=version)
    tunnel = exchange.upgrade([(b"x", b"1")])
    assert (exchange.reply.status, exchange.reply.fields) == (status, [(b"x", b"1")])
    assert tunnel is exchange.tunnel
    heard: list[bytes] = []
    tunnel.feed(b"early")
    tunnel.listen(heard.append)
    tunnel.pause()
    tunnel.feed(b"later")
    assert heard == [b"early"]
    tunnel.resume()
    tunnel.feed(b"")
    assert heard == [b"early", b"later", b""]
    tunnel.write(b"out")
    assert (tunnel.take(), tunnel.take()) == (b"out", b"")
    tunnel.close()
    tunnel.write(b"late")
    assert (tunnel.closed, tunnel.take()) == (True, b"")


async def test_a_tunnel_has_backpressure() -> None:
    """Room is waited for, until the peer takes what was written or leaves."""
    exchange = MemoryExchange(protocol="websocket")
    tunnel = exchange.upgrade()
    await tunnel.wait_writable()
    tunnel.hold()
    waiting = asyncio.ensure_future(tunnel.wait_writable())
    await asyncio.sleep(0)
    assert not waiting.done()
    tunnel.release()
    await waiting
    exchange.leave("cut")
    with pytest.raises(PeerGone, match="cut"):
        await tunnel.wait_writable()


async def test_an_upgrade_has_to_be_wanted() -> None:
    """A peer that asked for no WebSocket gets none."""
    with pytest.raises(UsageError):
        MemoryExchange().upgrade()
