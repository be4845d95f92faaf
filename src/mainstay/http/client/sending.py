"""From a request to a reply: the innermost handler of a client.

Redirects are followed here (RFC 9110 §15.4): 303, and by custom 301 and 302 to a POST, become a GET
without a body; 307 and 308 repeat the request, whose body must be one that can be sent twice.
Credentials do not follow to another origin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from mainstay.core.call import Call
from mainstay.core.effects import Effects
from mainstay.core.ids import REQUEST_ID, TRACE_ID
from mainstay.core.redact import hide_in_urls, is_credential
from mainstay.core.scope import Scope
from mainstay.errors import BrokenError, ClosedError, UpstreamError, UsageError
from mainstay.http.client.bodies import Body
from mainstay.http.client.cookie_jar import CookieJar
from mainstay.http.client.proxies import Proxies
from mainstay.http.client.reply import Reply
from mainstay.http.client.request import ClientRequest
from mainstay.http.client.urls import Url, resolve
from mainstay.http.headers import Headers
from mainstay.net.budget import REQUEST_TIMEOUT, say_budget
from mainstay.net.client_http2 import Http2Connection
from mainstay.net.client_limits import ClientLimits
from mainstay.net.dialing import Dialer, Tls
from mainstay.net.origin import Origin
from mainstay.net.outgoing import ClientDialer, Outgoing, Shared
from mainstay.net.pool import Pool, PoolStatistics

__all__ = ["Sender"]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SEE_OTHER: Final = 303
_TO_GET: Final = frozenset({301, 302})
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection", "host"})
_MOST_DROPPED: Final = 64 * 1024
"""Bytes of a redirect's body that are read to keep the connection."""


