"""Interceptors of grpcio around the methods of one servicer, as they are.

An interceptor decides about a call before its request is read, by choosing the method handler that
answers it: the one that `continuation` gives, one around it, or one of its own. What it chooses gets
the message as the method's own deserializer has read it; deserializers of its own are not asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mainstay.core.call import Handler
from mainstay.errors import Unimplemented, WiringError
from mainstay.rpc.grpcio.answering import answer_with
from mainstay.rpc.grpcio.known import metadata_of

__all__ = ["CallDetails", "check_interceptors", "intercepted"]


class CallDetails(NamedTuple):
    """What is known of a call before its method handler is chosen; a `grpc.HandlerCallDetails`."""

    method: str
    invocation_metadata: tuple[Any, ...]


def check_interceptors(interceptors: Sequence[Any]) -> None:
    """Raises: WiringError for what is no interceptor, and for both kinds at once."""
    import grpc.aio  # noqa: PLC0415 - see the package

    for each in interceptors:
        if not isinstance(each, grpc.aio.ServerInterceptor | grpc.ServerInterceptor):
            kind = "a class; make one" if isinstance(each, type) else "none"
            raise WiringError(
                f"interceptors are instances of grpc.aio.ServerInterceptor or "
                f"grpc.ServerInterceptor, and {each!r} is {kind}"
            )
    kinds = {isinstance(each, grpc.aio.ServerInterceptor) for each in interceptors}
    if len(kinds) > 1:
        raise WiringError(
            "interceptors are either all of grpc.aio or all of grpc: those of one kind cannot call "
            "those of the other"
        )


def intercepted(
    path: str, interceptors: Sequence[Any], method_handler: Any, handler: Handler
) -> Handler:
    """`handler`, which answers with `method_handler`, inside of interceptors, outermost first."""
    choose = _pipeline(tuple(interceptors), method_handler)

    async def answer(call: Any) -> Any:
        chosen = choose(CallDetails(path, metadata_of(call)))
        if inspect.isawaitable(chosen):
            chosen = await chosen
        if chosen is method_handler:
            return await handler(call)
        if chosen is None:
            raise Unimplemented(f"there is no method {path}")
        return await answer_with(call, chosen)

    return answer


def _pipeline(interceptors: tuple[Any, ...], method_handler: Any) -> Callable[[Any], Any]:
    import grpc.aio  # noqa: PLC0415 - see the package

    if interceptors and isinstance(interceptors[0], grpc.aio.ServerInterceptor):

        async def last(details: Any) -> Any:
            return method_handler

        choose: Callable[[Any], Any] = last
    else:

        def choose(details: Any) -> Any:
            return method_handler

    for each in reversed(interceptors):
        choose = _around(each, choose)
    return choose


def _around(interceptor: Any, inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda details: interceptor.intercept_service(inner, details)
