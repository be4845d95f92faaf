"""Facts about JSON Web Tokens; the attacks are those of RFC 8725."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
from base64 import urlsafe_b64encode
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mainstay.config.secret import Secret
from mainstay.core.scope import Scope
from mainstay.errors import UsageError
from mainstay.http.middleware.jwt import jwt
from mainstay.http.middleware.principal import principal_of
from mainstay.http.response import Response
from mainstay.testing.exchange import Reply
from tests.http.middleware.desk import Desk

SECRET = "0123456789abcdef0123456789abcdef"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = RSA.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


async def who(call: Any) -> Response:
    """Says who calls, and with which scopes."""
    principal = principal_of()
    return Response(f"{principal.name} {' '.join(sorted(principal.scopes))}")


async def ask(layer: Any, token: str) -> Reply:
    desk = Desk([layer], {"GET /": who})
    return await desk.ask(fields=[("authorization", f"Bearer {token}")])


def now() -> float:
    return Scope.current().effects.clock.time()


def claims(**more: Any) -> dict[str, Any]:
    made = {"sub": "ada", "exp": now() + 60, "scope": "read write", **more}
    return {name: value for name, value in made.items() if value is not None}


def signed(key: Any = SECRET, algorithm: str = "HS256", **more: Any) -> str:
    headers = more.pop("headers", None)
    return pyjwt.encode(claims(**more), key, algorithm, headers=headers)


def raw(header: dict[str, Any], payload: dict[str, Any], key: bytes | None = None) -> str:
    """A token that no library would make."""

    def part(value: dict[str, Any]) -> bytes:
        return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    text = part(header) + b"." + part(payload)
    signature = b"" if key is None else hmac.digest(key, text, hashlib.sha256)
    return (text + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()


async def test_a_token_names_its_principal() -> None:
    """With its scopes, as a text or as a list."""
    layer = jwt(SECRET, algorithms=["HS256"])
    assert (await ask(layer, signed())).body == b"ada read write"
    assert (await ask(layer, signed(scope=["b", "a", 7]))).body == b"ada a b"
    assert (await ask(layer, signed(scope=None))).body == b"ada "
    layer = jwt(Secret(SECRET), algorithms=["HS256"], name_claim="email", scope_claim="roles")
    assert (await ask(layer, signed(email="a@b", roles=["x"]))).body == b"a@b x"


async def test_a_public_key_verifies() -> None:
    """That of the service, and no other."""
    layer = jwt(PUBLIC, algorithms=["RS256"])
    assert (await ask(layer, signed(RSA, "RS256"))).status == 200
    assert (await ask(layer, signed(OTHER, "RS256"))).status == 401
    assert (await ask(layer, signed(RSA, "RS512"))).status == 401


async def test_an_unsigned_token_does_not_hold() -> None:
    """In none of its spellings."""
    for layer in (jwt(SECRET, algorithms=["HS256"]), jwt(PUBLIC, algorithms=["RS256"])):
        for name in ("none", "None", "NONE", "nOnE", "", None, 7, ["HS256"]):
            reply = await ask(layer, raw({"alg": name, "typ": "JWT"}, claims()))
            assert reply.status == 401
        assert (await ask(layer, raw({}, claims()))).status == 401


async def test_a_public_key_is_no_secret_to_sign_with() -> None:
    """The confusion of algorithms: HS256 over the PEM, which everybody has."""
    token = raw({"alg": "HS256", "typ": "JWT"}, claims(), PUBLIC)
    assert (await ask(jwt(PUBLIC, algorithms=["RS256"]), token)).status == 401
    with pytest.raises(UsageError, match="does not go together"):
        jwt(PUBLIC, algorithms=["RS256", "HS256"])
    with pytest.raises(UsageError, match="cannot be used for HS256"):
        jwt(PUBLIC, algorithms=["HS256"])


async def test_a_key_in_the_token_is_not_believed() -> None:
    """``jwk``, ``jku`` and ``x5u`` are the attacker's words."""
    own = json.loads(pyjwt.algorithms.RSAAlgorithm.to_jwk(OTHER.public_key()))
    for headers in ({"jwk": own}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://e.x"}):
        token = signed(OTHER, "RS256", headers=headers)
        assert (await ask(jwt(PUBLIC, algorithms=["RS256"]), token)).status == 401


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "a.b", "é.é.é", "a" * 9000, "e30.e30.", "e30.W10.e30", "[]"],
)
async def test_what_is_no_token_is_refused(token: str) -> None:
    """With 401 and never 500."""
    reply = await ask(jwt(SECRET, algorithms=["HS256"]), token)
    assert reply.status == 401
    assert "invalid_token" in (reply.headers.get("www-authenticate") or "")


