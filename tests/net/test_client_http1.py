"""Exchanges over a real socket to a server that says what a test wants, mostly in virtual time."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextvars import copy_context
from typing import Any

import pytest

from mainstay.core.eager import EagerStarter
from mainstay.errors import BrokenError, ClosedError, UsageError
from mainstay.net.client_http1 import Http1Connection
from mainstay.net.client_limits import ClientLimits
from mainstay.net.outgoing import Incoming, Lost, Outgoing, Shared
from tests.net.client_connections import Owner, whole
from tests.net.raw_server import Talk, always, raw_server


async def connected(port: int, **limits: Any) -> tuple[Http1Connection, Owner]:
    owner = Owner()
    shared = Shared(ClientLimits(**limits))
    made = Http1Connection(shared, "the server", owner)
    await shared.loop.create_connection(lambda: made, "127.0.0.1", port)
    return made, owner


def asking(method: str = "GET", body: Any = None, length: int | None = None) -> Outgoing:
    return Outgoing(method, "http", "h", "/", [(b"host", b"h")], body, length)


async def asked(connection: Http1Connection, outgoing: Outgoing | None = None) -> Incoming:
    assert connection.reserve()
    return await connection.exchange(outgoing or asking())


async def test_exchanges_follow_one_another() -> None:
    """A place is free again when the reply has arrived, read or not."""
    async with raw_server(always(b"hello")) as server:
        connection, owner = await connected(server.port)
        first = await asked(connection)
        second = await asked(connection)
        assert (first.status, first.version, await whole(first)) == (200, "1.1", b"hello")
        assert await whole(second) == b"hello"
        assert (owner.freed_count, server.connections) == (2, 1)
        assert repr(connection) == "<Http1Connection the server idle served=2>"
        await connection.aclose()
        assert owner.gone_count == 1


async def test_the_next_exchange_may_begin_before_the_one_before_has_woken() -> None:
    """The place is free with the last byte; who waited for the reply is told a turn later."""

    class Busy(Owner):
        next: asyncio.Task[Incoming] | None = None

        def freed(self, connection: object) -> None:
            super().freed(connection)
            if self.next is None:
                assert isinstance(connection, Http1Connection)
                assert connection.reserve()
                loop = asyncio.get_running_loop()
                work = connection.exchange(asking("PUT"))
                self.next = EagerStarter(loop).start(work, "next", copy_context())

    async def script(talk: Talk) -> None:
        while True:
            talk.answer((await talk.head())[:3])

    async with raw_server(script) as server:
        owner = Busy()
        shared = Shared(ClientLimits())
        connection = Http1Connection(shared, "the server", owner)
        await shared.loop.create_connection(lambda: connection, "127.0.0.1", server.port)
        first = await asked(connection)
        assert owner.next is not None
        assert await whole(first) == b"GET"
        assert await whole(await owner.next) == b"PUT"
        await connection.aclose()


async def test_one_place() -> None:
    """A connection that is taken has no place; one given back has."""
    async with raw_server(always()) as server:
        connection, owner = await connected(server.port)
        assert connection.reserve()
        assert connection.busy
        assert not connection.reserve()
        connection.release()
        assert owner.freed_count == 1
        assert connection.reserve()
        await connection.aclose()
        assert not connection.reserve()


async def test_a_body_is_sent_with_its_length() -> None:
    """Bytes go out with the head."""
    got: list[bytes] = []

    async def script(talk: Talk) -> None:
        got.append(await talk.head())
        got.append(await talk.body(5))
        talk.answer()

    async with raw_server(script) as server:
        connection, _ = await connected(server.port)
        await asked(connection, asking("POST", b"hello"))
        assert got == [b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\n", b"hello"]
        await connection.aclose()


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for each in given:
        yield each


@pytest.mark.parametrize(
    ("length", "framing", "sent"),
    [
        (None, b"transfer-encoding: chunked", b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        (3, b"content-length: 3", b"abc"),
    ],
)
async def test_an_iterated_body(length: int | None, framing: bytes, sent: bytes) -> None:
    """In chunks, or as it is when its length is known; empty parts would end it, and are not sent."""
    got: list[bytes] = []

    async def script(talk: Talk) -> None:
        got.append(await talk.head())
        got.append(await talk.body(len(sent)))
        talk.answer()

    async with raw_server(script) as server:
        connection, owner = await connected(server.port)
        await asked(connection, asking("PUT", parts(b"ab", b"", b"c"), length))
        assert framing in got[0]
        assert got[1] == sent
        assert owner.freed_count == 1
        await connection.aclose()


@pytest.mark.parametrize("length", [2, 4])
async def test_a_body_of_another_length_breaks_the_request_off(length: int) -> None:
    """What was promised is held: the server would wait, or take the rest for another request."""

    async def script(talk: Talk) -> None:
        await talk.wait_left()

    async with raw_server(script) as server:
        connection, owner = await connected(server.port)
        with pytest.raises(UsageError, match="bytes than the length that was promised"):
            await asked(connection, asking("PUT", parts(b"abc"), length))
        await connection.aclose()
        assert owner.gone_count == 1


async def test_a_body_that_fails_is_the_failure() -> None:
    """The server sees a cut, the caller the error of the iterator, which is closed."""
    closed = []

    async def failing() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            raise LookupError("no more")
        finally:
            closed.append(True)

    async def script(talk: Talk) -> None:
        await talk.wait_left()

    async with raw_server(script) as server:
        connection, _ = await connected(server.port)
        with pytest.raises(LookupError, match="no more"):
            await asked(connection, asking("PUT", failing()))
        assert closed == [True]
        await connection.aclose()


async def test_an_upload_waits_for_the_server() -> None:
    """Memory stays flat: no part is asked for while the one before cannot be sent."""
    made = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal made
        while True:
            made += 1
            yield b"x" * 65536

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(10)
        talk.writer.transport.abort()

    async with raw_server(script) as server:
        connection, _ = await connected(server.port, write_timeout=60.0)
        with pytest.raises(BrokenError):
            await asked(connection, asking("PUT", endless()))
        # What the two sockets and the write buffer hold, and no more.
        assert made < 300
        await connection.aclose()


async def test_a_server_that_takes_nothing_is_given_up() -> None:
    """After `write_timeout`, on the virtual clock."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(100)
        talk.writer.transport.abort()

    async with raw_server(script) as server:
        connection, _ = await connected(server.port, write_timeout=3.0)
        with pytest.raises(BrokenError, match="took nothing of the request's body for 3 s"):
            await asked(connection, asking("PUT", endless()))
        assert 3 <= asyncio.get_running_loop().time() < 10
        await connection.aclose()


