"""Basic and bearer authentication (RFC 7617, RFC 6750): who calls, checked by a function of yours.

`Authenticate` is the frame of all of them: it takes the ``authorization`` of the call apart, asks,
and leaves a `Principal` in the call's scope. It works for every transport whose metadata has such a
field; calls in process pass, since whoever makes them is part of the service. WebSockets are
refused before they are accepted.
"""

from __future__ import annotations

import hmac
import inspect
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from mainstay.core.call import Call, Handler
from mainstay.core.threads import to_thread
from mainstay.errors import Unauthenticated, UsageError
from mainstay.http.call import HttpCall
from mainstay.http.middleware.base import add_challenge
from mainstay.http.middleware.principal import CHALLENGES, PRINCIPAL, Principal

__all__ = ["Authenticate", "Checked", "basic", "bearer", "passwords", "tokens"]

Checked: TypeAlias = Principal | str | None
"""Who it is: a principal, the name of one without scopes, or None for credentials that do not
hold."""

_LONGEST: Final = 8192
"""Bytes of credentials that are looked at."""

_NOT_HELD: Final = "these credentials do not hold"


class Authenticate:
    """A middleware that asks who calls.

    Args:
        scheme: ``basic`` or ``bearer``: of the field, and of OpenAPI.
        check: of the credentials, as they stand behind the scheme.
        realm: what they are for, which browsers show.
        optional: whether calls without credentials pass, and nobody is known.
        described: the security scheme for OpenAPI.

    Attributes:
        security, security_schemes: for OpenAPI.

    Raises: UsageError for a realm that cannot be quoted.
    """

    def __init__(
        self,
        scheme: str,
        check: Callable[[Call, str], Awaitable[Checked]],
        *,
        realm: str,
        optional: bool,
        described: Mapping[str, Any],
    ) -> None:
        if not realm.isprintable() or not realm.isascii() or '"' in realm or "\\" in realm:
            raise UsageError(f"the realm {realm!r} has characters that a header cannot quote")
        self._scheme = scheme
        self._check = check
        self._optional = optional
        self._challenge = f'{scheme.title()} realm="{realm}"'
        if scheme == "basic":
            self._challenge += ', charset="UTF-8"'
        self.security: tuple[Mapping[str, Sequence[str]], ...] = () if optional else ({scheme: ()},)
        self.security_schemes = {scheme: dict(described)}

    async def __call__(self, call: Call, next: Handler) -> Any:
        """The middleware."""
        if call.transport == "local":
            return await next(call)
        given = _authorizations(call)
        # Two of them: proxies and we might each believe another one.
        scheme, _, credentials = (given[0] if len(given) == 1 else "").partition(" ")
        if scheme.lower() != self._scheme:
            # Without credentials, or with those of another scheme, which has its own middleware.
            known = call.scope.get(PRINCIPAL) is not None
            if self._optional and not known:
                asked = call.scope.get(CHALLENGES) or ()
                call.scope.set(CHALLENGES, (*asked, self._challenge))
            if self._optional or known:
                return await next(call)
            said = "say who you are"
            if len(given) > 1:
                said += " once: there are several fields of authorization"
            raise self._refused(call, said, "")
        credentials = credentials.strip(" ")
        if not 0 < len(credentials) <= _LONGEST:
            raise self._refused(call, _NOT_HELD, "invalid_token")
        try:
            found = await self._check(call, credentials)
        except Unauthenticated as error:
            raise self._refused(call, error.message, "invalid_token") from None
        if found is None:
            raise self._refused(call, _NOT_HELD, "invalid_token")
        call.scope.set(PRINCIPAL, Principal(found) if isinstance(found, str) else found)
        return await next(call)

    def _refused(self, call: Call, message: str, code: str) -> Unauthenticated:
        told = code and self._scheme == "bearer"
        add_challenge(call, f'{self._challenge}, error="{code}"' if told else self._challenge)
        return Unauthenticated(message)

    def __repr__(self) -> str:
        return f"<Authenticate {self._scheme}{' optional' if self._optional else ''}>"


def _authorizations(call: Call) -> Sequence[str]:
    if isinstance(call, HttpCall):
        return call.request.headers.get_all("authorization")
    return call.scope.metadata.get_all("authorization")


def basic(
    check: Callable[[str, str], Checked | Awaitable[Checked]],
    *,
    realm: str = "service",
    optional: bool = False,
) -> Authenticate:
    """Ask for a name and a password, over TLS only, as they travel in the clear.

    Args:
        check: gets both. A ``def`` runs in a thread, as hashing passwords takes long on purpose;
            `passwords` makes one of a table.
        realm: what they are for; printable ASCII.
        optional: see `Authenticate`.
    """
    ask = _asked(check)

    async def decoded(call: Call, credentials: str) -> Checked:
        try:
            text = b64decode(credentials, validate=True).decode()
        except (Base64Error, ValueError):
            return None
        name, colon, password = text.partition(":")
        return await ask(name, password) if colon else None

    described = {"type": "http", "scheme": "basic"}
    return Authenticate("basic", decoded, realm=realm, optional=optional, described=described)


def bearer(
    check: Callable[[str], Checked | Awaitable[Checked]],
    *,
    realm: str = "service",
    optional: bool = False,
    format: str | None = None,
) -> Authenticate:
    """Ask for a token.

    Args:
        check: gets it. A ``def`` runs in a thread; `tokens` makes one of a table.
        realm: what it is for; printable ASCII.
        optional: see `Authenticate`.
        format: a hint in OpenAPI, such as ``JWT``.
    """
    ask = _asked(check)

    async def asked(call: Call, credentials: str) -> Checked:
        return await ask(credentials)

    described = {"type": "http", "scheme": "bearer"}
    if format is not None:
        described["bearerFormat"] = format
    return Authenticate("bearer", asked, realm=realm, optional=optional, described=described)


def passwords(table: Mapping[str, str]) -> Callable[[str, str], Awaitable[Checked]]:
    """A check for `basic` of passwords by name, for a few users in a configuration.

    It takes the same time whether the name or the password is wrong.
    """
    known = {name: password.encode() for name, password in table.items()}

    async def check(name: str, password: str) -> Checked:
        right = known.get(name)
        same = hmac.compare_digest(password.encode(), b"" if right is None else right)
        return name if same and right else None

    return check


def tokens(table: Mapping[str, Principal | str]) -> Callable[[str], Awaitable[Checked]]:
    """A check for `bearer` of a few tokens in a configuration, each with whose it is.

    All are compared, each in constant time.
    """
    known = [(token.encode(), whose) for token, whose in table.items() if token]

    async def check(token: str) -> Checked:
        given = token.encode()
        found: Checked = None
        for right, whose in known:
            if hmac.compare_digest(given, right):
                found = whose
        return found

    return check


def _asked(check: Callable[..., Any]) -> Callable[..., Awaitable[Checked]]:
    called = check if inspect.isroutine(check) else getattr(type(check), "__call__", check)  # noqa: B004
    if inspect.iscoroutinefunction(called):
        return check

    async def in_thread(*args: str) -> Checked:
        found: Any = await to_thread(check, *args)
        checked: Checked = await found if inspect.isawaitable(found) else found
        return checked

    return in_thread
