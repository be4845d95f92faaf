from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainstay.config.inputs import Section, environment_layer, file_layer, flag_layer
from mainstay.config.layers import Branch, Broken, Given, Node
from mainstay.config.problems import Problem
from mainstay.config.secret import Secret
from mainstay.config.shapes import Table, shape_of


class Model(msgspec.Struct):
    pool_size: int = 1
    table: dict[str, int] = msgspec.field(default_factory=dict)
    password: Secret | None = None


def table() -> Table:
    shape = shape_of(Model, "Model")
    assert isinstance(shape, Table)
    return shape


SHAPE = table()
SECTION = Section(("own",), "own", SHAPE)


def given(node: Node, *path: str) -> object:
    for key in path:
        assert isinstance(node, Branch)
        node = node.children[key]
    assert isinstance(node, Given)
    return node.value


def test_a_file_is_its_own_origin(tmp_path: Path) -> None:
    """Values remember the file's name as it was given, and the folder for names of files in it."""
    path = tmp_path / "a.toml"
    path.write_text("pool_size = 3")
    node = file_layer(SHAPE, path, [])
    assert isinstance(node, Branch)
    assert node.children["pool_size"].source.origin == f"file {path}"
    assert node.source.directory == tmp_path


def test_a_file_that_cannot_be_read_is_broken(tmp_path: Path) -> None:
    """The problem names the file and the reason."""
    problems: list[Problem] = []
    assert isinstance(file_layer(SHAPE, Path("no.toml"), problems), Broken)
    assert [str(problem) for problem in problems] == ["no.toml: the file does not exist"]


def test_variables_stand_below_their_sections_key() -> None:
    """OWN__POOL_SIZE is own.pool_size, and a table's JSON is refined by more specific names."""
    environ = {"OWN__POOL_SIZE": "3", "OWN__TABLE__B": "2", "OWN__TABLE": '{"a": 1, "b": 1}'}
    problems: list[Problem] = []
    node = environment_layer([SECTION], environ, problems)
    assert problems == []
    assert given(node, "own", "pool_size") == "3"
    assert given(node, "own", "table", "a") == 1
    assert given(node, "own", "table", "b") == "2"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OWN__POOLSIZE", "OWN__POOL_SIZE"),
        ("OWN__POOL__SIZE", "OWN__POOL_SIZE"),
        ("OWN__pool_size", "OWN__POOL_SIZE"),
        ("OWN__PASWORD_FILE", "OWN__PASSWORD_FILE"),
        ("OWN__", None),
        ("OWN__XYZ", None),
    ],
)
def test_an_unknown_variable_is_a_problem(name: Any, meant: Any) -> None:
    """The nearest known name is suggested, and the value is not shown."""
    problems: list[Problem] = []
    environment_layer([SECTION], {name: "hunter2"}, problems)
    assert problems == [Problem("", "unknown variable", f"environment {name}", suggestion=meant)]


def test_a_variable_that_is_no_utf8_is_a_problem() -> None:
    """Bytes that Python smuggles through as surrogates are told, not passed on."""
    problems: list[Problem] = []
    environment_layer([SECTION], {"OWN__PASSWORD": "\udcff"}, problems)
    assert [problem.reason for problem in problems] == ["the value is not UTF-8"]


def test_the_last_flag_of_a_key_counts() -> None:
    """Flags come from wrappers and people, in this order."""
    node = flag_layer(SHAPE, ["pool_size=1", " pool_size =2=3"], [])
    assert given(node, "pool_size") == "2=3"


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        ("pool_size", "flag --set no. 2: expected key=value"),
        ("hunter2", "flag --set no. 2: expected key=value"),
        ("password:hunter2", "flag --set no. 2: expected key=value"),
        ("", "flag --set no. 2: expected key=value"),
        ("=x", "flag --set : unknown key"),
        ("pool_siz=x", "flag --set pool_siz: unknown key; did you mean pool_size?"),
    ],
)
def test_a_flag_that_cannot_be_read_is_a_problem(flag: Any, problem: Any) -> None:
    """Without "=" nothing is quoted, since it may be a password; the flags are counted instead."""
    problems: list[Problem] = []
    flag_layer(SHAPE, ["pool_size=1", flag], problems)
    assert [str(found) for found in problems] == [problem]
