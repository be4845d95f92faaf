"""Checks make values of text and JSON, and say everything that is wrong with them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pydantic
import pytest

from mainstay.http.checks import REFUSED, Check, Malformed, check_of, text_of
from mainstay.http.shapes import shape_of
from tests.http.items import Colour, PydanticItem, StructItem

ITEM = {"name": "a", "price": 1}


def check(annotation: Any) -> Check:
    return check_of(shape_of(annotation))


@pytest.mark.parametrize("kind", [StructItem, PydanticItem])
def test_both_libraries_do_the_same(kind: Any) -> None:
    """With JSON, with fields in text, and with what is wrong."""
    made = check(kind)
    assert made.from_json(b'{"name": "a", "price": 1}') == kind(name="a", price=1.0)
    assert made.from_members({"name": "a", "price": "1"}) == kind(name="a", price=1.0)
    with pytest.raises(REFUSED):
        made.from_json(b"{}")
    assert {each.pointer for each in made.json_faults(b"{}", "/b")} == {"/b/name", "/b/price"}
    assert made.json_faults(b'{"name": "a", "price": 1}', "/b") == []
    for malformed in (b"", b"{", b'"\xff"'):
        with pytest.raises(REFUSED):
            made.from_json(malformed)
        with pytest.raises(Malformed):
            made.json_faults(malformed, "")


@pytest.mark.parametrize("kind", [list[int], list[pydantic.NonNegativeInt]])
def test_several_texts_make_a_collection(kind: Any) -> None:
    """In both libraries."""
    made = check(kind)
    assert made.from_texts(["1", "2"]) == [1, 2]
    assert [each.pointer for each in made.faults(["1", "x"], "/q")] == ["/q/1"]
    assert made.faults(["1"], "/q") == []


def test_none_in_json_needs_leave() -> None:
    """And text is never None."""
    assert check(int | None).from_json(b"null") is None
    with pytest.raises(REFUSED):
        check(int | None).from_text("null")


def test_what_is_no_text_is_checked_all_the_same() -> None:
    """A parameter of the path may be converted already."""
    positive = check(Annotated[int, msgspec.Meta(gt=0)])
    assert positive.from_text(5) == 5
    assert [each.code for each in positive.faults(0, "/path/a")] == ["range"]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (bool, "Yes", True),
        (bool, "off", False),
        (bool, "2", "2"),
        (float, "1.5", "1.5"),
        (Decimal, "", ""),
    ],
)
def test_people_say_more_than_true_and_false(kind: Any, text: str, value: Any) -> None:
    """Other text is left as it is, for msgspec to refuse."""
    prepare = text_of(kind)
    assert prepare is not None
    assert prepare(text) == value


@pytest.mark.parametrize("text", ["nan", "-inf", "Infinity", "+NaN"])
@pytest.mark.parametrize("kind", [float, Decimal, list[float]])
def test_numbers_are_finite(kind: Any, text: str) -> None:
    """No JSON could say them in the answer."""
    made = check(kind)
    given: Any = text if kind != list[float] else [text]
    with pytest.raises(REFUSED):
        _ = made.from_text(given) if isinstance(given, str) else made.from_texts(given)
    (fault,) = made.faults(given, "/a")
    assert fault.detail == "Expected a finite number"
    assert fault.pointer == ("/a" if isinstance(given, str) else "/a/0")


def test_most_text_needs_no_preparation() -> None:
    """Msgspec reads it."""
    assert [text_of(kind) for kind in (int, str, Colour, list[bool])] == [None] * 4
