"""Facts about the way between the user's objects and protobuf's bytes."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
import pytest
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status

from mainstay.errors import ValidationFailed
from mainstay.rpc.method import MessageType
from tests.rpc.schema.zoo import (
    Card,
    Checked,
    Circle,
    Colour,
    Everything,
    Flat,
    Level,
    Point,
    Square,
    codecs,
)

EVERYTHING = codecs(Everything).message_type(Everything)


def own_class(of: MessageType) -> Any:
    """The class that protobuf makes of the description."""
    descriptor: Any = of.descriptor
    return GetMessageClass(descriptor)


def some(random: random.Random) -> Everything:
    """Anything that can be sent."""

    def number() -> int:
        return random.choice([0, 1, -1, 2**63 - 1, -(2**63), random.randrange(10**9)])

    def word() -> str:
        return random.choice(["", "ä€😀", "x" * random.randrange(300), "\0"])

    def square() -> Square:
        return Square(number(), random.choice([None, Square(number())]))

    def several(make: Callable[[], Any]) -> list[Any]:
        return [make() for _ in range(random.randrange(4))]

    def maybe(make: Callable[[], Any]) -> Any:
        return random.choice([None, make()])

    return Everything(
        text=word(),
        small=random.randrange(11),
        real=random.choice([0.0, -1.5, 1e300, float("inf")]),
        raw=random.randbytes(random.randrange(9)),
        colour=random.choice(list(Colour)),
        level=random.choice(list(Level)),
        when=maybe(lambda: datetime.fromtimestamp(random.randrange(-(10**9), 10**10), UTC)),
        lasts=timedelta(microseconds=random.randrange(-(10**12), 10**12)),
        day=maybe(lambda: date.fromordinal(random.randrange(1, 3_000_000))),
        clock=maybe(lambda: time(random.randrange(24), 5, 6, random.randrange(10**6))),
        key=maybe(lambda: UUID(int=random.getrandbits(128))),
        price=maybe(lambda: Decimal(random.randrange(10**9)) / 100),
        shape=random.choice([None, Circle(1.5), Circle(), square(), Square()]),
        words=several(word),
        numbers=frozenset(several(number)),
        colours=tuple(several(lambda: random.choice(list(Colour)))),
        counts={word(): number() for _ in range(random.randrange(4))},
        squares={number(): square() for _ in range(random.randrange(4))},
        times={word(): timedelta(number() % 1000) for _ in range(random.randrange(3))},
        card=random.choice([None, Card(name=word()), Card(name=word(), age=number())]),
        point=maybe(lambda: Point(number(), random.choice([0, 3, 4]))),
        checked=maybe(
            lambda: Checked.model_validate(
                {"theSize": random.randrange(1, 99), "word": word(), "squares": several(square)}
            )
        ),
        status=maybe(lambda: Status(code=3, message=word())),
        letter=random.choice(["a", "b"]),
        maybe=maybe(number),
        seven=number(),
    )


@pytest.mark.parametrize("seed", range(60))
def test_what_is_sent_is_what_arrives(seed: int) -> None:
    """In bytes and in JSON, for anything that can be sent; protobuf's own message agrees."""
    value = some(random.Random(seed))
    data = EVERYTHING.encode(value)
    assert EVERYTHING.decode(data) == value
    message = own_class(EVERYTHING).FromString(data)
    assert EVERYTHING.decode(message.SerializeToString()) == value
    assert EVERYTHING.to_json is not None
    assert EVERYTHING.from_json is not None
    text = EVERYTHING.to_json(value)
    assert EVERYTHING.from_json(text) == value
    assert json_format.Parse(text, own_class(EVERYTHING)()) == message


@pytest.mark.parametrize("seed", range(200))
def test_bytes_of_any_kind_are_read_or_refused(seed: int) -> None:
    """Bytes that were changed on the way are an object or an error of the caller's, no other."""
    source = random.Random(seed)
    data = bytearray(EVERYTHING.encode(some(source)))
    for _ in range(source.randrange(1, 4)):
        data[source.randrange(len(data))] = source.randrange(256)
    try:
        found = EVERYTHING.decode(bytes(data[: source.randrange(len(data) + 1)]))
    except (ValueError, ValidationFailed):
        return
    assert isinstance(found, Everything)


def test_a_field_that_was_not_sent_has_its_default_or_zero() -> None:
    """Zero, or empty, without presence; the default, or None, with it."""
    found = EVERYTHING.decode(b"")
    assert found == Everything()
    assert (found.seven, found.level, found.letter, found.maybe) == (7, Level.HIGH, "a", None)


def test_a_zero_that_was_sent_is_told_from_a_default() -> None:
    """A default of 7 does not take the place of 0."""
    found = EVERYTHING.decode(EVERYTHING.encode(Everything(seven=0, level=Level.LOW, maybe=0)))
    assert (found.seven, found.level, found.maybe) == (0, Level.LOW, 0)


class Needy(msgspec.Struct):
    """Needs what the wire may lack."""

    when: datetime
    inner: Flat
    colour: Colour
    limited: Annotated[list[int], msgspec.Meta(max_length=2)]
    squares: list["Needy"]


def violations(of: MessageType, **fields: Any) -> dict[str, str]:
    """What is wrong with a message of protobuf's that has these fields."""
    data = own_class(of)(**fields).SerializeToString()
    with pytest.raises(ValidationFailed) as caught:
        of.decode(data)
    return {each.pointer: each.detail for each in caught.value.violations}


