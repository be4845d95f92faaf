"""The whole service put together and checked, before anything of it is opened.

`Wiring` is what `mainstay check` makes and throws away, and what a start makes first: every
parameter of every function has its source, or the error names the one that has not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from mainstay.core.call import Handler
from mainstay.core.scope import Scope
from mainstay.core.signature import where
from mainstay.core.threads import to_thread
from mainstay.errors import WiringError
from mainstay.interfaces.server import Server
from mainstay.service.binding import Binding, bind, handler_of
from mainstay.service.container import Container
from mainstay.service.declaration import Declaration, Function, HookKind
from mainstay.service.layers import Layers
from mainstay.service.probes import Check, ProbeKind
from mainstay.service.settings import Settings

if TYPE_CHECKING:
    from mainstay.http.router import Slashes
    from mainstay.http.routes import Routes
    from mainstay.rpc.transcoding.route import Route
    from mainstay.service.endpoints import Endpoints
    from mainstay.service.mounts import Mounts
    from mainstay.service.rpc import RpcEndpoints

__all__ = ["Runner", "Wiring"]

K = TypeVar("K")
Runner: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]


class Wiring:
    """The functions of a service with the sources of their parameters.

    Args:
        declaration: what was said.
        values: ready values by type.
        overrides: what takes the place of providers, by type.
        beside: routes that stand outside of the service's middleware: probes, documentation.
        slashes: what a trailing slash too much or too little means; see `mainstay.http.router`.

    Attributes:
        container: what parameters can ask for.
        endpoints: what answers by HTTP; None if nothing does.
        rpc: what answers RPC; None if nothing does.

    Raises: WiringError when something cannot be put together.
    """

    def __init__(
        self,
        declaration: Declaration,
        values: Mapping[Any, Any],
        overrides: Mapping[Any, Any] | None = None,
        *,
        beside: Routes | None = None,
        slashes: Slashes = "redirect",
    ) -> None:
        routes = _all_routes(declaration, beside)
        mounts = None if routes is None else _mounts(routes)
        providers = [*declaration.resources, *(mounts.providers if mounts is not None else ())]
        self.container = Container(providers, values, overrides)
        self._declaration = declaration
        self._layers = Layers(self.container)
        faults = self._layer_faults(routes)
        self.endpoints: Endpoints | None = None
        if routes is not None and mounts is not None:
            from mainstay.service.endpoints import Endpoints  # noqa: PLC0415 - not without routes

            try:
                self.endpoints = Endpoints(routes, self.container, self._layers, mounts, slashes)
            except WiringError as fault:
                faults.append(fault)
        self.rpc: RpcEndpoints | None = None
        if declaration.rpc:
            from mainstay.service.rpc import RpcEndpoints  # noqa: PLC0415 - not without RPC

            try:
                self.rpc = RpcEndpoints(declaration.rpc.values(), self.container, self._layers)
                self.rpc.paths = _paths(declaration, values)
            except WiringError as fault:
                faults.append(fault)
        self._handlers = _bound(
            declaration.handlers, lambda each: bind(each, self.container, request=True), faults
        )
        work = [worker.function for worker in declaration.workers]
        work += [job.function for job in declaration.jobs]
        for functions in (*declaration.hooks.values(), *declaration.probes.values()):
            work += functions
        work += [made for made in declaration.servers if inspect.isroutine(made)]
        self._work = _bound({each: each for each in work}, self._bind, faults)
        if faults:
            # All at once: mending one and being told of the next is a waste of starts.
            raise WiringError("\n".join(fault.message for fault in faults))

    def handlers(self) -> dict[str, Handler]:
        """Every handler in its middleware, by method; once the container is open."""
        middleware = self._declaration.middleware
        return {
            method: self._layers.chain(middleware, handler_of(binding, self.container))
            for method, binding in self._handlers.items()
        }

    def runner(self, function: Function) -> Runner:
        """A worker, job, hook or check as a function without parameters."""
        return partial(_run, self._work[function], self.container)

    def servers(self) -> list[tuple[str, Runner]]:
        """Each server's name and what makes it, once the container is open."""
        return [(_name_of(each), partial(self._server, each)) for each in self._declaration.servers]

    async def _server(self, declared: Server | Function) -> Server:
        if not inspect.isroutine(declared):
            return cast("Server", declared)
        # On the loop and not in a thread: what it makes may belong to the loop.
        made = declared(**_arguments(self._work[declared], self.container))
        return cast("Server", await made if inspect.isawaitable(made) else made)

    def hooks(self, kind: HookKind) -> list[tuple[str, Runner]]:
        """The hooks of one moment with their names, in the order of declaration."""
        return [
            (f"{kind} hook {function.__qualname__!r}", self.runner(function))
            for function in self._declaration.hooks[kind]
        ]

    def checks(self, kind: ProbeKind) -> list[Check]:
        """What one probe asks: pings of resources for ``ready``, then the declared checks."""
        checks = []
        if kind == "ready":
            for living in self.container.living():
                ping = living.provider.ping
                if ping is not None:
                    checks.append(Check(living.provider.name, partial(_ping, ping, living.value)))
        checks += [
            Check(function.__qualname__, self.runner(function))
            for function in self._declaration.probes[kind]
        ]
        return checks

    def _layer_faults(self, routes: Routes | None) -> list[WiringError]:
        """What is wrong with the middleware, each named once wherever it is listed."""
        listed = [*self._declaration.middleware]
        for route in () if routes is None else routes.routes():
            listed += route.middleware
        faults = []
        for layer in {id(each): each for each in listed}.values():
            try:
                self._layers.bind(layer)
            except WiringError as fault:
                faults.append(fault)
        return faults

    def _bind(self, function: Function) -> Binding:
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            message = f"{where(function)} yields, and nobody takes what it yields here"
            raise WiringError(message)
        return bind(function, self.container)


