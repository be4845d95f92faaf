"""From a user's function to something that can be called: every parameter finds its value.

For each parameter, the first that fits:

1. a type the call brings along: `Scope`, `Call`, the call's `Stream`, the HTTP `Request`, the
   `Principal` who makes it;
2. a type that somebody provides: configuration, resources, the service itself;
3. for handlers, the one parameter left is the request (or, as an ``AsyncIterator``, the messages
   that the peer streams);
4. its default.

Anything else is a WiringError when the service starts, not when the first call comes.
"""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
)
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from types import TracebackType, UnionType
from typing import Any, Final, Union, cast, get_args, get_origin

from mainstay.core.call import Call, Handler, Stream, messages
from mainstay.core.scope import Scope
from mainstay.core.signature import MISSING, Parameter, parameters_of, say_type, where
from mainstay.core.threads import to_thread
from mainstay.errors import InvalidRequest, UsageError, WiringError
from mainstay.http.call import HttpCall
from mainstay.http.foreign import refuse_foreign
from mainstay.http.middleware.principal import PRINCIPAL, Principal, ask_who
from mainstay.http.request import Request
from mainstay.service.container import OF_A_CALL, WHO_CALLS, Container, check_who, is_call
from mainstay.service.provider import Provider

__all__ = [
    "CLEANUP",
    "Binding",
    "CallResources",
    "Sources",
    "bind",
    "brought_by",
    "handler_of",
    "refuse_catch_alls",
    "sort_sources",
    "sources_of",
]

CLEANUP: Final = 5.0
"""Seconds that closing the resources of one call may take, its cancellation held off meanwhile."""

_STREAMS: Final = frozenset({AsyncIterator, AsyncIterable})


@dataclass(frozen=True, slots=True)
class Binding:
    """How the parameters of one function are filled.

    Attributes:
        function: the user's.
        service: parameter → the type of a value that is the same for every call.
        call: parameter → the provider of a resource that lives for one call.
        brought: parameter → the type that each call brings along.
        request: the parameter that takes the request, if any.
        optional: whether `request` has a default, which holds for a call without a request.
        streams: whether `request` takes the peer's messages as an async iterator.
    """

    function: Callable[..., Any]
    service: Mapping[str, Any]
    call: Mapping[str, Provider]
    brought: Mapping[str, Any]
    request: str | None
    optional: bool
    streams: bool

    def constants(self, container: Container) -> dict[str, Any]:
        """The arguments that are the same for every call, once the container is open."""
        return {name: container.get(annotation) for name, annotation in self.service.items()}


def bind(function: Callable[..., Any], container: Container, *, request: bool = False) -> Binding:
    """Decide how to fill the parameters of `function`.

    Args:
        function: any kind of function.
        container: what can be asked for; it need not be open yet.
        request: whether one parameter may be left to take a request.

    Raises: WiringError that names the parameter nothing fills; for a handler that yields without
        being ``async``.
    """
    if request and inspect.isgeneratorfunction(function):
        message = f"{where(function)} yields: make it `async def` to stream its messages"
        raise WiringError(message)
    if request:
        refuse_catch_alls(function)
    sources = sources_of(function, container)
    service, call, brought, left = sources.service, sources.call, sources.brought, sources.left
    taken = _request_of(function, container, left) if request else None
    for parameter in left:
        if parameter is not taken and parameter.default is MISSING:
            raise container.missing(function, parameter)
    if not request and (call or set(brought.values()) - {Scope}):
        names = ", ".join(sorted({*call, *brought}))
        message = (
            f"{where(function)} runs outside of any call and cannot have what lives for one "
            f"call: {names}"
        )
        raise WiringError(message)
    streams = taken is not None and get_origin(taken.annotation) in _STREAMS
    return Binding(
        function,
        service,
        call,
        brought,
        request=None if taken is None else taken.name,
        optional=taken is not None and taken.default is not MISSING,
        streams=streams,
    )