async def test_a_changed_token_does_not_hold() -> None:
    """Its claims are under the signature; and what is told does not quote them."""
    head, _, signature = signed().split(".")
    forged = raw({}, claims(sub="root")).split(".")[1]
    reply = await ask(jwt(SECRET, algorithms=["HS256"]), f"{head}.{forged}.{signature}")
    assert reply.status == 401
    assert b"root" not in reply.body


async def test_what_is_told_is_in_words() -> None:
    """Not the name of an exception; enough to mend an honest client."""
    layer = jwt(SECRET, algorithms=["HS256"], audience="shop")
    head, body, _ = signed(aud="shop").split(".")
    told = {
        f"{head}.{body}.AAAA": "the token's signature does not fit",
        raw({"alg": "HS512"}, claims(aud="shop"), SECRET.encode()): "algorithm",
        "e30.e30": "the token cannot be read",
        signed(aud="bank"): "the token is for another audience",
        signed(): "the token lacks a claim",
    }
    for token, words in told.items():
        reply = await ask(layer, token)
        assert reply.status == 401
        assert words in json.loads(reply.body)["detail"]
        assert b"Error" not in reply.body


async def test_a_token_has_its_time() -> None:
    """By the clock of the service, with some leeway for others' clocks."""
    layer = jwt(SECRET, algorithms=["HS256"], leeway=5)
    token = signed(exp=now() + 60)
    assert (await ask(layer, token)).status == 200
    await asyncio.sleep(64)
    assert (await ask(layer, token)).status == 200
    await asyncio.sleep(2)
    reply = await ask(layer, token)
    assert (reply.status, b"has expired" in reply.body) == (401, True)
    early = signed(nbf=now() + 10)
    assert b"does not hold yet" in (await ask(layer, early)).body
    await asyncio.sleep(6)
    assert (await ask(layer, early)).status == 200


@pytest.mark.parametrize("when", [None, "tomorrow", True, "1e999", [], {}])
async def test_a_token_says_when_it_ends(when: Any) -> None:
    """In seconds; a service may do without, but not with nonsense."""
    token = raw({"alg": "HS256"}, claims(exp=when), SECRET.encode())
    assert (await ask(jwt(SECRET, algorithms=["HS256"]), token)).status == 401
    reply = await ask(jwt(SECRET, algorithms=["HS256"], expires=False), token)
    assert reply.status == (200 if when is None else 401)


async def test_a_token_without_a_number_for_its_time() -> None:
    """JSON as Python reads it has infinity."""
    for when in (float("inf"), float("nan")):
        token = raw({"alg": "HS256"}, claims(exp=when), SECRET.encode())
        assert (await ask(jwt(SECRET, algorithms=["HS256"]), token)).status == 401


async def test_issuer_and_audience_are_compared() -> None:
    """A token that was made for somebody else does not hold here."""
    layer = jwt(SECRET, algorithms=["HS256"], issuer="https://id", audience=["shop", "cart"])
    good: dict[str, Any] = {"iss": "https://id", "aud": ["cart", "x"]}
    assert (await ask(layer, signed(**good))).status == 200
    for change in ({"iss": "https://evil"}, {"iss": None}, {"iss": ["https://id"]}):
        token = raw({"alg": "HS256"}, claims(**{**good, **change}), SECRET.encode())
        assert (await ask(layer, token)).status == 401
    audiences: tuple[Any, ...] = ("bank", None, [], 7)
    for aud in audiences:
        token = raw({"alg": "HS256"}, claims(**{**good, "aud": aud}), SECRET.encode())
        assert (await ask(layer, token)).status == 401
    assert (await ask(jwt(SECRET, algorithms=["HS256"]), signed(aud="bank"))).status == 401


