"""What the middleware of this room has in common.

`http_only` makes a middleware for every transport of a function that knows HTTP only: other calls
pass by. WebSockets are HTTP calls, with ``call.transport == "websocket"``; what a middleware
answers before they were accepted goes out as a plain reply, and afterwards the response is one
that says 101 and has no body.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, Protocol, TypeAlias, TypeVar, runtime_checkable

from mainstay.core.call import Call, Handler, Middleware
from mainstay.core.metadata import Peer
from mainstay.core.scope import Key, Scope
from mainstay.errors import UsageError
from mainstay.http.call import HttpCall
from mainstay.http.response import Response

__all__ = [
    "HttpLayer",
    "HttpNext",
    "SecretSource",
    "add_challenge",
    "http_only",
    "ip_of",
    "listed",
    "secret_bytes",
    "value_of",
]

T = TypeVar("T")

_CHALLENGE: Final = "www-authenticate"

HttpNext: TypeAlias = Callable[[HttpCall], Awaitable[Response]]
"""The next handler, as HTTP middleware sees it."""

HttpLayer: TypeAlias = Callable[[HttpCall, HttpNext], Awaitable[Response]]
"""A middleware that knows HTTP only."""


class SecretSource(Protocol):
    """What gives a text when it is asked for, such as `mainstay.Secret`."""

    def reveal(self) -> str:
        """The text."""


def http_only(layer: HttpLayer) -> Middleware:
    """The middleware that is `layer` for HTTP calls, and nothing for others."""

    def middleware(call: Call, next: Handler) -> Awaitable[Any]:
        if isinstance(call, HttpCall):
            return layer(call, next)
        return next(call)

    middleware.__name__ = middleware.__qualname__ = layer.__qualname__.partition(".")[0]
    middleware.__doc__ = layer.__doc__
    return middleware


def value_of(key: Key[T], where: Call | Scope | None, missing: str) -> T:
    """The value of `key` in the scope of a call, in a scope, or in the current one.

    Raises: UsageError, saying `missing`, when there is none.
    """
    scope = Scope.current() if where is None else where if isinstance(where, Scope) else where.scope
    value = scope.get(key)
    if value is None:
        raise UsageError(missing)
    return value


def listed(values: list[str]) -> list[str]:
    """The members of a comma-separated field that may come several times; empty ones dropped."""
    return [member for value in values for each in value.split(",") if (member := each.strip())]


def ip_of(peer: Peer | None) -> str:
    """The IP address of a peer without its port, in its usual spelling; empty if it has none."""
    if peer is None:
        return ""
    host = peer.address
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


def secret_bytes(secret: str | bytes | SecretSource, what: str, least: int = 16) -> bytes:
    """The bytes of a key.

    Args:
        secret: text is taken as UTF-8.
        what: for the message.
        least: bytes that it must have.

    Raises: UsageError for a short one; the message does not contain it.
    """
    if not isinstance(secret, str | bytes):
        secret = secret.reveal()
    key = secret.encode() if isinstance(secret, str) else secret
    if len(key) < least:
        raise UsageError(f"{what}: a key has at least {least} bytes, not {len(key)}")
    return key


@runtime_checkable
class _Replying(Protocol):
    """A call of RPC, as far as it matters here; its room and this one do not know each other."""

    @property
    def initial_metadata(self) -> list[tuple[str, str | bytes]]:
        """What is sent before the reply: over HTTP, fields of its head."""


def add_challenge(call: Call, challenge: str) -> None:
    """Name one more way to authenticate in the ``www-authenticate`` of the reply, if what the call
    came by has such fields: HTTP, and every protocol of RPC."""
    if isinstance(call, HttpCall):
        headers = call.request.reply_headers
        before = headers.get(_CHALLENGE)
        if before is None:
            headers.set(_CHALLENGE, challenge)
        elif challenge not in before:
            headers.set(_CHALLENGE, f"{before}, {challenge}")
    elif isinstance(call, _Replying):
        metadata = call.initial_metadata
        if (_CHALLENGE, challenge) not in metadata:
            metadata.append((_CHALLENGE, challenge))