def _paths(declaration: Declaration, values: Mapping[Any, Any]) -> Sequence[Route]:
    """The paths of RPC methods for JSON, unless the settings are against them."""
    settings = values.get(Settings)
    if settings is not None and not settings.rpc.transcoding:
        return ()
    from mainstay.service.transcoding import transcoded  # noqa: PLC0415 - not without RPC

    return transcoded(declaration)


def _all_routes(declaration: Declaration, beside: Routes | None) -> Routes | None:
    """The routes of the service in its middleware, and those beside it."""
    if beside is None and not declaration.has_routes:
        return None
    from mainstay.http.routes import Routes  # noqa: PLC0415 - as above

    every = Routes()
    if declaration.has_routes:
        every.include(declaration.routes, middleware=declaration.middleware)
    if beside is not None:
        every.include(beside)
    return every


def _mounts(routes: Routes) -> Mounts:
    from mainstay.service.mounts import Mounts  # noqa: PLC0415 - as above

    return Mounts(routes.routes())


def _bound(
    functions: Mapping[K, Function],
    bound: Callable[[Function], Binding],
    faults: list[WiringError],
) -> dict[K, Binding]:
    found = {}
    for key, function in functions.items():
        try:
            found[key] = bound(function)
        except WiringError as fault:
            faults.append(fault)
    return found


async def _run(binding: Binding, container: Container) -> Any:
    return await _call(binding.function, **_arguments(binding, container))


def _arguments(binding: Binding, container: Container) -> dict[str, Any]:
    # Outside of any call, a scope is all that can be brought along.
    return {**binding.constants(container), **dict.fromkeys(binding.brought, Scope.current())}


def _name_of(server: Server | Function) -> str:
    return f"server {server.__qualname__!r}" if inspect.isroutine(server) else repr(server)


async def _ping(ping: Function, value: Any) -> None:
    await _call(ping, value)


async def _call(function: Function, *args: Any, **arguments: Any) -> Any:
    """Await a coroutine function; run any other in a thread."""
    if inspect.iscoroutinefunction(function):
        return await function(*args, **arguments)
    result = await to_thread(function, *args, **arguments)
    # A plain function may hand back something to wait for, as `lambda db: db.ping()` does.
    return await result if inspect.isawaitable(result) else result
