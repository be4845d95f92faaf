"""Which pages in browsers may call."""

from typing import Any

import pytest

from mainstay.rpc.origins import is_origin
from mainstay.rpc.settings import RpcSettings
from mainstay.wire.envelopes import seal
from tests.rpc.grpc_world import echo
from tests.rpc.web_world import WebWorld

APP = "https://app.example.org"
OURS = RpcSettings(origins=(APP,))

PREFLIGHT = (
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "content-type,x-grpc-web,x-user-agent"),
)


async def with_metadata(call: Any) -> bytes:
    """Answer with metadata."""
    call.initial_metadata.append(("x-a", "1"))
    return b""


async def test_a_page_asks_first_and_may_send_what_it_asks_for() -> None:
    """The names of metadata are the page's own business once its origin is allowed."""
    reply = await WebWorld(echo, OURS).call(
        "Unary", "", b"", ("origin", APP), *PREFLIGHT, method="OPTIONS"
    )
    fields = dict(reply.fields)
    assert reply.status == 204
    assert fields[b"access-control-allow-origin"] == APP.encode()
    assert fields[b"access-control-allow-methods"] == b"POST"
    assert fields[b"access-control-allow-headers"] == b"content-type,x-grpc-web,x-user-agent"
    assert fields[b"access-control-max-age"] == b"7200"
    assert fields[b"vary"].startswith(b"origin")
    assert b"access-control-allow-credentials" not in fields


async def test_get_is_allowed_where_it_means_something() -> None:
    """For methods that change nothing."""
    reply = await WebWorld(echo, OURS).call(
        "Ask", "", b"", ("origin", APP), *PREFLIGHT, method="OPTIONS"
    )
    assert dict(reply.fields)[b"access-control-allow-methods"] == b"GET, POST"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", APP + ".evil.example", "HTTPS"])
async def test_other_pages_are_refused(origin: str) -> None:
    """They may neither send nor read."""
    world = WebWorld(with_metadata, OURS)
    reply = await world.call("Unary", "", b"", ("origin", origin), *PREFLIGHT, method="OPTIONS")
    assert reply.status == 403
    reply = await world.call("Unary", "application/proto", b"", ("origin", origin))
    assert not any(name.startswith(b"access-control") for name, _ in reply.fields)
    assert (b"vary", b"origin") in reply.fields


async def test_without_origins_nobody_is_told_anything() -> None:
    """The default: only pages of the service's own origin can call."""
    world = WebWorld(with_metadata)
    reply = await world.call("Unary", "", b"", ("origin", APP), *PREFLIGHT, method="OPTIONS")
    assert reply.status == 405
    reply = await world.call("Unary", "application/proto", b"", ("origin", APP))
    assert reply.fields == [(b"x-a", b"1")]


@pytest.mark.parametrize(
    ("name", "content_type", "body", "exposed"),
    [
        ("Unary", "application/proto", b"", b"x-a"),
        ("Unary", "application/grpc-web", seal(b""), b"x-a"),
        ("Bidi", "application/connect+proto", b"", b"x-a"),
    ],
)
async def test_a_page_may_read_the_metadata_of_a_reply(
    name: str, content_type: str, body: bytes, exposed: bytes
) -> None:
    """Each field is named, since a star would not cover calls with cookies."""
    world = WebWorld(with_metadata, RpcSettings(origins=(APP,), credentials=True))
    reply = await world.call(name, content_type, body, ("origin", APP))
    fields = dict(reply.fields)
    assert fields[b"access-control-allow-origin"] == APP.encode()
    assert fields[b"access-control-expose-headers"] == exposed
    assert fields[b"access-control-allow-credentials"] == b"true"


async def test_a_page_may_read_errors() -> None:
    """Otherwise it would see nothing but that it failed."""

    async def refuse(call: Any) -> bytes:
        call.trailing_metadata.append(("x-b", "1"))
        raise ValueError

    reply = await WebWorld(refuse, OURS).call("Unary", "application/json", b'""', ("origin", APP))
    fields = dict(reply.fields)
    assert reply.status == 500
    assert fields[b"access-control-allow-origin"] == APP.encode()
    assert fields[b"access-control-expose-headers"] == b"trailer-x-b"


async def test_every_page_may_call_what_is_open_to_all() -> None:
    """Then the answer does not depend on who asks."""
    world = WebWorld(with_metadata, RpcSettings(origins=("*",)))
    reply = await world.call("Unary", "application/proto", b"", ("origin", "null"))
    assert (b"access-control-allow-origin", b"*") in reply.fields
    assert (b"vary", b"origin") not in reply.fields


def test_an_origin_has_a_scheme_and_a_host() -> None:
    """And maybe a port, but no path."""
    assert is_origin("http://localhost:5173")
    assert is_origin("capacitor://localhost")
    assert not is_origin("https://a/b")
    assert not is_origin("https://")
