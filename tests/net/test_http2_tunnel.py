"""WebSockets over HTTP/2 (RFC 8441): bytes of a stream after its upgrade."""

import asyncio

import pytest

from mainstay.errors import PeerGone, UsageError
from mainstay.net.exchange import Exchange, Tunnel
from mainstay.wire.http2_frames import frame
from tests.net.http2_world import Wire, codes
from tests.wire.http2_world import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    HEADERS,
    WINDOW,
    reset,
    window,
)

CONNECT = (
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    *GET[1:],
    (b"sec-websocket-version", b"13"),
)


class Accepting:
    """Takes every WebSocket over, and keeps what comes."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.gone: list[str] = []
        self.tunnels: list[Tunnel] = []

    def __call__(self, exchange: Exchange) -> None:
        assert (exchange.method, exchange.protocol) == ("CONNECT", "websocket")
        exchange.gone = self.gone.append
        self.tunnels.append(exchange.upgrade(((b"x", b"y"),)))
        self.tunnels[-1].listen(self.got.append)


def opened(*settings: tuple[int, int]) -> tuple[Wire, Accepting, Tunnel]:
    """A tunnel that was accepted."""
    accepting = Accepting()
    wire = Wire(accepting, *settings)
    wire.say(wire.peer.head(1, CONNECT, ended=False))
    return wire, accepting, accepting.tunnels[0]


async def test_bytes_travel_both_ways() -> None:
    """After 200, which has no length; the stream stays open."""
    wire, accepting, tunnel = opened()
    tunnel.write(b"hi")
    head, data = await wire.settled()
    assert head[:3] == (HEADERS, END_HEADERS, 1)
    assert head[3][0] == (b":status", b"200")
    assert (b"x", b"y") in head[3]
    assert b"content-length" not in dict(head[3])
    assert data == (DATA, 0, 1, b"hi")
    wire.say(frame(DATA, 0, 1, b"you"))
    assert accepting.got == [b"you"]
    assert wire.connection.busy


async def test_both_ends_close() -> None:
    """The peer's end is told as nothing; ours follows what was written."""
    wire, accepting, tunnel = opened()
    wire.say(frame(DATA, END_STREAM, 1, b"bye"))
    assert accepting.got == [b"bye", b""]
    tunnel.write(b"bye")
    tunnel.close()
    *_, data, end = await wire.settled()
    assert data == (DATA, 0, 1, b"bye")
    assert end == (DATA, END_STREAM, 1, b"")
    assert not wire.connection.busy


async def test_bytes_wait_for_a_listener() -> None:
    """What came before there is one is not lost, nor is the end."""
    tunnels: list[Tunnel] = []
    wire = Wire(lambda exchange: tunnels.append(exchange.upgrade()))
    wire.say(wire.peer.head(1, CONNECT, ended=False) + frame(DATA, 0, 1, b"early"))
    wire.say(frame(DATA, END_STREAM, 1, b"end"))
    got: list[bytes] = []
    tunnels[0].listen(got.append)
    assert got == [b"earlyend", b""]


async def test_a_paused_tunnel_holds_the_peer_back() -> None:
    """Its window opens again when the receiver has taken what came."""
    wire, accepting, tunnel = opened()
    await wire.settled()
    tunnel.pause()
    wire.say(frame(DATA, 0, 1, bytes(16_384)) * 4)
    assert accepting.got == []
    assert WINDOW not in [kind for kind, *_ in await wire.settled()]
    tunnel.resume()
    assert accepting.got == [bytes(65_536)]
    assert WINDOW in [kind for kind, *_ in await wire.settled()]


async def test_writing_waits_for_the_window() -> None:
    """`wait_writable` returns when everything is on its way."""
    wire, _, tunnel = opened((4, 5))
    tunnel.write(b"0123456789")
    tunnel.write(b"ab")
    waiting = asyncio.ensure_future(tunnel.wait_writable())
    assert wire.body(await wire.settled()) == b"01234"
    assert not waiting.done()
    wire.say(window(1, 100))
    assert wire.body(await wire.settled()) == b"56789ab"
    await waiting
    await tunnel.wait_writable()


async def test_a_close_waits_for_what_was_written() -> None:
    """The end comes last."""
    wire, _, tunnel = opened((4, 5))
    tunnel.write(b"0123456789")
    tunnel.close()
    assert wire.body(await wire.settled()) == b"01234"
    wire.say(window(1, 100))
    assert (await wire.settled())[0] == (DATA, END_STREAM, 1, b"56789")


async def test_a_peer_that_is_gone_is_told() -> None:
    """As the end of what comes, and to who waits."""
    wire, accepting, tunnel = opened((4, 1))
    tunnel.pause()
    tunnel.write(b"abc")
    waiting = asyncio.ensure_future(tunnel.wait_writable())
    await wire.settled()
    wire.say(reset(1))
    assert accepting.got == [b""]
    assert accepting.gone == ["the peer reset the request"]
    with pytest.raises(PeerGone):
        await waiting
    tunnel.write(b"x")
    tunnel.close()
    tunnel.resume()
    assert accepting.got == [b""]


async def test_only_who_asked_gets_one() -> None:
    """A plain request cannot be upgraded."""

    def upgrade(exchange: Exchange) -> None:
        with pytest.raises(UsageError, match="did not ask"):
            exchange.upgrade()
        exchange.respond(400, None, (), b"")

    wire = Wire(upgrade)
    wire.say(wire.peer.head(1, GET))
    assert codes(wire.heard()) == []
