"""Cross-origin resource sharing (https://fetch.spec.whatwg.org/#http-cors-protocol).

A browser lets a page read the reply of another origin when the reply allows it, and asks first, by
OPTIONS, before it sends what a form could not. Rules kept here:

1. A reply that depends on who asks says so in ``vary``, also when nobody asks: otherwise a cache
   hands one origin's reply to another.
2. ``*`` and credentials exclude each other, as in the specification; mirroring every origin
   instead, which lets any page act as the user, needs a pattern that says so.
3. The origin ``null`` (sandboxed frames, files) is anybody, and is allowed only by ``*`` without
   credentials, never by a pattern.
4. Errors get the fields, too: a page that may not read its error sees nothing but "failed".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mainstay.core.call import Middleware
from mainstay.errors import HttpError, UsageError
from mainstay.http.call import HttpCall
from mainstay.http.headers import Headers
from mainstay.http.middleware.base import HttpNext, http_only, listed
from mainstay.http.response import Response

__all__ = ["cors"]

_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s,]+")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ALWAYS: Final = ("accept", "accept-language", "content-language", "content-type")
"""Allowed in any case. Their harmless values need no leave, but JSON is none of these, and a
service that lets a page send a body seldom means forms only."""
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def cors(
    *,
    origins: Sequence[str] = (),
    origin_regex: str | None = None,
    methods: Sequence[str] = _METHODS,
    headers: Sequence[str] = (),
    expose: Sequence[str] = (),
    credentials: bool = False,
    max_age: int = 600,
    private_network: bool = False,
) -> Middleware:
    """Let pages of other origins use the service; WebSockets have `WebSocketOptions.origins`.

    List it before authentication: browsers ask without credentials.

    Args:
        origins: such as ``https://app.example.org``; ``["*"]`` for all.
        origin_regex: matches the whole of further origins; escape the dots.
        methods: that pages may use; ``["*"]`` for the one that is asked for.
        headers: that pages may send beside ``content-type`` and the harmless ones, such as
            ``authorization``, which no ``*`` of a browser includes; ``["*"]`` here allows all that
            are asked for.
        expose: fields of the reply that scripts may read beside the harmless ones.
        credentials: whether cookies and other credentials may come along, and the reply be read.
        max_age: seconds that a browser may remember the answer; they take two hours at most.
        private_network: whether pages of public networks may reach this server in a private one
            (https://wicg.github.io/private-network-access/).

    Raises: UsageError for what no browser would take.
    """
    rules = _Cors(
        origins,
        origin_regex,
        methods,
        headers,
        expose,
        credentials=credentials,
        max_age=max_age,
        private_network=private_network,
    )
    return http_only(rules.layer)


class _Cors:
    def __init__(
        self,
        origins: Sequence[str],
        origin_regex: str | None,
        methods: Sequence[str],
        headers: Sequence[str],
        expose: Sequence[str],
        *,
        credentials: bool,
        max_age: int,
        private_network: bool,
    ) -> None:
        for name, given in [("origins", origins), ("methods", methods), ("headers", headers)]:
            if isinstance(given, str):
                raise UsageError(f"cors: {name} is a list, such as [{given!r}]")
            if name != "origins" and not all(map(_TOKEN.fullmatch, given)):
                raise UsageError(f"cors: {list(given)} are not all names of {name}")
        self._any = "*" in origins
        if self._any and credentials:
            raise UsageError(
                "cors: credentials for every origin would let any page act as the user: name the "
                "origins, or give a pattern for them"
            )
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise UsageError(
                    f"cors: {origin!r} is no origin: it is https://host or https://host:port, in "
                    "lower case, without a path"
                )
        self._origins = frozenset(origins)
        self._regex = None if origin_regex is None else re.compile(origin_regex)
        self._mirror_method = "*" in methods
        self._methods = ", ".join(methods)
        self._mirror = "*" in headers
        named = {each.lower(): each for each in (*headers, *_ALWAYS)}
        self._headers = ", ".join(named.values())
        self._expose = ", ".join(expose)
        self._credentials = credentials
        self._max_age = str(max_age)
        self._private = private_network

    async def layer(self, call: HttpCall, next: HttpNext) -> Response:
        """The middleware."""
        if call.transport == "websocket":
            return await next(call)  # browsers do not ask, and the handler checks the origin
        request = call.request
        reply = request.reply_headers
        if not self._any:
            reply.vary("origin")
        given = request.headers.get_all("origin")
        if not given:
            return await next(call)
        allowed = self._allows(given)
        if request.method == "OPTIONS":
            method = request.headers.get("access-control-request-method")
            if method is not None:
                return self._preflight(call, given[0] if allowed else None, method)
        if allowed:
            self._allow(reply, given[0])
            if self._expose:
                reply.set("access-control-expose-headers", self._expose)
        return await next(call)

    def _allows(self, given: list[str]) -> bool:
        if len(given) != 1:
            return False
        origin = given[0]
        if self._any or origin in self._origins:
            return True
        return (
            self._regex is not None
            and origin != "null"
            and self._regex.fullmatch(origin) is not None
        )

    def _allow(self, reply: Headers, origin: str) -> None:
        reply.set("access-control-allow-origin", "*" if self._any else origin)
        if self._credentials:
            reply.set("access-control-allow-credentials", "true")

    def _preflight(self, call: HttpCall, origin: str | None, method: str) -> Response:
        request = call.request
        reply = request.reply_headers
        reply.vary("access-control-request-method")
        reply.vary("access-control-request-headers")
        if origin is None:
            message = "pages of this origin may not use this service"
            raise HttpError(403, message, reason="ORIGIN_NOT_ALLOWED")
        self._allow(reply, origin)
        mirrored = method if self._mirror_method and _TOKEN.fullmatch(method) else ""
        headers = self._headers
        if self._mirror:
            asked = listed(request.headers.get_all("access-control-request-headers"))
            headers = ", ".join(each for each in asked if _TOKEN.fullmatch(each))
        reply.set("access-control-allow-methods", mirrored or self._methods)
        if headers:
            reply.set("access-control-allow-headers", headers)
        reply.set("access-control-max-age", self._max_age)
        if self._private:
            reply.vary("access-control-request-private-network")
            if request.headers.get("access-control-request-private-network") == "true":
                reply.set("access-control-allow-private-network", "true")
        return Response(b"", 204)
