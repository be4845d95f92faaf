from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mainstay.config.layers import (
    Branch,
    Broken,
    Given,
    Items,
    Node,
    Source,
    clashes,
    graft,
    grow,
    kind_of,
    merge,
    origins,
)
from mainstay.config.problems import Problem
from mainstay.config.secret import Secret
from mainstay.config.shapes import shape_of

LOW, HIGH = Source("low"), Source("high")


class Inner(msgspec.Struct):
    password: Secret
    x: int | None = None


class Outer(msgspec.Struct):
    inner: Inner | None = None
    free: dict[str, int] = msgspec.field(default_factory=dict)
    items: list[Inner] = msgspec.field(default_factory=list)
    either: int | list[int] = 1


SHAPE = shape_of(Outer, "Outer")


def grafted(value: object, *, text: bool = False) -> tuple[Node, list[str]]:
    problems: list[Problem] = []
    node = graft(SHAPE, value, "", Source("file f", text=text), problems)
    return node, [str(problem) for problem in problems]


def test_tables_merge_by_key_and_values_replace() -> None:
    """The higher tree decides where both speak, and remembers what it replaced."""
    low = Branch({"a": Given(1, LOW), "b": Given(2, LOW)}, LOW)
    high = Branch({"b": Given(3, HIGH)}, HIGH)
    merged = merge(low, high)
    assert isinstance(merged, Branch)
    assert list(merged.children) == ["a", "b"]
    b = merged.children["b"]
    assert isinstance(b, Given)
    assert (b.value, b.shadowed) == (3, ("low",))
    assert origins(merged) == ["low", "high"]


def test_whoever_is_replaced_is_remembered_nearest_first() -> None:
    """Three layers leave two shadows."""
    first = merge(None, Given(1, Source("one")))
    last = merge(merge(first, Given(2, Source("two"))), Given(3, Source("three")))
    assert last.shadowed == ("two", "one")


def test_a_list_is_replaced_whole() -> None:
    """Items of two layers do not mix."""
    merged = merge(Items((Given(1, LOW),), LOW), Items((), HIGH))
    assert isinstance(merged, Items)
    assert merged.nodes == ()


def test_a_value_and_a_file_for_it_in_one_layer_clash() -> None:
    """Only there where one of them names a file and the other does not."""
    tree = grow(["a", "b"], Given("x", LOW))
    assert clashes(tree, ["a", "b"], Given("f", LOW, is_pointer=True))
    assert not clashes(tree, ["a", "b"], Given("y", LOW))
    assert not clashes(tree, ["a", "c"], Given("f", LOW, is_pointer=True))


def test_what_fits_makes_a_tree_of_the_models_shape() -> None:
    """A secret's file stands under the secret's key."""
    node, problems = grafted({"inner": {"password_file": "f"}, "items": [{"x": 1}]})
    assert problems == []
    assert isinstance(node, Branch)
    inner, items = node.children["inner"], node.children["items"]
    assert isinstance(inner, Branch)
    assert isinstance(items, Items)
    password = inner.children["password"]
    assert isinstance(password, Given)
    assert password.is_pointer


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"inner": 1}, "f: inner: expected table, got int"),
        (
            {"inner": {"pasword": "hunter2"}},
            "f: inner.pasword: unknown key; did you mean inner.password?",
        ),
        ({"free": []}, "f: free: expected table, got list"),
        ({"items": {}}, "f: items: expected list, got table"),
        ({"items": [{"y.z": 1}]}, 'f: items[0]."y.z": unknown key'),
    ],
)
def test_what_does_not_fit_is_reported_with_its_key(value: Any, problem: Any) -> None:
    """The shape is judged in every layer, even where a higher one overrides the value."""
    assert grafted(value)[1] == [problem]


def test_text_for_a_container_is_json() -> None:
    """Text of the environment stands for tables and lists; empty text is None where that goes."""
    inner = shape_of(Inner | None, "x")
    problems: list[Problem] = []
    source = Source("environment X", text=True)
    none = graft(inner, "", "x", source, problems)
    assert isinstance(none, Given)
    assert none.value is None
    assert isinstance(graft(inner, '{"x": 1}', "x", source, problems), Branch)
    assert problems == []
    deep = "[" * 100_000
    for text in ("{", "", deep, '{"a": ' + "[" * 70 + "]" * 70 + "}"):
        problems.clear()
        assert isinstance(graft(shape_of(Inner, "x"), text, "x", source, problems), Broken)
        assert (
            str(problems[0])
            == 'environment X: x: expected a table as JSON, such as {"name": "value"}'
        )


def test_text_for_a_leaf_that_may_be_a_list_is_json_when_it_looks_so() -> None:
    """`int | list[int]` takes both 5 and [5] from the environment."""
    either = shape_of(int | list[int], "x")
    source = Source("environment X", text=True)
    given = graft(either, "[5]", "x", source, [])
    assert isinstance(given, Given)
    assert given.value == [5]
    given = graft(either, "5", "x", source, [])
    assert isinstance(given, Given)
    assert given.value == "5"


def test_no_tree_shows_its_values() -> None:
    """The repr of a tree may end up in a traceback with locals."""
    node, _ = grafted({"inner": {"password": "hunter2"}})
    assert "hunter2" not in repr(node)


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "null"), ({}, "table"), ([], "list"), (1, "int"), ("", "str")]
)
def test_kinds_have_the_names_of_files(value: object, kind: str) -> None:
    """Operators read TOML and YAML, not Python."""
    assert kind_of(value) == kind
