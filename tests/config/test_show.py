from __future__ import annotations

from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainstay.config.secret import Secret
from mainstay.config.shapes import shape_of
from mainstay.config.show import shown, shown_briefly


class Color(Enum):
    RED = "red"


class Own:
    def __str__(self) -> str:
        return "own"


ANY = shape_of(Any, "x")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (1.5, "1.5"),
        ("é", '"é"'),
        ("x://u:pw@h", '"x://u:***@h"'),
        ({"a": ["x://u:pw@h"]}, '{"a": ["x://u:***@h"]}'),
        ({2, 1}, "[1, 2]"),
        (Path("/a"), '"/a"'),
        (Color.RED, '"red"'),
        (timedelta(seconds=3), '"PT3S"'),
        (Secret("hunter2"), '"***"'),
        (Own(), '"own"'),
        (msgspec.UNSET, '"UNSET"'),
    ],
)
def test_values_are_shown_as_json(value: Any, text: str) -> None:
    """So that text and numbers are told apart, and passwords in URLs are hidden at any depth."""
    assert shown(ANY, value) == text


@pytest.mark.parametrize("kind", [Secret, list[Secret], dict[str, Secret]])
def test_where_a_secret_may_stand_nothing_is_shown(kind: type) -> None:
    """Whatever was given there, of the right type or not; that there is nothing may be known."""
    shape = shape_of(kind, "x")
    assert shown(shape, ["hunter2"]) == "***"
    assert shown(shape, []) == "[]"
    assert shown(shape, None) == "none"


def test_in_a_message_a_long_value_is_cut() -> None:
    """80 characters are enough to recognise it."""
    text = shown_briefly(ANY, "x" * 200)
    assert len(text) == 80
    assert text.endswith("…")
