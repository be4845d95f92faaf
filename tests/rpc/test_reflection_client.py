"""Facts about asking servers what they have: ours, and grpcio's."""

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from mainstay.errors import InvalidRequest, NotFound, Unimplemented
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.method import RpcMethod, RpcService
from mainstay.rpc.protobuf import bare_method
from mainstay.rpc.reflection import described
from mainstay.rpc.reflection_client import Reflected
from mainstay.rpc.settings import RpcSettings
from tests.rpc.inspected import address_of, serving, zoo, zoo_files

pytestmark = pytest.mark.real_loop


async def test_what_is_fetched_can_be_called() -> None:
    """A symbol comes with its imports, and the schema knows its methods from then on."""
    async with serving(zoo()) as (running, _), Channel(address_of(running)) as channel:
        server = Reflected(channel)
        assert "zoo.v1.Keeper" in await server.list_services()
        await server.fetch("zoo.v1.Keeper")
        method = server.schema.method("zoo.v1.Keeper/Feed")
        feed = channel.method_at(method.path, method.kind, method.encode, method.decode)
        assert method.reply(await feed(method.request({"name": "ape"}))) == '{"name": "fed ape"}'
        await server.fetch("zoo.v1.Keeper")
        with pytest.raises(NotFound, match=r"does not describe zoo\.v1\.Nobody"):
            await server.fetch("zoo.v1.Nobody")


async def test_a_server_without_reflection_is_unimplemented() -> None:
    """After both versions were asked."""
    settings = RpcSettings(reflection=False)
    async with serving(zoo(), settings) as (running, _), Channel(address_of(running)) as channel:
        with pytest.raises(Unimplemented, match="no reflection"):
            await Reflected(channel).list_services()


@contextmanager
def grpcio_server() -> Iterator[str]:
    """One with grpcio's own health and reflection, which is v1alpha."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    reflection.enable_server_reflection(["grpc.health.v1.Health"], server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


async def test_the_older_version_is_understood() -> None:
    """Grpcio's server knows v1alpha only."""
    with grpcio_server() as address:
        async with Channel(address) as channel:
            server = Reflected(channel)
            assert await server.list_services() == ["grpc.health.v1.Health"]
            await server.fetch("grpc.health.v1.Health")
            method = server.schema.method("grpc.health.v1.Health/Check")
            check = channel.method_at(method.path, method.kind, method.encode, method.decode)
            assert method.reply(await check(method.request({}))) == '{"status": "SERVING"}'


def crooked(*answers: dict[str, Any]) -> RpcService:
    """A reflection that gives these answers, whatever it is asked."""
    (descriptor,) = described("v1").methods
    method: RpcMethod = bare_method(descriptor)
    make: Any = method.response.python_type
    left = list(answers)

    async def answer(call: Any) -> None:
        await call.stream.receive()
        if left:
            await call.stream.send(make(**left.pop(0)))

    method.handler = answer
    return RpcService(name="grpc.reflection.v1.ServerReflection", methods={method.name: method})


async def test_imports_that_were_not_sent_are_asked_for() -> None:
    """Some servers send the one file only."""
    parts, whole = (each.SerializeToString() for each in zoo_files())
    service = zoo(
        crooked(
            {"file_descriptor_response": {"file_descriptor_proto": [whole]}},
            {"file_descriptor_response": {"file_descriptor_proto": [parts]}},
        )
    )
    async with serving(service) as (running, _), Channel(address_of(running)) as channel:
        server = Reflected(channel)
        await server.fetch("zoo.v1.Keeper")
        assert "zoo.v1.Keeper/Feed" in server.schema.signatures("zoo.v1.Keeper")


async def test_a_server_that_answers_nonsense_is_refused() -> None:
    """Nothing at all, or an error of its own."""
    service = zoo(crooked({"error_response": {"error_code": 13, "error_message": "ouch"}}))
    async with serving(service) as (running, _), Channel(address_of(running)) as channel:
        server = Reflected(channel)
        with pytest.raises(InvalidRequest, match="ouch"):
            await server.fetch("zoo.v1.Keeper")
        with pytest.raises(InvalidRequest, match="answered 0 of 1"):
            await server.list_services()