async def test_a_token_says_whose_it_is() -> None:
    """By a text with something in it."""
    for sub in (None, "", 7, ["ada"]):
        token = raw({"alg": "HS256"}, claims(sub=sub), SECRET.encode())
        assert (await ask(jwt(SECRET, algorithms=["HS256"]), token)).status == 401


async def test_keys_have_ids() -> None:
    """Of those the token names one; one that is not there is no other."""
    layer = jwt({"a": SECRET, "b": SECRET[::-1]}, algorithms=["HS256"])
    assert (await ask(layer, signed(headers={"kid": "a"}))).status == 200
    assert (await ask(layer, signed(SECRET[::-1], headers={"kid": "b"}))).status == 200
    for headers in ({"kid": "b"}, {"kid": "../../dev/null"}, {"kid": "' or 1=1"}, None):
        assert (await ask(layer, signed(headers=headers))).status == 401
    for kid in (["a"], {"a": 1}, 7):
        token = raw({"alg": "HS256", "kid": kid}, claims(), SECRET.encode())
        assert (await ask(layer, token)).status == 401


async def test_a_set_of_keys() -> None:
    """As an issuer publishes it: those that do not fit are left out."""
    elliptic = ec.generate_private_key(ec.SECP256R1())
    listed = {
        "keys": [
            {**_jwk(RSA), "kid": "rsa", "use": "sig", "alg": "RS256"},
            {**_jwk(OTHER), "kid": "enc", "use": "enc"},
            {**_jwk(elliptic), "kid": "ec"},
            {"kty": "oct", "kid": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"},
        ]
    }
    layer = jwt(listed, algorithms=["RS256", "ES256"])
    assert (await ask(layer, signed(RSA, "RS256", headers={"kid": "rsa"}))).status == 200
    assert (await ask(layer, signed(elliptic, "ES256", headers={"kid": "ec"}))).status == 200
    assert (await ask(layer, signed(OTHER, "RS256", headers={"kid": "enc"}))).status == 401
    assert (await ask(layer, signed(elliptic, "ES256", headers={"kid": "rsa"}))).status == 401
    assert (await ask(layer, signed(headers={"kid": "oct"}))).status == 401


def _jwk(key: Any) -> dict[str, Any]:
    algorithm: Any = pyjwt.algorithms.RSAAlgorithm
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = pyjwt.algorithms.ECAlgorithm
    found: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))
    found.pop("key_ops", None)
    return found


@pytest.mark.parametrize(
    ("keys", "algorithms", "why"),
    [
        (SECRET, ["none"], "no algorithm"),
        (SECRET, [], "at least one"),
        (SECRET, "HS256", "list"),
        ("short", ["HS256"], "at least 32"),
        ("no key at all, but it is long enough", ["RS256"], "cannot be used"),
        ({"keys": []}, ["RS256"], "no key"),
        ({"keys": [{"kty": "RSA", "n": "AQ"}]}, ["RS256"], "cannot be used"),
        ({}, ["HS256"], "no key"),
    ],
)
def test_what_could_never_work_is_refused(keys: Any, algorithms: Any, why: str) -> None:
    """When it is made, and without showing the key."""
    with pytest.raises(UsageError, match=why) as caught:
        jwt(keys, algorithms=algorithms)
    assert SECRET not in str(caught.value)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module is called as other packages are, which would be the wrong ones to install."""
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(UsageError, match=r"needs PyJWT: pip install 'mainstay\[jwt\]'"):
        jwt(SECRET, algorithms=["HS256"])


def test_openapi_learns_the_format() -> None:
    """It is a bearer token."""
    layer = jwt(SECRET, algorithms=["HS256"])
    assert layer.security_schemes["bearer"]["bearerFormat"] == "JWT"
    assert SECRET not in repr(layer)
    with pytest.raises(UsageError, match="leeway"):
        jwt(SECRET, algorithms=["HS256"], leeway=-1)
