from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import Struct

from mainstay.errors import UsageError
from mainstay.rpc import Rpc
from mainstay.rpc.method import RpcService
from mainstay.rpc.proto.compiler import compile_files
from mainstay.rpc.proto.export import export
from mainstay.rpc.proto.load import load_proto
from mainstay.rpc.protobuf import service_of
from tests.rpc.proto.world import FILES, NAMES


class Colour(Enum):
    """Of the cover."""

    RED = 0
    BLUE = 1


@dataclass
class Author:
    name: str


class Book(Struct):
    """Something to read."""

    title: str
    authors: list[Author]
    colour: Colour
    pages: int | None = None
    sold: dict[str, int] = {}


library = Rpc("library.v1.Library", doc="Lends books.")


@library.method(idempotent=True)
async def find_book(request: Book) -> Book:
    """Find a book.

    By its title.
    """
    return request


@library.method
async def watch(requests: AsyncIterator[Book]) -> AsyncIterator[Timestamp]:
    async for _ in requests:
        yield Timestamp()


def test_a_definition_in_code_becomes_a_file() -> None:
    """Docstrings are its comments; what a decorator wrote into one is not."""
    (name, text), *others = export([library.service]).items()
    assert (name, others) == ("library/v1/library.proto", [])
    assert text == (
        'syntax = "proto3";\n\npackage library.v1;\n\n'
        'import "google/protobuf/timestamp.proto";\n\n'
        "// Lends books.\n"
        "service Library {\n"
        "  // Find a book.\n"
        "  //\n"
        "  // By its title.\n"
        "  rpc FindBook(Book) returns (Book) {\n"
        "    option idempotency_level = NO_SIDE_EFFECTS;\n"
        "  }\n"
        "\n"
        "  rpc Watch(stream Book) returns (stream google.protobuf.Timestamp);\n"
        "}\n\n"
        "message Author {\n  string name = 1;\n}\n\n"
        "// Something to read.\n"
        "message Book {\n"
        "  string title = 1;\n"
        "  repeated Author authors = 2;\n"
        "  Colour colour = 3;\n"
        "  optional int64 pages = 4;\n"
        "  map<string, int64> sold = 5;\n"
        "}\n\n"
        "// Of the cover.\n"
        "enum Colour {\n  COLOUR_RED = 0;\n  COLOUR_BLUE = 1;\n}\n"
    )


def test_the_file_means_what_the_code_means(tmp_path: Path) -> None:
    """Compiled again, it is the descriptor that the service runs with."""
    for name, text in export([library.service]).items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    again = compile_files([tmp_path]).files[-1]
    again.ClearField("source_code_info")
    assert library.service.descriptor is not None
    here = FileDescriptorProto.FromString(library.service.descriptor.file.serialized_pb)
    for message in again.message_type:
        for field in (*message.field, *(each for n in message.nested_type for each in n.field)):
            field.ClearField("json_name")
    for message in here.message_type:
        for field in (*message.field, *(each for n in message.nested_type for each in n.field)):
            field.ClearField("json_name")
    assert again == here


def test_all_files_of_a_service_are_written() -> None:
    """With those that they import, unless they are Google's."""
    service = service_of(load_proto(FILES)["shop.v1.Orders"])
    assert set(export([service])) == set(NAMES) - {"legacy.proto"}


def test_services_that_share_a_file_write_it_once() -> None:
    """As two services of one .proto do."""
    loaded = load_proto(FILES)
    both = [service_of(loaded[name]) for name in ("shop.v1.Orders", "shop.v1.Empty")]
    assert export(both) == export(both[:1])


def test_two_definitions_of_one_file_are_refused() -> None:
    """Their texts would overwrite one another."""
    other = Rpc("library.v1.library")

    @other.method
    async def find(request: Author) -> Author:
        return request

    with pytest.raises(UsageError, match=r"both defined in library/v1/library\.proto"):
        export([library.service, other.service])


def test_a_service_without_descriptors_is_refused() -> None:
    """There is nothing to write of it."""
    with pytest.raises(UsageError, match=r"a\.B are known as functions only"):
        export([RpcService(name="a.B")])
