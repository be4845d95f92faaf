from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from mainstay.config import yaml_core
from mainstay.config.unreadable import Unreadable
from mainstay.config.yaml_core import read_yaml
from mainstay.errors import ConfigError


def reason(text: str) -> str:
    with pytest.raises(Unreadable) as caught:
        read_yaml(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("on", "on"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("12", 12),
        ("-0", 0),
        ("0o17", 15),
        ("0x1F", 31),
        ("0755", "0755"),
        ("22:22", "22:22"),
        ("1_000", "1_000"),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("~", None),
        ("null", None),
        ("", None),
        ("2026-01-02", "2026-01-02"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("!!float 12", 12.0),
        ("=", "="),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_values_follow_the_core_schema(text: str, value: Any) -> None:
    """Only true and false are booleans, and what looks like two things is text."""
    assert read_yaml(f"x: {text}") == {"x": value}


def test_nan_is_a_number() -> None:
    """It equals nothing, so it is asked for."""
    assert math.isnan(read_yaml("x: .NaN")["x"])


def test_anchors_and_merge_keys_work() -> None:
    """An alias is its anchor's value; << gives what the table does not say itself."""
    text = "base: &base {a: 1, b: 2}\nx: {<<: *base, b: 3}\ny: {<<: [{a: 9}, *base]}"
    found = read_yaml(text)
    assert found["x"] == {"a": 1, "b": 3}
    assert found["y"] == {"a": 9, "b": 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key a is given twice"),
        ("a: [1", "line 1, column 6: expected ',' or ']', but got '<stream end>'"),
        ("a: b: c", "line 1, column 5: "),
        ("? [1]\n: 2", "line 1, column 3: a key must be"),
        ("a: &x [*x]", "line 1, column 4: this contains itself"),
        ("a: !!python/object:os.system x", "line 1, column 4: tags that make objects"),
        ("a: !mine {b: 1}", "line 1, column 4: tags that make objects"),
        ("a: !!int x", "line 1, column 4: this is not a value of the type int"),
        ("a: {<<: 3}", "line 1, column 9: << merges"),
        ("a: 1\n---\nb: 2", "line 2, column 1: but found another document"),
        ("a: 1\nb: \0", "line 2, column 4: special characters are not allowed"),
        ("a: *hunter2", "line 1, column 4: found undefined alias"),
    ],
)
def test_what_cannot_be_read_says_where_and_shows_no_value(text: str, said: str) -> None:
    """Line and column are counted from one, and nothing of the content is quoted but keys."""
    found = reason(text)
    assert found.startswith(said)
    assert "hunter2" not in found


def test_a_document_that_anchors_blow_up_is_refused() -> None:
    """Ten lines that stand for a thousand million values are found before they are made."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert "over 100000 values" in reason("\n".join(lines))


def test_a_document_of_too_many_values_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes after the value too many is not even looked at."""
    monkeypatch.setattr(yaml_core, "_SIZE_LIMIT", 3)
    assert reason("a: 1\nb: [2]\nc: 4\nd: [") == "line 3, column 4: the file has over 3 values"
    assert read_yaml("a: 1\nb: 2") == {"a": 1, "b": 2}


def test_without_pyyaml_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator learns what to install, or to write TOML."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigError, match=r"install mainstay\[yaml\]"):
        read_yaml("a: 1")
