"""Who calls, once they have proved it, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mainstay.core.call import Call, Handler
from mainstay.core.scope import Key, Scope
from mainstay.errors import PermissionDenied, Unauthenticated
from mainstay.http.middleware.base import add_challenge

__all__ = ["CHALLENGES", "PRINCIPAL", "Principal", "Require", "ask_who", "principal_of", "require"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has proved who they are.

    Attributes:
        name: of a user or a service.
        scopes: what they may do.
        claims: what else is known, such as the claims of a token; not in the repr.
    """

    name: str
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


PRINCIPAL: Final = Key[Principal]("principal")
"""Where the scope of a call has who calls."""


CHALLENGES: Final = Key[tuple[str, ...]]("challenges")
"""What optional authentications would have asked for, for whoever refuses the call."""


def principal_of(where: Call | Scope | None = None) -> Principal:
    """Who makes a call, or the call that runs now.

    Raises: Unauthenticated when nobody has proved it. ``scope.get(PRINCIPAL)`` gives None instead.
    """
    scope = Scope.current() if where is None else where if isinstance(where, Scope) else where.scope
    principal = scope.get(PRINCIPAL)
    if principal is None:
        raise Unauthenticated("say who you are")
    return principal


def ask_who(call: Call) -> Principal:
    """Who makes `call`; the reply to a peer that has not proved it says how it may.

    Raises: Unauthenticated.
    """
    principal = call.scope.get(PRINCIPAL)
    if principal is None:
        for challenge in call.scope.get(CHALLENGES) or ("Bearer",):
            add_challenge(call, challenge)
        raise Unauthenticated("say who you are")
    return principal


class Require:
    """A middleware that lets in who has all of some scopes; see `require`.

    Attributes:
        security: for OpenAPI.
        security_scopes: for OpenAPI, those of the scheme that a middleware outside of this one
            asks for; none if `security` names a scheme.
    """

    def __init__(self, scopes: Sequence[str], scheme: str | None) -> None:
        self.security_scopes = tuple(scopes) if scheme is None else ()
        self._scopes = frozenset(scopes)
        self._challenge = f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"'
        self.security: tuple[Mapping[str, Sequence[str]], ...] = ()
        if scheme is not None:
            self.security = ({scheme: tuple(scopes)},)

    async def __call__(self, call: Call, next: Handler) -> Any:
        """The middleware."""
        if call.transport == "local":
            return await next(call)
        principal = ask_who(call)
        missing = self._scopes - principal.scopes
        if missing:
            add_challenge(call, self._challenge)
            raise PermissionDenied(f"this takes the scope {' and '.join(sorted(missing))}")
        return await next(call)

    def __repr__(self) -> str:
        return f"require({', '.join(map(repr, sorted(self._scopes)))})"


def require(*scopes: str, scheme: str | None = None) -> Require:
    """Let in who has all of `scopes`: 401 for nobody, 403 for who lacks one; without scopes,
    whoever has proved who they are. For routes and groups, inside of an authentication.

    Calls in process pass: whoever makes them is part of the service.

    Args:
        scopes: such as ``orders:write``.
        scheme: the security scheme that OpenAPI shows them with, such as ``bearer``; that of the
            authentication it stands in unless given.
    """
    return Require(scopes, scheme)
