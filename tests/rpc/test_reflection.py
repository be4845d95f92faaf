"""Facts about grpc.reflection, as grpcio's own client and its messages see it."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from mainstay.rpc.method import RpcService
from mainstay.rpc.reflection import VERSIONS, Index, described
from tests.rpc.inspected import address_of, keeper, serving, zoo

Ask = Callable[..., Any]


async def ask(channel: Any, version: str, *requests: Any) -> list[Any]:
    """The answers to `requests`, on one stream; v1 has the messages of v1alpha."""
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(iter(requests))
    return [each async for each in call]


def asked(**fields: Any) -> Any:
    return reflection_pb2.ServerReflectionRequest(**fields)


def files_of(reply: Any) -> list[str]:
    parts = reply.file_descriptor_response.file_descriptor_proto
    return [FileDescriptorProto.FromString(each).name for each in parts]


@pytest.mark.real_loop
@pytest.mark.parametrize("version", VERSIONS)
async def test_services_are_listed(version: str) -> None:
    """Those of the service, and the built-in ones, in order."""
    async with serving(zoo()) as (_, channel):
        (reply,) = await ask(channel, version, asked(host="h", list_services=""))
    assert [each.name for each in reply.list_services_response.service] == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "zoo.v1.Keeper",
    ]
    assert reply.valid_host == "h"
    assert reply.original_request.WhichOneof("message_request") == "list_services"


@pytest.mark.real_loop
@pytest.mark.parametrize(
    "symbol",
    [
        "zoo.v1.Keeper",
        "zoo.v1.Keeper.Feed",
        "zoo.v1.Animal",
        "zoo.v1.Animal.born",
    ],
)
async def test_a_symbol_comes_with_all_that_its_file_imports(symbol: str) -> None:
    """The file itself first, so that a tool can build it from one answer."""
    async with serving(zoo()) as (_, channel):
        (reply,) = await ask(channel, "v1", asked(file_containing_symbol=symbol))
    names = files_of(reply)
    assert names[0] == "zoo/zoo.proto"
    assert sorted(names[1:]) == ["google/protobuf/timestamp.proto", "zoo/parts.proto"]


@pytest.mark.real_loop
async def test_an_import_is_sent_once_a_stream() -> None:
    """What is asked for by name is sent all the same."""
    async with serving(zoo()) as (_, channel):
        replies = await ask(
            channel,
            "v1",
            asked(file_containing_symbol="zoo.v1.Cage.SMALL"),
            asked(file_by_filename="zoo/zoo.proto"),
            asked(file_by_filename="zoo/parts.proto"),
        )
    assert [files_of(each) for each in replies] == [
        ["zoo/parts.proto"],
        ["zoo/zoo.proto", "google/protobuf/timestamp.proto"],
        ["zoo/parts.proto"],
    ]


@pytest.mark.real_loop
async def test_extensions_are_found_though_nobody_imports_them() -> None:
    """By their numbers, and each by its file."""
    cage = "zoo.v1.Cage"
    extension = reflection_pb2.ExtensionRequest(containing_type=cage, extension_number=100)
    async with serving(zoo()) as (_, channel):
        numbers, file = await ask(
            channel,
            "v1alpha",
            asked(all_extension_numbers_of_type=cage),
            asked(file_containing_extension=extension),
        )
    assert numbers.all_extension_numbers_response.base_type_name == cage
    assert list(numbers.all_extension_numbers_response.extension_number) == [100]
    assert files_of(file) == ["zoo/parts.proto"]


@pytest.mark.real_loop
async def test_what_is_not_there_is_an_error_and_the_stream_goes_on() -> None:
    """NOT_FOUND for names, INVALID_ARGUMENT for a request that asks for nothing."""
    nothing = reflection_pb2.ExtensionRequest(containing_type="zoo.v1.Cage", extension_number=101)
    wanted = [
        asked(file_by_filename="nope.proto"),
        asked(file_containing_symbol="zoo.v1.Nobody"),
        asked(file_containing_extension=nothing),
        asked(all_extension_numbers_of_type="zoo.v1.Nobody"),
        asked(),
        asked(file_by_filename="zoo/parts.proto"),
    ]
    async with serving(zoo()) as (_, channel):
        *errors, last = await ask(channel, "v1", *wanted)
    assert [each.error_response.error_code for each in errors] == [5, 5, 5, 5, 3]
    assert "'zoo.v1.Nobody'" in errors[1].error_response.error_message
    assert files_of(last) == ["zoo/parts.proto"]


@pytest.mark.real_loop
async def test_details_of_errors_can_be_asked_for() -> None:
    """No method has google.rpc.ErrorInfo in its messages, and every status may have it."""
    async with serving(zoo()) as (_, channel):
        (reply,) = await ask(channel, "v1", asked(file_containing_symbol="google.rpc.ErrorInfo"))
    assert files_of(reply)[0] == "google/rpc/error_details.proto"


@pytest.mark.real_loop
async def test_the_client_of_grpcio_builds_a_pool_from_it() -> None:
    """Messages and services can be made from what was reflected alone."""
    async with serving(zoo()) as (running, _):
        found = await asyncio.to_thread(_through_the_client, address_of(running))
    assert found == (["Feed", "Watch", "Count", "Talk", "Lose"], "google.protobuf.Timestamp", [100])


def _through_the_client(address: str) -> tuple[list[str], str, list[int]]:
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool: Any = DescriptorPool(database)
        service = pool.FindServiceByName("zoo.v1.Keeper")
        born = service.methods[0].input_type.fields_by_name["born"]
        numbers = database.FindAllExtensionNumbers("zoo.v1.Cage")
        return [each.name for each in service.methods], born.message_type.full_name, list(numbers)


def test_a_service_without_a_descriptor_is_listed_only() -> None:
    """Code that knows paths and functions has nothing else to tell."""
    index = Index([RpcService(name="old.Thing"), keeper()])
    assert index.services == ["old.Thing", "zoo.v1.Keeper"]
    with pytest.raises(LookupError, match=r"old\.Thing"):
        index.file_of("old.Thing")


def test_two_files_of_one_name_are_both_found_by_their_symbols() -> None:
    """Two pools may each have a file of that name; by its name one gets the first."""
    pool = DescriptorPool()
    other = FileDescriptorProto(name="zoo/zoo.proto", package="aqua", syntax="proto3")
    other.message_type.add(name="Fish")
    other.service.add(name="Tank").method.add(
        name="Swim", input_type=".aqua.Fish", output_type=".aqua.Fish"
    )
    pool.AddSerializedFile(other.SerializeToString())
    tank: Any = pool.FindServiceByName("aqua.Tank")
    index = Index([keeper(), RpcService(name="aqua.Tank", descriptor=tank)])
    assert index.file("zoo/zoo.proto").package == "zoo.v1"
    assert index.file_of("aqua.Fish").package == "aqua"


def _shape(messages: Iterable[Any]) -> Iterator[tuple[str, ...]]:
    for message in messages:
        for field in message.fields:
            oneof = field.containing_oneof.name if field.containing_oneof else ""
            repeated = str(field.is_repeated)
            yield message.name, field.name, str(field.number), str(field.type), oneof, repeated


def test_the_file_is_the_public_one() -> None:
    """Message by message, field by field, the same as in grpcio's package."""
    ours: Any = described("v1alpha").file
    theirs = reflection_pb2.DESCRIPTOR
    assert sorted(_shape(ours.message_types_by_name.values())) == sorted(
        _shape(theirs.message_types_by_name.values())
    )
