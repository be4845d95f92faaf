"""Facts about methods of RPC on the way to the user's functions; called with grpcio's own client."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, make_dataclass
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mainstay.core.call import Stream
from mainstay.errors import WiringError
from mainstay.http.request import Request
from mainstay.rpc.call import RpcCall
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.definition import Rpc
from mainstay.rpc.settings import RpcSettings
from mainstay.service.service import Service
from tests.rpc.inspected import address_of, serving
from tests.rpc.schema.zoo import Everything, Flat


class Store:
    """A resource."""

    def __init__(self) -> None:
        self.word = "stored"


greeter = Rpc("hello.v1.Greeter")


@greeter.method
async def say_hello(request: Flat, store: Store, call: RpcCall) -> Flat:
    call.initial_metadata.append(("x-a", "b"))
    call.trailing_metadata.append(("x-raw-bin", b"\0"))
    return Flat(f"{request.name} {store.word}")


@greeter.method
def in_a_thread(request: Flat) -> Flat:
    return Flat(request.name * 2)


@greeter.method
async def echo(request: Everything) -> Everything:
    return request


@greeter.method
async def count(request: Flat, store: Store) -> AsyncIterator[Flat]:
    for number in range(request.count):
        yield Flat(store.word, number)


@greeter.method
async def gather(requests: AsyncIterator[Flat]) -> Flat:
    return Flat(",".join([each.name async for each in requests]))


@greeter.method
async def chat(requests: AsyncIterator[Flat], call: RpcCall) -> AsyncIterator[Flat]:
    async for each in requests:
        yield Flat(each.name.upper())


@greeter.method
async def by_hand(request: Flat, stream: Stream) -> AsyncIterator[Flat]:  # type: ignore[return]
    await stream.send(Flat(request.name))


@greeter.method
async def forget(requests: AsyncIterator[Flat]) -> None:
    async for _ in requests:
        pass


@greeter.method
async def ping() -> None: ...


@greeter.method
async def wrong(request: Flat) -> Flat:
    return "text"  # type: ignore[return-value]


@greeter.method
async def of_http(request: Flat, http: Request) -> Flat:
    return request


def service() -> Service:
    made = Service("hello")
    made.resource(Store)
    made.add_rpc(greeter)
    return made


def stub(channel: Any, name: str) -> Any:
    """What grpcio calls a method with."""
    method = greeter.service.methods[name]
    asks, answers = ("stream" if each else "unary" for each in method.kind.value)
    make = getattr(channel, f"{asks}_{answers}")
    return make(
        method.path,
        request_serializer=method.request.encode,
        response_deserializer=method.response.decode,
    )


@pytest.mark.real_loop
async def test_functions_answer_grpcio_in_all_kinds() -> None:
    """Unary, in a thread, with metadata, and streams in each direction."""
    async with serving(service()) as (_, channel):
        call = stub(channel, "SayHello")(Flat("Ada"))
        assert await call == Flat("Ada stored")
        assert ("x-a", "b") in tuple(await call.initial_metadata())
        assert ("x-raw-bin", b"\0") in tuple(await call.trailing_metadata())
        assert await stub(channel, "InAThread")(Flat("x")) == Flat("xx")
        assert await stub(channel, "Echo")(Everything(text="ä")) == Everything(text="ä")
        counted = stub(channel, "Count")(Flat(count=3))
        assert [each.count async for each in counted] == [0, 1, 2]
        words = [Flat("a"), Flat("b")]
        assert await stub(channel, "Gather")(words) == Flat("a,b")
        assert [each.name async for each in stub(channel, "Chat")(words)] == ["A", "B"]
        assert [each async for each in stub(channel, "ByHand")(words[0])] == [words[0]]
        await stub(channel, "Forget")(words)
        await channel.unary_unary("/hello.v1.Greeter/Ping")(b"")


@pytest.mark.real_loop
@pytest.mark.parametrize(
    ("name", "request_", "code", "said"),
    [
        ("Wrong", b"", grpc.StatusCode.UNKNOWN, "the server failed"),
        ("OfHttp", b"", grpc.StatusCode.INTERNAL, "the server failed"),
        ("SayHello", b"\xff", grpc.StatusCode.INVALID_ARGUMENT, "is no hello.v1.Flat"),
        ("Echo", b"\x18\x0b", grpc.StatusCode.INVALID_ARGUMENT, "/small: Expected `int` <= 10"),
    ],
)
async def test_what_is_wrong_is_told_to_whom_it_concerns(
    name: str, request_: bytes, code: grpc.StatusCode, said: str
) -> None:
    """A caller learns of his faults in full, and nothing of ours."""
    async with serving(service()) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(f"/hello.v1.Greeter/{name}")(request_)
        assert caught.value.code() is code
        assert said in str(caught.value.details())


@pytest.mark.real_loop
async def test_a_client_of_the_definition_calls_it() -> None:
    """By the functions' names and by those of the methods, without stubs."""
    async with serving(service()) as (running, _), Channel(address_of(running)) as channel:
        client = greeter.client(channel)
        assert await client.say_hello(Flat("Ada")) == Flat("Ada stored")
        assert await client.SayHello(Flat("Bob")) == Flat("Bob stored")
        assert [each.count async for each in client.count(Flat(count=2))] == [0, 1]
        assert await client.gather([Flat("a"), Flat("b")]) == Flat("a,b")
        await client.ping()