def test_everything_that_is_wrong_is_named_at_once() -> None:
    """Each by its path, also below other fields."""
    of = codecs(Needy).message_type(Needy)
    assert violations(of, limited=[1, 2, 3], colour=9, squares=[{"colour": 1}]) == {
        "/when": "is missing",
        "/inner": "is missing",
        "/colour": "is no Colour",
        "/limited": "Expected `array` of length <= 2",
        "/squares/0/when": "is missing",
        "/squares/0/inner": "is missing",
    }


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"small": 11}, "/small", "Expected `int` <= 10"),
        ({"letter": "z"}, "/letter", "is none of 'a', 'b'"),
        ({"level": 3}, "/level", "is no Level"),
        ({"key": "5"}, "/key", "is not a UUID"),
        ({"when": {"seconds": 1 << 50}}, "/when", "is not a time"),
        (
            {"checked": {"size": 0}},
            "/checked/theSize",
            "Input should be greater than or equal to 1",
        ),
        ({"colours": [1, 77]}, "/colours", "is no Colour"),
    ],
)
def test_values_that_python_does_not_have_are_refused(
    fields: dict[str, Any], pointer: str, said: str
) -> None:
    """Constraints of msgspec's and pydantic's hold, and what is no date is none."""
    assert violations(EVERYTHING, **fields) == {pointer: said}


class Upper(pydantic.BaseModel):
    """Has a rule over all its fields."""

    a: int = 0
    b: int = 0

    @pydantic.model_validator(mode="after")
    def ordered(self) -> "Upper":
        if self.a > self.b:
            raise ValueError("a is above b")
        return self


def test_rules_of_the_whole_class_hold() -> None:
    """Their words are told to the caller."""
    of = codecs(Upper).message_type(Upper)
    assert of.decode(of.encode(Upper(a=1, b=2))) == Upper(a=1, b=2)
    assert "a is above b" in violations(of, a=2, b=1)[""]


@pytest.mark.parametrize(
    ("field", "value", "kind", "said"),
    [
        ("text", 5, TypeError, "cannot be sent as string, being int"),
        ("small", -1, ValueError, "cannot be sent as uint32"),
        ("seven", 1 << 70, ValueError, "cannot be sent as int64"),
        ("colour", "r", TypeError, "cannot be sent as zoo.v1.Colour, being str"),
        ("when", datetime(2026, 1, 1), ValueError, "no time zone"),  # noqa: DTZ001 - the point
        ("shape", Flat(), TypeError, "Flat is none of Circle | Square"),
        ("words", 5, TypeError, "repeated string"),
        ("counts", {"a": "b"}, TypeError, "map<string, int64>"),
        ("squares", {1: 5}, TypeError, "Everything.squares cannot be sent"),
        ("status", 5, TypeError, "Status"),
        ("letter", "c", TypeError, "Everything.letter cannot be sent: 'c' is none of 'a', 'b'"),
    ],
)
def test_an_object_that_cannot_be_sent_is_an_error_that_names_the_field(
    field: str, value: Any, kind: type[Exception], said: str
) -> None:
    """Of the handler's, which returned it."""
    wrong = Everything()
    setattr(wrong, field, value)
    with pytest.raises(kind) as caught:
        EVERYTHING.encode(wrong)
    assert f"Everything.{field}" in str(caught.value)
    assert said in str(caught.value)


def test_an_object_of_another_class_is_refused() -> None:
    """Though it may have the same fields."""
    of = codecs(Flat).message_type(Flat)
    with pytest.raises(TypeError, match=r"zoo.v1.Flat is sent as Flat, and this is Circle"):
        of.encode(Circle())


def test_dicts_may_lack_what_need_not_be_there() -> None:
    """A key of a TypedDict that was not sent is not there."""
    of = codecs(Card).message_type(Card)
    assert of.decode(of.encode(Card(name="Ada"))) == {"name": "Ada"}
    assert of.decode(of.encode(Card(name="Ada", age=0))) == {"name": "Ada", "age": 0}
    with pytest.raises(TypeError, match="cannot be sent"):
        of.encode({"age": 1})


def test_json_is_that_of_protobuf() -> None:
    """Names in lowerCamelCase or as they are, numbers as text, unknown fields skipped."""
    of = codecs(Point, Checked).message_type(Point)
    assert of.from_json is not None
    assert of.from_json(b'{"x": "5", "y": 0, "z": [1]}') == Point(5, 0)
    with pytest.raises(ValueError, match="is an object"):
        of.from_json(b"[]")
    assert EVERYTHING.from_json is not None
    with pytest.raises(ValidationFailed, match="/small"):
        EVERYTHING.from_json(b'{"small": 11}')


class Chain(msgspec.Struct):
    """Has what it is in, and may lack what it must have."""

    must: Point
    inner: "Chain | None" = None
    points: list[Point] = []


@pytest.mark.parametrize(("depth", "pointer"), [(1, "/inner/must"), (90, "")])
def test_what_is_wrong_is_not_looked_for_without_end(depth: int, pointer: str) -> None:
    """Each message within another is read once for each that it is in: a hundred times the work."""
    kind = codecs(Chain).message_type(Chain)
    made = own_class(kind)()
    inner = made
    for level in range(depth):
        inner = inner.inner
        if level:
            inner.must.SetInParent()
    made.must.SetInParent()
    if depth > 1:
        made.inner.must.SetInParent()
        made.ClearField("must")
    for _ in range(5000):
        inner.points.add()
    with pytest.raises(ValidationFailed) as caught:
        kind.decode(made.SerializeToString())
    assert [each.pointer for each in caught.value.violations] == [pointer]
