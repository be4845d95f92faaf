"""From an exchange on a connection to a handler and back: the application of the HTTP server.

This file is in the hot path, so it trades some beauty for speed (`bench/http` shows the gain). How
calls start and wait is the matter of `mainstay.net.calls`. The rules:

1. Whatever a handler or middleware raises is turned into a problem (RFC 9457) here, once. Faults of
   ours are logged with their stacks, and their text stays inside.
2. A reply that has begun cannot become a problem: it is broken off, so that the peer can tell.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from mainstay.core.call import Handler, chain
from mainstay.core.scope import Scope, stand_in
from mainstay.errors import (
    DeadlineExceeded,
    HttpError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PeerError,
    PolicyError,
)
from mainstay.http.call import HttpCall
from mainstay.http.endpoint import Endpoint
from mainstay.http.headers import FRAMING
from mainstay.http.problems import problem_response
from mainstay.http.response import Response
from mainstay.http.route import METHODS
from mainstay.http.router import WEBSOCKET, Miss, Router, redirect_of
from mainstay.net.calls import CallRunner, failure_of
from mainstay.net.exchange import Exchange, Fields
from mainstay.net.port import Port

__all__ = ["AFTER", "HttpApplication", "missed", "missed_with"]

_log = logging.getLogger("mainstay.http")

_LEFT: Final = 499
"""What is counted for a call whose peer left before the reply; nginx's number."""

AFTER: Final = 5.0
"""Seconds for what is done after a reply, when its call is cancelled."""

_OURS: Final = 500
"""The least status that tells of a fault of the server."""

_UPGRADE_REQUIRED: Final = 426
"""The one status whose reply names a protocol to upgrade to (RFC 9110 §15.5.22)."""

_MANY: Final = 1000

_NO_PARAMS: Final[Mapping[str, Any]] = {}

_Match: TypeAlias = Callable[[str, str, str], "tuple[Endpoint, Mapping[str, Any]] | Miss"]


