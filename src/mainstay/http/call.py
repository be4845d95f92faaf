"""A call that came by HTTP, and its scope, which is made only when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mainstay.core.call import Stream
from mainstay.core.metadata import Metadata
from mainstay.core.scope import Scope
from mainstay.http.request import Request
from mainstay.http.route import Route
from mainstay.net.budget import budget_of
from mainstay.net.calls import ExchangeCall
from mainstay.net.exchange import Exchange

__all__ = ["HttpCall", "ScopeMaker"]

ScopeMaker = Callable[["HttpCall"], Scope]


class HttpCall(ExchangeCall):
    """A call with the exchange it came by; `transport` is ``http`` or ``websocket``.

    Args:
        transport, method, stream: see `Call`.
        exchange: see the attribute.
        route: see the attribute.
        params: see the attribute.
        timeout: seconds it may take from now; None for no limit of its own.
        scope_maker: makes its scope; or a scope that somebody else opens and closes.

    Attributes:
        exchange: the request and its reply on the connection.
        route: what matched; None for 404 and 405.
        params: the values of the path's parameters, converted.
        timeout: as given.
        begun: whether the head of a streamed reply is sent.
        request: the same as a `Request`, made when it is first asked for.
        scope: see `Call`; made when it is first asked for, or when the call has to wait.
    """

    __slots__ = ("_request", "params", "route")

    def __init__(
        self,
        transport: str,
        method: str,
        scope_maker: ScopeMaker | Scope,
        exchange: Exchange,
        route: Route | None,
        params: Mapping[str, Any],
        stream: Stream | None = None,
        timeout: float | None = None,
    ) -> None:
        self.transport = transport
        self.method = method
        self.stream = stream
        self.exchange = exchange
        self.route = route
        self.params = params
        self.timeout = timeout
        self._made: Scope | None = None
        self._maker = scope_maker
        self._request: Request | None = None
        self._ended = False
        self.begun = False

    @property
    def request(self) -> Request:
        """See the class."""
        if self._request is None:
            self._request = Request(self.exchange, self.params)
        return self._request

    def lasts(self) -> None:
        """It was upgraded, and may stay for days: let go of what can be made again."""
        self.scope.metadata = fields = Metadata.from_packed(self.exchange.fields)
        if self._request is not None:
            self._request._headers = fields
            self._request._cookies = None

    def budget(self, metadata: Metadata) -> float | None:
        """See `ExchangeCall`."""
        return budget_of(metadata)

    def end(self) -> None:
        """It was answered; what asks for its scope from now on gets one that is over."""
        self._ended = True
        self.exchange.gone = None  # which holds the call
        if self._request is not None:
            self._request.close()
