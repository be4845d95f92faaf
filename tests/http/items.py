"""Models of every library, for the tests of binding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, NamedTuple, TypedDict

import attrs
import msgspec
import pydantic

Positive = Annotated[int, msgspec.Meta(gt=0)]


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class StructItem(msgspec.Struct):
    name: str
    price: Annotated[float, msgspec.Meta(ge=0)]
    tags: list[str] = []


@dataclass
class DataItem:
    name: str
    price: Annotated[float, msgspec.Meta(ge=0)]


@attrs.define
class AttrsItem:
    name: str
    price: Annotated[float, msgspec.Meta(ge=0)]


class DictItem(TypedDict):
    name: str
    price: Annotated[float, msgspec.Meta(ge=0)]


class TupleItem(NamedTuple):
    name: str
    price: float


class PydanticItem(pydantic.BaseModel):
    name: str
    price: float = pydantic.Field(ge=0)


@pydantic.dataclasses.dataclass
class PydanticData:
    name: str
    price: Annotated[float, pydantic.Field(ge=0)]
