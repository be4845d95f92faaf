"""Which protocol a new connection speaks."""

import asyncio

import pytest

from mainstay.net.exchange import Exchange
from mainstay.net.port import Port
from mainstay.net.sniffing import Sniffer
from mainstay.testing.memory import connect_in_memory
from mainstay.wire.http1 import HeadParser
from tests.net.memory_port import Peer, make_port

SETTLED = 0.01
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def answer(exchange: Exchange) -> None:
    """Says which version was spoken, and by whom."""
    exchange.respond(200, None, (), f"{exchange.version} {exchange.peer.address}".encode())


def connect(port: Port, released: list[bool], peername: object = ("10.0.0.7", 5)) -> Peer:
    peer = Peer()
    parser = HeadParser(head_size=1000, header_count=10, target_size=100)
    sniffer = Sniffer(port, parser, lambda: released.append(True))
    connect_in_memory(peer, sniffer, peername=peername)
    return peer


@pytest.mark.parametrize(
    ("peername", "address"),
    [(("10.0.0.7", 5), "10.0.0.7:5"), (("::1", 5, 0, 0), "[::1]:5"), ("", "unix")],
)
async def test_a_request_line_is_http_1(peername: object, address: str) -> None:
    """The connection answers what the sniffer has read; the peer's address is told."""
    port = make_port(answer)
    peer = connect(port, [], peername)
    peer.transport.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.sleep(SETTLED)
    assert peer.data.startswith(b"HTTP/1.1 200")
    assert peer.data.endswith(f"1.1 {address}".encode())
    port.abort()
    await asyncio.sleep(SETTLED)
    assert not port.connections


async def test_the_preface_is_http_2_in_any_pieces() -> None:
    """Even byte by byte; the answer is a SETTINGS frame."""
    port = make_port(answer)
    peer = connect(port, [])
    for byte in PREFACE + bytes(3) + b"\x04" + bytes(5):
        peer.transport.write(bytes([byte]))
        await asyncio.sleep(SETTLED)
    assert peer.data[3:4] == b"\x04"
    assert not peer.data.startswith(b"HTTP")
    port.abort()
    await asyncio.sleep(SETTLED)


async def test_what_only_looks_like_a_preface_is_http_1() -> None:
    """And is refused there, as any method that is none."""
    port = make_port(answer)
    peer = connect(port, [])
    peer.transport.write(b"PRI / HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.sleep(SETTLED)
    assert peer.data.startswith(b"HTTP/1.1 ")
    port.abort()
    await asyncio.sleep(SETTLED)


async def test_a_peer_that_says_nothing_is_closed_in_time() -> None:
    """After `header_timeout`, without a word; half a preface is nothing."""
    port = make_port(answer, header_timeout=5.0)
    released: list[bool] = []
    silent, half = connect(port, released), connect(port, released)
    half.transport.write(PREFACE[:10])
    await asyncio.sleep(4)
    assert len(port.connections) == 2
    assert not any(each.busy for each in port.connections)
    await asyncio.sleep(2)
    assert (silent.ended, half.ended) == ("reset", "reset")
    assert (silent.data, half.data) == (b"", b"")
    assert released == [True, True]
    assert not port.connections


async def test_a_drain_gives_who_has_just_connected_a_moment() -> None:
    """The lame duck's seconds: in time a request is still answered, later the end comes."""
    port = make_port(answer, lame_duck=2.0)
    released: list[bool] = []
    quick, idle = connect(port, released), connect(port, released)
    port.drain()
    await asyncio.sleep(1)
    quick.transport.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.sleep(3)
    assert b"connection: close" in quick.data
    assert (quick.ended, idle.ended) == ("closed", "closed")
    assert idle.data == b""
    assert 2.0 <= idle.ended_at < 2.2
    assert released == [True, True]


async def test_it_can_be_cut_off() -> None:
    """As every connection of a port."""
    port = make_port(answer)
    released: list[bool] = []
    peer = connect(port, released)
    port.abort()
    await asyncio.sleep(SETTLED)
    assert (peer.ended, released) == ("reset", [True])
