"""A taker gets one value out of its part of the request."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from mainstay.http.checks import REFUSED
from mainstay.http.sources import Cookie, Form, Header, Path, Query
from mainstay.http.takers import ABSENT, Absent, Taker, default_of
from tests.http.plans import planned


def taker(annotation: Any, *defaults: Any, path: str = "/") -> Taker:
    def handler(a) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {"a": annotation}
    handler.__defaults__ = defaults
    return Taker(planned(handler, path, "POST").fields[0])


@pytest.mark.parametrize(
    ("annotation", "part", "raw", "value"),
    [
        (Annotated[int, Query], [("b", "1"), ("a", "2"), ("a", "3")], "2", 2),
        (Annotated[list[int], Query], [("a", "2"), ("a", "3")], ["2", "3"], [2, 3]),
        (Annotated[int, Header], [(b"b", b"1"), (b"a", b"2")], "2", 2),
        (Annotated[list[int], Header], [(b"a", b"1, 2"), (b"a", b"3")], ["1", "2", "3"], [1, 2, 3]),
        (Annotated[int, Cookie], {"a": "2"}, "2", 2),
        (Annotated[int, Form], [("a", "2")], "2", 2),
        (Annotated[list[int], Form], [("a", "2")], ["2"], [2]),
    ],
)
def test_a_value_is_taken_and_checked(annotation: Any, part: Any, raw: Any, value: Any) -> None:
    """The first of a name, or all of them; nothing is `ABSENT`, and required."""
    made = taker(annotation)
    assert made.get(part) == raw
    assert made.take(part) == value
    assert made.faults(part) == []
    empty = type(part)()
    assert made.get(empty) is ABSENT
    with pytest.raises(Absent):
        made.take(empty)
    assert [each.code for each in made.faults(empty)] == ["missing"]


def test_a_parameter_of_the_path_is_there() -> None:
    """Converted by the router or not."""
    made = taker(Annotated[int, Path], path="/{a}")
    assert (made.take({"a": "5"}), made.take({"a": 5})) == (5, 5)


@pytest.mark.parametrize(
    ("line", "members"),
    [
        ("a,b , c,,", ["a", "b", "c"]),
        ('a,"b,c",d', ["a", '"b,c"', "d"]),
        (r'a,"b\",c",d', ["a", r'"b\",c"', "d"]),
        ('a,"b,c', ["a", '"b,c']),
        (r"a\,b", ["a\\", "b"]),
    ],
)
def test_members_of_a_list_are_split_at_commas(line: str, members: list[str]) -> None:
    """But not inside quotes (RFC 9110 §5.6.1); what never ends goes to the end."""
    made = taker(Annotated[list[str], Header])
    assert made.take([(b"a", line.encode())]) == members


def test_an_empty_field_of_a_form_is_nothing_but_text() -> None:
    """What a browser sends when nobody filled it in."""
    assert taker(Annotated[int, Form], 5).take([("a", "")]) == 5
    assert taker(Annotated[str, Form], "x").take([("a", "")]) == ""
    assert taker(Annotated[int | str, Form], 5).take([("a", "")]) == ""


def test_defaults_are_made() -> None:
    """By a factory, as copies of what could change, or not at all."""
    assert default_of(taker(Annotated[int, Query(default_factory=lambda: 7)]).field)() == 7
    made = default_of(taker(Annotated[list[int], Query], [1]).field)
    assert made() == [1]
    assert made() is not made()
    assert default_of(taker(Annotated[int, Query], 3).field)() == 3
    with pytest.raises(REFUSED):
        default_of(taker(Annotated[int, Query]).field)()


class Range(msgspec.Struct):
    low: int
    high: int = 10
    flags: list[bool] = []

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


def test_a_model_is_taken_field_by_field() -> None:
    """With the faults of its fields, or of the whole."""
    made = taker(Annotated[Range, Query])
    assert made.take([("low", "1"), ("flags", "on")]) == Range(1, 10, [True])
    assert [each.pointer for each in made.faults([("high", "x"), ("flags", "2")])] == [
        "/query/low",
        "/query/high",
        "/query/flags/0",
    ]
    assert [each.detail for each in made.faults([("low", "11")])] == ["low is above high"]
    assert made.faults([("low", "1")]) == []
