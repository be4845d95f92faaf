"""From what is listed as middleware to what runs: each is checked and bound once.

A middleware is ``async (call, next)``. What it has for parameters beyond these two is filled by
type from the service, the same for every call: configuration, resources, the service itself. A
factory (`mainstay.core.middleware.configured`) is called when the first chain is made, and what it
made stands wherever it is listed.

What can be no middleware is refused before anything opens, because else each call would fail: a
plain ``def``, whose result nobody can await; too few parameters; a maker such as `access_log` of
which the parentheses were forgotten.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast, get_origin

from mainstay.core.call import Call, Handler, Middleware, chain
from mainstay.core.middleware import Configured, Layer
from mainstay.core.signature import MISSING, Parameter, hints_of, returns_of, where
from mainstay.errors import WiringError
from mainstay.service.binding import Binding, bind, sort_sources
from mainstay.service.container import Container

__all__ = ["Layers"]

_OWN: Final = 2
"""Parameters that each middleware has: the call, and the next handler."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """One middleware, with what is made of it once the container is open."""

    layer: Layer  # kept, as it is known by its id
    make: Callable[[], Middleware]


class Layers:
    """The middleware of one life of a service.

    Args:
        container: what their parameters can ask for.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._bound: dict[int, _Bound] = {}
        self._made: dict[int, Middleware] = {}

    def bind(self, layer: Layer) -> None:
        """Check one, and note what it asks for; the container need not be open yet.

        Raises: WiringError for what can be no middleware, or asks for what nobody provides.
        """
        if id(layer) not in self._bound:
            bound = self._factory(layer) if isinstance(layer, Configured) else self._plain(layer)
            self._bound[id(layer)] = _Bound(layer, bound)

    def chain(self, layers: Sequence[Layer], handler: Handler) -> Handler:
        """Fold them around a handler, the first outermost; once the container is open.

        Raises: WiringError as `bind` does; whatever a factory raises.
        """
        return chain([self._get(each) for each in layers], handler)

    def _get(self, layer: Layer) -> Middleware:
        made = self._made.get(id(layer))
        if made is None:
            self.bind(layer)
            made = self._made[id(layer)] = self._bound[id(layer)].make()
        return made

    def _factory(self, layer: Configured) -> Callable[[], Middleware]:
        function = layer.function
        if inspect.iscoroutinefunction(function) or not callable(function):
            message = (
                f"{where(function)}: @configured decorates a plain `def` that returns a "
                "middleware; what has to be waited for is a resource that it asks for"
            )
            raise WiringError(message)
        binding = bind(function, self._container)
        if binding.brought:
            raise _of_a_call(function, binding.brought)
        return lambda: self._make(binding)

    def _make(self, binding: Binding) -> Middleware:
        made = binding.function(**binding.constants(self._container))
        try:
            make = self._plain(made)
        except WiringError as fault:
            message = f"{where(binding.function)} made what is no middleware: {fault.message}"
            raise WiringError(message) from None
        return make()

    def _plain(self, layer: Any) -> Callable[[], Middleware]:
        if not callable(layer):
            raise WiringError(f"{layer!r} is no middleware, since it cannot be called")
        function = _function_of(layer)
        if not _awaitable(function):
            raise WiringError(_advice(layer, function))
        more = _more_of(layer, function)
        if not more:
            return lambda: cast("Middleware", layer)
        sources = sort_sources(_parameters(function, more), self._container)
        if sources.call or sources.brought:
            raise _of_a_call(function, {**sources.call, **sources.brought})
        for parameter in sources.left:
            if parameter.default is MISSING:
                raise self._container.missing(function, parameter)
        service = sources.service
        return lambda: _filled(
            layer, {name: self._container.get(kind) for name, kind in service.items()}
        )


def _filled(layer: Any, arguments: dict[str, Any]) -> Middleware:
    if not arguments:
        return cast("Middleware", layer)

    def filled(call: Call, next: Handler) -> Awaitable[Any]:
        return cast("Awaitable[Any]", layer(call, next, **arguments))

    return filled


def _of_a_call(function: Any, names: Iterable[str]) -> WiringError:
    message = (
        f"{where(function)} is filled once, for all calls, and cannot have what lives for one: "
        f"{', '.join(sorted(names))}; ask for a resource of the service, and take the rest from "
        "the call"
    )
    return WiringError(message)


def _function_of(layer: Any) -> Any:
    """What has the signature: a function, the ``__call__`` of an object, what is behind partial."""
    while isinstance(layer, partial):
        layer = layer.func
    return layer if inspect.isroutine(layer) or inspect.isclass(layer) else layer.__call__


def _awaitable(function: Any) -> bool:
    """Whether what it returns can be awaited, as far as one can see."""
    if inspect.iscoroutinefunction(inspect.unwrap(function)):
        return True
    if inspect.isclass(function):
        return False
    returned = _returned(function)
    kind = get_origin(returned) or returned
    return inspect.isclass(kind) and issubclass(kind, Awaitable)


def _returned(function: Any) -> Any:
    try:
        return returns_of(function)
    except WiringError:
        return MISSING  # a name for type checkers only; what matters here is seldom one


def _advice(layer: Any, function: Any) -> str:
    name = getattr(function, "__name__", repr(layer))
    if inspect.isclass(function):
        return f"{where(function)} is a class and no middleware: list an object of it, {name}(…)"
    returned = _returned(function)
    asked = getattr(returned, "__call__", None) if inspect.isclass(returned) else None  # noqa: B004
    maker = returned == Middleware or (
        asked is not None and inspect.iscoroutinefunction(inspect.unwrap(asked))
    )
    if maker:
        needed = any(
            each.default is MISSING and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
            for each in inspect.signature(function).parameters.values()
        )
        return (
            f"{where(function)} makes a middleware and is none: did you mean "
            f"{name}({'…' if needed else ''})? If the service is to call it, decorate it "
            "with @configured"
        )
    return (
        f"{where(function)} is a plain `def`, so it can be no middleware: write "
        f"`async def {name}(call, next)`, and `return await next(call)` in it"
    )


def _more_of(layer: Any, function: Any) -> list[inspect.Parameter]:
    """The parameters beyond the call and the next handler."""
    own, more = 0, []
    for parameter in inspect.signature(layer).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            own = _OWN
        elif parameter.kind is parameter.VAR_KEYWORD:
            continue
        elif parameter.kind is not parameter.KEYWORD_ONLY and own < _OWN:
            own += 1
        else:
            more.append(parameter)
    if own < _OWN:
        message = (
            f"{where(function)} takes {own} of the two parameters of a middleware: write "
            f"`async def {getattr(function, '__name__', 'layer')}(call, next)`"
        )
        raise WiringError(message)
    return more


def _parameters(function: Any, more: Sequence[inspect.Parameter]) -> list[Parameter]:
    if all(each.default is not MISSING and each.annotation is MISSING for each in more):
        return []
    hints = hints_of(function)
    return [Parameter(each.name, hints.get(each.name, MISSING), each.default) for each in more]
