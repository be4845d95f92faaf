"""Facts about grpc.health.v1, as grpcio's own client sees it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mainstay.core.scope import Scope
from mainstay.rpc.health import Health, ServingStatus
from mainstay.rpc.health_service import NAME, health_service
from mainstay.service.settings import ShutdownSettings
from tests.rpc.grpcio.stock import aio_channel
from tests.rpc.inspected import address_of, serving, zoo

pytestmark = pytest.mark.real_loop

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def asked(service: str = "") -> Any:
    return health_pb2.HealthCheckRequest(service=service)


async def test_check_answers_for_the_server_and_its_services() -> None:
    """A name that nobody knows is NOT_FOUND."""
    async with serving(zoo()) as (_, channel):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert (await stub.Check(asked())).status == SERVING
        assert (await stub.Check(asked("zoo.v1.Keeper"))).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(asked("zoo.v1.Nobody"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_name_of_any_length_is_not_found() -> None:
    """It is cut where it is told: a client refuses a reply whose metadata is long."""
    async with serving(zoo()) as (_, channel):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(asked("é" * 1_000_000))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert len(caught.value.details() or "") < 300


async def test_list_has_every_service() -> None:
    """The server itself has the empty name."""
    async with serving(zoo()) as (_, channel):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        found = (await stub.List(health_pb2.HealthListRequest())).statuses
        assert {name: each.status for name, each in found.items()} == {
            "": SERVING,
            "zoo.v1.Keeper": SERVING,
        }


async def test_an_unready_probe_is_not_serving() -> None:
    """What /readyz says by HTTP is said here as well."""
    service = zoo()

    @service.probe("ready")
    async def full() -> None:
        raise OSError("no room")

    async with serving(service) as (_, channel):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert (await stub.Check(asked())).status == NOT_SERVING


async def test_watch_tells_of_a_name_that_becomes_known() -> None:
    """A worker that asks for `Health` sets it; the first word was SERVICE_UNKNOWN."""
    service = zoo()
    go = asyncio.Event()

    @service.worker
    async def later(health: Health) -> None:
        await go.wait()
        health.set("queue", ServingStatus.NOT_SERVING)
        await Scope.current().wait_draining()

    async with serving(service) as (_, channel):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        call = stub.Watch(asked("queue"))
        assert (await call.read()).status == SERVICE_UNKNOWN
        go.set()
        assert (await call.read()).status == NOT_SERVING
        call.cancel()


async def test_a_drain_is_told_before_the_port_closes() -> None:
    """Watchers hear NOT_SERVING, new calls are still answered meanwhile, and the watch ends."""
    shutdown = ShutdownSettings(pre_stop_delay=3.0)
    async with serving(zoo(), shutdown=shutdown) as (running, channel):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        call = stub.Watch(asked("zoo.v1.Keeper"))
        assert (await call.read()).status == SERVING
        running.stop("the test")
        finish = asyncio.ensure_future(running.finish())
        assert (await call.read()).status == NOT_SERVING
        async with aio_channel(address_of(running)) as fresh:
            late: Any = health_pb2_grpc.HealthStub(fresh)
            assert (await late.Check(asked())).status == NOT_SERVING
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        await finish


def described(files: Any) -> Iterator[tuple[str, ...]]:
    for message in files.message_types_by_name.values():
        for field in message.fields:
            yield message.full_name, field.name, str(field.number), str(field.type)
    for service in files.services_by_name.values():
        for method in service.methods:
            kinds = (str(method.client_streaming), str(method.server_streaming))
            yield service.full_name, method.name, method.input_type.name, *kinds


async def test_the_file_is_the_public_one() -> None:
    """Message by message, field by field, the same as in grpcio's package."""

    async def ready() -> bool:
        return True

    ours: Any = health_service(Health(ready)).descriptor
    theirs = health_pb2.DESCRIPTOR
    assert ours.full_name == NAME
    assert sorted(described(ours.file)) == sorted(described(theirs))
    status = ours.file.message_types_by_name["HealthCheckResponse"].enum_types[0]
    public = theirs.message_types_by_name["HealthCheckResponse"].enum_types[0]
    assert status.values_by_name.keys() == public.values_by_name.keys()