class HttpApplication:
    """Answers exchanges with the handlers of a router.

    Args:
        router: finds endpoints.
        endpoints: all of them.
        fallback: middleware of the whole service around `missed`, for what no endpoint matches.
        call_timeout: seconds for a call whose route says nothing; None for no bound.
        prefix: of paths, which a proxy sends and routes do not have; see `HttpSettings`.

    Attributes:
        router, endpoints: as given.
        unmatched: counts what no endpoint matched.
    """

    def __init__(
        self,
        router: Router[Endpoint],
        endpoints: Sequence[Endpoint],
        fallback: Callable[[Handler], Handler] = lambda handler: handler,
        call_timeout: float | None = 30.0,
        prefix: str = "",
    ) -> None:
        self.router = router
        self.endpoints = endpoints
        self._match: _Match = router.match
        self._fallback = fallback
        self._call_timeout = call_timeout
        self.unmatched = Endpoint("unmatched", missed)
        self._port: Port | None = None
        self._runner: CallRunner[HttpCall] | None = None
        self._monotonic: Callable[[], float] = lambda: 0.0
        self._around: Callable[[Handler], Handler] | None = None
        # What calls were answered with in the place of handlers that have not ended yet.
        self._late: dict[HttpCall, int] = {}
        if prefix:
            self._strip(prefix)

    def open(self, port: Port, calls: Scope, handler: Handler) -> None:
        """Begin to answer what comes to `port`; every call gets a scope below `calls`.

        Args:
            port: shared by the connections.
            calls: above the scope of every call.
            handler: for endpoints that have none of their own.
        """
        for endpoint in self.endpoints:
            endpoint.handler = endpoint.handler or handler
            if self._around is not None:
                endpoint.handler = self._around(endpoint.handler)
        self._port = port
        self._runner = runner = CallRunner[HttpCall](port, calls, self._answer_late)
        self._run = runner.run
        self._make_scope = runner.make_scope
        self._monotonic = port.monotonic
        self._limit = port.limits.in_flight or float("inf")

    @property
    def tasks(self) -> dict[asyncio.Task[None], HttpCall]:
        """Calls that wait for something now."""
        return {} if self._runner is None else self._runner.tasks

    def _strip(self, prefix: str) -> None:
        # Here, because few services have a prefix.
        from mainstay.http.middleware.strip_prefix import strip_prefix, stripping  # noqa: PLC0415

        layer, fallback = strip_prefix(prefix), self._fallback
        self._match = stripping(self._match, prefix)
        self._around = lambda handler: chain([layer], handler)
        self._fallback = lambda handler: chain([layer], fallback(handler))

    def know(self, others: Callable[[str], Iterable[str]]) -> None:
        """Let 405, OPTIONS and the redirects for slashes tell of what somebody else answers on the
        same port. Where slashes are ignored they are redirected there.

        Args:
            others: the methods that are answered there, by path.
        """
        match, redirects = self._match, self.router.slashes != "strict"

        def matching(method: str, path: str, host: str) -> Any:
            found = match(method, path, host)
            if not isinstance(found, Miss) or found.malformed:
                return found
            if more := others(path):
                return Miss(tuple(sorted({*found.allowed, *more})), websocket=found.websocket)
            if redirects and found == Miss():
                return redirect_of(path, lambda other: method in others(other)) or found
            return found

        self._match = matching

    def begin(self, exchange: Exchange) -> None:
        """See `Application`."""
        port = self._port
        assert port is not None
        target = exchange.target
        end = target.find(b"?")
        path = (target if end < 0 else target[:end]).decode("latin-1")
        transport = "http"
        if exchange.protocol:
            found = self._match(WEBSOCKET, path, exchange.authority)
            if isinstance(found, tuple):
                transport = "websocket"
            elif exchange.method == "GET":
                # An upgrade that nobody wants is ignored (RFC 9110 §7.8).
                found = self._match("GET", path, exchange.authority)
        else:
            found = self._match(exchange.method, path, exchange.authority)
        if isinstance(found, tuple):
            endpoint, params = found
            if endpoint.body_limit is not None:
                exchange.body_limit = endpoint.body_limit
        else:
            endpoint, params = self._missing(found)
            transport = "http"
        timeout = endpoint.timeout or self._call_timeout if transport == "http" else None
        call = HttpCall(
            transport,
            endpoint.method_name,
            self._make_scope,
            exchange,
            endpoint.route,
            params,
            None,
            timeout,
        )
        if port.in_flight - port.long > self._limit and not endpoint.vital:
            self._refuse(call, endpoint)
            return
        self._run(call, self._answer(call, endpoint), detached=endpoint.detached)

    def _missing(self, miss: Miss) -> tuple[Endpoint, Mapping[str, Any]]:
        async def answer(call: Any) -> Response:
            return missed_with(call, miss)

        endpoint = Endpoint("unmatched", self._fallback(answer))
        endpoint.counts = self.unmatched.counts
        return endpoint, _NO_PARAMS

    def _refuse(self, call: HttpCall, endpoint: Endpoint) -> None:
        error = HttpError(
            503,
            "the server has as many calls in flight as it may have; try again",
            headers={"retry-after": "1"},
            reason=Overloaded.reason,
        )
        _respond(call, problem_response(error, call.request))
        endpoint.counts.add(503, 0.0)
        call.end()

    # --- one call -------------------------------------------------------------------------------

    async def _answer(self, call: HttpCall, endpoint: Endpoint) -> None:
        """Run the handlers and send their reply; raises only what ends the program."""
        stand_in(call)
        started = self._monotonic()
        status = _LEFT
        response: Response | None = None
        broken = True
        try:
            try:
                response = await endpoint.handler(call)
                status = response.status
                if response.body.__class__ is bytes:
                    _respond(call, response)
                    call.begun = True
                else:
                    await self._stream(call, response)
                broken = False
            finally:
                if response is not None and response.after is not None:
                    await self._after(call, response.after, broken)
        except BaseException as error:
            status = self._fail(call, error, status)
        else:
            if call._made is not None:
                if self._late:
                    status = self._late.pop(call, status)
                call._made.__exit__(None, None, None)
        finally:
            call.end()
            endpoint.counts.add(status, self._monotonic() - started)

    def _answer_late(self, call: HttpCall, cause: Exception) -> None:
        response = problem_response(cause, call.request)
        self._late[call] = response.status
        _respond(call, response)

    async def _after(
        self, call: HttpCall, after: Callable[[], Awaitable[Any]], broken: bool
    ) -> None:
        """What the handler wants done once the reply is sent, or broken off: then it has a shield's
        time, because the call is cancelled, or will be as soon as the loss is told."""
        try:
            if broken or (call._made is not None and call._made.cancelled):
                with call.scope.shield(AFTER):
                    await after()
            else:
                await after()
        except Exception:
            _log.exception("%s was answered, and what was to be done after it failed", call.method)

    async def _stream(self, call: HttpCall, response: Response) -> None:
        if call.begun:
            return  # a WebSocket, and it is over
        exchange = call.exchange
        fields = _fields(call, response)
        if response.content_type is not None:
            fields.insert(0, (b"content-type", _content_type(response.content_type)))
        body = response.body
        assert not isinstance(body, bytes)
        length = _declared(response) if response.length is None else response.length
        exchange.open(response.status, fields, length)
        call.begun = True
        iterator = aiter(body)
        try:
            # A stream without an end would hold up the connection for a body nobody gets.
            if exchange.method != "HEAD":
                async for part in iterator:
                    await exchange.send(part)
        finally:
            # Not left to the garbage collector: what it holds is released with the call.
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()
        exchange.finish()

    def _fail(self, call: HttpCall, error: BaseException, status: int) -> int:
        """Tell the peer of a failure; return the status that is counted."""
        scope = call._made
        status = self._late.pop(call, status)
        error = failure_of(call, error)
        if not isinstance(error, Exception):
            call.exchange.reset()
            if isinstance(error, asyncio.CancelledError):
                return _LEFT  # by somebody outside of the framework, and nobody waits for the task
            raise error
        if call.begun:
            _tell(call, error)
            call.exchange.reset()
            return status
        response = problem_response(error, call.request)
        if response.status >= _OURS:
            _tell(call, error)
        gone = call.exchange.gone is None and scope is not None and scope.cancelled
        try:
            _respond(call, response)
        except Exception as cause:  # such as a field for any reply that cannot be sent
            _tell(call, cause)
            call.exchange.reset()
        return _LEFT if gone and not isinstance(error, PolicyError) else response.status


