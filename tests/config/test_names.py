from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mainstay.config.names import by_key, by_variable, names_below, variable_name
from mainstay.config.secret import Secret
from mainstay.config.shapes import shape_of


class Inner(msgspec.Struct):
    password: Secret
    the__odd: int = 1


class Outer(msgspec.Struct, rename={"dashed": "da-shed"}):
    inner: Inner
    dashed: int
    table: dict[str, Inner]
    free: dict[str, int]
    items: list[Inner]
    again: Outer | None = None


SHAPE = shape_of(Outer, "Outer")


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ("INNER", ["inner"]),
        ("INNER__PASSWORD", ["inner", "password"]),
        ("INNER__PASSWORD_FILE", ["inner", "password"]),
        ("INNER__THE__ODD", ["inner", "the__odd"]),
        ("DA_SHED", ["da-shed"]),
        ("FREE__SOME_KEY", ["free", "some_key"]),
        ("TABLE__A__PASSWORD", ["table", "a", "password"]),
        ("AGAIN__AGAIN__DA_SHED", ["again", "again", "da-shed"]),
        ("ITEMS", ["items"]),
    ],
)
def test_a_variable_leads_to_its_key(rest: str, path: Any) -> None:
    """Two underscores go one level down, whatever a field's own name has."""
    found = by_variable(SHAPE, rest)
    assert found is not None
    assert found.path == path
    assert found.is_pointer == rest.endswith("_FILE")


@pytest.mark.parametrize(
    "rest",
    ["", "inner", "INNER_PASSWORD", "INNER__X", "FREE__", "FREE__A__B", "ITEMS__0", "DA_SHED__X"],
)
def test_a_variable_that_leads_nowhere_is_unknown(rest: str) -> None:
    """Lower case, single underscores and items of a list have no variable."""
    assert by_variable(SHAPE, rest) is None


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("inner.password", ["inner", "password"]),
        ("inner.password_file", ["inner", "password"]),
        ("free.SomeKey", ["free", "SomeKey"]),
        ("table.a.password", ["table", "a", "password"]),
        ("table.a", ["table", "a"]),
        ("inner.x", None),
        ("inner.password_file.x", None),
        ("free.a.b", None),
        ("free.", None),
        ("", None),
    ],
)
def test_a_flags_key_leads_to_its_place(key: str, path: Any) -> None:
    """Dots go one level down, and case counts."""
    found = by_key(SHAPE, key.split("."))
    assert (found and found.path) == path


def test_a_variable_is_named_in_upper_case_with_double_underscores() -> None:
    """What no shell takes in a name becomes an underscore."""
    assert variable_name("hello-world", "database", "url") == "HELLO_WORLD__DATABASE__URL"


def test_every_name_is_listed_once_and_a_model_in_itself_ends() -> None:
    """The names to choose a suggestion from are finite."""
    names = [".".join(path) for path in names_below(SHAPE)]
    assert len(names) == len(set(names))
    assert names[:3] == ["inner.password", "inner.password_file", "inner.the__odd"]
    assert "free" in names
