"""Requests that another site's page made the browser send (cross-site request forgery).

Browsers say where a request comes from, in ``sec-fetch-site`` (all since 2023) and ``origin``. Both
are beyond a page's reach. A request that may change something is refused when they name another
site; without either it comes from no browser, which has no cookies that could be abused, or from
one that is too old. After Filippo Valsorda's analysis for Go's ``http.CrossOriginProtection``.

A token, for those who want a second line or have old browsers: a cookie that scripts of the own
site read and send back in a field, signed, so that a neighbouring host that sets cookies cannot
make one up (OWASP's signed double-submit cookie).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from typing import Final

from mainstay.core.call import Call, Middleware
from mainstay.core.scope import Key, Scope
from mainstay.errors import PermissionDenied, UsageError
from mainstay.http.call import HttpCall
from mainstay.http.cookies import set_cookie
from mainstay.http.middleware.base import HttpNext, SecretSource, http_only, secret_bytes, value_of
from mainstay.http.response import Response
from mainstay.http.websocket_options import is_own_origin

__all__ = ["CSRF_TOKEN", "csrf", "csrf_token_of"]

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_RANDOM: Final = 22  # characters of 16 random bytes
_SIGNED: Final = 64  # of a signature in hexadecimal
_MESSAGE: Final = "this request comes from a page of another site"

CSRF_TOKEN: Final = Key[str]("csrf_token")
"""Where the scope of a call has its token, if tokens are used."""


def csrf(
    *,
    trusted: Collection[str] = (),
    exempt: Collection[str] = (),
    keys: Sequence[str | bytes | SecretSource] = (),
    cookie: str = "csrf",
    header: str = "x-csrf-token",
) -> Middleware:
    """Refuse, with 403, what pages of other sites cause; GET, HEAD, OPTIONS and TRACE pass, which
    therefore must change nothing. WebSockets are checked like the methods that change something.

    Args:
        trusted: origins whose pages may, such as ``https://admin.example.org``.
        exempt: paths that are not checked, such as those of webhooks.
        keys: ask for a token as well, signed with the first of them; see `sessions`.
        cookie: of the token; over TLS its name gets the prefix ``__Host-``.
        header: the field that pages send it back in.

    Raises: UsageError for a short key, and for what is no origin.
    """
    for origin in trusted:
        if "://" not in origin or origin.endswith("/"):
            raise UsageError(f"csrf: {origin!r} is no origin, such as https://example.org")
    tokens = _Tokens([secret_bytes(key, "csrf") for key in keys], cookie, header)
    origins, paths = frozenset(trusted), frozenset(exempt)

    async def layer(call: HttpCall, next: HttpNext) -> Response:
        request = call.request
        changes = request.method not in _SAFE or call.transport == "websocket"
        if changes and request.path not in paths:
            _verify_origin(call, origins)
            if tokens.keys and call.transport != "websocket":
                tokens.verify(call)
        if tokens.keys:
            tokens.give(call)
        return await next(call)

    layer.__qualname__ = "csrf"
    return http_only(layer)


def csrf_token_of(where: Call | Scope | None = None) -> str:
    """The token of a call, or of the call that runs now, for pages to send back.

    Raises: UsageError when `csrf` with keys is not around the handler.
    """
    return value_of(CSRF_TOKEN, where, "there is no token here: add csrf(keys=…) to the middleware")


def _verify_origin(call: HttpCall, trusted: Collection[str]) -> None:
    headers = call.request.headers
    given = headers.get_all("origin")
    if len(given) > 1:
        raise PermissionDenied(_MESSAGE)
    origin = given[0] if given else None
    if origin in trusted:
        return
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise PermissionDenied(_MESSAGE)
    elif origin is not None and not is_own_origin(origin, call.request.host):
        raise PermissionDenied(_MESSAGE)


class _Tokens:
    """Random text and its signature."""

    def __init__(self, keys: Sequence[bytes], cookie: str, header: str) -> None:
        self.keys = keys
        self._cookie = cookie
        self._header = header

    def verify(self, call: HttpCall) -> None:
        request = call.request
        kept = request.cookies.get(self._name(call), "")
        sent = request.headers.get(self._header) or ""
        same = hmac.compare_digest(kept.encode(), sent.encode())
        if not (same and self._is_ours(kept)):
            raise PermissionDenied(
                f"the field {self._header} must repeat the cookie {self._cookie}"
            )

    def give(self, call: HttpCall) -> None:
        """Let the scope have the token, and the browser, if it has none."""
        request = call.request
        name = self._name(call)
        token = request.cookies.get(name, "")
        if not self._is_ours(token):
            text = secrets.token_urlsafe(16)
            token = text + self._sign(self.keys[0], text)
            secure = request.scheme == "https"
            # Scripts read it, so it is not HttpOnly; it is no secret from the site itself.
            headers = request.reply_headers
            set_cookie(headers, name, token, secure=secure, http_only=False, same_site="lax")
            headers.vary("cookie")
        call.scope.set(CSRF_TOKEN, token)

    def _name(self, call: HttpCall) -> str:
        return f"__Host-{self._cookie}" if call.request.scheme == "https" else self._cookie

    def _is_ours(self, token: str) -> bool:
        if len(token) != _RANDOM + _SIGNED or not token.isascii():
            return False
        text, given = token[:_RANDOM], token[_RANDOM:]
        return any(hmac.compare_digest(self._sign(key, text), given) for key in self.keys)

    def _sign(self, key: bytes, text: str) -> str:
        return hmac.digest(key, f"mainstay.csrf:{text}".encode(), hashlib.sha256).hex()