def refuse_catch_alls(function: Callable[..., Any]) -> None:
    """Refuse a handler with ``*args`` or ``**kwargs``, which nothing would ever fill.

    Raises: WiringError.
    """
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise WiringError(
                f"{where(function)}: {str(parameter).partition(':')[0]!r} would always be empty, as "
                "parameters are filled by name; name them, or ask for the Call. If a decorator has "
                "put it there, have it use functools.wraps"
            )


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the parameters of one function come from, as far as types say.

    Attributes:
        service, call, brought: see `Binding`.
        left: those whose types nobody provides.
    """

    service: dict[str, Any]
    call: dict[str, Provider]
    brought: dict[str, Any]
    left: list[Parameter]


def sources_of(
    function: Callable[..., Any], container: Container, *, apart: Collection[str] = ()
) -> Sources:
    """Sort the parameters of `function` by who fills them; those named in `apart` are left."""
    parameters = parameters_of(function)
    refuse_foreign(function, parameters)
    for parameter in parameters:
        if container.brings(parameter.annotation):
            check_who(function, parameter)
    return sort_sources(parameters, container, apart=apart)


def sort_sources(
    parameters: Iterable[Parameter], container: Container, *, apart: Collection[str] = ()
) -> Sources:
    """The same for some parameters of a function."""
    sources = Sources({}, {}, {}, [])
    for parameter in parameters:
        annotation = _offered(parameter.annotation, container)
        provider = container.call_provider(annotation)
        if parameter.name in apart:
            sources.left.append(parameter)
        elif container.brings(annotation) or annotation is Stream:
            if parameter.default is None and annotation is Principal:
                annotation = Principal | None
            sources.brought[parameter.name] = annotation
        elif provider is not None:
            sources.call[parameter.name] = provider
            container.want(annotation)
        elif container.provides(annotation):
            sources.service[parameter.name] = annotation
            container.want(annotation)
        else:
            sources.left.append(parameter)
    return sources


def _offered(annotation: Any, container: Container) -> Any:
    """The annotation, or `T` for ``T | None`` when somebody provides T."""
    if annotation in WHO_CALLS and container.brings(annotation):
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        options = [each for each in get_args(annotation) if each is not type(None)]
        if len(options) == 1 and (container.provides(options[0]) or options[0] in OF_A_CALL):
            return options[0]
    return annotation


def _request_of(
    function: Callable[..., Any], container: Container, left: list[Parameter]
) -> Parameter | None:
    needed = [parameter for parameter in left if parameter.default is MISSING]
    if len(needed) > 1:
        for parameter in needed:
            if parameter.annotation is MISSING:
                raise container.missing(function, parameter)
        names = ", ".join(f"{each.name}: {say_type(each.annotation)}" for each in needed)
        message = (
            f"{where(function)}: a handler takes one request, and these are left over: {names}; "
            f"if it is a resource, {container.hint()}"
        )
        raise WiringError(message)
    return needed[0] if needed else left[0] if left else None


def handler_of(binding: Binding, container: Container) -> Handler:
    """The innermost handler: fills the parameters from the call and runs the user's function.

    A coroutine function is awaited; a plain one runs in a thread; an async generator is driven
    here, each item sent as a message, so that middleware spans its whole life.
    """
    function = binding.function
    constants = binding.constants(container)
    if inspect.isasyncgenfunction(function):
        run = _stream_of(function)
    elif inspect.iscoroutinefunction(function):
        run = _run_of(function)
    else:
        run = _thread_of(function)
    if not binding.call and not binding.brought and not binding.streams:
        return _plain(run, constants, binding)

    async def handle(call: Call) -> Any:
        arguments = dict(constants)
        for name, annotation in binding.brought.items():
            arguments[name] = brought_by(call, annotation)
        if binding.streams:
            arguments[cast(str, binding.request)] = messages(_stream(call))
        elif binding.request is not None and not (call.request is None and binding.optional):
            arguments[binding.request] = call.request
        if not binding.call:
            return await run(call, arguments)
        async with CallResources(call, container) as opened:
            for name, provider in binding.call.items():
                arguments[name] = await opened(provider)
            return await run(call, arguments)

    return handle


_Run = Callable[[Call, dict[str, Any]], Any]


def _plain(run: _Run, constants: dict[str, Any], binding: Binding) -> Handler:
    """The common case, without looking at anything twice."""
    request = binding.request
    if request is None:
        return lambda call: run(call, constants)
    if not binding.optional and _takes_first(binding.function, request):
        # A call that says no name costs half of one that does.
        function = binding.function
        if constants:
            return lambda call: function(call.request, **constants)
        return lambda call: function(call.request)
    if not binding.optional:
        return lambda call: run(call, {**constants, request: call.request})

    def handle(call: Call) -> Awaitable[Any]:
        given = {} if call.request is None else {request: call.request}
        return cast("Awaitable[Any]", run(call, {**constants, **given}))

    return handle


def _takes_first(function: Callable[..., Any], name: str) -> bool:
    """Whether it is a coroutine function, nothing around it, whose first parameter is `name`."""
    if hasattr(function, "__wrapped__") or not inspect.iscoroutinefunction(function):
        return False
    first = next(iter(inspect.signature(function).parameters.values()))
    return first.name == name and first.kind is not first.KEYWORD_ONLY


def _run_of(function: Callable[..., Any]) -> _Run:
    return lambda call, arguments: function(**arguments)


def _thread_of(function: Callable[..., Any]) -> _Run:
    async def run(call: Call, arguments: dict[str, Any]) -> Any:
        result = await to_thread(function, **arguments)
        # A plain decorator around a coroutine function hands back something to wait for.
        return await result if inspect.isawaitable(result) else result

    return run


def _stream_of(function: Callable[..., Any]) -> _Run:
    async def run(call: Call, arguments: dict[str, Any]) -> None:
        stream = _stream(call)
        # `aclosing`, or the generator's cleanup would wait for the garbage collector.
        async with aclosing(function(**arguments)) as items:
            send_all = getattr(stream, "send_all", None)
            if send_all is not None:
                await send_all(items)
            else:
                async for item in items:
                    await stream.send(item)
        await stream.close()

    return run


def brought_by(call: Call, annotation: Any) -> Any:
    """What `call` brings along of this type.

    Raises: InvalidRequest for a stream of a call that has none; UsageError for the HTTP request of
    a call that did not come by HTTP; Unauthenticated for a `Principal` that nobody has proved to be.
    """
    if annotation is Scope:
        # The innermost scope, which a middleware may have made tighter than the call's own.
        return Scope.current()
    if annotation is Request:
        return _request(call)
    if annotation in WHO_CALLS:
        return ask_who(call) if annotation is Principal else call.scope.get(PRINCIPAL)
    if annotation is Stream:
        return _stream(call)
    if not isinstance(call, annotation):
        name = annotation.__qualname__
        raise UsageError(f"{call.method} was called by {call.transport}, and asks for {name}")
    return call


def _request(call: Call) -> Request:
    if not isinstance(call, HttpCall):
        message = f"{call.method} was called by {call.transport}, and asks for an HTTP request"
        raise UsageError(message)
    return call.request


def _stream(call: Call) -> Stream:
    if call.stream is None:
        message = f"{call.method} streams, and was called for a single reply"
        raise InvalidRequest(message)
    return call.stream


class CallResources:
    """The resources that live for one call: opened when asked for, each once, closed in reverse.

    Closing is shielded, because a rollback is most needed when the call was cancelled.
    """

    def __init__(self, call: Call, container: Container) -> None:
        self._call = call
        self._given: dict[Any, Any] = {Call: call, Scope: call.scope}
        self._container = container
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Callable[[Provider], Any]:
        return self._open

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        with Scope.current().shield(CLEANUP):
            return await self._stack.__aexit__(kind, error, trace)

    async def _open(self, provider: Provider) -> Any:
        if provider.provides not in self._given:
            for parameter in provider.needs:
                needed = self._container.call_provider(parameter.annotation)
                if needed is not None:
                    await self._open(needed)
                elif parameter.annotation is Request:
                    self._given[Request] = _request(self._call)
                elif parameter.annotation in WHO_CALLS:
                    self._bring_who(parameter)
                elif is_call(parameter.annotation):
                    self._given[parameter.annotation] = brought_by(self._call, parameter.annotation)
            arguments = self._container.arguments(provider, self._given)
            value = await self._stack.enter_async_context(provider.open(**arguments))
            self._given[provider.provides] = provider.checked(value)
        return self._given[provider.provides]

    def _bring_who(self, parameter: Parameter) -> None:
        annotation = parameter.annotation
        if not self._container.brings(annotation):
            return
        required = annotation is Principal and parameter.default is MISSING
        who = ask_who(self._call) if required else self._call.scope.get(PRINCIPAL)
        if who is not None or annotation is not Principal:
            self._given[annotation] = who
