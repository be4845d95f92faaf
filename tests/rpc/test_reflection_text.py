"""Facts about the text of one symbol."""

from typing import Any

import pytest
from google.protobuf.descriptor_pool import DescriptorPool

from mainstay.errors import NotFound
from mainstay.rpc.reflection_text import symbol_text
from tests.rpc.inspected import keeper, zoo_files


def parts() -> Any:
    pool: Any = DescriptorPool()
    pool.AddSerializedFile(zoo_files()[0].SerializeToString())
    return pool.FindFileByName("zoo/parts.proto")


def test_a_service_is_shown_whole() -> None:
    """With all its methods, without what stands around."""
    descriptor: Any = keeper().descriptor
    assert symbol_text(descriptor.file, "zoo.v1.Keeper").splitlines() == [
        "service Keeper {",
        "  rpc Feed(Animal) returns (Animal);",
        "  rpc Watch(Animal) returns (stream Animal);",
        "  rpc Count(stream Animal) returns (Animal);",
        "  rpc Talk(stream Animal) returns (stream Animal);",
        "  rpc Lose(Animal) returns (Animal);",
        "}",
    ]
    feed = symbol_text(descriptor.file, "zoo.v1.Keeper.Feed")
    assert feed == "rpc Feed(Animal) returns (Animal);\n"


def test_nested_types_are_shown_at_the_margin() -> None:
    """Wherever they stand in their file."""
    assert symbol_text(parts(), "zoo.v1.Cage.Size") == "enum Size {\n  SMALL = 0;\n}\n"


def test_a_field_shows_what_it_stands_in() -> None:
    """Alone it would say little."""
    text = symbol_text(parts(), "zoo.v1.Cage.name")
    assert text.startswith("message Cage {\n")
    assert "optional string name = 1;" in text


def test_what_is_not_there_is_said() -> None:
    """By the names of the file and the symbol."""
    with pytest.raises(NotFound, match=r"zoo/parts\.proto does not define zoo\.v1\.Nobody"):
        symbol_text(parts(), "zoo.v1.Nobody")
