"""Who somebody is: the token of a session, in a cookie for browsers, as a bearer for programs."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from examples.im import api
from examples.im.api import Logic
from examples.im.gateway.guards import count
from examples.im.gateway.hub import Hub
from examples.im.gateway.session import SignedIn
from mainstay import Call
from mainstay.errors import Unauthenticated
from mainstay.http import Request, delete_cookie, set_cookie
from mainstay.http.middleware.rate_limit import peer_key

COOKIE: Final = "im_session"


def token_of(request: Request) -> str:
    """The token that a request carries; empty without one. A bearer goes before the cookie."""
    return _bearer(request.headers.get("authorization")) or request.cookies.get(COOKIE, "")


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def session_of(call: Call, logic: Logic, hub: Hub) -> api.Session:
    """The session by which a call of HTTP or gRPC is made: a resource for one call, which counts
    against the user's rate.

    Raises: Unauthenticated; see `guards.count`.
    """
    if isinstance(call.request, Request):
        token = token_of(call.request)
    else:
        token = _bearer(call.scope.metadata.get("authorization"))
    if not token:
        raise Unauthenticated("sign in first")
    session = await logic.who(api.Token(token))
    count(call, hub, session.account.id)
    return session


def coming_from(call: Call, credentials: api.Credentials) -> api.Credentials:
    """With the address that the call comes from, whatever the caller says of it."""
    return replace(credentials, source=peer_key(call) or "")


def signed_in_by(session: api.Session) -> SignedIn:
    """The same without its secret."""
    return SignedIn(api.session_id(session.token), session.account, session.expires_at)


def keep(session: api.Session, request: Request, now: float) -> None:
    """Let the browser keep the token until the session expires; `now` is in seconds since 1970."""
    set_cookie(
        request.reply_headers,
        COOKIE,
        session.token,
        max_age=max(0, int(session.expires_at / 1000 - now)),
        secure=request.scheme == "https",
    )


def forget(request: Request) -> None:
    """Let the browser forget it."""
    delete_cookie(request.reply_headers, COOKIE, secure=request.scheme == "https")
