"""A call that came by HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mainstay.core.call import Call, Stream
from mainstay.core.scope import Scope
from mainstay.http.request import Request
from mainstay.http.route import Route
from mainstay.net.exchange import Exchange

__all__ = ["HttpCall"]


class HttpCall(Call):
    """A call with the exchange it came by; `transport` is ``http`` or ``websocket``.

    Attributes:
        exchange: the request and its reply on the connection.
        route: what matched; None for 404 and 405.
        params: the values of the path's parameters, converted.
        request: the same as a `Request`, made when it is first asked for.
    """

    __slots__ = ("_request", "exchange", "params", "route")

    def __init__(
        self,
        transport: str,
        method: str,
        scope: Scope,
        exchange: Exchange,
        route: Route | None,
        params: Mapping[str, Any],
        stream: Stream | None = None,
    ) -> None:
        self.transport = transport
        self.method = method
        self.scope = scope
        self.stream = stream
        self.exchange = exchange
        self.route = route
        self.params = params
        self._request: Request | None = None

    @property
    def request(self) -> Request:
        """See the class."""
        if self._request is None:
            self._request = Request(self.exchange, self.params)
        return self._request
