"""What an annotation asks for, and what nobody could check is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypeVar

import annotated_types
import msgspec
import pydantic
import pytest

from mainstay.errors import UsageError
from mainstay.http.shapes import Kind, is_model, is_pydantic, item_of, shape_of, unwrap
from mainstay.http.sources import Header, Query
from tests.http.items import (
    AttrsItem,
    Colour,
    DataItem,
    DictItem,
    PydanticData,
    PydanticItem,
    StructItem,
    TupleItem,
)

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T]):
    items: list[T]


class Pair(msgspec.Struct, array_like=True):
    a: int


class Unknown:
    """Of no library."""


class Holder(msgspec.Struct):
    """Has a field that nobody can read."""

    inner: Unknown


@dataclass
class Constrained:
    a: Annotated[int, annotated_types.Gt(0)]


@dataclass
class OfPydantic:
    """pydantic checks it, because a field's type is pydantic's."""

    a: Annotated[int, pydantic.Field(gt=0)]


class Unresolved(msgspec.Struct):
    a: Missing  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (int, Kind.SCALAR),
        (Colour, Kind.SCALAR),
        (Literal["a"], Kind.SCALAR),
        (int | str, Kind.SCALAR),
        (NewType("Id", int), Kind.SCALAR),
        (Annotated[int, msgspec.Meta(gt=0)], Kind.SCALAR),
        (pydantic.SecretStr, Kind.SCALAR),
        (list[int], Kind.SCALARS),
        (tuple[int, ...], Kind.SCALARS),
        (frozenset[Colour], Kind.SCALARS),
        (Sequence[int | None], Kind.SCALARS),
        (StructItem, Kind.MODEL),
        (Page[int], Kind.MODEL),
        (DataItem, Kind.MODEL),
        (AttrsItem, Kind.MODEL),
        (DictItem, Kind.MODEL),
        (PydanticItem, Kind.MODEL),
        (PydanticData, Kind.MODEL),
        (OfPydantic, Kind.MODEL),
        (TupleItem, Kind.DATA),
        (Pair, Kind.DATA),
        (list, Kind.DATA),
        (list[StructItem], Kind.DATA),
        (dict[str, int], Kind.DATA),
        (Mapping[str, int], Kind.DATA),
        (StructItem | int, Kind.DATA),
        (Any, Kind.DATA),
        (object, Kind.DATA),
        (dict[str, object], Kind.DATA),
        (Unknown, Kind.OTHER),
        (bytes, Kind.OTHER),
        (Callable[[int], int], Kind.OTHER),
    ],
)
def test_every_annotation_has_a_kind(annotation: Any, kind: Kind) -> None:
    """With or without ``| None``, and with a marker."""
    assert shape_of(annotation).kind is kind
    shape = shape_of(Annotated[annotation | None, Query])
    assert (shape.kind, shape.nullable, shape.marker) == (kind, True, Query())


@pytest.mark.parametrize(
    ("annotation", "pydantic_"),
    [
        (StructItem, False),
        (Annotated[int, annotated_types.Gt(0)], False),
        (PydanticItem, True),
        (PydanticData, True),
        (list[PydanticItem], True),
        (dict[str, PydanticItem | None], True),
        (OfPydantic, True),
        (pydantic.EmailStr, True),
        (Annotated[int, pydantic.Field(gt=0)], True),
    ],
)
def test_who_checks_it(annotation: Any, pydantic_: bool) -> None:
    """pydantic, when any part is its own; else msgspec."""
    if annotation is pydantic.EmailStr:
        pytest.importorskip("email_validator", exc_type=ImportError)
    assert shape_of(annotation).pydantic is pydantic_


@pytest.mark.parametrize(
    ("annotation", "meta"),
    [
        (Annotated[int, annotated_types.Gt(1)], {"exclusiveMinimum": 1}),
        (
            Annotated[int, annotated_types.Interval(ge=1, lt=5)],
            {"minimum": 1, "exclusiveMaximum": 5},
        ),
        (Annotated[str, annotated_types.Len(1, 5)], {"minLength": 1, "maxLength": 5}),
        (Annotated[int, annotated_types.MultipleOf(2)], {"multipleOf": 2}),
        (Annotated[int, annotated_types.Unit("m")], {}),
    ],
)
def test_constraints_of_annotated_types_are_kept(annotation: Any, meta: dict[str, Any]) -> None:
    """In msgspec's words."""
    schema = msgspec.json.schema(shape_of(annotation).annotation)
    del schema["type"]
    assert schema == meta


def test_constraints_are_kept_inside() -> None:
    """Of items and values, beside None, and through a marker."""
    positive = Annotated[int, annotated_types.Gt(0)]
    shape = shape_of(Annotated[dict[str, list[positive]] | None, Query])
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"a": [0]}, shape.annotation)


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (Annotated[int, Query, Header], "Query and Header at once"),
        (Annotated[int, annotated_types.Predicate(bool)], "nothing would check"),
        (Constrained, "write it as msgspec.Meta"),
        (list[Unknown], "Unknown in it"),
        (Holder, "Unknown in it"),
        (Annotated[str, msgspec.Meta(gt=5)], "cannot be checked"),
        (dict[str, PydanticItem | StructItem], "mixes pydantic with msgspec"),
        (Unresolved, "define what they name"),
    ],
)
def test_what_nobody_could_check_is_refused(annotation: Any, said: str) -> None:
    """A rule that is written down and not kept is worse than none."""
    with pytest.raises(UsageError, match=said):
        shape_of(annotation)


def test_an_annotation_is_unwrapped() -> None:
    """To the type that it stands for."""
    assert unwrap(Annotated[NewType("A", int), 5]) is int
    assert unwrap(NotRequired[int]) is int
    if sys.version_info >= (3, 12):
        namespace: dict[str, Any] = {}
        exec("type Alias = int", namespace)
        assert unwrap(namespace["Alias"]) is int
        assert shape_of(namespace["Alias"]).kind is Kind.SCALAR


def test_models_are_told_from_other_classes() -> None:
    """By what they carry."""
    assert is_model(Page[int])
    assert not is_model(Pair)
    assert not is_model(NamedTuple("N", [("a", int)]))
    assert not is_model("StructItem")
    assert is_pydantic(PydanticData)
    assert not is_pydantic(DataItem)


def test_the_items_of_a_collection() -> None:
    """Are anything, when it does not say."""
    assert item_of(Annotated[list[int], 5]) is int
    assert item_of(list) is Any


def test_a_model_may_contain_itself() -> None:
    """The search for its parts ends."""
    assert shape_of(Tree).kind is Kind.MODEL


class Tree(msgspec.Struct):
    children: list[Tree] = []
