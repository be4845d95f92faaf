"""From a servicer's method to a handler.

A method is one of four functions, and what it is decides how it runs:

===================  ==========================================================================
``async def``        awaited; with replies that stream, it sends them by ``context.write``
async generator      each item is sent as a reply
``def``              called in a thread
generator            run to its end in one thread, each item sent as a reply
===================  ==========================================================================

This file is in the hot path (see `bench/grpc`).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, TypeAlias

from mainstay.core.call import Call, Handler, Stream
from mainstay.errors import Code, EndOfStream, RpcError, UsageError, WiringError
from mainstay.rpc.grpcio.context import ServicerContext
from mainstay.rpc.grpcio.known import KnownCall
from mainstay.rpc.grpcio.recording import Later
from mainstay.rpc.grpcio.threads import RequestIterator, ThreadContext, drive, send_all
from mainstay.rpc.method import Kind

__all__ = ["Core", "Requests", "answer_with", "behaviour_of", "core_of", "handler_of"]

Core: TypeAlias = Callable[[Any, Callable[..., Any]], Awaitable[Any]]
"""Answers a call with a servicer's method: returns the reply, or has sent all of them."""

_ATTRIBUTES = {
    Kind.UNARY: "unary_unary",
    Kind.SERVER_STREAM: "unary_stream",
    Kind.CLIENT_STREAM: "stream_unary",
    Kind.BIDI: "stream_stream",
}


def behaviour_of(method_handler: Any) -> tuple[Kind, Any]:
    """The kind of grpcio's method handler, and the servicer's method.

    Raises: WiringError when it is not set, or cannot be called.
    """
    kind = Kind((bool(method_handler.request_streaming), bool(method_handler.response_streaming)))
    behaviour = getattr(method_handler, _ATTRIBUTES[kind])
    if not callable(behaviour) and not isinstance(behaviour, Later):
        raise WiringError(f"a method handler has {behaviour!r} where its method should be")
    return kind, behaviour


def core_of(kind: Kind, behaviour: Any) -> Core:
    """How a method of this kind, and of the kind of function that `behaviour` is, is run."""
    function = behaviour.function if isinstance(behaviour, Later) else behaviour
    function = _called(function)
    if kind.replies_stream:
        if inspect.isasyncgenfunction(function):
            return _generating(kind)
        if inspect.iscoroutinefunction(function):
            return _writing(kind)
        return _streaming_in_thread(kind)
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        name = getattr(function, "__qualname__", function)
        raise WiringError(f"{name} yields, and its method has one reply: return it")
    if inspect.iscoroutinefunction(function):
        return _unary if kind is Kind.UNARY else _collecting
    return _in_thread(kind)


def _called(function: Any) -> Any:
    """What runs when `function` is called: for an object, its ``__call__``."""
    plain = inspect.isroutine(function) or hasattr(function, "func")
    return function if plain else type(function).__call__


def handler_of(kind: Kind, behaviour: Callable[..., Any]) -> Handler:
    """A handler that is ready, of a method that is at hand."""
    core = core_of(kind, behaviour)
    if kind is not Kind.CLIENT_STREAM:
        return lambda call: core(call, behaviour)

    async def answer(call: Call) -> None:
        assert call.stream is not None
        await call.stream.send(await core(call, behaviour))

    return answer


async def answer_with(call: Any, method_handler: Any) -> Any:
    """Answer `call` with a handler that was chosen for it alone, whatever its kind.

    Raises: UsageError for one that streams where the method does not.
    """
    kind, behaviour = behaviour_of(method_handler)
    core = core_of(kind, behaviour)
    stream = call.stream
    if stream is None:
        if kind is not Kind.UNARY:
            raise UsageError(f"{call.method} does not stream, and was given a handler that does")
        return await core(call, behaviour)
    if kind is Kind.UNARY and call.request is None:
        call.request = await _first(call)
    reply = await core(call, behaviour)
    if not kind.replies_stream:
        await stream.send(reply)
    return None


# --- the kinds of functions ---------------------------------------------------------------------


async def _run(behaviour: Callable[..., Any], given: Any, context: KnownCall) -> Any:
    """Await a method, and tell its context how it has ended.

    Raises: what the context knows better than what was returned, or raised.
    """
    try:
        reply = await behaviour(given, context)
    except Exception as error:
        failure = context.failure(error)
        if failure is error:
            raise
        raise failure from error.__cause__
    except BaseException:
        context.end()
        raise
    context.settle()
    return reply


async def _unary(call: Any, behaviour: Callable[..., Any]) -> Any:
    return await _run(behaviour, call.request, ServicerContext(call))


async def _collecting(call: Any, behaviour: Callable[..., Any]) -> Any:
    context = ServicerContext(call)
    return await _run(behaviour, Requests(context), context)


def _writing(kind: Kind) -> Core:
    async def answer(call: Any, behaviour: Callable[..., Any]) -> None:
        context = ServicerContext(call)
        await _run(behaviour, await _given(kind, call, context), context)

    return answer


def _generating(kind: Kind) -> Core:
    async def answer(call: Any, behaviour: Callable[..., Any]) -> None:
        send = call.stream.send

        async def send_all(given: Any, context: ServicerContext) -> None:
            # `aclosing`, or the generator's cleanup would wait for the garbage collector.
            async with aclosing(behaviour(given, context)) as replies:
                async for reply in replies:
                    if context._aborted:
                        break
                    context.head_sent = True
                    await send(reply)

        context = ServicerContext(call)
        await _run(send_all, await _given(kind, call, context), context)

    return answer


def _in_thread(kind: Kind) -> Core:
    async def answer(call: Any, behaviour: Callable[..., Any]) -> Any:
        context = ThreadContext(call)
        streams = kind.requests_stream
        given = RequestIterator(context, call.stream) if streams else call.request
        return await _run(partial(drive, behaviour), given, context)

    return answer


def _streaming_in_thread(kind: Kind) -> Core:
    async def answer(call: Any, behaviour: Callable[..., Any]) -> None:
        context = ThreadContext(call)
        stream: Stream = call.stream
        streams = kind.requests_stream
        given = RequestIterator(context, stream) if streams else await _first(call)
        await _run(partial(drive, send_all(stream, behaviour)), given, context)

    return answer


# --- requests -----------------------------------------------------------------------------------


async def _given(kind: Kind, call: Any, context: ServicerContext) -> Any:
    return Requests(context) if kind.requests_stream else await _first(call)


async def _first(call: Any) -> Any:
    """The one request of a method whose replies stream.

    Raises: RpcError with UNIMPLEMENTED when there is none.
    """
    if call.request is not None:
        return call.request
    try:
        return await call.stream.receive()
    except EndOfStream:
        raise RpcError(Code.UNIMPLEMENTED, "the method has one request, not none") from None


class Requests:
    """What the caller streams, one message at a time; it and `context.read` take from the same."""

    __slots__ = ("_context", "_receive")

    def __init__(self, context: ServicerContext) -> None:
        self._context = context
        self._receive = context._messages().receive

    def __aiter__(self) -> Requests:
        return self

    async def __anext__(self) -> Any:
        context = self._context
        if context._aborted or context._over:
            context._check()
        try:
            return await self._receive()
        except EndOfStream:
            raise StopAsyncIteration from None
