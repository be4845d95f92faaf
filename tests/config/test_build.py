from __future__ import annotations

import ipaddress
import re
import zoneinfo
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from mainstay.config.build import FAILED, Builder
from mainstay.config.layers import Node, Source, graft
from mainstay.config.problems import Problem
from mainstay.config.secret import Secret
from mainstay.config.shapes import shape_of
from tests.config.world import Color, Database, Memory, Pool, Redis


def built(kind: Any, value: Any, *, text: bool = False, base: Any = None) -> tuple[Any, list[str]]:
    """What is made of `value`, and the problems, the origin left out."""
    shape = shape_of(kind, "x")
    problems: list[Problem] = []
    node: Node = graft(shape, value, "x", Source("", text=text), problems)
    more = () if base is None else (base,)
    found = Builder("hello", 0, problems).build(shape, node, "x", *more)
    return found, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (float, 5, 5.0),
        (int, 5, 5),
        (Literal["a", 1], 1, 1),
        (Color, "red", Color.RED),
        (Path, "/a", Path("/a")),
        (ipaddress.IPv4Address, "10.0.0.1", ipaddress.IPv4Address("10.0.0.1")),
        (zoneinfo.ZoneInfo, "Europe/Berlin", zoneinfo.ZoneInfo("Europe/Berlin")),
        (Decimal, "1.5", Decimal("1.5")),
        (timedelta, "PT3S", timedelta(seconds=3)),
        (set[int], [1, 1], {1}),
        (tuple[int, ...], [1, 2], (1, 2)),
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (dict[Color, int], {"red": 1}, {Color.RED: 1}),
        (Redis | Memory, {"type": "memory"}, Memory()),
        (Pool, {}, Pool()),
        (Secret, "", Secret("")),
        (Any, [1], [1]),
    ],
)
def test_a_file_gives_values_of_their_type(kind: type, value: Any, result: Any) -> None:
    """An int is a float too; any class that is made from one text can be configured."""
    assert built(kind, value) == (result, [])


@pytest.mark.parametrize(
    ("kind", "text", "result"),
    [
        (bool, "TRUE", True),
        (bool, "0", False),
        (int, "-5", -5),
        (float, "1e3", 1000.0),
        (str, "5", "5"),
        (str, "", ""),
        (str | None, "", ""),
        (str | None, "null", "null"),
        (int | None, "", None),
        (int | None, "null", None),
        (Secret | None, "", None),
        (Path | None, "", None),
        (int | str, "5", "5"),
        (Any, "5", "5"),
        (list[int], "[1]", [1]),
        (list[int] | None, "", None),
        (timedelta, "2.5", timedelta(seconds=2.5)),
    ],
)
def test_text_becomes_the_type_of_the_field(kind: type, text: str, result: Any) -> None:
    """Empty text is None where None is allowed, unless the field takes text as it stands."""
    assert built(kind, text, text=True) == (result, [])


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (int, "5", 'x = "5": expected int, got str'),
        (int, True, "x = true: expected int, got bool"),
        (int, 5.0, "x = 5.0: expected int, got float"),
        (str, {"a": 1}, 'x = {"a": 1}: expected str, got table'),
        (int, [1], "x = [1]: expected int, got list"),
        (int, None, "x = none: expected int, got null"),
        (int | None, "5", 'x = "5": expected int, got str'),
        (Annotated[int, msgspec.Meta(ge=2)], 1, "x = 1: expected int >= 2"),
        (Color, "pink", 'x = "pink": expected "red" or "blue"'),
        (Literal["a", "b", "c"] | None, "d", 'x = "d": expected "a", "b" or "c"'),
        (Annotated[Literal["a"], msgspec.Meta(title="t")], "d", 'x = "d": expected "a"'),
        (Path, 5, "x = 5: expected Path as text, got int"),
        (re.Pattern, "x", 'x = "x": not a Pattern: '),
        (ipaddress.IPv4Address, "x", 'x = "x": not a IPv4Address: '),
        (tuple[int, str], [1, 2], "x = [1, 2]: expected str, got int, at [1]"),
        (list[int], [1, "a", "b"], 'x[1] = "a": expected int, got str'),
        (
            Annotated[list[int], msgspec.Meta(max_length=1)],
            [1, 2],
            "x: expected list of length <= 1",
        ),
        (
            Annotated[dict[str, int], msgspec.Meta(min_length=1)],
            {},
            "x: expected table of length >= 1",
        ),
        (dict[int, int], {"a": 1}, "x.a: key: expected int"),
        (dict[str, int], {"a": "b"}, 'x.a = "b": expected int, got str'),
        (set[Pool], [{}], "x: unhashable type: 'Pool'"),
        (Redis | Memory, {"type": "disk"}, 'x.type = "disk": expected one of redis, memory'),
        (Redis | Memory, {"size": 1}, "x.type: missing: "),
        (Redis | Memory, {"type": ["redis"]}, 'x.type = ["redis"]: expected one of'),
        (Secret, 5, "x = ***: expected str, got int"),
        (
            Annotated[Secret, msgspec.Meta(min_length=9)],
            "hunter2",
            "x = ***: expected str of length",
        ),
        (Database, {}, "x.url: missing: set x.url in a configuration file, or HELLO__X__URL in"),
        (list[Database], [{}], "x[0].url: missing: set x[0].url in a configuration file"),
    ],
)
def test_a_value_of_another_type_is_a_problem(kind: type, value: Any, problem: Any) -> None:
    """The key, the value and the reason are told in the words of a file."""
    found, problems = built(kind, value)
    assert found is FAILED
    assert problems[0].startswith(problem)


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        (bool, "yes", 'x = "yes": expected bool'),
        (int, "5_0", 'x = "5_0": expected int'),
        (int, "9" * 5000, 'x = "9999'),
        (int, "", 'x = "": empty; leave it out to have the default'),
        (Secret, "", "x = ***: empty; leave it out to have the default"),
        (list[int], "1,2", "x: expected a list as JSON, such as [1, 2]"),
        (list[str], "8000", 'x: expected a list as JSON, such as ["one", "two"]'),
        (list[int], '["a"]', 'x[0] = "a": expected int, got str'),
        (dict[str, int], "a=1", "x: expected a table as JSON"),
    ],
)
def test_text_that_stands_for_nothing_of_the_type_is_a_problem(
    kind: type, text: str, problem: Any
) -> None:
    """Only true, false, 1 and 0 are booleans; nothing is evaluated."""
    found, problems = built(kind, text, text=True)
    assert found is FAILED
    assert problems[0].startswith(problem)


