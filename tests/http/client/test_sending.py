"""Redirects, cookies, proxies and what a request carries, over real sockets in virtual time."""

from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest

from mainstay.core.ids import REQUEST_ID, TRACE_ID
from mainstay.core.scope import Scope
from mainstay.errors import UpstreamError, UsageError
from mainstay.http.client import HttpClient
from tests.net.raw_server import Script, Talk, raw_server


def redirecting(heads: list[bytes], status: int, location: str, times: int = 1) -> Script:
    """Redirects that many times, then answers."""

    async def script(talk: Talk) -> None:
        while True:
            head = await talk.head()
            heads.append(head)
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await talk.body(int(line.split()[1]))
            if len(heads) <= times:
                talk.answer(b"moved", b"location: " + location.encode(), status=status)
            else:
                talk.answer(b"here")

    return script


@pytest.mark.parametrize(
    ("method", "status", "then", "body"),
    [
        ("GET", 302, b"GET", False),
        ("HEAD", 303, b"HEAD", False),
        ("POST", 301, b"GET", False),
        ("POST", 302, b"GET", False),
        ("PUT", 303, b"GET", False),
        ("PUT", 302, b"PUT", True),
        ("POST", 307, b"POST", True),
        ("POST", 308, b"POST", True),
    ],
)
async def test_methods_of_redirects(method: str, status: int, then: bytes, body: bool) -> None:
    """RFC 9110 §15.4, on the same connection."""
    heads: list[bytes] = []
    script = redirecting(heads, status, "/there")
    async with raw_server(script) as server, HttpClient(server.url) as client:
        content = b"abc" if method in ("POST", "PUT") else None
        reply = await client.request(method, "/here?x=1", follow_redirects=True, content=content)
        assert heads[1].startswith(then + b" /there HTTP/1.1\r\n")
        assert (b"content-length: 3" in heads[1]) is body
        assert reply.redirects == (f"{server.url}/here?x=1",)
        assert reply.url == f"{server.url}/there"


async def test_redirects_are_not_followed_unasked() -> None:
    """They are replies like others."""
    async with raw_server(redirecting([], 302, "/there")) as server, HttpClient() as client:
        assert (await client.get(server.url)).status == 302


async def test_redirects_are_bounded() -> None:
    """A loop ends."""
    heads: list[bytes] = []
    script = redirecting(heads, 302, "/again", times=99)
    async with raw_server(script) as server:
        async with HttpClient(follow_redirects=True, max_redirects=3) as client:
            with pytest.raises(UpstreamError, match="max_redirects=3"):
                await client.get(server.url)
        assert len(heads) == 4


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://a b/", "http://:x/"])
async def test_redirects_to_nowhere(location: str) -> None:
    """Are the server's fault."""
    script = redirecting([], 302, location)
    async with raw_server(script) as server, HttpClient(follow_redirects=True) as client:
        with pytest.raises(UpstreamError, match="redirects to where no client can go"):
            await client.get(server.url)


async def test_credentials_stay_with_their_origin() -> None:
    """A redirect to another port is one to another server."""
    heads: list[bytes] = []
    async with raw_server(redirecting(heads, 200, "", times=0)) as other:
        script = redirecting([], 302, f"{other.url}/x")
        async with raw_server(script) as server, HttpClient(follow_redirects=True) as client:
            secret = {"authorization": "a", "cookie": "b", "x-api-key": "c", "x-other": "d"}
            await client.get(server.url, headers=secret)
    names = {line.partition(b":")[0] for line in heads[0].split(b"\r\n")}
    assert names & {b"authorization", b"cookie", b"x-api-key", b"x-other"} == {b"x-other"}


async def test_a_spent_body_is_not_repeated() -> None:
    """What was iterated is gone; the error says what to do."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"abc"

    async def script(talk: Talk) -> None:
        await talk.head()
        await talk.reader.readuntil(b"0\r\n\r\n")
        talk.answer(b"", b"location: /x", status=307)
        await talk.wait_left()

    async with raw_server(script) as server, HttpClient(follow_redirects=True) as client:
        with pytest.raises(UsageError, match="was sent before; send bytes"):
            await client.post(server.url, content=parts())


async def sent(scope: Scope | None = None, **options: Any) -> dict[str, str]:
    """The fields that a server gets."""
    heads: list[bytes] = []
    script = redirecting(heads, 200, "", times=0)
    async with raw_server(script) as server, HttpClient(**options) as client:
        with scope or nullcontext():
            await client.get(server.url)
    lines = heads[0].decode().split("\r\n")[1:-2]
    return dict(line.split(": ", 1) for line in lines)


async def test_what_a_scope_sends_along() -> None:
    """What is left of its time, its request id, and its trace with a span of this request's own."""
    scope = Scope("call", timeout=5.0)
    scope.set(REQUEST_ID, "r-1")
    scope.set(TRACE_ID, "a" * 32)
    fields = await sent(scope)
    assert 4.9 < float(fields["x-request-timeout"]) <= 5.0
    assert fields["x-request-id"] == "r-1"
    version, trace, span, flags = fields["traceparent"].split("-")
    assert (version, trace, len(span), flags) == ("00", "a" * 32, 16, "01")


async def test_what_is_sent_without_a_scope() -> None:
    """The client's own timeout, and no made-up names."""
    fields = await sent(timeout=9.0)
    assert fields["x-request-timeout"] == "9.000"
    assert not {"x-request-id", "traceparent"} & fields.keys()


async def test_nothing_is_sent_along_when_not_wanted() -> None:
    """To servers that it is none of their business."""
    scope = Scope("call", timeout=5.0)
    scope.set(REQUEST_ID, "r-1")
    assert not {"x-request-id", "x-request-timeout"} & (await sent(scope, propagate=False)).keys()


async def test_cookies_are_kept_when_asked_for() -> None:
    """Those of redirects too; and not at all by default."""
    heads: list[bytes] = []

    async def script(talk: Talk) -> None:
        while True:
            heads.append(await talk.head())
            talk.answer(b"", b"set-cookie: a=1; HttpOnly")

    async with raw_server(script) as server:
        async with HttpClient(cookies=True) as client:
            await client.get(server.url)
            await client.get(server.url)
            assert client.cookies is not None
            assert len(client.cookies) == 1
        async with HttpClient() as client:
            await client.get(server.url)
            await client.get(server.url)
            assert client.cookies is None
    assert [b"cookie: a=1\r\n" in head for head in heads] == [False, True, False, False]


async def test_a_forward_proxy_gets_the_whole_url() -> None:
    """And its own credentials."""
    heads: list[bytes] = []
    async with raw_server(redirecting(heads, 200, "", times=0)) as server:
        proxy = server.url.replace("://", "://u:p@")
        async with HttpClient(proxy=proxy) as client:
            await client.get("http://nowhere.invalid/x?y")
    assert heads[0].startswith(b"GET http://nowhere.invalid/x?y HTTP/1.1\r\nhost: nowhere.invalid")
    assert b"proxy-authorization: Basic dTpw\r\n" in heads[0]
