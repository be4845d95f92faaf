"""The whole client over real sockets, in virtual time."""

import asyncio
import gc
import http.server
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainstay.core.call import Call, Handler
from mainstay.core.scope import Scope
from mainstay.errors import (
    BrokenError,
    Cancelled,
    ClosedError,
    DeadlineExceeded,
    UpstreamError,
    UsageError,
)
from mainstay.http.client import ClientLimits, HttpClient, Reply
from tests.net.closed_port import closed_port
from tests.net.raw_server import Script, Talk, always, raw_server
from tests.net.test_client_http2 import hello, http2


async def silent(talk: Talk) -> None:
    await talk.wait_left()


async def test_it_asks_and_closes() -> None:
    """Stand-alone, without a service or a scope; nothing is open afterwards."""
    async with raw_server(always(b"hello")) as server:
        async with HttpClient(server.url) as client:
            reply = await client.get("/x")
            assert (reply.status, reply.text, reply.version) == (200, "hello", "1.1")
            assert client.statistics().connections == 1
        assert repr(client).endswith(" connections=0 busy=0>")
        await asyncio.sleep(1)
        assert server.open == 0
        with pytest.raises(ClosedError):
            await client.get("/x")


async def echo(talk: Talk) -> None:
    while True:
        target = (await talk.head()).split(b" ")[1]
        talk.say(b"HTTP/1.1 200 X\r\ncontent-length: %d\r\n\r\n%b" % (len(target), target))


@pytest.mark.parametrize("script", [echo, http2(hello)], ids=["HTTP/1.1", "HTTP/2"])
async def test_many_tasks_share_a_client(script: Script) -> None:
    """Each gets the replies to its own requests, though others leave before theirs have come."""

    async def work(client: HttpClient, first: int) -> None:
        for number in range(first, first + 60):
            asking = asyncio.ensure_future(client.get(f"/{number}"))
            if number % 7 == 0:
                for _ in range(number % 5):
                    await asyncio.sleep(0)
                asking.cancel()
                await asyncio.wait([asking])
            else:
                assert (await asking).text == f"/{number}"

    versions = ("1.1",) if script is echo else ("2",)
    async with raw_server(script) as server, HttpClient(server.url, versions=versions) as client:
        await asyncio.gather(*(work(client, task * 100) for task in range(16)))
        assert client.statistics().busy == 0


class Item(msgspec.Struct):
    id: int


async def test_typed_answers() -> None:
    """`into` decodes, and raises for a status that is an error."""

    async def script(talk: Talk) -> None:
        while True:
            head = await talk.head()
            talk.answer(b'{"id":3}', status=200 if b" /ok " in head else 404)

    async with raw_server(script) as server, HttpClient(server.url) as client:
        assert await client.get("/ok", into=Item) == Item(3)
        with pytest.raises(UpstreamError, match="answered 404") as caught:
            await client.get("/no", into=Item)
        assert caught.value.status == 404


async def test_http2_with_prior_knowledge() -> None:
    """Many requests, one connection."""
    async with raw_server(http2(hello)) as server:
        async with HttpClient(server.url, versions=("2",)) as client:
            replies = await asyncio.gather(*(client.get(f"/{n}") for n in range(50)))
            assert [each.text for each in replies] == [f"/{n}" for n in range(50)]
            assert replies[0].version == "2"
        assert server.connections == 1


@pytest.mark.parametrize("versions", [("1.1",), ("2",)])
async def test_the_deadline_of_the_scope_ends_a_request(versions: tuple[str, ...]) -> None:
    """The tightest limit holds, and the connection or stream is given up."""
    script = silent if versions == ("1.1",) else http2(lambda *_: None)
    async with raw_server(script) as server, HttpClient(server.url, versions=versions) as client:
        with pytest.raises(DeadlineExceeded), Scope("call", timeout=2.0):
            await client.get("/", timeout=50.0)
        assert asyncio.get_running_loop().time() == pytest.approx(2, abs=0.1)
        assert client.statistics().busy == 0


async def test_the_timeout_of_a_request() -> None:
    """In place of the client's; the deadline names the request."""
    async with raw_server(silent) as server, HttpClient(server.url, timeout=100) as client:
        with pytest.raises(DeadlineExceeded):
            await client.get("/", timeout=3.0)
        assert asyncio.get_running_loop().time() == pytest.approx(3, abs=0.1)


async def test_waiting_for_a_connection_counts() -> None:
    """All of a request is within its time."""
    limits = ClientLimits(connections_per_host=1)
    async with raw_server(silent) as server, HttpClient(server.url, limits=limits) as client:
        first = asyncio.create_task(client.get("/", timeout=10.0))
        await asyncio.sleep(1)
        with pytest.raises(DeadlineExceeded):
            await client.get("/", timeout=3.0)
        with pytest.raises(DeadlineExceeded):
            await first
        assert client.statistics().waiting == 0


