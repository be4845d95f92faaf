"""JSON Web Tokens as bearer tokens (RFC 7519, and the advice of RFC 8725).

Signatures are PyJWT's business; what a signature is worth is decided here:

1. Algorithms are named by the service, never by the token (RFC 8725 §3.1), and symmetric ones do
   not mix with the others: a public key, which everybody has, is no secret to sign with.
2. A token expires, unless the service says that it need not.
3. Issuer and audience are compared when they are given; a token with an audience is refused by a
   service that has none, since it was made for somebody else.
4. Time is that of the service's effects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final, TypeAlias

from mainstay.core.call import Call
from mainstay.errors import Unauthenticated, UsageError
from mainstay.http.middleware.auth import Authenticate, Checked
from mainstay.http.middleware.base import SecretSource, secret_bytes
from mainstay.http.middleware.principal import Principal

__all__ = ["JwtKeys", "jwt"]

JwtKeys: TypeAlias = "str | bytes | SecretSource | Mapping[str, Any]"
"""One key (a secret, or a public key in PEM), keys by their id, or a JWK Set (RFC 7517 §5)."""

_HMAC: Final = frozenset({"HS256", "HS384", "HS512"})
_SIGNATURES: Final = frozenset(
    f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512)
) | {"EdDSA", "ES256K"}
_SECRET: Final = 32
"""Bytes of a secret: as many as HS256 makes (RFC 7518 §3.2)."""


def jwt(
    keys: JwtKeys,
    *,
    algorithms: Sequence[str],
    issuer: str | Sequence[str] | None = None,
    audience: str | Sequence[str] | None = None,
    leeway: float = 30.0,
    expires: bool = True,
    name_claim: str = "sub",
    scope_claim: str = "scope",
    realm: str = "service",
    optional: bool = False,
) -> Authenticate:
    """Ask for a JSON Web Token; needs the extra ``jwt``.

    Args:
        keys: see `JwtKeys`. Of several, the token names one by its ``kid``.
        algorithms: such as ``["RS256"]``; of one kind.
        issuer: what ``iss`` must be, or one of what it may be.
        audience: what ``aud`` must contain, one of several.
        leeway: seconds that clocks may differ.
        expires: whether a token without ``exp`` is refused.
        name_claim: the principal's name.
        scope_claim: its scopes: a text with spaces (RFC 8693 §4.2), or a list.
        realm: see `Authenticate`.
        optional: see `Authenticate`.

    Raises: UsageError for algorithms that are unknown or do not go together, for keys that cannot
        be used, and without PyJWT.
    """
    _check_algorithms(algorithms)
    if not 0 <= leeway < math.inf:
        raise UsageError(f"jwt: a leeway is 0 seconds or more, not {leeway}")
    ring = _Ring(keys, algorithms)
    audiences = [audience] if isinstance(audience, str) else audience
    issuers = [issuer] if isinstance(issuer, str) else issuer
    tokens = _Tokens(ring, algorithms, issuers, audiences)

    async def check(call: Call, token: str) -> Checked:
        claims = tokens.verify(token)
        _check_time(claims, call.scope.effects.clock.time(), leeway, expires=expires)
        name = claims.get(name_claim)
        if not isinstance(name, str) or not name:
            raise Unauthenticated("the token does not say whose it is")
        return Principal(name, _scopes(claims.get(scope_claim)), claims)

    described = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    return Authenticate("bearer", check, realm=realm, optional=optional, described=described)


def _pyjwt() -> Any:
    """The library, an optional package whose module is called as this one."""
    try:
        return import_module("jwt")
    except ModuleNotFoundError as error:
        if error.name != "jwt":
            raise
        raise UsageError("jwt needs PyJWT: pip install 'mainstay[jwt]'") from None


def _check_algorithms(algorithms: Sequence[str]) -> None:
    if isinstance(algorithms, str) or not algorithms:
        raise UsageError("jwt: algorithms is a list of at least one, such as ['RS256']")
    for name in algorithms:
        if name not in _HMAC | _SIGNATURES:
            raise UsageError(f"jwt: {name!r} is no algorithm that can be trusted")
    if not (_HMAC.issuperset(algorithms) or _SIGNATURES.issuperset(algorithms)):
        raise UsageError(
            "jwt: HS… does not go together with others: whoever has the public key could sign"
        )


class _Ring:
    """Keys by their id; None for the only one."""

    def __init__(self, keys: JwtKeys, algorithms: Sequence[str]) -> None:
        self._symmetric = _HMAC.issuperset(algorithms)
        self._keys: dict[str | None, Any] = {}
        if not isinstance(keys, Mapping):
            self._keys[None] = self._made(keys, algorithms[0])
            return
        if isinstance(keys.get("keys"), Sequence) and not isinstance(keys["keys"], str | bytes):
            self._take_set(keys["keys"], algorithms)
        else:
            for name, key in keys.items():
                self._keys[name] = self._made(key, algorithms[0])
        if not self._keys:
            raise UsageError("jwt: there is no key that these algorithms can use")

    def find(self, name: str | None) -> Any:
        """The key of that id; the only one goes by any name."""
        if None in self._keys:
            return self._keys[None]
        if name is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(name)

    def _made(self, key: Any, algorithm: str) -> Any:
        pyjwt = _pyjwt()
        secret = secret_bytes(key, "jwt", _SECRET)
        try:
            return pyjwt.get_algorithm_by_name(algorithm).prepare_key(secret)
        except Exception as error:
            raise UsageError(f"jwt: the key cannot be used for {algorithm}: {error}") from None

    def _take_set(self, listed: Sequence[Mapping[str, Any]], algorithms: Sequence[str]) -> None:
        pyjwt = _pyjwt()
        for each in listed:
            symmetric = each.get("kty") == "oct"
            if each.get("use", "sig") != "sig" or symmetric is not self._symmetric:
                continue
            if each.get("alg") is not None and each["alg"] not in algorithms:
                continue
            try:
                made = pyjwt.PyJWK(dict(each), each.get("alg") or _algorithm_for(each, algorithms))
            except Exception as error:
                raise UsageError(f"jwt: a key of the set cannot be used: {error}") from None
            self._keys[each.get("kid")] = made.key


def _algorithm_for(key: Mapping[str, Any], algorithms: Sequence[str]) -> str | None:
    """One of the algorithms that goes with a key that names none."""
    kinds = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("Ed",), "oct": ("HS",)}
    starts = kinds.get(str(key.get("kty")), ())
    return next((name for name in algorithms if name.startswith(starts)), None)


class _Tokens:
    """Verifies signatures, issuers and audiences."""

    def __init__(
        self,
        ring: _Ring,
        algorithms: Sequence[str],
        issuers: Sequence[str] | None,
        audiences: Sequence[str] | None,
    ) -> None:
        pyjwt = _pyjwt()
        # Time is checked by us, against the clock of the effects.
        self._core = pyjwt.PyJWS()
        self._whole = pyjwt.PyJWT()
        self._error = pyjwt.PyJWTError
        self._ring = ring
        self._algorithms = list(algorithms)
        self._issuers = None if issuers is None else frozenset(issuers)
        self._audiences = audiences

    def verify(self, token: str) -> dict[str, Any]:
        """The claims. Raises: Unauthenticated."""
        try:
            name = self._core.get_unverified_header(token).get("kid")
            key = self._ring.find(name)
            if key is None:
                raise Unauthenticated("the token is signed with a key that is not known here")
            options: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat"), False)
            claims = self._whole.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._audiences,
                options=options,
            )
        except self._error as error:
            raise Unauthenticated(_why(error)) from None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise Unauthenticated("the token cannot be read") from None
        if self._issuers is not None:
            issuer = claims.get("iss")
            if not isinstance(issuer, str) or issuer not in self._issuers:
                raise Unauthenticated("the token is of another issuer")
        return dict(claims)


def _why(error: Exception) -> str:
    """What is wrong with a token, in words of ours: those of the library may quote it."""
    pyjwt = _pyjwt()
    # The more special ones first.
    for kind, words in (
        (pyjwt.InvalidSignatureError, "the token's signature does not fit"),
        (pyjwt.InvalidAlgorithmError, "the token is signed with an algorithm that counts not here"),
        (pyjwt.DecodeError, "the token cannot be read"),
        (pyjwt.InvalidAudienceError, "the token is for another audience"),
        (pyjwt.MissingRequiredClaimError, "the token lacks a claim that is needed here"),
    ):
        if isinstance(error, kind):
            return words
    return "the token does not hold"


def _check_time(claims: Mapping[str, Any], now: float, leeway: float, *, expires: bool) -> None:
    until, since = _time(claims, "exp"), _time(claims, "nbf")
    if until is None and expires:
        raise Unauthenticated("the token does not say when it expires")
    if until is not None and now >= until + leeway:
        raise Unauthenticated("the token has expired")
    if since is not None and now < since - leeway:
        raise Unauthenticated("the token does not hold yet")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 §2)."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unauthenticated(f"the token's {name} is no time")
    return float(value)


def _scopes(value: Any) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list):
        return frozenset(each for each in value if isinstance(each, str))
    return frozenset()