class Sender:
    """Sends the requests of one client; makes its pool when the first one comes.

    Args:
        unix: path of a Unix socket, and the origin that it stands for.
        limits, tls, versions, proxies, cookies, max_redirects, propagate, decompress, effects,
            dialer: see `HttpClient`.
    """

    def __init__(
        self,
        *,
        limits: ClientLimits,
        tls: Tls,
        versions: Sequence[str],
        proxies: Proxies | None,
        unix: tuple[str, Url | None],
        cookies: CookieJar | None,
        max_redirects: int,
        propagate: bool,
        decompress: bool,
        effects: Effects,
        dialer: Callable[[Shared], ClientDialer] | None = None,
    ) -> None:
        self._limits = limits
        self._tls = tls
        self._versions = versions
        self._proxies = proxies
        self._unix, self._unix_url = unix
        self._cookies = cookies
        self._max_redirects = max_redirects
        self._propagate = propagate
        self._decompress = decompress
        self._effects = effects
        self._new_dialer = dialer or self._default_dialer
        self._pool: Pool | None = None
        self._closed = False

    async def answer(self, call: Call) -> Reply:
        """The reply to ``call.request``; read, unless it is streamed."""
        request: ClientRequest = call.request
        method, url, headers, body = request.method, request.url, request.headers, request.body
        seen: list[str] = []
        while True:
            reply = await self._exchange(call.scope, request, method, url, headers, body)
            reply.redirects = tuple(seen)
            if not request.follow_redirects or reply.status not in _REDIRECTS:
                break
            location = reply.headers.get("location")
            if location is None:
                break
            seen.append(reply.url)
            if len(seen) > self._max_redirects:
                reply.close()
                message = f"{reply!r} is one redirect too many: max_redirects={self._max_redirects}"
                raise UpstreamError(message, status=reply.status)
            to = _target(reply, url, location)
            await _drop(reply)
            if reply.status == _SEE_OTHER or (reply.status in _TO_GET and method == "POST"):
                method, body = "HEAD" if method == "HEAD" else "GET", Body()
                headers = _without(headers, lambda name: name.startswith("content-"))
            if not to.same_origin(url):
                headers = _without(headers, _bound_to_origin)
            url = to
        if not request.streamed:
            await reply.read()
        return reply

    async def _exchange(
        self,
        scope: Scope,
        request: ClientRequest,
        method: str,
        url: Url,
        headers: Headers,
        body: Body,
    ) -> Reply:
        origin = self._origin(url)
        fields = [(b"host", url.authority.encode("ascii"))]
        fields += [each for each in headers.fields() if each[0].decode() not in _FRAMING]
        fields += self._added(scope, url, headers, origin)
        target = f"http://{url.authority}{url.target}" if origin.forwarded else url.target
        outgoing = Outgoing(
            method, url.scheme, url.authority, target, fields, body.content, body.length
        )
        if _is_spent(body):
            message = f"the body of {request!r} is an iterator, and was sent before; send bytes"
            raise UsageError(message)
        incoming = await self._get_pool().exchange(origin, outgoing)
        shown = hide_in_urls(str(url))
        reply = Reply(incoming, method, shown, self._limits, decompress=self._decompress)
        request.replies.append(reply)
        if self._cookies is not None:
            for line in reply.headers.get_all("set-cookie"):
                self._cookies.store(url, line)
        return reply

    def _origin(self, url: Url) -> Origin:
        if self._unix and self._unix_url is not None and url.same_origin(self._unix_url):
            return Origin(url.scheme, url.host, url.port, unix=self._unix)
        proxy = None if self._proxies is None else self._proxies.find(url)
        return Origin(url.scheme, url.host, url.port, proxy=proxy)

    def _added(
        self, scope: Scope, url: Url, headers: Headers, origin: Origin
    ) -> list[tuple[bytes, bytes]]:
        """What the request carries on behalf of its scope, the jar and the proxy."""
        added: list[tuple[str, str | None]] = []
        if self._propagate:
            left = scope.remaining()
            added.append((REQUEST_TIMEOUT, say_budget(left) if left < inf else None))
            added.append(("x-request-id", scope.get(REQUEST_ID)))
            trace = scope.get(TRACE_ID)
            span = f"{scope.effects.random.getrandbits(64) or 1:016x}"
            added.append(("traceparent", f"00-{trace}-{span}-01" if trace else None))
        if self._cookies is not None:
            added.append(("cookie", self._cookies.header(url)))
        if origin.forwarded and origin.proxy is not None:
            added.append(("proxy-authorization", origin.proxy.authorization))
        return [
            (name.encode("ascii"), value.encode())
            for name, value in added
            if value is not None and name not in headers
        ]

    def _get_pool(self) -> Pool:
        if self._closed:
            raise ClosedError("the client was closed")
        if self._pool is None:
            shared = Shared(self._limits)
            dialer = self._new_dialer(shared)
            self._pool = Pool(shared, dialer.dial, dialer.may_share)
        return self._pool

    def _default_dialer(self, shared: Shared) -> ClientDialer:
        return Dialer(shared, self._tls, self._versions, Http2Connection)

    def statistics(self) -> PoolStatistics:
        """See `HttpClient.statistics`."""
        return PoolStatistics(0, 0, 0, 0, 0) if self._pool is None else self._pool.statistics()

    async def aclose(self) -> None:
        """See `HttpClient.aclose`."""
        self._closed = True
        if self._pool is not None:
            await self._pool.aclose()


def _target(reply: Reply, url: Url, location: str) -> Url:
    try:
        return resolve(url, location)
    except UsageError as error:
        reply.close()
        message = f"{reply!r} redirects to where no client can go: {error}"
        raise UpstreamError(message, status=reply.status) from None


async def _drop(reply: Reply) -> None:
    """Read what is left of it, if it is short, so that the connection can be used again."""
    size = 0
    try:
        async for part in reply.chunks():
            size += len(part)
            if size > _MOST_DROPPED:
                break
    except (BrokenError, UpstreamError):
        pass  # the next request takes another connection
    reply.close()


def _without(headers: Headers, drop: Callable[[str], bool]) -> Headers:
    return Headers([each for each in headers if not drop(each[0])])


def _bound_to_origin(name: str) -> bool:
    return name in ("host", "cookie", "proxy-authorization") or is_credential(name)


def _is_spent(body: Body) -> bool:
    """Whether the body is an iterator that was begun: a generator is, an iterable never."""
    content = body.content
    if content is None or isinstance(content, bytes):
        return False
    spent = body.sent
    body.sent = hasattr(content, "__anext__")
    return spent
