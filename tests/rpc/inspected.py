"""A service with a file that imports others, has nested types and an extension: to be looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from mainstay.errors import Code, RpcError
from mainstay.http.settings import HttpSettings
from mainstay.rpc.method import RpcService
from mainstay.rpc.protobuf import bare_method
from mainstay.rpc.settings import RpcSettings
from mainstay.service.running import Running
from mainstay.service.service import Service
from mainstay.service.settings import Settings
from tests.rpc.grpcio.stock import aio_channel

STRING = FieldDescriptorProto.TYPE_STRING
MESSAGE = FieldDescriptorProto.TYPE_MESSAGE
OPTIONAL = FieldDescriptorProto.LABEL_OPTIONAL


def zoo_files() -> list[FileDescriptorProto]:
    """``zoo/parts.proto`` (proto2, with an extension) and ``zoo/zoo.proto``, which imports it."""
    parts = FileDescriptorProto(name="zoo/parts.proto", package="zoo.v1", syntax="proto2")
    cage = parts.message_type.add(name="Cage")
    cage.field.add(name="name", number=1, type=STRING, label=OPTIONAL)
    cage.extension_range.add(start=100, end=200)
    size = cage.enum_type.add(name="Size")
    size.value.add(name="SMALL", number=0)
    parts.extension.add(
        name="lock", number=100, type=STRING, label=OPTIONAL, extendee=".zoo.v1.Cage"
    )
    zoo = FileDescriptorProto(name="zoo/zoo.proto", package="zoo.v1", syntax="proto3")
    zoo.dependency.extend(["zoo/parts.proto", "google/protobuf/timestamp.proto"])
    animal = zoo.message_type.add(name="Animal")
    animal.field.add(name="name", number=1, type=STRING, label=OPTIONAL)
    cage_type = ".zoo.v1.Cage"
    animal.field.add(name="cage", number=2, type=MESSAGE, label=OPTIONAL, type_name=cage_type)
    stamp = ".google.protobuf.Timestamp"
    animal.field.add(name="born", number=3, type=MESSAGE, label=OPTIONAL, type_name=stamp)
    keeper = zoo.service.add(name="Keeper")
    for name, asks, answers in (
        ("Feed", False, False),
        ("Watch", False, True),
        ("Count", True, False),
        ("Talk", True, True),
        ("Lose", False, False),
    ):
        keeper.method.add(
            name=name,
            input_type=".zoo.v1.Animal",
            output_type=".zoo.v1.Animal",
            client_streaming=asks,
            server_streaming=answers,
        )
    return [parts, zoo]


def keeper() -> RpcService:
    """The service of these files, in a pool of their own."""
    pool = DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    for each in zoo_files():
        pool.AddSerializedFile(each.SerializeToString())
    descriptor = pool.FindServiceByName("zoo.v1.Keeper")
    bare = {each.name: each for each in descriptor.methods}
    animal: Any = bare_method(bare["Feed"]).request.python_type

    async def feed(request: animal) -> animal:
        return animal(name=f"fed {request.name}")

    async def watch(request: animal) -> AsyncIterator[animal]:
        for number in range(3):
            yield animal(name=f"{request.name} {number}")

    async def count(request: AsyncIterator[animal]) -> animal:
        return animal(name=", ".join([each.name async for each in request]))

    async def talk(request: AsyncIterator[animal]) -> AsyncIterator[animal]:
        async for each in request:
            yield animal(name=each.name.upper())

    async def lose(request: animal) -> animal:
        from google.rpc.error_details_pb2 import ErrorInfo, Help  # noqa: PLC0415

        details = [ErrorInfo(reason="LOST", domain="zoo"), Help()]
        raise RpcError(Code.NOT_FOUND, "it ran\naway", details=details)

    for function in (feed, watch, count, talk, lose):
        # The annotations are texts, whose names stand in this function only.
        function.__annotations__ = {"request": animal, "return": animal}
    watch.__annotations__["return"] = AsyncIterator[animal]
    count.__annotations__["request"] = AsyncIterator[animal]
    talk.__annotations__ = {"request": AsyncIterator[animal], "return": AsyncIterator[animal]}
    functions = {"Feed": feed, "Watch": watch, "Count": count, "Talk": talk, "Lose": lose}
    return RpcService(
        name=descriptor.full_name,
        methods={name: bare_method(bare[name], function=made) for name, made in functions.items()},
        descriptor=descriptor,
    )


def zoo(*more: RpcService) -> Service:
    """The service that answers to it."""
    service = Service("zoo")
    for each in (keeper(), *more):
        service.declaration.rpc[each.name] = each
    return service


@asynccontextmanager
async def serving(
    service: Service, rpc: RpcSettings | None = None, **more: Any
) -> AsyncIterator[tuple[Running, Any]]:
    """Run `service` on a port of its own, with a channel of grpcio to it."""
    http = HttpSettings(listen=("tcp://127.0.0.1:0",))
    settings = Settings(http=http, rpc=rpc or RpcSettings(), **more)
    async with (
        service.running(settings=settings) as running,
        aio_channel(address_of(running)) as channel,
    ):
        yield running, channel


def address_of(running: Running) -> str:
    """Where it listens, as grpcio wants it."""
    return running.addresses[0].removeprefix("tcp://")