def test_every_problem_of_a_list_and_a_table_is_told() -> None:
    """The first wrong item does not hide the second."""
    _, problems = built(list[Database], [{"url": 1, "pool": 0}, {"url": 2}])
    assert len(problems) == 3


def test_what_is_given_in_part_takes_the_rest_from_the_default() -> None:
    """A default instance is the lowest layer, for tables and for maps."""
    assert built(Pool, {"idle": 2}, base=Pool(20, 9.0)) == (Pool(20, 2.0), [])
    assert built(dict[str, int], {"a": 1}, base={"a": 0, "b": 2}) == ({"a": 1, "b": 2}, [])
    assert built(Redis | Memory, {"size": 5}, base=Memory(7)) == (Memory(5), [])
    assert built(Redis | Memory, {"type": "redis", "url": "u"}, base=Memory(7)) == (Redis("u"), [])


def test_a_key_of_another_variant_is_left_alone() -> None:
    """A higher layer that changes the tag does not make the lower layer wrong."""
    assert built(Redis | Memory, {"type": "memory", "url": "u"}) == (Memory(), [])


def pointed(kind: Any, name: object, folder: Path) -> tuple[Any, list[str]]:
    problems: list[Problem] = []
    shape = shape_of(msgspec.defstruct("Holder", [("x", kind)]), "x")
    source = Source("file f", directory=folder)
    node = graft(shape, {"x_file": name}, "", source, problems)
    found = Builder("hello", 0, problems).build(shape, node, "")
    return found, [str(problem) for problem in problems]


def test_a_secrets_file_is_read_from_its_folder(tmp_path: Path) -> None:
    """An empty one is None where None is allowed."""
    (tmp_path / "s").write_text("hunter2\n")
    (tmp_path / "empty").write_text("\n")
    assert pointed(Secret, "s", tmp_path)[0].x.reveal() == "hunter2"
    assert pointed(Secret | None, "empty", tmp_path)[0].x is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no", "the value is to come from {}/no: the file does not exist"),
        (".", "the value is to come from {}: this is a directory, not a file"),
        (5, "expected the name of a file with the value"),
        ("", "expected the name of a file with the value"),
        ("empty", "x: empty; leave it out to have the default"),
    ],
)
def test_a_secrets_file_that_cannot_be_read_is_a_problem(
    tmp_path: Path, name: Any, reason: Any
) -> None:
    """The path is named, the content never."""
    (tmp_path / "empty").touch()
    found, (problem,) = pointed(Secret, name, tmp_path)
    assert found is FAILED
    assert reason.format(tmp_path) in problem
