"""Facts about servicers, with public APIs whose generated code is in packages, unmodified."""

# ruff: noqa: N802 - methods are named in the .proto

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import grpc
import grpc.aio
import pytest
from google.longrunning import (  # type: ignore[import-untyped]
    operations_pb2,
    operations_pb2_grpc,
)
from google.protobuf import empty_pb2
from grpc_health.v1 import _async as health_aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from mainstay import Service
from mainstay.rpc.grpcio.servicers import services_of
from tests.rpc.grpcio.generated import answer, ask, behave, see, service_with, servicer, serving
from tests.rpc.grpcio.stock import aio_channel

pytestmark = pytest.mark.real_loop


async def with_sync_stub(address: str, stub: Any, use: Callable[[Any], Any]) -> Any:
    """Use a generated stub with grpc's own channel, in a thread."""

    def work() -> Any:
        with grpc.insecure_channel(address) as channel:
            return use(stub(channel))

    return await asyncio.to_thread(work)


class Operations(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc]
    """Long-running operations of Google's APIs, kept in a dict."""

    def __init__(self) -> None:
        self.kept = {"operations/1": operations_pb2.Operation(name="operations/1")}

    async def ListOperations(self, request: Any, context: Any) -> Any:
        return operations_pb2.ListOperationsResponse(operations=list(self.kept.values()))

    async def GetOperation(self, request: Any, context: Any) -> Any:
        if request.name not in self.kept:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no {request.name}")
        return self.kept[request.name]

    def DeleteOperation(self, request: Any, context: Any) -> Any:
        del self.kept[request.name]
        return empty_pb2.Empty()


async def test_long_running_operations_are_answered() -> None:
    """google.longrunning.Operations, by a stub of grpc and one of grpc.aio."""
    service = Service("operations")
    service.add_servicer(operations_pb2_grpc.add_OperationsServicer_to_server, Operations())
    one = operations_pb2.GetOperationRequest(name="operations/1")
    async with serving(service) as address:
        found = await with_sync_stub(
            address,
            operations_pb2_grpc.OperationsStub,
            lambda stub: (
                stub.GetOperation(one).name,
                stub.DeleteOperation(operations_pb2.DeleteOperationRequest(name="operations/1")),
                len(stub.ListOperations(operations_pb2.ListOperationsRequest()).operations),
            ),
        )
        assert found == ("operations/1", empty_pb2.Empty(), 0)
        async with aio_channel(address) as channel:
            stub = operations_pb2_grpc.OperationsStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetOperation(one)
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.WaitOperation(operations_pb2.WaitOperationRequest())
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_health_servicer_of_grpcio_is_answered_by() -> None:
    """Its own implementation for coroutines: Check, abort without details, Watch by write."""
    made = health_aio.HealthServicer()
    service = Service("health")
    service.add_servicer(health_pb2_grpc.add_HealthServicer_to_server, made)
    asked = health_pb2.HealthCheckRequest(service="a")
    async with serving(service) as address, aio_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(asked)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        watch = stub.Watch(asked)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        await made.set("a", health_pb2.HealthCheckResponse.SERVING)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        assert (await stub.Check(asked)).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


async def test_the_threaded_health_servicer_of_grpcio_is_answered_by() -> None:
    """Its own implementation for threads, whose Watch blocks in a queue until its call has ended."""
    made = health.HealthServicer()
    made.set("a", health_pb2.HealthCheckResponse.SERVING)
    service = Service("health")
    service.add_servicer(health_pb2_grpc.add_HealthServicer_to_server, made)
    asked = health_pb2.HealthCheckRequest(service="a")

    def use(stub: Any) -> Any:
        watch = stub.Watch(asked)
        first = next(watch).status
        made.set("a", health_pb2.HealthCheckResponse.NOT_SERVING)
        second = next(watch).status
        watch.cancel()
        return stub.Check(asked).status, first, second

    async with serving(service) as address:
        found = await with_sync_stub(address, health_pb2_grpc.HealthStub, use)
    assert found == (2, 1, 2)


async def test_the_reflection_servicer_of_grpcio_is_answered_by() -> None:
    """Its own implementation, a generator over an iterator, takes the place of ours."""
    service = Service("reflection")
    service.add_servicer(
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server,
        reflection.ReflectionServicer(["test.behave.v1.Behave"]),
    )
    asked = reflection_pb2.ServerReflectionRequest(list_services="*")
    async with serving(service) as address:
        (reply,) = await with_sync_stub(
            address,
            reflection_pb2_grpc.ServerReflectionStub,
            lambda stub: list(stub.ServerReflectionInfo(iter([asked]))),
        )
    names = [each.name for each in reply.list_services_response.service]
    assert names == ["test.behave.v1.Behave"]


