"""The HTTP client: pooled connections of HTTP/1.1 and 2 that keep to the caller's deadline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self
from urllib.parse import urldefrag

from mainstay.core.call import Call, Middleware, chain
from mainstay.core.effects import Effects
from mainstay.core.redact import is_credential
from mainstay.core.scope import Scope
from mainstay.errors import UsageError
from mainstay.http.client.bodies import make_body
from mainstay.http.client.cookie_jar import CookieJar
from mainstay.http.client.decompression import accepted
from mainstay.http.client.proxies import Proxies
from mainstay.http.client.reply import Reply
from mainstay.http.client.request import ClientRequest
from mainstay.http.client.sending import Sender
from mainstay.http.client.urls import Url, join_base, parse_url, with_params
from mainstay.http.client.verbs import ABSENT, RequestOptions, Verbs, refuse_unknown
from mainstay.http.headers import Headers, HeaderSource
from mainstay.net.client_limits import ClientLimits
from mainstay.net.dialing import Tls
from mainstay.net.outgoing import ClientDialer, Shared
from mainstay.net.pool import PoolStatistics
from mainstay.version import VERSION

__all__ = ["HttpClient"]

_UNIX: Final = "unix:"
_VERSIONS: Final = (("2", "1.1"), ("1.1", "2"), ("1.1",), ("2",))


class HttpClient(Verbs):
    """Asks HTTP servers. Use it as ``async with HttpClient() as client:``, one for long.

    Every request runs in a scope of its own below the current one: it ends with the current
    deadline, is cancelled with its caller, and tells the server how much time is left.

    Args:
        base_url: before every URL that is relative; ``unix:/run/app.sock`` for a Unix socket.
        timeout: seconds for a request and its whole reply, or for the head of one that is
            streamed. None: only the scope's deadline holds.
        limits: see `ClientLimits`.
        tls: whom to trust, and who we are; the system's authorities unless given.
        proxy: the URL of a proxy for everything, or `Proxies`; the environment is asked only by
            ``Proxies.from_environment(os.environ)``.
        headers: of every request. Credentials among them go to the origin of `base_url` only, if
            there is one.
        follow_redirects: whether to, at most `max_redirects` times, unless a request says other.
        max_redirects: more are an error.
        cookies: True keeps those that servers set, and sends them back; or a jar to use.
        middleware: around every request, the first outermost; `Call.request` is a
            `ClientRequest`, and the reply a `Reply`.
        versions: of HTTP, by preference. Servers without TLS are asked by 1.1 unless ``("2",)``.
        propagate: whether to send the deadline (``x-request-timeout``), the request id and the
            place in the trace (``x-request-id``, ``traceparent``).
        decompress: whether to ask for compressed replies, and undo it.
        effects: the world; the current scope's unless given.
        dialer: makes what opens the connections, instead of sockets; for tests. `tls` and `proxy`
            are not its concern.

    Raises: UsageError for arguments that cannot be.
    """

    def __init__(
        self,
        base_url: str = "",
        *,
        timeout: float | None = 30.0,
        limits: ClientLimits | None = None,
        tls: Tls = None,
        proxy: str | Proxies | None = None,
        headers: HeaderSource = (),
        follow_redirects: bool = False,
        max_redirects: int = 10,
        cookies: bool | CookieJar = False,
        middleware: Sequence[Middleware] = (),
        versions: Sequence[str] = ("2", "1.1"),
        propagate: bool = True,
        decompress: bool = True,
        effects: Effects | None = None,
        dialer: Callable[[Shared], ClientDialer] | None = None,
    ) -> None:
        if tuple(versions) not in _VERSIONS:
            raise UsageError(f"versions={versions!r}: HTTP has '2' and '1.1' here, one or both")
        scope = Scope.current_or_none()
        self._effects = effects or (Effects() if scope is None else scope.effects)
        unix = ""
        if base_url.startswith(_UNIX):
            unix = base_url[len(_UNIX) :].removeprefix("//")
            base_url = "http://localhost"
        self._base_url = base_url
        self._base = parse_url(base_url) if base_url else None
        self._timeout = timeout
        self._follow = follow_redirects
        defaults = Headers([("user-agent", f"mainstay/{VERSION}"), ("accept", "*/*")])
        if decompress:
            defaults["accept-encoding"] = accepted()
        for name, value in Headers(headers):
            defaults[name] = value
        self._headers = defaults
        self._open_headers = Headers([each for each in defaults if not _is_secret(each[0])])
        if isinstance(proxy, str):
            proxy = Proxies(http=proxy, https=proxy)
        if cookies is True:
            cookies = CookieJar(self._effects.clock.time)
        self.cookies = None if cookies is False else cookies
        """The jar, if cookies are kept."""
        self._sender = Sender(
            limits=limits or ClientLimits(),
            tls=tls,
            versions=tuple(versions),
            proxies=proxy,
            unix=(unix, self._base),
            cookies=self.cookies,
            max_redirects=max_redirects,
            propagate=propagate,
            decompress=decompress,
            effects=self._effects,
            dialer=dialer,
        )
        self._handler = chain(tuple(middleware), self._sender.answer)

    # --- asking ---------------------------------------------------------------------------------

    async def send(self, method: str, url: str, options: RequestOptions) -> Reply:
        """Ask, and read the whole reply; what the verbs call."""
        request, timeout = self._request(method, url, options, streamed=False)
        name = f"{method} {request.url.authority}"
        with Scope(name, timeout=timeout, effects=self._effects_of_root()) as scope:
            try:
                reply: Reply = await self._handler(Call("http", name, scope, request))
                await reply.read()
            finally:
                for each in request.replies:
                    each.close()
        return reply

    @asynccontextmanager
    async def open(self, method: str, url: str, options: RequestOptions) -> AsyncIterator[Reply]:
        """Ask, and let the caller read the reply; what `stream` calls."""
        request, timeout = self._request(method, url, options, streamed=True)
        name = f"{method} {request.url.authority}"
        try:
            with Scope(name, timeout=timeout, effects=self._effects_of_root()) as scope:
                reply: Reply = await self._handler(Call("http", name, scope, request))
            for each in request.replies:
                if each is not reply:
                    each.close()
            yield reply
        finally:
            for each in request.replies:
                each.close()

    def _effects_of_root(self) -> Effects | None:
        return self._effects if Scope.current_or_none() is None else None

    def _request(
        self, method: str, url: str, options: RequestOptions, *, streamed: bool
    ) -> tuple[ClientRequest, float | None]:
        refuse_unknown(options)
        text = with_params(join_base(self._base_url, urldefrag(url)[0]), options.get("params"))
        parsed = parse_url(text)
        own = self._base is None or parsed.same_origin(self._base)
        headers = Headers(self._headers if own else self._open_headers)
        if parsed.authorization is not None:
            headers["authorization"] = parsed.authorization
        for name, value in Headers(options.get("headers") or ()):
            headers[name] = value
        body = make_body(
            json=options.get("json", ABSENT),
            content=options.get("content"),
            form=options.get("form"),
            files=options.get("files"),
            absent=ABSENT,
            random=self._effects.random,
        )
        if body.content_type is not None and "content-type" not in headers:
            headers["content-type"] = body.content_type
        if body.content is None and method in ("POST", "PUT", "PATCH"):
            # Servers may wait for a body that nobody announces (RFC 9110 §8.6).
            body.content, body.length = b"", 0
        request = ClientRequest(
            method,
            parsed,
            headers,
            body,
            streamed=streamed,
            follow_redirects=options.get("follow_redirects", self._follow),
        )
        return request, options.get("timeout", self._timeout)

    # --- life -----------------------------------------------------------------------------------

    def statistics(self) -> PoolStatistics:
        """A moment's numbers of the connections."""
        return self._sender.statistics()

    async def aclose(self) -> None:
        """Close every connection; requests under way end with ClosedError. Idempotent."""
        await self._sender.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        numbers = self.statistics()
        base = f" {Url.__str__(self._base)}" if self._base else ""
        return f"<HttpClient{base} connections={numbers.connections} busy={numbers.busy}>"


def _is_secret(name: str) -> bool:
    return name == "proxy-authorization" or is_credential(name)
