"""Facts about grpcio's interceptors around a servicer."""

from typing import Any

import grpc
import grpc.aio
import pytest

from mainstay.errors import WiringError
from mainstay.rpc.grpcio.interceptors import check_interceptors
from tests.rpc.grpcio.generated import answer, ask, see, service_with, servicer, serving

pytestmark = pytest.mark.real_loop


class Noting(grpc.aio.ServerInterceptor):
    """Notes calls, with its name."""

    def __init__(self, name: str, into: list[Any]) -> None:
        self.name = name
        self.into = into

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        keys = [each.key for each in handler_call_details.invocation_metadata]
        self.into.append((self.name, handler_call_details.method, "k" in keys))
        return await continuation(handler_call_details)


class Refusing(grpc.aio.ServerInterceptor):
    """Answers every call itself, with a unary handler, as most of them do."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        async def refuse(request: Any, context: Any) -> Any:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

        return grpc.unary_unary_rpc_method_handler(refuse)


class Hiding(grpc.aio.ServerInterceptor):
    """Says that there is no such method."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        return None


class Adding(grpc.aio.ServerInterceptor):
    """Wraps the method of the handler that it was given."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        handler = await continuation(handler_call_details)

        async def wrapped(request: Any, context: Any) -> Any:
            reply = await handler.unary_unary(request, context)
            reply.text += "!"
            return reply

        return grpc.unary_unary_rpc_method_handler(
            wrapped, handler.request_deserializer, handler.response_serializer
        )


class Plain(grpc.ServerInterceptor):
    """One of the threaded server."""

    def __init__(self, into: list[Any]) -> None:
        self.into = into

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        self.into.append(handler_call_details.method)
        return continuation(handler_call_details)


async def echo(self: Any, request: Any, context: Any) -> Any:
    return answer(request.text)


async def echo_all(self: Any, request_iterator: Any, context: Any) -> Any:
    async for each in request_iterator:
        yield answer(each.text)


async def test_interceptors_see_each_call_outermost_first() -> None:
    """With its path and metadata; and the servicer answers."""
    seen: list[Any] = []
    around = [Noting("outer", seen), Noting("inner", seen)]
    service = service_with(servicer(One=echo, Chat=echo_all), interceptors=around)
    async with serving(service) as address:
        assert (await see(address, "One", [ask("a")])).replies == ["a"]
        assert (await see(address, "Chat", [ask("a"), ask("b")])).replies == ["a", "b"]
    path = "/test.behave.v1.Behave/"
    assert seen == [
        ("outer", f"{path}One", True),
        ("inner", f"{path}One", True),
        ("outer", f"{path}Chat", True),
        ("inner", f"{path}Chat", True),
    ]


@pytest.mark.parametrize("method", ["One", "Many", "Gather", "Chat"])
async def test_an_interceptor_can_refuse_any_call(method: str) -> None:
    """With a unary handler of its own, also where messages stream."""
    async with serving(service_with(servicer(), interceptors=[Refusing()])) as address:
        seen = await see(address, method, [ask()])
    assert (seen.code, seen.details) == (grpc.StatusCode.UNAUTHENTICATED, "who are you?")


async def test_an_interceptor_can_wrap_the_method() -> None:
    """Of an instance, and of a class that is made when the service starts."""
    made = servicer(One=echo)
    for each in (made, type(made)):
        async with serving(service_with(each, interceptors=[Adding()])) as address:
            assert (await see(address, "One", [ask("a")])).replies == ["a!"]


async def test_an_interceptor_can_hide_a_method() -> None:
    """It is UNIMPLEMENTED."""
    async with serving(service_with(servicer(One=echo), interceptors=[Hiding()])) as address:
        assert (await see(address, "One", [ask()])).code is grpc.StatusCode.UNIMPLEMENTED


async def test_interceptors_of_the_threaded_server_are_understood() -> None:
    """They are called on the loop, and choose handlers without waiting."""
    seen: list[Any] = []
    async with serving(service_with(servicer(One=echo), interceptors=[Plain(seen)])) as address:
        assert (await see(address, "One", [ask("a")])).replies == ["a"]
    assert seen == ["/test.behave.v1.Behave/One"]


def test_interceptors_are_of_one_kind() -> None:
    """Those that wait cannot be called by those that do not."""
    with pytest.raises(WiringError, match=r"either all of grpc\.aio or all of grpc"):
        check_interceptors([Plain([]), Hiding()])


def test_what_is_no_interceptor_is_named() -> None:
    """A class that nobody has made an instance of, most often."""
    with pytest.raises(WiringError, match="is a class; make one"):
        check_interceptors([Hiding])
    with pytest.raises(WiringError, match="'x' is none"):
        check_interceptors(["x"])
