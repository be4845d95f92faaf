"""Facts about the services that every service with RPC has."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from mainstay.core.call import Call, Handler
from mainstay.errors import Unauthenticated
from mainstay.rpc.client.channel import Channel
from mainstay.rpc.definition import Rpc
from mainstay.rpc.health import Health, ServingStatus
from mainstay.rpc.health_service import NAME, health_service
from mainstay.rpc.method import RpcService
from mainstay.rpc.protobuf import bare_method
from mainstay.rpc.reflection_client import Reflected
from mainstay.rpc.settings import RpcSettings
from mainstay.service.checking import check
from mainstay.service.rpc_builtin import builtin_endpoints
from mainstay.service.service import Service
from tests.rpc.inspected import address_of, keeper, serving, zoo


async def ready() -> bool:
    return True


def names(own: dict[str, RpcService], **settings: Any) -> set[str]:
    made = builtin_endpoints(own, Health(ready), RpcSettings(**settings))
    return {each.method.service for each in made}


def test_without_protobuf_a_service_says_what_to_install() -> None:
    """In one sentence, before it starts."""
    code = (
        "import sys; sys.modules['google'] = None\n"
        "from mainstay import Service\n"
        "from mainstay.rpc import Rpc\n"
        "from mainstay.service.checking import wired\n"
        "service = Service('a')\n"
        "service.add_rpc(Rpc('a.v1.A'))\n"
        "try: wired(service.declaration, environ={})\n"
        "except Exception as error: print(repr(error))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "WIRING 'RPC needs protobuf: pip install" in ran.stdout


def test_settings_switch_them_off() -> None:
    """Each by its own word."""
    assert names({}, reflection=False) == {NAME}
    assert names({}, health=False) == {
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert names({}, health=False, reflection=False) == set()


def test_the_services_own_implementation_wins() -> None:
    """Ours is left out, and reflection tells of theirs."""
    assert NAME not in names({NAME: health_service(Health(ready))})


@dataclass
class Bone:
    """What a dog gets, and gives back."""

    size: int = 0


@pytest.mark.real_loop
async def test_services_are_described_however_they_were_defined() -> None:
    """By functions, by a class, and by generated code, which may be of a built-in service."""
    dogs = Rpc("farm.v1.Dogs")

    @dogs.method
    async def fetch(request: Bone) -> Bone:
        return Bone(size=request.size + 1)

    descriptor: Any = keeper().descriptor
    animal: Any = bare_method(descriptor.methods[0]).request.python_type
    service = Service("farm")
    service.add_rpc(dogs)

    async def feed(self: Any, request: Any) -> Any:
        return animal(name="me")

    feed.__annotations__ = {"request": animal, "return": animal}
    service.rpc(descriptor, partial=True)(type("Keeper", (), {"Feed": feed}))
    servicer: Any = health.HealthServicer()
    servicer.set("theirs", health_pb2.HealthCheckResponse.NOT_SERVING)
    service.add_servicer(health_pb2_grpc.add_HealthServicer_to_server, servicer)
    async with serving(service) as (running, _), Channel(address_of(running)) as channel:
        server = Reflected(channel)
        assert await server.list_services() == [
            "farm.v1.Dogs",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "zoo.v1.Keeper",
        ]
        for name in server.schema.services:
            await server.fetch(name)
        assert await ask(channel, server, "farm.v1.Dogs/Fetch", {"size": 1}) == '{"size": "2"}'
        assert await ask(channel, server, "zoo.v1.Keeper/Feed", {}) == '{"name": "me"}'
        theirs = await ask(channel, server, "grpc.health.v1.Health/Check", {"service": "theirs"})
        assert theirs == '{"status": "NOT_SERVING"}'


async def ask(channel: Channel, server: Reflected, path: str, request: Any) -> str:
    """The reply of a unary method, as JSON."""
    method = server.schema.method(path)
    call = channel.method_at(method.path, method.kind, method.encode, method.decode)
    return method.reply(await call(method.request(request)))


@pytest.mark.real_loop
async def test_they_stand_outside_of_the_middleware() -> None:
    """Who guards all calls does not lock out the load balancer."""

    async def nobody(call: Call, next: Handler) -> Any:
        raise Unauthenticated("who are you?")

    service = zoo()
    service.declaration.middleware.append(nobody)
    async with serving(service) as (_, channel):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert (await stub.Check(health_pb2.HealthCheckRequest())).status == 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/zoo.v1.Keeper/Feed")(b"")
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.real_loop
async def test_calls_are_counted_in_the_metrics() -> None:
    """Beside those of HTTP, on the same page."""
    async with serving(zoo()) as (running, channel):
        await channel.unary_unary("/zoo.v1.Keeper/Feed")(b"")
        talk = channel.stream_stream("/zoo.v1.Keeper/Talk")()
        await talk.write(b"")
        await talk.read()
        during = await _get(address_of(running), "/metrics")
        await talk.done_writing()
        assert await talk.read() is grpc.aio.EOF
        text = await _get(address_of(running), "/metrics")
    feed = 'rpc_system_name="grpc",rpc_method="zoo.v1.Keeper/Feed"'
    assert f'rpc_server_calls_total{{{feed},rpc_response_status_code="OK"}} 1\n' in text
    talked = 'rpc_system_name="grpc",rpc_method="zoo.v1.Keeper/Talk"'
    assert f"rpc_server_active_calls{{{talked}}} 1\n" in during
    assert f"rpc_server_active_calls{{{talked}}} 0\n" in text
    assert f"rpc_server_messages_received_total{{{talked}}} 1\n" in during
    assert f"rpc_server_messages_sent_total{{{talked}}} 1\n" in text
    assert "http_server_open_connections" in text


async def _get(address: str, path: str) -> str:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
    text = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return text


def test_a_service_that_asks_for_its_health_can_be_checked() -> None:
    """`mainstay check` wires what a start would."""
    service = zoo()

    @service.worker
    async def tell(health: Health) -> None:
        health.set("queue", ServingStatus.SERVING)

    assert "zoo is well" in list(check(service.declaration, environ={}))


async def test_a_service_without_rpc_has_no_health_to_ask_for() -> None:
    """Nothing of RPC is loaded for it."""
    async with Service("plain").running() as running:
        assert running._web.health is None
