"""JSON of every kind of value that a handler may return."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

from mainstay.errors import UsageError
from mainstay.http.encode import encode_json, is_model, json_encoder, unsayable


class AStruct(msgspec.Struct):
    id: int


@dataclass
class ADataclass:
    id: int


@attrs.define
class AnAttrs:
    id: int


class ATypedDict(TypedDict):
    id: int


class AModel(pydantic.BaseModel):
    id: int = pydantic.Field(serialization_alias="number")


@dataclass
class Nested:
    models: list[AModel]
    parent: Nested | None = None


class Colour(Enum):
    RED = "red"


class Opaque:
    pass


class Shape(Protocol):
    def area(self) -> float: ...


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (AStruct(1), '{"id":1}'),
        (ADataclass(1), '{"id":1}'),
        (AnAttrs(1), '{"id":1}'),
        (ATypedDict(id=1), '{"id":1}'),
        (AModel(id=1), '{"number":1}'),
        (Nested([AModel(id=1)]), '{"models":[{"number":1}],"parent":null}'),
        ([1, 2.5, True, None], "[1,2.5,true,null]"),
        (Decimal("1.10"), '"1.10"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00Z"'),
        (Colour.RED, '"red"'),
        (ip_address("::1"), '"::1"'),
        (Path("a/b"), '"a/b"'),
    ],
    ids=str,
)
def test_it_is_said_in_json(value: Any, text: str) -> None:
    """Each family of types has one form, whatever it is nested in."""
    assert encode_json(value) == text.encode()


def test_an_opaque_value_is_refused_with_its_origin() -> None:
    """The message names who returned it and what would work."""
    with pytest.raises(UsageError, match=r"get_user.*Opaque.*dataclass"):
        json_encoder("get_user")({"user": Opaque()})


def test_models_are_known_without_importing_their_library() -> None:
    """By what their classes carry; instances and others are none."""
    assert is_model(AModel)
    assert not any(map(is_model, (AModel(id=1), AStruct, ADataclass, int, "AModel")))


@pytest.mark.parametrize(
    "annotation",
    [AStruct, list[ADataclass], dict[str, AnAttrs], ATypedDict, AModel, Nested, Colour, Path,
     Any, object, Shape, Iterable[int], AModel | ADataclass, tuple[int, str], None,
     dict[int, str], dict[Colour, str]],
    ids=str,
)  # fmt: skip
def test_what_may_be_sayable_is_let_pass(annotation: Any) -> None:
    """Also what only a value can decide: Protocols, abstract classes, object."""
    assert unsayable(annotation) is None


@pytest.mark.parametrize(
    ("annotation", "name"),
    [(Opaque, "Opaque"), (list[Opaque], "Opaque"), (complex, "complex"),
     (dict[AStruct, int], "AStruct as a key"), (list[dict[ADataclass, int]], "ADataclass as a key"),
     (dict[list[int], int], "list as a key")],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_said_is_found(annotation: Any, name: str) -> None:
    """At any depth, before a value of it was ever seen."""
    assert unsayable(annotation) == name


def test_what_cannot_be_said_is_found_in_a_field() -> None:
    """The fields of a type count."""

    @dataclass
    class Holder:
        inner: dict[str, Callable[[], int]]

    holder: Any = Holder
    holder.__annotations__ = {"inner": dict[str, Opaque]}
    assert unsayable(holder) == "Opaque"
