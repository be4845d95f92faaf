"""Every path of every method of a service, in front of what else answers by HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mainstay.core.scope import Scope
from mainstay.errors import WiringError
from mainstay.net.exchange import Exchange
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.method import RpcMethod
from mainstay.rpc.origins import answer_preflight
from mainstay.rpc.settings import RpcSettings
from mainstay.rpc.transcoding.call import ProblemMaker, TranscodedCall
from mainstay.rpc.transcoding.matcher import Matcher
from mainstay.rpc.transcoding.route import Route, rules_of

__all__ = ["Found", "Transcoding", "conflicts", "routes_of"]

_log = logging.getLogger("mainstay.rpc")


def routes_of(methods: Iterable[RpcMethod]) -> list[Route]:
    """All paths of these methods.

    A method whose caller streams cannot be called by plain HTTP: a rule in a ``.proto``, which may be
    somebody else's, is passed over with a line in the log; one in code is an error.

    Raises: WiringError that lists everything that is wrong.
    """
    made: list[Route] = []
    faults: list[str] = []
    seen: Matcher[Route] = Matcher()
    for method in methods:
        rules = rules_of(method)
        if rules and method.kind.requests_stream:
            message = f"{method.full_name} has no path of its own: its callers stream messages"
            if method.http:
                faults.append(f"{message}; leave out http=")
            else:
                _log.warning("%s; %s is left out", message, rules[0])
            continue
        for rule in rules:
            try:
                route = Route(method, rule)
            except WiringError as fault:
                faults.append(fault.message)
                continue
            other = seen.add(rule.verb, route.template, route)
            if other is not None:
                faults.append(
                    f"{rule} of {method.full_name} is the same as {other.rule} of "
                    f"{other.method.full_name}"
                )
            made.append(route)
    if faults:
        raise WiringError("\n".join(faults))
    return made


class Found:
    """A path that was found, to be called in the place of a class of calls."""

    __slots__ = ("_problem", "_query", "_raw", "_route", "endpoint")

    spoken = TranscodedCall.spoken

    def __init__(
        self,
        route: Route,
        endpoint: RpcEndpoint,
        raw: list[str],
        query: bytes,
        problem: ProblemMaker,
    ) -> None:
        self.endpoint = endpoint
        self._route = route
        self._raw = raw
        self._query = query
        self._problem = problem

    def __call__(
        self,
        exchange: Exchange,
        endpoint: RpcEndpoint,
        head: Mapping[bytes, bytes],
        settings: RpcSettings,
        scope_maker: Callable[[Any], Scope] | Scope,
        timeout: float | None = None,
    ) -> TranscodedCall:
        """The call."""
        return TranscodedCall(
            exchange,
            endpoint,
            head,
            settings,
            scope_maker,
            timeout,
            route=self._route,
            raw=self._raw,
            query=self._query,
            problem=self._problem,
        )


class Transcoding:
    """Finds what a request calls.

    A path that HTTP itself has, without parameters, goes before a template with variables; any other
    template goes before HTTP's. What nothing here answers is HTTP's to answer, which asks `methods`
    for 405 and OPTIONS.

    Args:
        routes: see `routes_of`.
        endpoints: of their methods at least.
        problem: tells of errors.
        own: the paths without parameters that HTTP has.
        prefix: of paths, which a proxy sends and templates do not have.

    Attributes:
        routes: as given.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        endpoints: Iterable[RpcEndpoint],
        problem: ProblemMaker,
        own: Iterable[str] = (),
        prefix: str = "",
    ) -> None:
        self.routes = tuple(routes)
        self._problem = problem
        self._own = frozenset(own)
        self._prefix = prefix
        self._matcher: Matcher[tuple[Route, RpcEndpoint]] = Matcher()
        by_name = {each.name: each for each in endpoints}
        for route in self.routes:
            entry = route, by_name[route.method.full_name]
            self._matcher.add(route.rule.verb, route.template, entry)

    def find(self, exchange: Exchange) -> Found | None:
        """What `exchange` calls; None for nothing here."""
        if exchange.protocol:
            return None
        target, _, query = exchange.target.partition(b"?")
        path = self._short(target.decode("latin-1"))
        found = self._matcher.find(exchange.method, path)
        if found is None:
            return None
        (route, endpoint), raw = found
        if path in self._own and not route.template.literal:
            return None
        return Found(route, endpoint, raw, query, self._problem)

    def answer_preflight(self, exchange: Exchange, settings: RpcSettings) -> bool:
        """Answer a browser that asks whether a page may call; False when it does not ask that."""
        if exchange.method != "OPTIONS" or not settings.origins:
            return False
        methods = self.methods(exchange.target.partition(b"?")[0].decode("latin-1"))
        return bool(methods) and answer_preflight(
            exchange,
            settings.origins,
            ", ".join(sorted(methods)).encode(),
            credentials=settings.credentials,
        )

    def methods(self, path: str) -> set[str]:
        """All methods that something here answers at `path`."""
        short = self._short(path)
        return self._matcher.methods(short)

    def _short(self, path: str) -> str:
        prefix = self._prefix
        if prefix and path.startswith(prefix):
            rest = path[len(prefix) :]
            if not rest or rest[0] == "/":
                return rest or "/"
        return path


Shape = tuple[tuple[str, ...], str]


def conflicts(routes: Iterable[Route], http: Mapping[tuple[str, Shape], Any]) -> list[str]:
    """What is said twice, by a rule and by a route of HTTP.

    Args:
        routes: of RPC.
        http: routes of HTTP by method and `Template.shape`.
    """
    faults = []
    for route in routes:
        other = http.get((route.rule.verb, route.template.shape))
        if other is not None:
            faults.append(f"{route.rule} of {route.method.full_name} is also the route {other!r}")
    return faults
