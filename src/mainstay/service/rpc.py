"""The RPC services of a service as endpoints that can be called: each method found its arguments.

What becomes of a method, from the outside in::

    middleware of the service → of the method → messages → arguments → function

A function's parameters are filled by type, as everywhere; the one left over takes the request, or,
as an ``AsyncIterator``, the messages that the caller streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import MethodType, NoneType
from typing import TYPE_CHECKING, Any, cast, is_typeddict

from mainstay.core.call import Call, Handler, Stream
from mainstay.core.middleware import Layer
from mainstay.core.signature import MISSING, parameters_of, say_type, where
from mainstay.errors import UsageError, WiringError
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.method import Kind, RpcMethod, RpcService
from mainstay.rpc.twins import twins_of
from mainstay.service.binding import Binding, bind, handler_of
from mainstay.service.container import Container
from mainstay.service.layers import Layers

if TYPE_CHECKING:
    from mainstay.rpc.transcoding.route import Route

__all__ = ["RpcEndpoints"]


class RpcEndpoints:
    """The methods of a service, bound and checked.

    Args:
        services: all of them.
        container: what parameters can ask for; it need not be open yet.
        layers: binds the middleware.

    Attributes:
        paths: by which methods are called with JSON; set by who knows the routes of HTTP.

    Raises: WiringError that lists every fault of every method.
    """

    def __init__(
        self, services: Iterable[RpcService], container: Container, layers: Layers
    ) -> None:
        self.paths: Sequence[Route] = ()
        self._container = container
        self._layers = layers
        self._bound: list[tuple[RpcMethod, Binding | None]] = []
        faults = []
        described = tuple(services)
        for service in described:
            try:
                methods = list(service)
            except WiringError as fault:  # it is put together when it is looked at
                faults.append(fault.message)
                continue
            for method in methods:
                try:
                    self._bound.append((method, self._bind(method)))
                except WiringError as fault:
                    faults.append(fault.message)
        if faults:
            raise WiringError("\n".join(faults))
        faults = twins_of(described)
        if faults:
            raise WiringError("\n".join(faults))

    def _bind(self, method: RpcMethod) -> Binding | None:
        for layer in method.middleware:
            self._layers.bind(layer)
        if method.function is None:
            if method.handler is None:
                raise WiringError(f"{method.full_name} has nothing that answers it")
            return None
        function = method.function
        if method.owner is not None:
            # As the instance will have it, which cannot be made yet.
            function = MethodType(function, method.owner)
            self._container.want(method.owner)
        binding = bind(function, self._container, request=True)
        _check(method, binding)
        return binding

    def open(self, middleware: Iterable[Layer]) -> list[RpcEndpoint]:
        """Every method with its handler in `middleware`; once the container is open."""
        around = tuple(middleware)
        made = []
        for method, binding in self._bound:
            handler = method.handler
            if binding is not None:
                owned = self._owned(method, binding)
                handler = _answering(method, handler_of(owned, self._container))
            assert handler is not None
            layers = (*around, *method.middleware)
            made.append(RpcEndpoint(method, self._layers.chain(layers, handler)))
        return made

    def _owned(self, method: RpcMethod, binding: Binding) -> Binding:
        """The same for the method of the one instance, where it is one of a class."""
        if method.owner is None:
            return binding
        function = cast("MethodType", binding.function).__func__
        return replace(binding, function=MethodType(function, self._container.get(method.owner)))


def _check(method: RpcMethod, binding: Binding) -> None:
    """Refuse a function that would get another request than is sent."""
    streams = method.kind.requests_stream
    said = f"{where(binding.function)}, which answers {method.full_name}"
    if method.kind is Kind.UNARY and Stream in binding.brought.values():
        raise WiringError(f"{said}, asks for the Stream, and the method has none")
    _check_type(method, binding, said)
    if binding.request is None or (not streams and not binding.streams):
        return
    if binding.streams and not streams:
        raise WiringError(f"{said}, takes a stream of requests, and the method gets one")
    if not binding.streams and Stream not in binding.brought.values():
        name = method.request.name.rpartition(".")[2]
        raise WiringError(
            f"{said}, gets a stream of requests: annotate {binding.request!r} as "
            f"AsyncIterator[{name}]"
        )


def _check_type(method: RpcMethod, binding: Binding, said: str) -> None:
    """Refuse a definition that took a resource for the request."""
    wanted = method.request.python_type
    name = say_type(wanted)
    if wanted in binding.service.values():
        raise WiringError(f"{said}, has {name} as its request, and {name} is a resource")
    for parameter in parameters_of(binding.function):
        if parameter.name != binding.request or binding.streams:
            continue
        given = parameter.annotation
        if given in (None, NoneType):
            raise WiringError(
                f"{said}, gets {name}, and {parameter.name!r} is None: leave it out, and the request "
                "is not looked at"
            )
        untyped = given in (MISSING, Any) or hasattr(given, "DESCRIPTOR")
        if method.request.name == "google.protobuf.Empty" and not untyped:
            raise WiringError(
                f"{said}: its parameter {parameter.name!r} is {say_type(given)}, which is no message, "
                "a class with named fields, and no resource has this type"
            )
        if not isinstance(given, type) or given in (MISSING, Any) or is_typeddict(given):
            continue
        if not issubclass(given, wanted) and not issubclass(wanted, given):
            raise WiringError(
                f"{said}, gets {name}, and {parameter.name!r} is {say_type(given)}; name the "
                "parameter that takes the request `request`"
            )


def _answering(method: RpcMethod, handler: Handler) -> Handler:
    """A handler of one request, or of a stream, as one of `method`'s kind."""
    kind = method.kind
    if kind is Kind.UNARY or kind is Kind.BIDI:
        return handler
    if kind is Kind.SERVER_STREAM:

        async def receive_first(call: Call) -> None:
            assert call.stream is not None
            call.request = await call.stream.receive()
            await handler(call)

        return receive_first

    async def send_last(call: Call) -> None:
        assert call.stream is not None
        reply: Any = await handler(call)
        if reply is None and method.response.python_type is not NoneType:
            raise UsageError(f"{method.full_name} returned nothing, and has one reply")
        await call.stream.send(reply)

    return send_last