async def test_an_answer_before_the_end_of_the_upload_ends_it() -> None:
    """A refusal is read, the rest is not made, and the connection is not used again."""
    closed = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(1)
        finally:
            closed.append(True)

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.answer(b"no", status=413)
        await talk.wait_left()

    async with raw_server(script) as server:
        connection, owner = await connected(server.port)
        reply = await asked(connection, asking("PUT", endless()))
        assert (reply.status, await whole(reply)) == (413, b"no")
        await connection.aclose()
        assert (owner.freed_count, owner.gone_count, closed) == (0, 1, [True])


async def test_a_slow_reader_stops_the_server() -> None:
    """Not more than `read_buffer` and what one read brings is taken from the socket."""
    sent = 0

    async def script(talk: Talk) -> None:
        nonlocal sent
        await talk.head()
        talk.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            talk.say(b"x" * 65536)
            await talk.writer.drain()
            sent += 1

    async with raw_server(script) as server:
        connection, _ = await connected(server.port, read_buffer=1000)
        reply = await asked(connection)
        await asyncio.sleep(5)
        before, held = sent, reply.inbox.buffered
        await asyncio.sleep(60)
        # What the kernel takes meanwhile is its own affair.
        assert 1000 <= reply.inbox.buffered == held < 1_000_000
        for _ in range(200):
            await reply.receive()
        assert sent > before
        reply.close()
        await connection.aclose()


async def test_a_server_that_falls_silent_is_given_up() -> None:
    """After `read_timeout` without a byte; the connection is closed."""

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")
        await talk.wait_left()

    async with raw_server(script) as server:
        connection, owner = await connected(server.port, read_timeout=7.0)
        reply = await asked(connection)
        assert await reply.receive() == b"abc"
        with pytest.raises(BrokenError, match="sent nothing of its reply for 7 s"):
            await reply.receive()
        await connection.aclose()
        assert owner.gone_count == 1
        assert asyncio.get_running_loop().time() == pytest.approx(7, abs=0.1)


