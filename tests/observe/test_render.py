"""Lines that nobody can forge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mainstay.observe.render import JsonRenderer, TextRenderer, escaped

HEAD: dict[str, Any] = {
    "time": "2026-11-21T04:00:00.000Z",
    "level": "info",
    "logger": "shop",
    "message": "paid",
}
FORGERIES = [
    "a\nb",
    "a\rb",
    "a\x1b[2Kb",
    "a\x7fb",
    "a\x9b2Kb",
    "a\x85b",
    "a\u2028b",
    "a\u2029b",
    "a\u202eb",
    "a\ud800b",
    "a\x00b",
    'a"b\\c',
]


@pytest.mark.parametrize("text", FORGERIES)
@pytest.mark.parametrize("field", ["message", "logger", "order", "exception"])
def test_json_is_one_line_that_reads_back(text: str, field: str) -> None:
    """Whatever a value holds, a record is one line of UTF-8, and parses to that value."""
    line = JsonRenderer()(None, "", {**HEAD, field: text})
    assert line.splitlines() == [line]
    assert line.isprintable()
    assert json.loads(line.encode())[field] == text


def test_json_forged_key() -> None:
    """Names of fields are as safe as their values."""
    line = JsonRenderer()(None, "", {**HEAD, 'a\n"b\x9b': 1})
    assert line.isprintable()
    assert json.loads(line)['a\n"b\x9b'] == 1


def test_json_keeps_the_order_and_what_people_read() -> None:
    """Time comes first, and no letter of any language is escaped."""
    line = JsonRenderer()(None, "", {**HEAD, "customer": "Zoë 東京 👩‍🚀"})
    assert line.startswith('{"time": "2026-11-21T04:00:00.000Z", "level": "info"')
    assert "Zoë 東京 👩‍🚀" in line


def test_a_number_that_python_does_not_print_is_named() -> None:
    """One field that cannot be encoded does not take the others with it."""
    fields = {**HEAD, "huge": 1 << 20_000, "order": 17}
    shown = json.loads(JsonRenderer()(None, "", dict(fields)))
    assert shown["huge"] == "<int that cannot be shown>"
    assert shown["order"] == 17
    assert "<int that cannot be shown>" in TextRenderer(colour=False)(None, "", fields)


def test_text_for_people() -> None:
    """A line reads from time to fields; values are quoted only where they need it."""
    fields = {**HEAD, "order": 17, "name": "Zoë B", "plan": "gold", "items": ["a", 1], "none": None}
    line = TextRenderer(colour=False)(None, "", fields)
    assert line == (
        "2026-11-21T04:00:00.000Z INFO     shop: paid  "
        'order=17 name="Zoë B" plan=gold items=["a", 1] none=null'
    )


@pytest.mark.parametrize("text", FORGERIES)
@pytest.mark.parametrize("field", ["message", "logger", "order", "stack"])
def test_text_has_no_line_that_looks_like_a_record(text: str, field: str) -> None:
    """Only the first line begins at the margin, and no control character gets out."""
    first, *rest = TextRenderer(colour=False)(None, "", {**HEAD, field: text}).split("\n")
    assert first.startswith(HEAD["time"])
    assert all(line.startswith("    ") for line in rest)
    assert all(line.isprintable() for line in [first, *rest])


def test_text_shows_traceback_and_stack_below() -> None:
    """A traceback keeps its lines, indented."""
    fields = {**HEAD, "exception": {"type": "E", "traceback": "Traceback:\n  File\nE: no\n"}}
    assert TextRenderer(colour=False)(None, "", fields).split("\n")[1:] == [
        "    Traceback:",
        "      File",
        "    E: no",
    ]


def test_colour_is_all_that_colour_adds() -> None:
    """Without its ANSI sequences the coloured line is the plain one."""
    coloured = TextRenderer(colour=True)(None, "", {**HEAD, "order": 17})
    assert "\x1b[32mINFO" in coloured
    for sequence in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[32m"):
        coloured = coloured.replace(sequence, "")
    assert coloured == TextRenderer(colour=False)(None, "", {**HEAD, "order": 17})


def test_escaped_returns_harmless_text_itself() -> None:
    """Text without anything to escape is not copied."""
    text = "plain Zoë"
    assert escaped(text) is text
