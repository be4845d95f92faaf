"""The routes of a service as endpoints that can be called: each function found its arguments.

What becomes of a function, from the outside in::

    middleware of the service → of its groups → of the route → arguments → function → Response

Its parameters are filled, the first that fits: from the path by name; by type from what a call
brings along, configuration and resources; from the request, by `mainstay.http.binding`. ``async
def`` is awaited, ``def`` runs in a thread, an async generator becomes the body of a reply. What is
needed once is done once: the usual handler costs one dict of arguments and two calls of functions.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from difflib import get_close_matches
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from mainstay.core.call import Call, Handler, chain
from mainstay.core.middleware import Layer
from mainstay.core.signature import returns_of, where
from mainstay.core.threads import to_thread
from mainstay.errors import WiringError
from mainstay.http.binding import Plan, plan
from mainstay.http.call import HttpCall
from mainstay.http.compile import Compiled, compile_routes
from mainstay.http.fields import holes_of
from mainstay.http.pattern import parse_path
from mainstay.http.request import Request
from mainstay.http.response import Prepared, Response
from mainstay.http.results import responder
from mainstay.http.route import Route
from mainstay.http.router import Slashes
from mainstay.http.routes import Routes
from mainstay.net.limits import Limits
from mainstay.service.binding import (
    CallResources,
    Sources,
    brought_by,
    refuse_catch_alls,
    sources_of,
)
from mainstay.service.container import Container
from mainstay.service.held import Held
from mainstay.service.layers import Layers
from mainstay.service.mounts import Mounts

if TYPE_CHECKING:
    from mainstay.http.openapi.build import Documented
    from mainstay.http.websocket_handler import WebSocketPlan

__all__ = ["Endpoints"]

Fetch: TypeAlias = Callable[[HttpCall], "dict[str, Any] | Awaitable[dict[str, Any]]"]


class Endpoints:
    """The routes of a service, bound and checked.

    Args:
        routes: all of them, with the middleware of the service as an option of their groups.
        container: what parameters can ask for; it need not be open yet.
        layers: binds the middleware.
        mounts: the lives of mounted applications.
        slashes: see `Slashes`.

    Raises: WiringError that lists every fault of every route.
    """

    def __init__(
        self,
        routes: Routes,
        container: Container,
        layers: Layers,
        mounts: Mounts,
        slashes: Slashes = "redirect",
    ) -> None:
        self._container = container
        self._layers = layers
        self._mounts = mounts
        self._bound: list[_Bound] = []
        faults = []
        try:
            self._compiled = compile_routes(routes, slashes)
        except WiringError as fault:
            faults.append(fault.message)
        for route in routes.routes():
            try:
                self._bound.append(_Bound(route, container))
            except WiringError as fault:
                faults.append(fault.message)
        if faults:
            raise WiringError("\n".join(faults))

    def open(self, limits: Limits | None = None) -> Compiled:
        """The router, and its endpoints with their handlers; once the container is open.

        Args:
            limits: of the server, for WebSockets; the defaults unless given.
        """
        for endpoint, bound in zip(self._compiled.endpoints, self._bound, strict=True):
            endpoint.handler = bound.handler(
                self._container, self._layers, self._mounts, limits or Limits()
            )
            if endpoint.kind == "mount":
                endpoint.timeout = endpoint.timeout or inf  # it keeps its own time
        return self._compiled

    def around(self, middleware: Sequence[Layer], handler: Handler) -> Handler:
        """A handler that is of no route in `middleware`; once the container is open."""
        return self._layers.chain(middleware, handler)

    def documented(self) -> list[Documented]:
        """The routes with what their signatures say, for OpenAPI."""
        return [bound.documented() for bound in self._bound]


class _Bound:
    """One route and the sources of its function's parameters.

    Raises: WiringError.
    """

    def __init__(self, route: Route, container: Container) -> None:
        self._route = route
        self._socket: WebSocketPlan | None = None
        if route.kind == "mount":
            return
        function = route.function
        refuse_catch_alls(function)
        holes = holes_of(route)
        self._sources = sources_of(function, container, apart={*holes, *route.defaults})
        given = route.defaults.keys() - holes
        left = [each for each in self._sources.left if each.name not in given]
        asked = {each.name for each in self._sources.left}
        self._given = {name: route.defaults[name] for name in asked & given}
        if route.kind == "websocket":
            # Here, as elsewhere in this file: what few services have costs the others nothing.
            from mainstay.http.websocket_handler import WebSocketPlan, is_socket  # noqa: PLC0415

            self._socket = WebSocketPlan(function, route.socket)
            left = [each for each in left if not is_socket(each.annotation)]
        else:
            self._check(function)
        self._plan = plan(function, left, route)
        if route.kind != "websocket" and not self._sees_the_request(container):
            _check_holes(route, self._plan)

    def _sees_the_request(self, container: Container) -> bool:
        """Whether the function, or a resource of its call, may look at parameters by itself."""
        brought, todo = {*self._sources.brought.values()}, [*self._sources.call.values()]
        seen = {*todo}
        while todo:
            for parameter in todo.pop().needs:
                brought.add(parameter.annotation)
                needed = container.call_provider(parameter.annotation)
                if needed is not None and needed not in seen:
                    seen.add(needed)
                    todo.append(needed)
        return not brought.isdisjoint({Call, Request}) or any(
            field.source == "request" for field in self._plan.fields
        )

    def _check(self, function: Callable[..., Any]) -> None:
        if inspect.isgeneratorfunction(function):
            message = f"{where(function)} yields: make it `async def` to stream its reply"
            raise WiringError(message)
        self._respond = responder(returns_of(function), self._route)

    def documented(self) -> Documented:
        """The route with what its function's signature says."""
        from mainstay.http.openapi.build import Documented  # noqa: PLC0415

        route, socket = self._route, self._socket
        if route.kind == "mount":
            return Documented(route)
        if socket is None:
            return Documented(route, self._plan.fields)
        return Documented(
            route, self._plan.fields, incoming=socket.incoming, outgoing=socket.outgoing
        )

    def handler(
        self, container: Container, layers: Layers, mounts: Mounts, limits: Limits
    ) -> Handler:
        """The handler in its middleware; once the container is open."""
        route = self._route
        if route.kind == "mount":
            from mainstay.http.asgi.mount import AsgiMount  # noqa: PLC0415

            state = mounts.state(route.function, container)
            app = AsgiMount(route.function, route.path, state, limits)
            return layers.chain(route.middleware, app)
        service = self._sources.service
        fixed = {name: container.get(annotation) for name, annotation in service.items()}
        fixed.update(self._given)
        fetch = _fetch_of(self._plan, fixed, self._sources.brought)
        if self._socket is not None:
            self._socket.limits = limits
            inner = _socket_handler(self._socket, fetch, self._sources, container)
            return chain([self._socket.serve], layers.chain(route.middleware, inner))
        return layers.chain(route.middleware, self._http_handler(fetch, fixed, container))

    def _http_handler(
        self, fetch: Fetch, fixed: Mapping[str, Any], container: Container
    ) -> Handler:
        function, respond, sources = self._route.function, self._respond, self._sources
        if (
            inspect.iscoroutinefunction(function)
            and not self._plan.needs_body
            and not sources.brought
            and not sources.call
        ):
            return _usual(function, self._plan.arguments, fixed, respond)
        return _any(function, fetch, respond, sources, container)