def cut(data: bytes) -> Callable[[Talk], Coroutine[Any, Any, None]]:
    async def script(talk: Talk) -> None:
        await talk.head()
        talk.say(data)

    return script


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"]
)
async def test_a_reply_that_is_cut_off_is_an_error(data: bytes) -> None:
    """Never taken for a whole one, and never for a request that was not seen."""
    async with raw_server(cut(data)) as server:
        connection, _ = await connected(server.port)
        with pytest.raises(BrokenError, match="before the reply was whole") as caught:
            await whole(await asked(connection))
        assert not isinstance(caught.value, Lost)
        await connection.aclose()


async def test_a_close_instead_of_a_reply_is_lost() -> None:
    """Not stale on a new connection: the server may have worked on it."""
    async with raw_server(cut(b"")) as server:
        connection, _ = await connected(server.port)
        with pytest.raises(Lost) as caught:
            await asked(connection)
        assert (caught.value.stale, caught.value.untouched) == (False, False)
        await connection.aclose()


async def test_a_close_on_a_used_connection_is_stale() -> None:
    """The server may have closed it before the request came."""

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.answer()
        await talk.head()

    async with raw_server(script) as server:
        connection, _ = await connected(server.port)
        await asked(connection)
        with pytest.raises(Lost) as caught:
            await asked(connection)
        assert caught.value.stale
        await connection.aclose()


async def test_a_close_that_the_loop_has_not_seen_is_seen() -> None:
    """The socket is looked at before it is used again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection, owner = await connected(listener.getsockname()[1])
        other, _ = listener.accept()
        other.sendall(b"HTTP/1.1 204 No\r\n\r\n")
        with other:
            # The answer is there before the question: what counts is the turn of the loop.
            await asked(connection)
        assert not connection.reserve()
        await connection.aclose()
        assert owner.gone_count == 1


async def test_what_comes_unasked_ends_the_connection() -> None:
    """Such as the 408 that some servers send before they close an idle connection."""

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.answer()
        await talk.writer.drain()
        await asyncio.sleep(1)
        talk.say(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await talk.wait_left()

    async with raw_server(script) as server:
        connection, owner = await connected(server.port)
        await asked(connection)
        await asyncio.sleep(2)
        assert owner.gone_count == 1
        assert not connection.reserve()


async def test_a_malformed_reply_is_not_worth_a_retry() -> None:
    """The error names the server and says what is wrong."""
    async with raw_server(cut(b"SSH-2.0-OpenSSH\r\n")) as server:
        connection, _ = await connected(server.port)
        with pytest.raises(BrokenError, match=r"the server: it does not speak HTTP/1\.1") as caught:
            await asked(connection)
        assert not caught.value.retryable
        await connection.aclose()


@pytest.mark.parametrize("stage", ["head", "body"])
async def test_who_leaves_early_closes_the_connection(stage: str) -> None:
    """Cancelled before the reply, or leaving in its middle."""
    left = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.head()
        if stage == "body":
            talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")
        await talk.wait_left()
        left.set()

    async with raw_server(script) as server:
        connection, owner = await connected(server.port)
        if stage == "head":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asked(connection), 1)
        else:
            (await asked(connection)).close()
        await left.wait()
        await connection.aclose()
        assert owner.gone_count == 1


async def test_closing_ends_what_goes_on() -> None:
    """Who waits for a reply gets ClosedError, and `aclose` waits for the socket."""

    async def script(talk: Talk) -> None:
        await talk.wait_left()

    async with raw_server(script) as server:
        connection, owner = await connected(server.port)
        task = asyncio.create_task(asked(connection))
        await asyncio.sleep(1)
        await connection.aclose()
        assert owner.gone_count == 1
        with pytest.raises(ClosedError):
            await task


async def test_what_cannot_be_sent_leaves_the_connection_usable() -> None:
    """Nothing was written."""
    async with raw_server(always()) as server:
        connection, owner = await connected(server.port)
        with pytest.raises(UsageError, match=r"the request to the server cannot be sent"):
            await asked(connection, asking("GE T"))
        assert owner.freed_count == 1
        await asked(connection)
        await connection.aclose()
