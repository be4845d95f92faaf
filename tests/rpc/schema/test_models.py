"""Facts about classes with named fields."""

import dataclasses
from typing import Any

import msgspec
import pydantic
import pytest
from google.rpc.status_pb2 import Status

from mainstay.core.signature import MISSING
from mainstay.rpc.schema.models import flavour_of, is_model, members_of, reserved_of
from tests.rpc.schema.zoo import Card, Checked, Circle, Everything, Point, Square


@pytest.mark.parametrize("cls", [Circle, Square, Card, Point, Checked])
def test_classes_of_every_library_are_models(cls: type) -> None:
    """Structs, dataclasses, TypedDicts, named tuples and pydantic's models have named fields."""
    assert is_model(cls)
    assert members_of(cls)


@pytest.mark.parametrize("other", [int, str, dict, list[int], Any, None, Status, tuple])
def test_nothing_else_is(other: Any) -> None:
    """Neither scalars nor containers, nor messages of protobuf."""
    assert not is_model(other)


def test_defaults_and_keys_are_as_the_library_has_them() -> None:
    """A default, a factory, an alias, a key that may be absent; each as its constructor takes it."""
    by_name = {each.name: each for each in members_of(Checked)}
    assert by_name["size"].key == "theSize"
    assert not by_name["size"].has_default
    assert by_name["word"].default == "word"
    assert {each.name: each.required for each in members_of(Card)} == {"name": True, "age": False}
    assert {each.name: each.default for each in members_of(Point)} == {"x": MISSING, "y": 3}
    assert [flavour_of(each) for each in (Card, Checked, Point)] == [
        "keys",
        "pydantic",
        "attributes",
    ]


def test_what_is_not_given_to_the_constructor_is_no_field() -> None:
    """``init=False`` is the class's own affair."""

    @dataclasses.dataclass
    class Own:
        a: int
        b: int = dataclasses.field(default=3, init=False)
        c: list[int] = dataclasses.field(default_factory=list)

    made = members_of(Own)
    assert [each.name for each in made] == ["a", "c"]
    assert made[1].factory is list


def test_reserved_is_said_by_the_class_itself() -> None:
    """Numbers and names, apart; a subclass says its own."""
    assert reserved_of(Everything) == (frozenset({2}), frozenset({"old"}))

    class Derived(Everything):
        pass

    assert reserved_of(Derived) == (frozenset(), frozenset())
    assert issubclass(Derived, msgspec.Struct)
    assert issubclass(Checked, pydantic.BaseModel)
