"""Facts about who calls, and what they may do."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.core.call import Call, Middleware
from mainstay.core.scope import Scope
from mainstay.errors import PermissionDenied, Unauthenticated
from mainstay.http.middleware.auth import basic, bearer, passwords, tokens
from mainstay.http.middleware.principal import PRINCIPAL, Principal, principal_of, require
from mainstay.http.response import Response
from tests.http.middleware.desk import Desk

ADA = Principal("ada", frozenset({"read", "write"}), {"secret": "swordfish"})


def named(principal: Principal) -> Middleware:
    async def layer(call: Call, next: Any) -> Any:
        call.scope.set(PRINCIPAL, principal)
        return await next(call)

    return layer


async def who(call: Any) -> Response:
    """Says who calls."""
    assert principal_of(call) == principal_of(call.scope) == principal_of()
    return Response(principal_of().name)


async def test_who_has_all_scopes_is_let_in() -> None:
    """And the handler knows who it is."""
    reply = await Desk([named(ADA), require("read", "write")], {"GET /": who}).ask()
    assert (reply.status, reply.body) == (200, b"ada")
    assert (await Desk([named(ADA), require()], {"GET /": who}).ask()).status == 200


async def test_who_lacks_a_scope_is_told_which() -> None:
    """403, as RFC 6750 §3.1 says it."""
    reply = await Desk([named(ADA), require("read", "admin")], {"GET /": who}).ask()
    assert reply.status == 403
    assert b"takes the scope admin" in reply.body
    said = reply.headers.get("www-authenticate")
    assert said == 'Bearer error="insufficient_scope", scope="read admin"'


async def test_nobody_is_asked_who_they_are() -> None:
    """401, with the ways that optional authentications offer."""
    reply = await Desk([require("read")], {"GET /": who}).ask()
    assert (reply.status, reply.headers.get("www-authenticate")) == (401, "Bearer")
    layers: list[Middleware] = [
        basic(passwords({}), optional=True),
        bearer(tokens({}), optional=True),
        require("read"),
    ]
    reply = await Desk(layers, {"GET /": who}).ask()
    said = reply.headers.get("www-authenticate")
    assert said == 'Basic realm="service", charset="UTF-8", Bearer realm="service"'
    assert (await Desk(routes={"GET /": who}).ask()).status == 401


async def test_other_transports_are_not_let_in_by_mistake() -> None:
    """Only calls in process pass: they are the service's own."""

    async def answer(call: Call) -> str:
        return "ok"

    with Scope() as scope:
        assert await require("x")(Call("local", "m", scope), answer) == "ok"
        with pytest.raises(Unauthenticated):
            await require("x")(Call("grpc", "m", scope), answer)
        scope.set(PRINCIPAL, ADA)
        with pytest.raises(PermissionDenied):
            await require("x")(Call("grpc", "m", scope), answer)
        assert await require("read")(Call("grpc", "m", scope), answer) == "ok"


def test_it_shows_itself_without_secrets() -> None:
    """And OpenAPI learns the scopes, if it is told of which scheme."""
    assert "swordfish" not in repr(ADA)
    assert repr(require("b", "a")) == "require('a', 'b')"
    assert require("a").security == ()
    assert require("a", scheme="bearer").security == ({"bearer": ("a",)},)
