"""The fields of a model are the same, whatever it is written with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, NotRequired, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest

from mainstay.http.models import members_of

T = TypeVar("T")
Positive = Annotated[int, msgspec.Meta(gt=0)]


class OfMsgspec(msgspec.Struct):
    a: Positive
    b: str = "x"
    c: list[int] = msgspec.field(default_factory=lambda: [1])


@dataclass
class OfDataclass:
    a: Positive
    b: str = "x"
    c: list[int] = field(default_factory=lambda: [1])


@attrs.define
class OfAttrs:
    a: Positive
    b: str = "x"
    c: list[int] = attrs.field(factory=lambda: [1])


class OfPydantic(pydantic.BaseModel):
    a: Positive
    b: str = "x"
    c: list[int] = pydantic.Field(default_factory=lambda: [1])


@pydantic.dataclasses.dataclass
class OfPydanticData:
    a: Positive
    b: str = "x"
    c: list[int] = field(default_factory=lambda: [1])


@pytest.mark.parametrize("model", [OfMsgspec, OfDataclass, OfAttrs, OfPydantic, OfPydanticData])
def test_names_types_and_defaults(model: Any) -> None:
    """As they are declared, with constraints; a factory is a default too."""
    members = members_of(model)
    assert [(each.name, each.key, each.required) for each in members] == [
        ("a", "a", True),
        ("b", "b", False),
        ("c", "c", False),
    ]
    assert [each.annotation for each in members] == [Positive, str, list[int]]
    assert [each.default and each.default() for each in members] == [None, "x", [1]]


def test_a_typed_dict_may_leave_keys_out() -> None:
    """They have no default, and are not required."""

    class Sparse(TypedDict):
        a: int
        b: NotRequired[str]

    a, b = sorted(members_of(Sparse), key=lambda each: each.name)
    assert (a.required, b.required, b.default, b.annotation) == (True, False, None, str)


def test_the_names_that_the_wire_uses() -> None:
    """Renamed fields, and aliases of pydantic's."""

    class Renamed(msgspec.Struct, rename="camel"):
        page_size: int

    class Aliased(pydantic.BaseModel):
        page_size: int = pydantic.Field(alias="pageSize")
        other: int = pydantic.Field(validation_alias=pydantic.AliasChoices("o", "p"))

    assert [(each.name, each.key) for each in members_of(Renamed)] == [("page_size", "pageSize")]
    assert [each.key for each in members_of(Aliased)] == ["pageSize", "o"]


def test_a_generic_model_is_filled_in() -> None:
    """With the types it was given."""

    class Page(msgspec.Struct, Generic[T]):
        items: list[T]

    assert members_of(Page[int])[0].annotation == list[int]