async def test_a_servicer_is_called_with_json() -> None:
    """By Connect, with the metadata and the status of its context."""

    async def one(self: Any, request: Any, context: Any) -> Any:
        if not request.text:
            await context.abort(grpc.StatusCode.NOT_FOUND, "nobody")
        await context.send_initial_metadata((("a", "1"),))
        context.set_trailing_metadata((("b", "2"),))
        return answer(request.text)

    def post(url: str, text: str) -> tuple[int, Any, Any]:
        body = json.dumps({"text": text}).encode()
        asked = Request(url, body, {"content-type": "application/json"})
        try:
            with urlopen(asked) as reply:
                return reply.status, json.load(reply), reply.headers
        except HTTPError as error:
            with error:
                return error.code, json.load(error), error.headers

    async with serving(service_with(servicer(One=one))) as address:
        url = f"http://{address}/test.behave.v1.Behave/One"
        status, body, fields = await asyncio.to_thread(post, url, "x")
        assert (status, body) == (200, {"text": "x"})
        assert (fields["a"], fields["trailer-b"]) == ("1", "2")
        status, body, _ = await asyncio.to_thread(post, url, "")
        assert (status, body) == (404, {"code": "not_found", "message": "nobody"})


class Counting(grpc.GenericRpcHandler):
    """Answers whatever is called below ``/any.Thing/``, as its name says."""

    def service(self, handler_call_details: Any) -> Any:
        name = handler_call_details.method.removeprefix("/any.Thing/")

        async def unary(request: bytes, context: Any) -> bytes:
            return bytes(name.encode() + request)

        async def double(request: str, context: Any) -> Any:
            yield request
            yield request

        if name.startswith("Many"):
            return grpc.unary_stream_rpc_method_handler(
                double, lambda data: data.decode(), lambda text: text.encode()
            )
        return grpc.unary_unary_rpc_method_handler(unary) if name.startswith("Any") else None


async def test_a_generic_handler_decides_when_a_call_comes() -> None:
    """Of the name, the kind and the serializers; what it does not know is UNIMPLEMENTED."""
    service = Service("any")
    service.add_servicer(lambda made, server: server.add_generic_rpc_handlers((made,)), Counting())
    async with serving(service) as address, aio_channel(address) as made:
        channel: Any = made  # whose stubs know nothing of bytes
        assert await channel.unary_unary("/any.Thing/Any7")(b"!") == b"Any7!"
        many = channel.unary_stream("/any.Thing/Many")(b"x")
        assert [each async for each in many] == [b"x", b"x"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/any.Thing/None")(b"!")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        listing = reflection_pb2_grpc.ServerReflectionStub(made).ServerReflectionInfo
        asked = reflection_pb2.ServerReflectionRequest(list_services="*")
        (reply,) = [each async for each in listing(iter([asked]))]
        names = [each.name for each in reply.list_services_response.service]
        assert all(name.startswith("grpc.") for name in names)


class Store:
    """Something that a servicer needs."""

    def greeting(self) -> str:
        """What it is for."""
        return "hello"


async def test_a_class_is_made_once_when_the_service_starts() -> None:
    """Its parameters are filled by type, and each kind of method is one of the instance."""
    made: list[Any] = []
    base: Any = behave().services.BehaveServicer

    class Behaving(base):  # type: ignore[misc]
        def __init__(self, store: Store) -> None:
            self.store = store
            made.append(self)

        async def One(self, request: Any, context: Any) -> Any:
            return answer(f"{self.store.greeting()} {request.text}")

        async def Many(self, request: Any, context: Any) -> Any:
            yield answer(request.text)

        def Gather(self, request_iterator: Any, context: Any) -> Any:
            return answer(len(list(request_iterator)))

        async def Chat(self, request_iterator: Any, context: Any) -> Any:
            async for each in request_iterator:
                await context.write(answer(each.text))

    service = service_with(Behaving)
    service.resource(Store)
    assert made == []
    async with serving(service) as address:
        for _ in range(2):
            assert (await see(address, "One", [ask("you")])).replies == ["hello you"]
        assert (await see(address, "Many", [ask("a")])).replies == ["a"]
        assert (await see(address, "Gather", [ask(), ask()])).replies == ["2"]
        assert (await see(address, "Chat", [ask("a"), ask("b")])).replies == ["a", "b"]
    assert len(made) == 1


async def test_a_method_of_a_class_may_set_a_code_and_abort() -> None:
    """As one of an instance."""
    base: Any = behave().services.BehaveServicer

    class Behaving(base):  # type: ignore[misc]
        async def One(self, request: Any, context: Any) -> Any:
            await context.abort(grpc.StatusCode.NOT_FOUND, "nowhere")

        async def Gather(self, request_iterator: Any, context: Any) -> Any:
            context.set_code(grpc.StatusCode.ABORTED)

    async with serving(service_with(Behaving)) as address:
        assert (await see(address, "One", [ask()])).details == "nowhere"
        assert (await see(address, "Gather", [ask()])).code is grpc.StatusCode.ABORTED


def test_a_servicer_is_described_for_everything_that_reads_descriptions() -> None:
    """Its services have descriptors, its methods handlers."""
    (service,) = services_of(behave().services.add_BehaveServicer_to_server, servicer())
    assert service.descriptor is not None
    assert all(each.handler is not None and each.descriptor is not None for each in service)
