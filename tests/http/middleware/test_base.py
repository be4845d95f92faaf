"""Facts about what the middleware of HTTP has in common."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.config.secret import Secret
from mainstay.core.call import Call
from mainstay.core.metadata import Peer
from mainstay.core.scope import Key, Scope
from mainstay.errors import UsageError
from mainstay.http.call import HttpCall
from mainstay.http.middleware.base import (
    HttpNext,
    add_challenge,
    http_only,
    ip_of,
    listed,
    secret_bytes,
    value_of,
)
from mainstay.http.response import Response
from tests.http.middleware.desk import Desk


async def test_calls_of_other_transports_pass_by() -> None:
    """The layer sees calls of HTTP only."""
    seen = []

    async def layer(call: HttpCall, next: HttpNext) -> Response:
        seen.append(call.transport)
        return await next(call)

    async def answer(call: Call) -> str:
        return "local"

    middleware = http_only(layer)
    with Scope() as scope:
        assert await middleware(Call("local", "x", scope), answer) == "local"
    assert (await Desk([middleware]).ask()).body == b"ok"
    assert seen == ["http"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.7:51234", "10.0.0.7"),
        ("10.0.0.7", "10.0.0.7"),
        ("[2001:DB8::1]:80", "2001:db8::1"),
        ("2001:db8:0::1", "2001:db8::1"),
        ("[fe80::1%eth0]:80", "fe80::1"),
        ("[::ffff:10.0.0.7]:80", "10.0.0.7"),
        ("unix", ""),
        ("unknown", ""),
        ("_hidden:80", ""),
    ],
)
def test_the_ip_address_of_a_peer(address: str, expected: str) -> None:
    """In one spelling, without its port; that of IPv4 within IPv6 is that of IPv4."""
    assert ip_of(Peer(address)) == expected
    assert ip_of(None) == ""


def test_a_list_may_come_in_pieces() -> None:
    """Several fields are one list."""
    assert listed(["a, b", "", " c ,,"]) == ["a", "b", "c"]


def test_a_key_has_enough_bytes() -> None:
    """A short one is refused without being shown; a `Secret` is one, too."""
    assert secret_bytes(Secret("0123456789abcdef"), "x") == b"0123456789abcdef"
    assert secret_bytes(b"0123456789abcdef", "x") == b"0123456789abcdef"
    with pytest.raises(UsageError, match="at least 16 bytes, not 5") as caught:
        secret_bytes("swordfish"[:5], "x")
    assert "sword" not in str(caught.value)


async def test_a_value_is_found_or_its_absence_explained() -> None:
    """In a call, in a scope, and where the code runs."""
    key = Key[str]("key")
    with Scope() as scope:
        with pytest.raises(UsageError, match="add it"):
            value_of(key, None, "add it")
        scope.set(key, "value")
        assert value_of(key, None, "") == "value"
        assert value_of(key, scope, "") == "value"
        assert value_of(key, Call("local", "x", scope), "") == "value"


async def test_challenges_add_up_in_one_field() -> None:
    """Each once."""

    async def challenge(call: Any) -> Response:
        for each in ("Basic", "Bearer", "Basic"):
            add_challenge(call, each)
        return Response("ok")

    reply = await Desk(routes={"GET /": challenge}).ask()
    assert reply.headers.get_all("www-authenticate") == ["Basic, Bearer"]