def _respond(call: HttpCall, response: Response) -> None:
    """Send a response whose body is whole."""
    headers = response._headers
    request = call._request
    fields: Fields = ()
    if headers is not None or (request is not None and request._reply_headers is not None):
        fields = _fields(call, response)
        if response.headers.framed and _respond_framed(call, response, fields):
            return
    content_type = response.content_type
    call.exchange.respond(
        response.status,
        None if content_type is None else _content_type(content_type),
        fields,
        response.body,  # type: ignore[arg-type]  # the caller has looked
    )


def _respond_framed(call: HttpCall, response: Response, fields: Fields) -> bool:
    """Answer HEAD with the length that its handler tells; that of any other body is known."""
    length = _declared(response)
    if call.exchange.method != "HEAD" or length is None:
        return False
    if response.content_type is not None:
        fields = [(b"content-type", _content_type(response.content_type)), *fields]
    call.exchange.open(response.status, fields, length)
    call.exchange.finish()
    return True


def _fields(call: HttpCall, response: Response) -> list[tuple[bytes, bytes]]:
    """The fields of the reply: its own, and those that were set for any reply."""
    request = call._request
    always = None if request is None else request._reply_headers
    if always is not None and response._headers is None:
        response._headers = always
    elif always is not None:
        headers = response.headers
        for name, value in always:
            if name == "vary":
                headers.vary(value)
            elif name == "set-cookie":
                headers.add(name, value)
            else:
                headers.set_default(name, value)
    elif response._headers is None:
        return []
    headers = response.headers
    if headers.framed and response.status != _UPGRADE_REQUIRED:
        response.content_type = headers.get("content-type", response.content_type)
        if "close" in (headers.get("connection") or "").lower():
            call.exchange.close_after()
        return [field for field in headers.fields() if field[0].decode() not in FRAMING]
    return headers.fields()


def _declared(response: Response) -> int | None:
    """The length that the handler has set as a field."""
    value = None if response._headers is None else response._headers.get("content-length")
    return int(value) if value is not None and value.isdecimal() else None


_content_types: dict[str, bytes] = {}


def _content_type(text: str) -> bytes:
    found = _content_types.get(text)
    if found is None:
        found = text.encode("latin-1")
        if len(_content_types) < _MANY:
            _content_types[text] = found
    return found


def _tell(call: HttpCall, error: Exception) -> None:
    if isinstance(error, PeerError):
        _log.info("%s was not answered: %s", call.method, error)
        return
    if isinstance(error, DeadlineExceeded) and _had_less(call):
        # Else a peer that gives little time, again and again, fills the log.
        _log.debug("%s ended: %s", call.method, error)
        return
    expected = isinstance(error, PolicyError)
    level = logging.WARNING if expected else logging.ERROR
    _log.log(level, "%s failed: %r", call.method, error, exc_info=None if expected else error)


def _had_less(call: HttpCall) -> bool:
    """Whether its peer gave it less time than we do, and that is over."""
    scope = call._made
    if scope is None or not isinstance(scope.cause, DeadlineExceeded):
        return False
    budget = call.budget(scope.metadata)
    return budget is not None and (call.timeout is None or budget < call.timeout)


def missed_with(call: HttpCall, miss: Miss) -> Response:
    """The reply to what no route matches: 400, 404, 405, a redirect, or the answer to OPTIONS.

    Raises: InvalidRequest, NotFound; HttpError 405, 426.
    """
    exchange = call.exchange
    if miss.malformed:
        raise InvalidRequest("the path is not UTF-8 when it is decoded")
    if miss.redirect is not None:
        query = exchange.target.partition(b"?")[2].decode("latin-1")
        location = f"{miss.redirect}?{query}" if query else miss.redirect
        return Response(b"", 308, {"location": location})
    if exchange.target == b"*":
        return Response(b"", 204, {"allow": ", ".join(METHODS)})
    if not miss.allowed and not miss.websocket:
        raise NotFound(f"there is nothing at {call.request.path}")
    allowed = ", ".join(sorted({*miss.allowed, "OPTIONS"}))
    if exchange.method == "OPTIONS" and miss.allowed:
        return Response(b"", 204, {"allow": allowed})
    if not miss.allowed:
        headers = {"upgrade": "websocket", "connection": "upgrade"}
        message = "this address takes WebSockets only"
        raise HttpError(426, message, headers=headers, reason="UPGRADE_REQUIRED")
    message = f"{exchange.method} is not allowed here; {allowed} are"
    raise HttpError(405, message, headers={"allow": allowed}, reason="METHOD_NOT_ALLOWED")


async def missed(call: Any) -> Response:
    """The handler of nothing."""
    return missed_with(call, Miss())
