from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Generic, NotRequired, TypedDict, TypeVar

import msgspec
import pytest

from mainstay.config.models import Family, family_of, members_of
from mainstay.errors import UsageError

T = TypeVar("T")


class Struct(msgspec.Struct, Generic[T], rename="camel"):
    first_one: T
    second: int = 2
    third: list[int] = msgspec.field(default_factory=list)


class Row(msgspec.Struct, array_like=True):
    x: int


@dataclass
class Data:
    first: int
    second: int = 2
    derived: int = field(init=False, default=0)


class Typed(TypedDict, total=False):
    first: int
    second: NotRequired[int]


class Lost(msgspec.Struct):
    x: Nowhere  # type: ignore[name-defined]  # noqa: F821


class Attrs:
    """What attrs leaves on a class, as far as it is read."""

    _x: int
    y: list[int]
    __attrs_attrs__ = (
        SimpleNamespace(name="_x", alias="x", init=True, default=SimpleNamespace(name="NOTHING")),
        SimpleNamespace(
            name="y", alias="y", init=True, default=SimpleNamespace(factory=list, takes_self=False)
        ),
        SimpleNamespace(name="z", alias="z", init=True, default=5),
        SimpleNamespace(name="hidden", alias="hidden", init=False, default=5),
    )


class Pydantic:
    """What pydantic leaves on a class, as far as it is read."""

    model_fields = {  # noqa: RUF012 - pydantic's own name and form
        "x": SimpleNamespace(
            annotation=int, validation_alias=None, alias="theX", is_required=lambda: True
        ),
        "y": SimpleNamespace(
            annotation=str,
            validation_alias=SimpleNamespace(choices=["why", "y"]),
            alias=None,
            is_required=lambda: False,
        ),
    }

    @classmethod
    def model_validate(cls, data: Any) -> Any:
        return data


@pytest.mark.parametrize(
    ("model", "family"),
    [
        (Struct, Family.STRUCT),
        (Struct[int], Family.STRUCT),
        (Data, Family.DATACLASS),
        (Attrs, Family.ATTRS),
        (Typed, Family.TYPED_DICT),
        (Pydantic, Family.PYDANTIC),
        (Row, None),
        (int, None),
        (list[int], None),
        ("text", None),
    ],
)
def test_each_kind_of_model_is_recognised(model: Any, family: Any) -> None:
    """A class tells by what it carries; a struct that is written as an array is no table."""
    assert family_of(model) is family


def test_the_members_of_a_struct() -> None:
    """Keys are the renamed ones, type parameters are filled in, and factories are kept."""
    first, second, third = members_of(Struct[str], Family.STRUCT)
    assert (first.name, first.key, first.annotation, first.required) == (
        "first_one",
        "firstOne",
        str,
        True,
    )
    assert second.default is not None
    assert second.default() == 2
    assert third.default is list


def test_the_members_of_a_dataclass() -> None:
    """A field that the constructor does not take is no setting."""
    first, second = members_of(Data, Family.DATACLASS)
    assert (first.required, second.required) == (True, False)


def test_the_members_of_an_attrs_class() -> None:
    """The alias is the key, as it is the name in the constructor."""
    x, y, z = members_of(Attrs, Family.ATTRS)
    assert (x.name, x.parameter, x.key, x.required, x.annotation) == ("_x", "x", "x", True, int)
    assert (y.required, y.default) == (False, list)
    assert z.default is not None
    assert z.default() == 5


def test_the_members_of_a_typed_dict() -> None:
    """Required and NotRequired count, even where annotations are strings."""
    assert [member.required for member in members_of(Typed, Family.TYPED_DICT)] == [False, False]


def test_the_members_of_a_pydantic_model() -> None:
    """The alias is the key; of several, the first."""
    x, y = members_of(Pydantic, Family.PYDANTIC)
    assert (x.key, x.required) == ("theX", True)
    assert (y.key, y.required) == ("why", False)


def test_an_annotation_that_names_nothing_is_the_programs_fault() -> None:
    """The message says which model, and what to do."""
    with pytest.raises(UsageError, match=r"annotations of Lost cannot be read.*Nowhere"):
        members_of(Lost, Family.STRUCT)
