"""Whatever a request contains, a plan makes arguments or raises an error of ours.

The cases come from a seeded generator, so a failure repeats: bytes of any kind, values of any shape
as JSON, and valid requests that were bent at a few places, which get further.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pydantic
import pytest

from mainstay.errors import Error, PeerError
from mainstay.http.problems import problem_response
from mainstay.http.sources import Cookie, Form, Header, Json, Query
from mainstay.http.uploads import UploadFile
from tests.http.items import AttrsItem, Colour, DictItem, PydanticItem, StructItem, TupleItem
from tests.http.plans import Bound

ROUNDS = 300


class Cat(msgspec.Struct, tag="cat", forbid_unknown_fields=True):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    tricks: dict[int, list[str]]


class Everything(msgspec.Struct):
    a: list[StructItem]
    b: dict[str, AttrsItem] = {}
    c: tuple[int, str] | None = None
    d: Cat | Dog | None = None
    e: datetime | None = None
    f: Decimal | int | None = None
    g: set[int] = set()
    h: DictItem | list[int] | None = None
    i: TupleItem | None = None
    j: Annotated[bytes, msgspec.Meta(max_length=3)] = b""
    k: Colour = Colour.RED
    l: timedelta = timedelta()  # noqa: E741
    m: Any = None


class Filters(msgspec.Struct):
    a: int
    b: list[float] = []
    c: Literal["x", 1] | None = None
    d: date | None = None
    e: bool = False


@dataclass
class DataFilters:
    a: Decimal
    g: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")] = "x"


class Deep(pydantic.BaseModel):
    items: list[PydanticItem]
    more: Deep | None = None


async def texts(
    a: Annotated[Filters, Query],
    b: Annotated[list[int], Header],
    c: Annotated[UUID | None, Cookie],
    d: Annotated[DataFilters | None, Query] = None,
    e: Decimal | None = None,
    f: Annotated[int, pydantic.Field(gt=0)] = 1,
) -> None: ...


async def struct(body: Everything) -> None: ...


async def items(body: Annotated[list[int | StructItem], Json]) -> None: ...


async def deep(body: Deep) -> None: ...


async def form(a: Annotated[Filters, Form], f: UploadFile | None = None) -> None: ...


VALID = json.dumps(
    {
        "a": [{"name": "x", "price": 1.5, "tags": ["a"]}],
        "b": {"k": {"name": "y", "price": 0}},
        "c": [1, "x"],
        "d": {"type": "dog", "tricks": {"1": ["a"]}},
        "e": "2026-01-31T10:00:00Z",
        "f": "1.5",
        "g": [1, 2],
        "h": {"name": "z", "price": 3},
        "i": ["t", 1],
        "j": "aGk=",
        "k": "blue",
        "l": "P1D",
        "items": [{"name": "p", "price": 2}],
        "more": {"items": []},
    }
).encode()
FORM = b"a=1&b=2.5&b=nan&c=x&d=2026-01-31&e=on"
PARTS = (
    b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\nxyz\r\n--b--\r\n'
)
SPICE = [
    *(bytes([each]) for each in b'\x00\xff"{}[],:\\&=%+;-.eE0'),
    b"null",
    b"1e999",
    b"NaN",
    b"\\ud800",
    b"[" * 2000,
    b"9" * 5000,
    b"%ff",
    b"--b",
    b"\r\n",
    b'"a":',
]


def bent(random_: random.Random, text: bytes) -> bytes:
    made = bytearray(text)
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(made) + 1)
        made[at : at + random_.choice((0, 0, 1, 5))] = random_.choice(SPICE)
    return bytes(made)


def value(random_: random.Random, depth: int = 0) -> Any:
    kinds: list[Callable[[], Any]] = [
        lambda: None,
        lambda: random_.choice((True, False)),
        lambda: random_.choice((0, -1, 2**70, 7)),
        lambda: random_.choice((0.5, 1e308, -0.0)),
        lambda: random_.choice(("", "x", "cat", "red", "2026-01-31", "\U0001f600", "\ud800")),
    ]
    if depth < 4:
        keys = ["a", "b", "d", "type", "name", "price", "items", "more", "~/", "lives", "tricks"]
        kinds += 3 * [
            lambda: [value(random_, depth + 1) for _ in range(random_.randrange(4))],
            lambda: {
                random_.choice(keys): value(random_, depth + 1) for _ in range(random_.randrange(6))
            },
        ]
    return random_.choice(kinds)()


def body(random_: random.Random, valid: bytes) -> bytes:
    match random_.randrange(3):
        case 0:
            return random_.randbytes(random_.randrange(60))
        case 1:
            return json.dumps(value(random_)).encode()
    return bent(random_, valid)


async def ask(bound: Bound, *args: Any, **options: Any) -> bool:
    """Whether the request was taken; what is refused can be told to the peer."""
    try:
        await bound(*args, **options)
    except Error as error:
        refused = error
    else:
        return True
    assert isinstance(refused, PeerError)
    assert 400 <= problem_response(refused).status < 500
    return False


@pytest.mark.parametrize("handler", [struct, items, deep], ids=lambda each: each.__name__)
async def test_any_json_is_taken_or_refused(handler: Any) -> None:
    """By both libraries, through every family of types."""
    random_ = random.Random(7)
    bound = Bound(handler, method="POST")
    taken = 0
    for _ in range(ROUNDS):
        made = body(random_, VALID)
        taken += await ask(bound, "/", [("content-type", "application/json")], made)
    assert taken < ROUNDS


async def test_any_text_is_taken_or_refused() -> None:
    """In query, head and cookies."""
    random_ = random.Random(8)
    bound = Bound(texts)
    valid = b"a=1&b=2.5&c=x&d=2026-01-31&e=on&f=5"
    taken = 0
    for _ in range(ROUNDS):
        query = body(random_, valid).decode("latin-1")
        fields = [
            (name, body(random_, b"1, 2; c=00000000-0000-0000-0000-000000000001").decode("latin-1"))
            for name in ("b", "cookie")
        ]
        taken += await ask(bound, f"/?{query}", random_.choice(([("b", "1")], fields)))
    assert 0 < taken < ROUNDS


@pytest.mark.parametrize(
    ("kind", "valid"),
    [("application/x-www-form-urlencoded", FORM), ("multipart/form-data; boundary=b", PARTS)],
)
async def test_any_form_is_taken_or_refused(kind: str, valid: bytes) -> None:
    """Of either kind."""
    random_ = random.Random(9)
    bound = Bound(form, method="POST")
    taken = 0
    for _ in range(ROUNDS):
        taken += await ask(bound, "/", [("content-type", kind)], body(random_, valid))
    assert 0 < taken < ROUNDS
