"""Facts about services that are defined by annotated functions."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
from google.protobuf.empty_pb2 import Empty
from google.rpc.status_pb2 import Status

from mainstay.core.call import Call, Handler, Stream
from mainstay.errors import UsageError, WiringError
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.definition import Rpc, camel_case, streamed
from mainstay.rpc.method import Kind
from mainstay.rpc.transcoding.rules import Get
from tests.rpc.schema.zoo import Flat, Square


class Store:
    """A resource."""


def greeter() -> Rpc:
    """A service with a method of each kind."""
    rpc = Rpc("hello.v1.Greeter", timeout=9, doc="Greets.")

    @rpc.method
    async def say_hello(request: Flat, store: Store) -> Status:
        return Status()

    @rpc.method(name="Lots", timeout=5, idempotent=True, http=Get("/lots"))
    async def lots_of_replies(square: Square) -> AsyncIterator[Flat]:
        yield Flat()

    @rpc.method
    async def lots_of_greetings(requests: AsyncIterator[Flat]) -> Flat:
        return Flat()

    @rpc.method
    async def chat(requests: AsyncIterator[Flat], stream: Stream) -> AsyncIterator[Flat]:
        yield Flat()

    @rpc.method
    def ping() -> None: ...

    return rpc


def test_functions_say_what_the_methods_are() -> None:
    """Their names in CamelCase, their kinds and messages by annotation."""
    service = greeter().service
    assert {each.name: each.kind for each in service} == {
        "SayHello": Kind.UNARY,
        "Lots": Kind.SERVER_STREAM,
        "LotsOfGreetings": Kind.CLIENT_STREAM,
        "Chat": Kind.BIDI,
        "Ping": Kind.UNARY,
    }
    assert service.methods["SayHello"].request.name == "hello.v1.Flat"
    assert service.methods["SayHello"].response.python_type is Status
    assert service.methods["Lots"].request.python_type is Square
    assert service.methods["Ping"].request.python_type is Empty
    assert service.doc == "Greets."


def test_options_reach_the_method() -> None:
    """Its own time-out before that of the service; paths; whether it changes nothing."""
    methods = greeter().service.methods
    assert methods["SayHello"].timeout == 9
    lots = methods["Lots"]
    assert (lots.timeout, lots.idempotent, lots.http) == (5, True, (Get("/lots"),))
    assert lots.descriptor is not None
    assert lots.descriptor.GetOptions().idempotency_level == 1


def test_middleware_of_the_service_is_around_that_of_the_method() -> None:
    """In the order in which they run."""

    async def outer(call: Call, next: Handler) -> Any:
        return await next(call)

    async def inner(call: Call, next: Handler) -> Any:
        return await next(call)

    rpc = Rpc("a.B", middleware=[outer])

    @rpc.method(middleware=[inner])
    async def go(request: Flat) -> Flat:
        return request

    assert rpc.service.methods["Go"].middleware == (outer, inner)


def test_a_method_that_comes_later_counts() -> None:
    """The description is made when it is looked at, and made anew after a change."""
    rpc = greeter()
    service = rpc.service
    assert len(service.methods) == 5

    @rpc.method
    async def more(request: Flat) -> Flat:
        return request

    assert len(service.methods) == 6
    assert service.descriptor is not None
    assert "More" in service.descriptor.methods_by_name


def test_a_name_that_is_taken_or_cannot_be_is_refused() -> None:
    """Of methods, and of services."""
    rpc = greeter()

    async def say_hello(request: Flat) -> Flat:
        return request

    with pytest.raises(WiringError, match=r"hello.v1.Greeter/SayHello is answered twice"):
        rpc.method(say_hello)
    with pytest.raises(WiringError, match=r"'a\.b' cannot name a method"):
        rpc.method(name="a.b")(say_hello)
    with pytest.raises(UsageError, match="cannot name a service"):
        Rpc("hello/Greeter")


async def no_reply(request: Flat):  # type: ignore[no-untyped-def]  # noqa: ANN201 - the point
    pass


async def untyped(q) -> Flat:  # type: ignore[no-untyped-def]  # noqa: ANN001 - the point
    return Flat()


async def scalar(request: int) -> Flat:
    return Flat()


async def yields(request: Flat) -> Flat:  # type: ignore[misc]
    yield Flat()


def one_by_one(request: Flat) -> Iterator[Flat]:
    yield Flat()


async def in_a_list(request: list[Flat]) -> Flat:
    return Flat()


async def returns_stream(request: Flat) -> AsyncIterator[Flat]:
    raise NotImplementedError


class Bad(msgspec.Struct):
    """Has a field that protobuf has not."""

    it: complex


async def bad_field(request: Bad) -> Flat:
    return Flat()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_reply, "its reply is not annotated"),
        (untyped, "parameter 'q' has no type; annotate the request with its message"),
        (scalar, "its request is int; a message is a class with named fields"),
        (yields, "annotate it as AsyncIterator"),
        (one_by_one, "messages one after another are an AsyncIterator, which `async def` yields"),
        (in_a_list, "messages one after another are an AsyncIterator"),
        (returns_stream, "says that it streams replies: make it yield them"),
        (bad_field, "Bad.it: <?.*complex.* has no place in protobuf"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(function: Any, said: str) -> None:
    """When the service is looked at, which is when it starts."""
    rpc = Rpc("a.B")
    rpc.method(function)
    with pytest.raises(WiringError, match=said):
        list(rpc.service)


def test_a_name_in_the_place_of_the_function_is_refused() -> None:
    """With the argument that it was meant for."""
    rpc: Any = Rpc("a.B")
    with pytest.raises(WiringError, match=r"'Ho' is no function .* @rpc.method\(name=…\)"):
        rpc.method("Ho")


def test_all_faults_are_said_at_once() -> None:
    """Mending one and being told of the next is a waste of starts."""
    rpc = Rpc("a.B")
    for function in (no_reply, scalar, bad_field):
        rpc.method(function)
    with pytest.raises(WiringError) as caught:
        list(rpc.service)
    assert len(caught.value.message.splitlines()) == 3


def test_names_and_streams_are_taken_apart() -> None:
    """The two questions that are asked of each function."""
    assert [camel_case(name) for name in ("say_hello", "SayHello", "x")] == [
        "SayHello",
        "SayHello",
        "X",
    ]
    assert streamed(AsyncIterator[int]) == (True, int)
    assert streamed(list[int]) == (False, list[int])


async def test_a_client_is_made_of_the_definition() -> None:
    """Of its channel it asks only when a method is."""
    async with Channel("localhost:1") as channel:
        client = greeter().client(channel)
        assert "say_hello" in dir(client)
        assert repr(client).startswith("<RpcClient hello.v1.Greeter")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("GET /x", 'http=Get("/x")'),
        ("post /v1/{name}", 'http=Post("/v1/{name}")'),
        ("/x", 'http=Get("/x")'),
        ("", 'http=Get("/v1/books/{id}")'),
        (5, 'http=Get("/v1/books/{id}")'),
        ([Get("/y"), "DELETE /x"], 'http=Delete("/x")'),
    ],
)
def test_a_path_that_is_no_rule_is_refused_where_it_is_written(given: Any, meant: str) -> None:
    """By the decorator, which names the method, what was given and what to write."""
    rpc = Rpc("a.B")

    async def look(request: Flat) -> Flat:
        return request

    with pytest.raises(WiringError) as caught:
        rpc.method(http=given)(look)
    wrong = given[1] if isinstance(given, list) else given
    assert caught.value.message == (
        f"a.B/Look: http={wrong!r} is no rule; write {meant}, of mainstay.rpc"
    )