@pytest.mark.real_loop
async def test_a_class_answers_with_one_instance() -> None:
    """Made at the start, with what it asks for, and shared by all calls."""
    made = Service("hello")
    made.resource(Store)
    instances = []

    @made.rpc(health_pb2.DESCRIPTOR.services_by_name["Health"], partial=True)
    class Health:
        def __init__(self, store: Store) -> None:
            self.store = store
            instances.append(self)

        async def Check(  # noqa: N802 - as in the .proto
            self, request: health_pb2.HealthCheckRequest, call: RpcCall
        ) -> health_pb2.HealthCheckResponse:
            assert call.method == "grpc.health.v1.Health/Check"
            return health_pb2.HealthCheckResponse(status=len(instances))

    async with serving(made, RpcSettings(health=False)) as (_, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        for _ in range(2):
            assert (await stub.Check(health_pb2.HealthCheckRequest())).status == 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.List(health_pb2.HealthListRequest())
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert [each.store.word for each in instances] == ["stored"]


async def refused(rpc: Rpc) -> str:
    """What is said of a definition when a service starts with it."""
    made = Service("hello")
    made.resource(Store)
    made.add_rpc(rpc)
    with pytest.raises(WiringError) as caught:
        async with made.running():
            pass
    return caught.value.message


async def test_a_function_that_would_get_another_request_is_refused() -> None:
    """The Stream of a method that has none; what nobody provides; every fault at once."""
    rpc = Rpc("a.B")

    @rpc.method
    async def streams(request: Flat, stream: Stream) -> Flat:
        return request

    @rpc.method
    async def lacks(request: Flat, other: dict[str, str]) -> Flat:
        return request

    said = await refused(rpc)
    assert "asks for the Stream, and the method has none" in said
    assert "these are left over" in said


@pytest.mark.parametrize("annotation", [dict, list[Flat], int])
async def test_what_is_no_message_is_not_taken_for_the_request(annotation: Any) -> None:
    """It would get `google.protobuf.Empty`; the fault is its type, whatever its name."""

    async def ask(q: Any) -> Flat:
        return Flat()

    rpc = Rpc("a.B")
    ask.__annotations__["q"] = annotation
    rpc.method(ask)
    assert "its parameter 'q' is " in (said := await refused(rpc))
    assert "which is no message, a class with named fields, and no resource has this type" in said


async def test_a_definition_that_cannot_be_described_is_refused_at_the_start() -> None:
    """Beside the faults of others."""
    rpc = Rpc("a.B")

    @rpc.method
    async def scalar(request: int) -> Status:
        return Status()

    assert "its request is int" in await refused(rpc)


async def test_a_request_of_none_is_to_be_left_out() -> None:
    """There is one, and it is empty: nobody looks at it."""
    rpc = Rpc("a.B")

    @rpc.method
    async def clear(request: None) -> Flat:
        return Flat()

    assert "'request' is None: leave it out" in await refused(rpc)


async def test_two_messages_of_one_name_are_refused() -> None:
    """Reflection, and files that are exported, could not tell them apart."""
    made = Service("hello")
    for name, kind in (("a.One", int), ("a.Two", str)):
        rpc = Rpc(name)
        message = make_dataclass("Twin", [("value", kind)])

        async def do(request: Any) -> Flat:
            return Flat()

        do.__annotations__["request"] = message
        rpc.method(do)
        made.add_rpc(rpc)
    with pytest.raises(WiringError, match=r"a\.Twin is one thing in a\.One and another in a\.Two"):
        async with made.running():
            pass


@dataclass
class Place:
    """A resource that could be a message."""

    city: str = ""


async def test_a_resource_is_not_taken_for_the_request() -> None:
    """A definition sees types only, and a service knows which of them are resources."""
    rpc = Rpc("a.B")

    @rpc.method
    async def first(place: Place, word: Flat) -> Flat:
        return word

    @rpc.method
    async def only(place: Place) -> Flat:
        return Flat(place.city)

    @rpc.method
    async def named(place: Place, request: Flat) -> Flat:
        return request

    made = Service("hello")
    made.resource(Place)
    made.add_rpc(rpc)
    with pytest.raises(WiringError) as caught:
        async with made.running():
            pass
    said = caught.value.message.splitlines()
    assert len(said) == 2
    assert all("has Place as its request, and Place is a resource" in each for each in said)
