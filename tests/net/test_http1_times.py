"""How long a connection of HTTP/1.1 waits for its peer: over real sockets, in virtual time."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from mainstay.net.exchange import Exchange
from tests.net.serving import serving

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"


def hello(exchange: Exchange) -> None:
    """Answers with its own target."""
    exchange.respond(200, None, (), exchange.target)


async def test_a_slow_head_is_refused_with_408() -> None:
    """However many bytes trickle in; a peer that sends nothing at all is closed without a word."""
    async with serving(hello, header_timeout=15.0) as site:
        slow, silent = await site.connect(), await site.connect()
        await slow.send(b"GET / HT")
        trickle = asyncio.ensure_future(slow.trickle(b"T" * 100, 3.0))
        status, fields, _ = await slow.reply()
        trickle.cancel()
        assert (status, fields[b"connection"]) == (408, b"close")
        assert await silent.rest() == b""


async def test_an_idle_connection_is_closed_in_time() -> None:
    """After the keep-alive timeout, counted from the last reply."""
    async with serving(hello, keep_alive=10.0) as site:
        client = await site.connect()
        loop = asyncio.get_running_loop()
        for _ in range(4):
            await client.send(GET % b"")
            await client.reply()
            await asyncio.sleep(9)
        ended = loop.time()
        assert await client.rest() == b""
        assert loop.time() - ended == pytest.approx(1, abs=0.5)


async def test_the_idle_timeout_counts_from_the_end_of_a_stream() -> None:
    """However long the stream was, and however quiet the server."""

    async def answer(exchange: Exchange) -> None:
        exchange.open(200, ())
        await exchange.send(b"one")
        await asyncio.sleep(12)
        exchange.finish()

    async with serving(answer, keep_alive=10.0) as site:
        client = await site.connect()
        for _ in range(2):
            await client.send(GET % b"")
            await client.until(b"0\r\n\r\n")
            await asyncio.sleep(9)


async def test_a_drain_lets_late_requests_in_and_says_goodbye() -> None:
    """Idle connections stay open for the lame duck's seconds, busy ones until they are answered."""
    go = asyncio.Event()

    def answer(exchange: Exchange) -> Any:
        if exchange.target != b"/wait":
            return hello(exchange)

        async def later() -> None:
            await go.wait()
            hello(exchange)

        return later()

    async with serving(answer, lame_duck=2.0) as site:
        idle, late, busy, new = [await site.connect() for _ in range(4)]
        for client in (idle, late):
            await client.send(GET % b"")
            await client.reply()
        await busy.send(GET % b"wait")
        await site.wait_for(lambda: site.port.in_flight)
        site.port.drain()
        await asyncio.sleep(1)
        await late.send(GET % b"late")
        _, fields, body = await late.reply()
        assert (body, fields[b"connection"]) == (b"/late", b"close")
        await new.send(GET % b"new")
        assert (await new.reply())[1][b"connection"] == b"close"
        assert await idle.rest() == b""
        waiting = asyncio.ensure_future(site.port.wait_empty())
        await site.wait_for(lambda: len(site.port.connections) == 1)
        assert not waiting.done()
        go.set()
        assert (await busy.reply())[1][b"connection"] == b"close"
        await waiting


async def test_a_client_that_has_left_with_its_body_unread_is_no_failure() -> None:
    """The reply meets a reset, and the goodbye behind it a socket that is connected no more."""
    outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answer(exchange: Exchange) -> None:
        peer.close()
        try:
            hello(exchange)
        except Exception as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    async with serving(answer) as site:
        with socket.create_connection(("127.0.0.1", site.listener.address.port)) as peer:
            peer.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
            await outcome
        await site.wait_for(lambda: not site.port.connections)


async def test_an_unread_body_is_dropped_and_the_reply_arrives() -> None:
    """A client that sends on gets the reply and then the end, not a reset that eats the reply."""
    async with serving(hello) as site:
        client = await site.connect()
        await client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
        await client.send(b"x" * 100_000)
        status, fields, body = await client.reply()
        assert (status, body, fields[b"connection"]) == (200, b"/x", b"close")
        await client.send(b"x" * 100_000)
        assert await client.rest() == b""