def _check_holes(route: Route, plan: Plan) -> None:
    """Refuse a parameter of the path that nobody takes, as a slip of the pen makes it.

    Those of groups and hosts may be there for middleware, and those with defaults for others.
    """
    if route.defaults:
        return
    own = parse_path(route.path or "/").names[len(parse_path(route.prefix + "/").names) :]
    taken = {field.key for field in plan.fields if field.source == "path"}
    for name in own:
        if name not in taken:
            asked = [field.parameter for field in plan.fields if field.source != "path"]
            near = get_close_matches(name, asked, 1)
            hint = f"is {near[0]!r} meant to be it? Name" if near else "name"
            raise WiringError(
                f"{where(route.function)}: no parameter takes {name!r} of {route.method_name}; "
                f"{hint} a parameter so, or ask for the Request"
            )


def _usual(
    function: Callable[..., Any],
    arguments: Callable[[HttpCall], dict[str, Any]],
    fixed: Mapping[str, Any],
    respond: Callable[[Any], Response],
) -> Handler:
    """The common case, written out: a coroutine function, and nothing to wait for before it."""

    async def handle(call: Any) -> Response:
        response = respond(await function(**arguments(call), **fixed))
        if isinstance(response, Prepared):
            response = await response.prepare(call.request)
        return response

    return handle


def _any(
    function: Callable[..., Any],
    fetch: Fetch,
    respond: Callable[[Any], Response],
    sources: Sources,
    container: Container,
) -> Handler:
    """Every other function."""
    run = _run_of(function)

    async def answer(call: HttpCall, arguments: dict[str, Any]) -> Response:
        response = respond(await run(arguments))
        if isinstance(response, Prepared):
            response = await response.prepare(call.request)
        return response

    async def handle(call: Any) -> Response:
        found = fetch(call)
        arguments = found if isinstance(found, dict) else await found
        if not sources.call:
            return await answer(call, arguments)
        async with Held(CallResources(call, container)) as held:
            for name, provider in sources.call.items():
                arguments[name] = await held.open(provider)
            response = await answer(call, arguments)
            if response.streams:
                # What the body is made of may need them until its end.
                response.body = held.until_the_end_of(response.body)
            return response

    return handle


def _run_of(function: Callable[..., Any]) -> Callable[[dict[str, Any]], Awaitable[Any]]:
    if inspect.iscoroutinefunction(function):
        return lambda arguments: function(**arguments)

    async def generate(arguments: dict[str, Any]) -> Any:
        return function(**arguments)

    async def run_in_thread(arguments: dict[str, Any]) -> Any:
        result = await to_thread(function, **arguments)
        # A plain decorator around a coroutine function hands back something to wait for.
        return await result if inspect.isawaitable(result) else result

    return generate if inspect.isasyncgenfunction(function) else run_in_thread


def _fetch_of(plan: Plan, fixed: Mapping[str, Any], brought: Mapping[str, Any]) -> Fetch:
    """What finds the arguments; a coroutine only if there is something to wait for."""

    async def later(call: HttpCall, given: dict[str, Any]) -> dict[str, Any]:
        return {**await plan.arguments_async(call), **given}

    def fetch(call: HttpCall) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        # First, so that who has not proved who they are learns nothing of what is expected.
        given = {name: brought_by(call, annotation) for name, annotation in brought.items()}
        given.update(fixed)
        if plan.ready(call):
            given.update(plan.arguments(call))
            return given
        return later(call, given)

    return fetch


def _socket_handler(
    socket: WebSocketPlan, fetch: Fetch, sources: Sources, container: Container
) -> Handler:
    if not sources.call:
        return socket.handler(fetch)

    async def handle(call: Any) -> Any:
        async with Held(CallResources(call, container)) as held:

            async def fill(call: HttpCall) -> dict[str, Any]:
                found = fetch(call)
                arguments = found if isinstance(found, dict) else await found
                for name, provider in sources.call.items():
                    arguments[name] = await held.open(provider)
                return arguments

            return await socket.handler(fill)(call)

    return handle
