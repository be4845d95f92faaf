"""From a servicer to the services that it answers.

The servicer is an object, whose methods become handlers at once, or a class, whose methods become
functions that ask for an instance by type, as any function asks for a resource.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from mainstay.core.call import Call, Handler, StreamMiddleware
from mainstay.errors import InvalidRequest, Unimplemented, UsageError
from mainstay.rpc.grpcio.answering import answer_with, behaviour_of, core_of, handler_of
from mainstay.rpc.grpcio.context import ServicerContext
from mainstay.rpc.grpcio.interceptors import CallDetails, check_interceptors, intercepted
from mainstay.rpc.grpcio.known import metadata_of
from mainstay.rpc.grpcio.recording import Later, record
from mainstay.rpc.grpcio.threads import ThreadContext
from mainstay.rpc.grpcio.types import service_from
from mainstay.rpc.method import CATCH_ALL, Kind, MessageType, RpcMethod, RpcService

__all__ = ["adopt", "services_of"]


def services_of(
    add: Callable[[Any, Any], Any], servicer: Any, interceptors: Sequence[Any] = ()
) -> list[RpcService]:
    """What `add`, which generated code has, registers for `servicer`.

    Args:
        add: ``add_XServicer_to_server``.
        servicer: an instance; or a class, whose methods then have `RpcMethod.function`, with the
            class as the type of the parameter ``servicer``.
        interceptors: of grpcio, around each method; the first is the outermost.

    Raises: WiringError for whatever is wrong with them.
    """
    interceptors = tuple(interceptors)
    check_interceptors(interceptors)
    recorder = record(add, servicer)
    made = []
    for name, handlers in recorder.services.items():
        service = service_from(name, handlers)
        for method in service:
            _answer(method, handlers[method.name], servicer, interceptors)
        made.append(service)
    if recorder.generic:
        made.append(_catching(recorder.generic, interceptors))
    return made


def adopt() -> None:
    """Let what we give to servicers pass for what grpcio gives them, where they look at types.

    Raises: ModuleNotFoundError without grpcio.
    """
    import grpc.aio  # noqa: PLC0415 - see the package

    grpc.ServicerContext.register(ThreadContext)
    grpc.aio.ServicerContext.register(ServicerContext)
    grpc.HandlerCallDetails.register(CallDetails)


def _answer(
    method: RpcMethod, method_handler: Any, servicer: Any, interceptors: tuple[Any, ...]
) -> None:
    """Let `method` be answered by `method_handler`."""
    kind, behaviour = behaviour_of(method_handler)
    if isinstance(behaviour, Later):
        method.function = _function(method, method_handler, behaviour, servicer, interceptors)
        return
    method.handler = handler_of(kind, behaviour)
    if interceptors:
        method.handler = intercepted(method.path, interceptors, method_handler, method.handler)


def _function(
    method: RpcMethod,
    method_handler: Any,
    later: Later,
    made: type,
    interceptors: tuple[Any, ...],
) -> Callable[..., Any]:
    name = later.name
    core = core_of(method.kind, later)

    async def answer(call: Any, servicer: Any) -> Any:
        return await core(call, getattr(servicer, name))

    async def answer_intercepted(call: Any, servicer: Any) -> Any:
        behaviour = getattr(servicer, name)
        own = _bound(method_handler, behaviour)
        return await intercepted(
            method.path, interceptors, own, lambda call: core(call, behaviour)
        )(call)

    function = answer_intercepted if interceptors else answer
    function.__qualname__ = f"{made.__qualname__}.{name}"
    function.__annotations__ = {"call": Call, "servicer": made}
    return function


def _bound(method_handler: Any, behaviour: Callable[..., Any]) -> Any:
    """The same handler with the method of an instance."""
    import grpc  # noqa: PLC0415 - see the package

    kind = Kind((bool(method_handler.request_streaming), bool(method_handler.response_streaming)))
    make = {
        Kind.UNARY: grpc.unary_unary_rpc_method_handler,
        Kind.SERVER_STREAM: grpc.unary_stream_rpc_method_handler,
        Kind.CLIENT_STREAM: grpc.stream_unary_rpc_method_handler,
        Kind.BIDI: grpc.stream_stream_rpc_method_handler,
    }[kind]
    return make(behaviour, method_handler.request_deserializer, method_handler.response_serializer)


# --- handlers that decide when a call comes ------------------------------------------------------

_BYTES: Final = MessageType(name="bytes", python_type=bytes, decode=bytes, encode=bytes)


def _catching(generic: Sequence[Any], interceptors: tuple[Any, ...]) -> RpcService:
    """A service for every method that no other has."""

    def find(details: Any) -> Any:
        found = (each.service(details) for each in generic)
        return next((each for each in found if each is not None), None)

    async def answer(call: Any) -> None:
        path = call.exchange.target.decode("latin-1")
        chosen = find(CallDetails(path, metadata_of(call)))
        if chosen is None:
            raise Unimplemented(f"there is no method {path}")
        call.stream = _Converting(call.stream, chosen)
        handler: Handler = lambda call: answer_with(call, chosen)  # noqa: E731
        if interceptors:
            handler = intercepted(path, interceptors, chosen, handler)
        await handler(call)

    method = RpcMethod(
        service=CATCH_ALL,
        name=CATCH_ALL,
        kind=Kind.BIDI,
        request=_BYTES,
        response=_BYTES,
        handler=answer,
    )
    return RpcService(name=CATCH_ALL, methods={CATCH_ALL: method})


class _Converting(StreamMiddleware):
    """Messages for a method handler, over a stream of their bytes."""

    __slots__ = ("_decode", "_encode")

    def __init__(self, inner: Any, method_handler: Any) -> None:
        super().__init__(inner)
        self._decode = method_handler.request_deserializer
        self._encode = method_handler.response_serializer

    async def receive(self) -> Any:
        """See `Stream`."""
        data = await self.inner.receive()
        if self._decode is None:
            return data
        try:
            return self._decode(data)
        except Exception as error:  # whatever a hand-written function raises
            raise InvalidRequest("the message is malformed") from error

    async def send(self, message: Any) -> None:
        """See `Stream`."""
        data = message if self._encode is None else self._encode(message)
        if not isinstance(data, bytes):
            raise UsageError(f"a message is sent as bytes, and a serializer made {type(data)}")
        await self.inner.send(data)
