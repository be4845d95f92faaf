"""Who provides what to whom, and in which order things open.

The graph is checked before anything opens: a missing provider, a circle, or a service resource that
asks for one of a single call is a WiringError that names the functions and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from mainstay.core.call import Call
from mainstay.core.scope import Scope
from mainstay.core.signature import MISSING, Parameter, say_type, where
from mainstay.errors import ShuttingDown, WiringError
from mainstay.http.foreign import refuse_foreign
from mainstay.http.middleware.principal import Principal
from mainstay.http.request import Request
from mainstay.service.builtin import builtin_provider
from mainstay.service.living import Living
from mainstay.service.provider import Provider
from mainstay.service.starting import step

__all__ = ["OF_A_CALL", "WHO_CALLS", "Container", "check_who", "is_call"]

WHO_CALLS: Final = frozenset({Principal, Principal | None})
"""Types of who makes a call, which the service may provide in another way too."""
OF_A_CALL: Final = frozenset({Call, Request, Scope, *WHO_CALLS})
"""Types that each call brings along."""


class Container:
    """The resources of one running service.

    Args:
        providers: what was declared.
        values: ready values by type: the configuration, the service, …
        overrides: values that take the place of providers, by type; for tests.

    Raises: WiringError when the graph cannot work.
    """

    def __init__(
        self,
        providers: Iterable[Provider],
        values: Mapping[Any, Any],
        overrides: Mapping[Any, Any] | None = None,
    ) -> None:
        self._providers = _by_type(providers)
        self._values = dict(values)
        self._graph: dict[Provider, list[Provider]] = {}
        self._order: list[Provider] = []
        for replaced in overrides or ():
            if not self.provides(replaced):
                message = (
                    f"{say_type(replaced)} is overridden, but nothing provides it; "
                    f"there are {self._offer()}"
                )
                raise WiringError(message)
        self._values.update(overrides or {})
        self._living: dict[Any, Living] = {}
        self._asked: set[Any] = set()
        self._draw()
        self._order = self._sort()

    # --- what there is --------------------------------------------------------------------------

    def provides(self, annotation: Any) -> bool:
        """Whether something of this type can be asked for."""
        return (
            annotation in self._values
            or annotation in self._providers
            or self._has_builtin(annotation)
        )

    def call_provider(self, annotation: Any) -> Provider | None:
        """The provider of this type if it lives for one call."""
        provider = self._provider(annotation)
        return provider if provider is not None and provider.lifetime == "call" else None

    def brings(self, annotation: Any) -> bool:
        """Whether each call brings something of this type along."""
        if annotation in WHO_CALLS:
            return not self.provides(Principal)
        return annotation in OF_A_CALL or is_call(annotation)

    def want(self, annotation: Any) -> None:
        """Note that a function asks for this type: its resource is opened for that alone."""
        self._asked.add(annotation)

    def get(self, annotation: Any) -> Any:
        """The value of this type: given, or of an open service resource."""
        if annotation in self._values:
            return self._values[annotation]
        return self._living[annotation].value

    def living(self) -> list[Living]:
        """The open resources, in the order they opened."""
        return list(self._living.values())

    def names(self) -> list[str]:
        """What will be opened, in that order, then what each call opens."""
        of_calls = [each.name for each in self._providers.values() if each.lifetime == "call"]
        return [
            *(each.name for each in self._in_use()),
            *(f"{name} (per call)" for name in of_calls),
        ]

    def missing(self, function: Callable[..., Any], parameter: Parameter) -> WiringError:
        """The error for a parameter that nothing fills."""
        name = f"parameter {parameter.name!r}"
        if parameter.annotation is MISSING:
            said = f"{name} has no type, so nothing can fill it; annotate it"
            return WiringError(f"{where(function)}: {said} as one of {self._offer()}")
        said = f"nothing provides {say_type(parameter.annotation)} for {name}"
        return WiringError(f"{where(function)}: {said}; {self.hint()}")

    def hint(self) -> str:
        """What to do about a parameter that nothing fills."""
        return f"declare it with @service.resource, or ask for one of {self._offer()}"

    # --- opening --------------------------------------------------------------------------------

    async def open(self, scope: Scope, timeout: float) -> None:
        """Open every service resource, needed ones first, except those that nothing but an
        overridden one needs.

        Args:
            scope: the parent of every resource's scope.
            timeout: seconds for each.

        Raises: StartError that names the resource; what had opened is in `living`.
        """
        for provider in self._in_use():
            living = Living(provider, partial(self._service_arguments, provider), scope)
            try:
                await step(scope, repr(provider), timeout, living.wait_open)
            except BaseException:
                await living.abandon(ShuttingDown(f"the opening of {provider!r} was given up"))
                raise
            self._living[provider.provides] = living

    def arguments(self, provider: Provider, given: Mapping[Any, Any]) -> dict[str, Any]:
        """What `provider` is opened with: from `given` by type, else from the service."""
        found = {}
        for parameter in provider.needs:
            if parameter.annotation in given:
                found[parameter.name] = given[parameter.annotation]
            elif self.provides(parameter.annotation):
                found[parameter.name] = self.get(parameter.annotation)
        return found

    def _service_arguments(self, provider: Provider, own: Scope) -> dict[str, Any]:
        return self.arguments(provider, {Scope: own})

    # --- the graph ------------------------------------------------------------------------------

    def _provider(self, annotation: Any) -> Provider | None:
        return None if annotation in self._values else self._providers.get(annotation)

    def _has_builtin(self, annotation: Any) -> bool:
        """Whether it is built in; from then on it is a resource as any other."""
        provider = builtin_provider(annotation)
        if provider is None:
            return False
        # What is built in needs ready values only, so it may come first in any order.
        self._providers[annotation] = provider
        self._graph[provider] = []
        self._order.insert(0, provider)
        return True

    def _draw(self) -> None:
        """Find what each provider needs of others."""
        for provider in tuple(self._providers.values()):
            refuse_foreign(provider.origin, provider.needs)
            for parameter in provider.needs:
                self._check(provider, parameter)
            self._graph[provider] = [
                self._providers[parameter.annotation]
                for parameter in provider.needs
                if parameter.annotation in self._providers
            ]

    def _sort(self) -> list[Provider]:
        try:
            return list(TopologicalSorter(self._graph).static_order())
        except CycleError as error:
            circle = list(reversed(error.args[1]))
            message = (
                f"resources need each other in a circle: {' → '.join(p.name for p in circle)}; "
                f"one of them is {where(circle[0].origin)}"
            )
            raise WiringError(message) from None

    def _in_use(self) -> list[Provider]:
        needed = {need for needs in self._graph.values() for need in needs}
        todo = [each for each in self._order if each not in needed or each.provides in self._asked]
        wanted: set[Provider] = set()
        while todo:
            provider = todo.pop()
            if provider not in wanted and provider.provides not in self._values:
                wanted.add(provider)
                todo.extend(self._graph[provider])
        return [each for each in self._order if each in wanted and each.lifetime == "service"]

    def _check(self, provider: Provider, parameter: Parameter) -> None:
        annotation = parameter.annotation
        brought = self.brings(annotation)
        if annotation is Scope or (provider.lifetime == "call" and brought):
            check_who(provider.origin, parameter)
            return
        of_a_call = brought or self.call_provider(annotation) is not None
        if not of_a_call and not self.provides(annotation):
            if parameter.default is MISSING:
                raise self.missing(provider.origin, parameter)
        elif provider.lifetime == "service" and of_a_call:
            message = (
                f"{where(provider.origin)} lives as long as the service and asks for "
                f"{say_type(annotation)}, which lives for one call; make it "
                "@service.resource(lifetime='call') too"
            )
            raise WiringError(message)

    def _offer(self) -> str:
        return ", ".join(sorted({say_type(key) for key in (*self._values, *self._providers)}))


def is_call(annotation: Any) -> bool:
    """Whether it is the calls of one transport, such as `mainstay.rpc.RpcCall`."""
    return isinstance(annotation, type) and issubclass(annotation, Call)


def check_who(function: Callable[..., Any], parameter: Parameter) -> None:
    """Refuse a principal that stands in for a caller who has not proved who they are.

    Raises: WiringError.
    """
    if parameter.annotation in WHO_CALLS and parameter.default not in (MISSING, None):
        raise WiringError(
            f"{where(function)}: parameter {parameter.name!r}: who calls has no default but None; "
            "write `Principal | None`, and say in the function what holds for None"
        )


def _by_type(providers: Iterable[Provider]) -> dict[Any, Provider]:
    found: dict[Any, Provider] = {}
    for provider in providers:
        other = found.setdefault(provider.provides, provider)
        if other is not provider:
            message = (
                f"{say_type(provider.provides)} is provided twice, by {where(other.origin)} and "
                f"by {where(provider.origin)}; tell them apart with Annotated[TheType, 'name']"
            )
            raise WiringError(message)
    return found
