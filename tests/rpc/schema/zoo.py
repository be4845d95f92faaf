"""Types of every kind that code-first definitions know."""

import dataclasses
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import msgspec
import pydantic
from google.rpc.status_pb2 import Status

from mainstay.rpc.schema.building import build
from mainstay.rpc.schema.compiling import Codecs
from mainstay.rpc.schema.marker import Field
from mainstay.rpc.schema.reading import Reader


class Colour(Enum):
    RED = "r"
    DARK_BLUE = "b"


class Level(IntEnum):
    HIGH = 5
    LOW = 0


class Circle(msgspec.Struct):
    radius: float = 0.0


@dataclasses.dataclass
class Square:
    side: int = 0
    inner: "Square | None" = None


class Card(TypedDict):
    name: str
    age: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int = 3


class Checked(pydantic.BaseModel):
    size: Annotated[int, pydantic.Field(ge=1, alias="theSize")]
    word: str = "word"
    squares: list[Square] = []


class Flat(msgspec.Struct):
    name: str = ""
    count: int = 0
    good: bool = False


class Everything(msgspec.Struct, kw_only=True):
    __reserved__: ClassVar = (2, "old")

    text: str = ""
    small: Annotated[int, Field(type="uint32"), msgspec.Meta(le=10)] = 0
    real: float = 0.0
    raw: bytes = b""
    colour: Colour = Colour.RED
    level: Level = Level.HIGH
    when: datetime | None = None
    lasts: timedelta = timedelta(seconds=5)
    day: date | None = None
    clock: time | None = None
    key: UUID | None = None
    price: Decimal | None = None
    shape: Circle | Square | None = None
    words: list[str] = []
    numbers: frozenset[int] = frozenset()
    colours: tuple[Colour, ...] = ()
    counts: dict[str, int] = {}
    squares: dict[int, Square] = {}
    times: dict[str, timedelta] = {}
    card: Card | None = None
    point: Point | None = None
    checked: Checked | None = None
    status: Status | None = None
    letter: Literal["a", "b"] = "a"
    maybe: int | None = None
    seven: int = 7


def read(*classes: type) -> Reader:
    """What a reader makes of them."""
    reader = Reader("zoo.v1")
    for each in classes:
        reader.message(each)
    return reader


def faults(cls: type) -> str:
    """What is wrong with a class."""
    return "\n".join(read(cls).faults)


def numbers_of(cls: type) -> dict[str, int]:
    """The numbers of the fields of a class."""
    return {each.name: each.number for each in read(cls).messages[cls].fields}


def pool_of(reader: Reader) -> Any:
    """The pool with what `reader` has read."""
    return build("zoo.v1.Zoo", [], reader.messages.values(), reader.enums.values(), reader.foreign)


def codecs(*classes: type) -> Codecs:
    """The functions for all of them."""
    reader = read(*classes)
    assert not reader.faults
    return Codecs(reader, pool_of(reader))