async def test_a_stream_has_no_end_but_its_scopes() -> None:
    """The timeout is for the head; after it, silence is bounded, not length."""

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.say(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(10):
            talk.say(b"x")
            await talk.writer.drain()
            await asyncio.sleep(20)

    async with raw_server(script) as server, HttpClient(server.url, timeout=5.0) as client:
        async with client.stream("GET", "/") as reply:
            assert len(b"".join([each async for each in reply.chunks()])) == 10
        with pytest.raises(DeadlineExceeded), Scope("call", timeout=30):
            async with client.stream("GET", "/") as reply:
                async for _ in reply.chunks():
                    pass


@pytest.mark.parametrize("how", ["leave", "fail", "cancel"])
async def test_leaving_a_stream_closes_it(how: str) -> None:
    """By the end of the block, by an error in it, by cancellation: nothing is left open."""

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc")
        await talk.wait_left()

    async def read(client: HttpClient) -> None:
        async with client.stream("GET", "/") as reply:
            async for _ in reply.chunks():
                if how == "leave":
                    return
                if how == "fail":
                    raise LookupError

    async with raw_server(script) as server, HttpClient(server.url) as client:
        task = asyncio.create_task(read(client))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(1)
        assert server.open == 0
        assert client.statistics().connections == 0
        gc.collect()


async def test_a_cancelled_scope_says_why() -> None:
    """The cause of the cancellation is what is raised."""
    async with raw_server(silent) as server, HttpClient(server.url) as client:
        with pytest.raises(Cancelled, match="enough"), Scope("call") as scope:
            asyncio.get_running_loop().call_later(1, scope.cancel, "enough")
            await client.get("/")


async def test_closing_ends_requests() -> None:
    """And waits for their connections."""
    async with raw_server(silent) as server:
        client = HttpClient(server.url)
        task = asyncio.create_task(client.get("/"))
        await asyncio.sleep(1)
        await client.aclose()
        with pytest.raises(ClosedError):
            await task
        await asyncio.sleep(1)
        assert server.open == 0


async def test_middleware_sees_and_changes() -> None:
    """The first listed is outermost; it covers the whole reply, and may ask again."""
    seen: list[str] = []

    async def retry(call: Call, next: Handler) -> Any:
        reply: Reply = await next(call)
        if not reply.ok:
            reply = await next(call)
        seen.append(f"{call.transport} {call.method} {reply.status} {reply.text}")
        return reply

    async def sign(call: Call, next: Handler) -> Any:
        call.request.headers["x-signed"] = "yes"
        return await next(call)

    heads: list[bytes] = []

    async def script(talk: Talk) -> None:
        while True:
            heads.append(await talk.head())
            talk.answer(b"ok", status=503 if len(heads) == 1 else 200)

    async with (
        raw_server(script) as server,
        HttpClient(server.url, middleware=[retry, sign]) as client,
    ):
        await client.get("/x")
    assert seen == [f"http GET 127.0.0.1:{server.port} 200 ok"]
    assert [b"x-signed: yes\r\n" in head for head in heads] == [True, True]


async def test_replies_that_middleware_drops_are_closed() -> None:
    """Streams too: a retry does not leak the first reply."""

    async def twice(call: Call, next: Handler) -> Any:
        await next(call)
        return await next(call)

    async with (
        raw_server(always(b"x" * 500_000)) as server,
        HttpClient(server.url, middleware=[twice]) as client,
        client.stream("GET", "/") as reply,
    ):
        assert len(await reply.read()) == 500_000
        assert client.statistics().busy == 0


async def test_default_credentials_go_to_the_base_only() -> None:
    """An absolute URL elsewhere does not get them."""
    heads: list[bytes] = []

    async def script(talk: Talk) -> None:
        while True:
            heads.append(await talk.head())
            talk.answer()

    secret = {"authorization": "hunter2", "x-team": "a"}
    async with (
        raw_server(script) as server,
        raw_server(script) as other,
        HttpClient(server.url, headers=secret) as client,
    ):
        await client.get("/")
        await client.get(other.url)
        assert "hunter2" not in repr(client)
    assert [b"hunter2" in head for head in heads] == [True, False]
    assert b"x-team: a\r\n" in heads[1]


async def test_a_unix_socket(tmp_path: Path) -> None:
    """As base; the paths are below it."""
    path = tmp_path / "s"
    async with raw_server(always(b"hi"), path=path), HttpClient(f"unix:{path}") as client:
        assert (await client.get("/containers")).text == "hi"


async def test_a_connection_closed_meanwhile_is_replaced() -> None:
    """A server that restarts is not noticed by who asks for what may be asked twice."""

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.answer()
        if talk.number == 1:
            await talk.head()  # the second request is seen, and not answered
        else:
            await talk.wait_left()

    async with raw_server(script) as server, HttpClient(server.url) as client:
        await client.get("/")
        assert (await client.get("/")).status == 200
        assert server.connections == 2


async def test_methods_with_a_body_say_that_it_is_empty() -> None:
    """Servers may wait for one that nobody announces (RFC 9110 §8.6)."""
    heads: list[bytes] = []

    async def script(talk: Talk) -> None:
        while True:
            heads.append(await talk.head())
            talk.answer()

    async with raw_server(script) as server, HttpClient(server.url) as client:
        await client.post("/")
        await client.delete("/")
    assert [b"content-length: 0\r\n" in head for head in heads] == [True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"versions": ("3",)}, "versions="),
        ({"base_url": "ftp://a"}, "http://"),
        ({"proxy": "socks5://p"}, "the proxy"),
        ({"headers": {"a": "b\r\nc: d"}}, "line break"),
    ],
)
def test_what_no_client_can_be(options: dict[str, Any], message: str) -> None:
    """Said when it is made, which needs no loop."""
    with pytest.raises(UsageError, match=message):
        HttpClient(**options)


async def test_a_server_that_is_not_there() -> None:
    """An error that says so, and may be retried."""
    with closed_port() as port:
        client = HttpClient(f"http://127.0.0.1:{port}")
        with pytest.raises(BrokenError, match="cannot connect to") as caught:
            await client.get("/")
        assert caught.value.retryable
        await client.aclose()


class Stdlib(http.server.BaseHTTPRequestHandler):
    """The standard library's server, in threads."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.real_loop
async def test_another_implementation() -> None:
    """What it sends back is what was sent."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stdlib) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        async with HttpClient(f"http://127.0.0.1:{server.server_port}") as client:
            data = bytes(range(256)) * 10_000
            for _ in range(3):
                assert (await client.post("/", content=data)).body == data
            assert client.statistics().opened == 1
        server.shutdown()
        thread.join()
