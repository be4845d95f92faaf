from __future__ import annotations

from typing import Any

import pytest

from mainstay.config.problems import Problem, closest, config_error


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (
            Problem("a.b", "expected int", "file x.toml", '"ten"'),
            'x.toml: a.b = "ten": expected int',
        ),
        (Problem("", "does not exist", "file x.toml"), "x.toml: does not exist"),
        (Problem("a", "missing"), "a: missing"),
        (Problem("a", "expected int", "flag --set a", '"x"'), 'flag --set a = "x": expected int'),
        (
            Problem("", "unknown", "environment X", suggestion="Y"),
            "environment X: unknown; did you mean Y?",
        ),
        (Problem("a\nb", "unknown key\x1b"), r"a\nb: unknown key\x1b"),
        (Problem("a", "wrong", "environment X\udc80"), r"environment X\udc80: a: wrong"),
    ],
)
def test_a_problem_is_one_line(problem: Any, line: Any) -> None:
    """Origin, key, value and reason; what would break the line or the terminal is escaped."""
    assert str(problem) == line


def test_the_error_has_a_heading_and_a_line_for_each_problem() -> None:
    """One problem is not called problems, and the records are on the error."""
    one, two = Problem("a", "missing"), Problem("b", "missing")
    assert str(config_error("hello", [one])).startswith("1 problem in the configuration of hello:")
    error = config_error("hello", [one, two])
    assert error.message.splitlines() == [
        "2 problems in the configuration of hello:",
        "  a: missing",
        "  b: missing",
    ]
    assert error.problems == (one, two)


def test_the_closest_name_is_near_or_none() -> None:
    """A slip of the finger is mended, another word is not guessed at."""
    assert closest("databse", ["database", "greeting"]) == "database"
    assert closest("colour", ["greeting"]) is None
