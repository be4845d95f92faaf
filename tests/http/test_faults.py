"""Every fault of a value is found, with its pointer, where msgspec stops at the first."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
import pydantic
import pytest

from mainstay.errors import Violation
from mainstay.http.faults import MOST, below, faults_of, missing, of_message, of_pydantic
from tests.http.items import DataItem, DictItem, StructItem

T = TypeVar("T")


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    tricks: list[str]


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    a: int = 0


class Page(msgspec.Struct, Generic[T]):
    items: list[T]


class Tree(msgspec.Struct):
    value: int
    children: list[Tree] = []


class Checked(msgspec.Struct):
    a: int

    def __post_init__(self) -> None:
        if self.a > 5:
            raise ValueError("a is too much")


@pytest.mark.parametrize(
    ("value", "annotation", "found"),
    [
        (5, int, []),
        ("x", int, [("/body", "type")]),
        ({}, StructItem, [("/body/name", "missing"), ("/body/price", "missing")]),
        ({"name": 1, "price": -1}, DataItem, [("/body/name", "type"), ("/body/price", "range")]),
        ({"name": 1}, DictItem, [("/body/name", "type"), ("/body/price", "missing")]),
        ([1, "x", None], list[int], [("/body/1", "type"), ("/body/2", "type")]),
        (["x", "y"], set[int], [("/body/0", "type"), ("/body/1", "type")]),
        ([1, "x"], tuple[str, int], [("/body/0", "type"), ("/body/1", "type")]),
        ([1], tuple[str, int], [("/body/0", "type")]),
        (["a"], tuple[str, int], [("/body", "length")]),
        ({"a/b~": "x", "c": 1}, dict[str, int], [("/body/a~1b~0", "type")]),
        ({"a": "x"}, dict[int, int], [("/body/a", "type")]),
        ({"items": ["x"]}, Page[int], [("/body/items/0", "type")]),
        ({"b": 1, "a": "x"}, Strict, [("/body/a", "type"), ("/body/b", "unknown")]),
        ({"a": 9}, Checked, [("/body", "value")]),
        (["a"], Annotated[list[str], msgspec.Meta(min_length=2)], [("/body", "length")]),
        ("c", Literal["a", "b"], [("/body", "choice")]),
        ({"a": "x"}, StructItem | None, [("/body/name", "missing"), ("/body/price", "missing")]),
        ({"type": "cat", "lives": "x"}, Cat | Dog, [("/body/lives", "type")]),
        ({"type": "dog", "tricks": [1]}, Cat | Dog, [("/body/tricks/0", "type")]),
        ({"type": "cow"}, Cat | Dog, [("/body/type", "choice")]),
        ({"type": "cow"}, Cat | int, [("/body/type", "choice")]),
        ({}, Cat | Dog, [("/body/type", "missing")]),
        ("x", int | None, [("/body", "type")]),
        ([1, [2]], list[int | list[str]], [("/body/1/0", "type")]),
        (
            {"value": 1, "children": [{"value": "x"}, {"children": [{}]}]},
            Tree,
            [
                ("/body/children/0/value", "type"),
                ("/body/children/1/value", "missing"),
                ("/body/children/1/children/0/value", "missing"),
            ],
        ),
    ],
)
def test_every_fault_has_its_place(
    value: Any, annotation: Any, found: list[tuple[str, str]]
) -> None:
    """In order, whatever holds the value; of the whole when every part is right."""
    violations = faults_of(value, annotation, "/body")
    assert [(each.pointer, each.code) for each in violations] == found


def test_the_number_is_bounded() -> None:
    """In lists, in fields and in what is unknown; so is the time that it takes."""
    many = 3 * MOST
    assert len(faults_of(["x"] * 1_000_000, list[int], "")) == MOST
    assert len(faults_of({str(n): 0 for n in range(many)}, Strict, "")) == MOST
    assert len(faults_of([{}] * many, list[StructItem], "")) == MOST
    wide = msgspec.defstruct("Wide", [f"f{n}" for n in range(many)])
    assert len(faults_of({}, wide, "")) == MOST


def test_deep_values_end() -> None:
    """Below a depth the whole is blamed."""
    value: dict[str, Any] = {"value": "x"}
    for _ in range(200):
        value = {"value": 1, "children": [value]}
    (violation,) = faults_of(value, Tree, "")
    assert violation.pointer.count("/children") > 30


def test_the_search_is_bounded_by_the_size() -> None:
    """Of a long document fewer levels are searched; each part still tells its first fault."""
    value = {"value": 1, "children": [{"value": 1, "children": [{"value": "x"}, {"value": "y"}]}]}
    assert len(faults_of(value, Tree, "")) == 2
    (violation,) = faults_of(value, Tree, "", size=100_000_000)
    assert violation.pointer == "/children/0/children/0/value"


def test_one_fault_at_the_end_of_a_long_list_is_found() -> None:
    """And the one before it, and those in a long dict."""
    values: list[Any] = [1] * 100_000 + ["x", 1, "y"]
    found = faults_of(values, list[int], "")
    assert [each.pointer for each in found] == ["/100000", "/100002"]
    named = {f"k{index}": value for index, value in enumerate(values)}
    found = faults_of(named, dict[str, int], "")
    assert [each.pointer for each in found] == ["/k100000", "/k100002"]


def test_a_pointer_is_escaped_and_bounded() -> None:
    """As RFC 6901 has it; a key that a peer made up is cut."""
    assert below("/body", "a/b", "~", 0) == "/body/a~1b/~0/0"
    assert len(below("", "x" * 10_000)) < 200


@pytest.mark.parametrize(
    ("message", "violation"),
    [
        (
            "Expected `int`, got `str` - at `$.items[0].price`",
            Violation("/body/items/0/price", "Expected `int`, got `str`", "type"),
        ),
        ("Expected `int` >= 1", Violation("/body", "Expected `int` >= 1", "range")),
        ("Number out of range", Violation("/body", "Number out of range", "range")),
        ("Invalid UUID", Violation("/body", "Invalid UUID", "format")),
        ("it is wrong", Violation("/body", "it is wrong", "value")),
    ],
)
def test_messages_of_msgspec_are_read(message: str, violation: Violation) -> None:
    """Their path becomes a pointer, their kind a code."""
    assert of_message(message, "/body") == violation


def test_of_text_its_type_says_nothing() -> None:
    """Everything in a query is text."""
    assert of_message("Expected `int`, got `str`", "/q", text=True).detail == "Expected `int`"


def test_pydantic_finds_everything_itself() -> None:
    """Its places become pointers; the values stay out of it."""

    class Model(pydantic.BaseModel):
        items: list[int]
        b: str

    with pytest.raises(pydantic.ValidationError) as caught:
        Model.model_validate({"items": ["secret"]})
    found = of_pydantic(caught.value, "/body")
    assert [(each.pointer, each.code) for each in found] == [
        ("/body/items/0", "int_parsing"),
        ("/body/b", "missing"),
    ]
    assert "secret" not in repr(found)


def test_what_is_missing_is_required() -> None:
    """And says so."""
    assert missing("/query/a") == Violation("/query/a", "this is required", "missing")


class Color(Enum):
    """Of a lamp."""

    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("value", "annotation", "detail"),
    [
        ("gone", Color, "Invalid enum value 'gone'; there are 'red', 'blue'"),
        ("gone", Color | None, "Invalid enum value 'gone'; there are 'red', 'blue'"),
        (3, Annotated[Literal[1, 2], "x"], "Invalid enum value 3; there are 1, 2"),
        (
            -1,
            Literal[tuple(range(21))],
            f"Invalid enum value -1; there are {', '.join(map(str, range(20)))}, …",
        ),
        ({"type": "cow"}, Cat | Dog, "Invalid value 'cow'"),
    ],
)
def test_a_choice_names_what_there_is(value: Any, annotation: Any, detail: str) -> None:
    """Twenty values at most, as it goes out with each refusal."""
    (found,) = faults_of(value, annotation, "/body")
    assert (found.detail, found.code) == (detail, "choice")
