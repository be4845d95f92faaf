"""Facts about basic and bearer authentication."""

from __future__ import annotations

import threading
from base64 import b64encode
from typing import Any

import pytest

from mainstay.core.call import Call
from mainstay.core.metadata import Metadata
from mainstay.core.scope import Scope
from mainstay.errors import Unauthenticated, UsageError
from mainstay.http.middleware.auth import Checked, basic, bearer, passwords, tokens
from mainstay.http.middleware.principal import PRINCIPAL, Principal, principal_of
from mainstay.http.response import Response
from mainstay.testing.exchange import Reply
from tests.http.middleware.desk import Desk

USERS = passwords({"ada": "swordfish", "mallory": ""})
TOKENS = tokens({"t-1": "ada", "t-2": Principal("bot", frozenset({"read"})), "": "nobody"})


async def who(call: Any) -> Response:
    """Says who calls, if somebody does."""
    principal = call.scope.get(PRINCIPAL)
    return Response("-" if principal is None else principal.name)


async def ask(layers: Any, *authorization: str) -> Reply:
    fields = [("authorization", each.encode()) for each in authorization]
    return await Desk(layers, {"GET /": who}).ask(fields=fields)


def pair(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


async def test_a_name_and_its_password() -> None:
    """In UTF-8, the scheme in any case; a password may have colons."""
    reply = await ask([basic(USERS)], pair("ada:swordfish"))
    assert (reply.status, reply.body) == (200, b"ada")
    reply = await ask([basic(USERS)], pair("ada:swordfish").replace("Basic", "bASIC "))
    assert reply.status == 200
    reply = await ask([basic(passwords({"zoë": "a:ß"}))], pair("zoë:a:ß"))
    assert reply.body == "zoë".encode()


@pytest.mark.parametrize(
    "given",
    [
        pair("ada:herring"),
        pair("ada:"),
        pair("eve:swordfish"),
        pair("eve:"),
        pair("mallory:"),
        pair("ada"),
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + b64encode(b"\xff\xfe:x").decode(),
        "Basic " + "A" * 10_000,
        "swordfish",
        "Bearer swordfish",
    ],
)
async def test_what_does_not_hold_is_asked_again(given: str) -> None:
    """401 with the realm, for whatever is wrong; the password is not repeated."""
    reply = await ask([basic(USERS, realm="shop")], given)
    assert reply.status == 401
    assert reply.headers.get_all("www-authenticate") == ['Basic realm="shop", charset="UTF-8"']
    assert b"swordfish" not in reply.body


async def test_a_token() -> None:
    """With whose it is, or a whole principal."""
    assert (await ask([bearer(TOKENS)], "Bearer t-1")).body == b"ada"
    assert (await ask([bearer(TOKENS)], "bearer t-2")).body == b"bot"


@pytest.mark.parametrize("given", ["Bearer t-3", "Bearer é", "Bearer t-1, Bearer t-2", "Bearer  "])
async def test_a_token_that_does_not_hold(given: str) -> None:
    """RFC 6750 §3.1: the challenge says so; without a token it does not."""
    reply = await ask([bearer(TOKENS)], given)
    assert reply.status == 401
    said = reply.headers.get("www-authenticate")
    assert said == 'Bearer realm="service", error="invalid_token"'
    reply = await ask([bearer(TOKENS)])
    assert (reply.status, reply.headers.get("www-authenticate")) == (401, 'Bearer realm="service"')


async def test_two_fields_are_none() -> None:
    """A proxy may have looked at the other one."""
    reply = await ask([bearer(TOKENS)], "Bearer t-1", "Bearer t-2")
    assert reply.status == 401
    assert b"there are several fields of authorization" in reply.body


async def test_several_ways_to_prove_it() -> None:
    """Optional ones let calls without their credentials pass, never with wrong ones."""
    layers = [basic(USERS, optional=True), bearer(TOKENS, optional=True)]
    assert (await ask(layers, pair("ada:swordfish"))).body == b"ada"
    assert (await ask(layers, "Bearer t-2")).body == b"bot"
    assert (await ask(layers)).body == b"-"
    assert (await ask(layers, "Bearer t-3")).status == 401
    layers = [basic(USERS, optional=True), bearer(TOKENS)]
    assert (await ask(layers, pair("ada:swordfish"))).body == b"ada"
    assert (await ask(layers)).status == 401


@pytest.mark.real_loop
async def test_a_plain_function_runs_in_a_thread() -> None:
    """Hashing a password takes long on purpose."""
    threads = []

    def check(name: str, password: str) -> Checked:
        threads.append(threading.get_ident())
        return name if password == "swordfish" else None

    class Check:
        async def __call__(self, token: str) -> Checked:
            threads.append(threading.get_ident())
            return token

    with Scope("test", parent=None):
        call = Call("grpc", "m", Scope("call", metadata=_metadata(pair("ada:swordfish"))))
        await basic(check)(call, _name)
        call = Call("grpc", "m", Scope("call", metadata=_metadata("Bearer t")))
        await bearer(Check())(call, _name)
    assert threads[0] != threading.get_ident() == threads[1]


def _metadata(authorization: str) -> Metadata:
    return Metadata([("authorization", authorization)])


async def _name(call: Call) -> str:
    return principal_of(call).name


async def test_other_transports_prove_it_by_metadata() -> None:
    """Calls in process are the service's own."""
    layer = bearer(TOKENS)
    with Scope() as scope:
        scope.metadata = _metadata("Bearer t-1")
        assert await layer(Call("grpc", "m", scope), _name) == "ada"
        scope.metadata = _metadata("Bearer t-3")
        with pytest.raises(Unauthenticated):
            await layer(Call("grpc", "m", scope), _name)
        assert await layer(Call("local", "m", scope), _name) == "ada"


async def test_a_check_may_say_why() -> None:
    """What it raises is told, with the challenge."""

    async def check(token: str) -> Checked:
        raise Unauthenticated("the token was revoked")

    reply = await ask([bearer(check)], "Bearer t")
    assert (reply.status, b"was revoked" in reply.body) == (401, True)
    assert "invalid_token" in (reply.headers.get("www-authenticate") or "")


def test_openapi_learns_of_it() -> None:
    """The scheme, and that it is required; an optional one is not."""
    assert basic(USERS).security == ({"basic": ()},)
    assert bearer(TOKENS, optional=True).security == ()
    layer = bearer(TOKENS, format="opaque")
    assert layer.security_schemes == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "opaque"}
    }
    assert repr(bearer(TOKENS, optional=True)) == "<Authenticate bearer optional>"


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a\r\nb", "é"])
def test_a_realm_can_be_quoted(realm: str) -> None:
    """When it is made."""
    with pytest.raises(UsageError, match="realm"):
        basic(USERS, realm=realm)
