"""A service below a prefix: a proxy sends it ``/shop/orders``, and its routes say ``/orders``.

No middleware alone, since it acts before routing: `HttpApplication` wraps its router in `stripping`
and its handlers in `strip_prefix`, when it has a prefix, and costs nothing when it has none. Paths
without the prefix are matched as they are: proxies that strip it themselves, and probes that come
around the proxy, work as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar

from mainstay.core.call import Middleware
from mainstay.errors import UsageError
from mainstay.http.call import HttpCall
from mainstay.http.middleware.base import HttpNext, http_only
from mainstay.http.response import Response
from mainstay.http.router import Miss

__all__ = ["check_prefix", "strip_prefix", "stripping"]

T = TypeVar("T")

_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")


def check_prefix(prefix: str) -> str:
    """The prefix, which begins with a slash, ends without, and is written without escapes.

    Raises: UsageError for another.
    """
    if not prefix.startswith("/") or prefix.endswith("/") or "//" in prefix:
        raise UsageError(f"a prefix begins with a slash and ends without: {prefix!r}")
    if not _PLAIN.issuperset(prefix):
        raise UsageError(f"a prefix has letters, digits, slashes and -._~ only: {prefix!r}")
    return prefix


def stripping(match: Callable[[str, str, str], T], prefix: str) -> Callable[[str, str, str], T]:
    """`match` of a router, for paths with the prefix and without; redirects keep it."""

    def matching(method: str, path: str, host: str) -> T:
        short = _without(path, prefix)
        if short is None:
            return match(method, path, host)
        found: Any = match(method, short, host)
        if isinstance(found, Miss) and found.redirect is not None:
            found = replace(found, redirect=prefix + found.redirect)
        return found  # type: ignore[no-any-return]

    return matching


def strip_prefix(prefix: str) -> Middleware:
    """Let ``request.path`` be without the prefix, and ``request.root`` be the prefix, with which
    links that the service makes have to begin.

    Set `HttpSettings.prefix` rather than listing it: the router has to know, too.

    Raises: UsageError; see `check_prefix`.
    """
    check_prefix(prefix)
    raw = prefix.encode()

    async def layer(call: HttpCall, next: HttpNext) -> Response:
        target = call.exchange.target
        if target.startswith(raw) and target[len(raw) : len(raw) + 1] in (b"", b"/", b"?"):
            request = call.request
            request.root = prefix
            request.path = request.path[len(prefix) :] or "/"
        return await next(call)

    layer.__qualname__ = "strip_prefix"
    return http_only(layer)


def _without(path: str, prefix: str) -> str | None:
    if not path.startswith(prefix):
        return None
    rest = path[len(prefix) :]
    if not rest:
        return "/"
    return rest if rest[0] == "/" else None
