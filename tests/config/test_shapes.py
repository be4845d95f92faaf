from __future__ import annotations

import collections.abc
from pathlib import Path
from typing import Annotated, Any, Literal, NewType

import msgspec
import pytest

from mainstay.config.secret import Secret
from mainstay.config.shapes import (
    Choice,
    Leaf,
    Many,
    Map,
    Table,
    child_key,
    entries,
    full_key,
    is_sensitive,
    shape_of,
)
from mainstay.errors import UsageError

Port = NewType("Port", int)


class Inner(msgspec.Struct):
    password: Secret
    x: int = 1


class Own(msgspec.Struct):
    password: Secret
    password_file: str = ""


class Kebab(msgspec.Struct, rename="kebab"):
    api_key: Secret


class Tree(msgspec.Struct):
    value: int = 0
    children: list[Tree] = msgspec.field(default_factory=list)
    other: Tree | None = None


class Cat(msgspec.Struct, tag=True):
    x: int


class Dog(msgspec.Struct, tag=True):
    y: int


class Impossible(msgspec.Struct):
    x: int | Path


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (int, Leaf),
        (str | None, Leaf),
        (Port, Leaf),
        (Literal["a"], Leaf),
        (tuple[int, str], Leaf),
        (int | list[int], Leaf),
        (list[int], Many),
        (collections.abc.Sequence[int], Many),
        (tuple[int, ...], Many),
        (Annotated[frozenset[str], msgspec.Meta(min_length=1)] | None, Many),
        (dict[str, int], Map),
        (collections.abc.Mapping[str, int] | None, Map),
        (Inner, Table),
        (Inner | None, Table),
        (Cat, Choice),
        (Cat | Dog | None, Choice),
    ],
)
def test_a_type_has_a_shape(annotation: Any, kind: type) -> None:
    """Containers that are known are walked; whatever else there is, is a leaf."""
    shape = shape_of(annotation, "x")
    assert type(shape) is kind
    assert shape.nullable == (type(None) in getattr(annotation, "__args__", ()))


def test_only_text_types_take_any_text() -> None:
    """The empty text is a value of str and Any, and of nothing else."""
    takes = [shape_of(kind, "x") for kind in (str, Any, str | None, int | str)]
    assert all(isinstance(shape, Leaf) and shape.takes_text for shape in takes)
    refuse = [shape_of(kind, "x") for kind in (int, Path, Secret, Literal["a"])]
    assert not any(isinstance(shape, Leaf) and shape.takes_text for shape in refuse)


def test_a_secret_field_has_a_second_key() -> None:
    """`password_file`, or `api-key-file` where keys have hyphens, unless the model has it."""
    assert [entry.key for entry in entries(shape_of(Inner, "x"))] == [
        "password",
        "password_file",
        "x",
    ]
    assert [entry.key for entry in entries(shape_of(Kebab, "x"))] == ["api-key", "api-key-file"]
    assert [entry.is_pointer for entry in entries(shape_of(Own, "x"))] == [False, False]


def test_a_choice_has_the_keys_of_all_its_tables() -> None:
    """The tag first, each key once; the tag decides which table it is."""
    shape = shape_of(Cat | Dog, "x")
    assert isinstance(shape, Choice)
    assert [entry.key for entry in entries(shape)] == ["type", "x", "y"]
    cat = shape.variant("Cat")
    assert cat is not None
    assert cat.model is Cat
    assert shape.variant(None) is None
    assert shape.variant(["Cat"]) is None


def test_a_model_may_contain_itself() -> None:
    """Reading it ends, and so does every question about it."""
    shape = shape_of(Tree, "x")
    assert isinstance(shape, Table)
    assert not is_sensitive(shape)


@pytest.mark.parametrize(
    "annotation",
    [
        Secret,
        Annotated[Secret, msgspec.Meta(min_length=3)] | None,
        list[Secret],
        dict[str, Inner],
        Inner | int,
        tuple[Secret, int],
    ],
)
def test_a_secret_is_found_however_deep(annotation: Any) -> None:
    """Where a secret may stand, values are not shown."""
    assert is_sensitive(shape_of(annotation, "x"))


def test_a_type_that_cannot_be_configured_is_the_programs_fault() -> None:
    """The field is named, since the type alone would have to be searched for."""
    with pytest.raises(UsageError, match=r"Impossible\.x cannot be configured"):
        shape_of(Impossible, "the root model")


def test_keys_are_quoted_where_toml_quotes_them() -> None:
    """A key with a dot, a space or nothing in it is not mistaken for several."""
    assert full_key(["a", "b-c", "d_e"]) == "a.b-c.d_e"
    assert child_key("a", "b.c") == 'a."b.c"'
    assert child_key("", "") == '""'
