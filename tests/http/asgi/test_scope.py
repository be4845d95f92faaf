"""What a mounted application is told of a request."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.core.metadata import Peer
from mainstay.http.asgi.scope import depth_of
from mainstay.http.asgi.types import AsgiScope, Receive, Send
from mainstay.testing.exchange import MemoryExchange
from tests.http.asgi.world import answered, mounted, reply


async def scope_seen(exchange: MemoryExchange, path: str = "") -> AsgiScope:
    seen: list[AsgiScope] = []

    async def app(scope: AsgiScope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await reply(send, b"")

    await answered(mounted(app, path), exchange)
    return seen[0]


async def test_the_path_is_whole_and_the_root_its_beginning() -> None:
    """`path` is decoded and has the prefix in it; `raw_path` is as sent, without the query."""
    scope = await scope_seen(MemoryExchange(target="/old/a%20b/c?x=1&y=%41"), "/old")
    assert scope["path"] == "/old/a b/c"
    assert scope["raw_path"] == b"/old/a%20b/c"
    assert scope["root_path"] == "/old"
    assert scope["query_string"] == b"x=1&y=%41"


@pytest.mark.parametrize(
    ("prefix", "target", "root"),
    [
        ("", "/a/b", ""),
        ("/v1/old", "/v1/old/x", "/v1/old"),
        ("/old", "/old", "/old"),
        ("/{tenant}/app", "/acme/app/x", "/acme/app"),
    ],
)
async def test_the_root_is_what_the_prefix_matched(prefix: str, target: str, root: str) -> None:
    """Also for a prefix with parameters."""
    assert (await scope_seen(MemoryExchange(target=target), prefix))["root_path"] == root


def test_a_catch_all_is_no_part_of_the_prefix() -> None:
    """The depth is the number of segments in front of it."""
    assert [depth_of(each) for each in ("", "/", "/a", "/a/{b}/c", "/a/{rest:path}")] == [
        0,
        0,
        1,
        3,
        1,
    ]


async def test_the_fields_are_the_bytes_that_came() -> None:
    """Names in lower case, values as they are, order kept."""
    fields: list[tuple[str | bytes, str | bytes]] = [
        ("host", "example.org"),
        ("X-A", b"\xff"),
        ("x-a", "2"),
    ]
    scope = await scope_seen(MemoryExchange(fields=fields))
    assert list(scope["headers"]) == [(b"host", b"example.org"), (b"x-a", b"\xff"), (b"x-a", b"2")]


async def test_http_2_has_a_host_field_as_well() -> None:
    """The authority stands in front, where applications look for it."""
    scope = await scope_seen(MemoryExchange(version="2", fields=[("a", "b")]))
    assert list(scope["headers"]) == [(b"host", b"example.org"), (b"a", b"b")]
    assert scope["http_version"] == "2"


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.0.0.7:51234", ("10.0.0.7", 51234)),
        ("[::1]:80", ("::1", 80)),
        ("/run/a.sock", None),
        ("", None),
    ],
)
async def test_the_client_is_the_peer(address: str, client: Any) -> None:
    """Host and port; None where there is no address."""
    assert (await scope_seen(MemoryExchange(peer=Peer(address))))["client"] == client


@pytest.mark.parametrize(
    ("authority", "scheme", "server"),
    [
        ("example.org:8000", "http", ("example.org", 8000)),
        ("example.org", "https", ("example.org", 443)),
        ("[::1]", "http", ("::1", 80)),
        ("[::1]:9", "http", ("::1", 9)),
        ("", "http", None),
    ],
)
async def test_the_server_is_as_it_was_addressed(authority: str, scheme: str, server: Any) -> None:
    """Host and port, that of the scheme unless it was said."""
    scope = await scope_seen(MemoryExchange(authority=authority, scheme=scheme))
    assert (scope["server"], scope["scheme"]) == (server, scheme)


async def test_the_version_is_one_whose_background_tasks_outlive_the_client() -> None:
    """Starlette skips background tasks of a client that left when it reads 2.4 or more."""
    scope = await scope_seen(MemoryExchange())
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}
    assert (scope["type"], scope["method"]) == ("http", "GET")
