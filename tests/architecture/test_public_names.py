"""`__all__` tells the truth, both ways, and the public face stays small."""

import ast
import importlib
import importlib.metadata
from collections.abc import Iterable, Iterator
from inspect import isclass, isfunction

import pytest

import mainstay
from tests.architecture.source import Module, modules, parse

# A newcomer reads this many names in one sitting; see docs/architecture.md.
MOST_TOP_LEVEL_NAMES = 30


def assigned(tree: ast.Module, wanted: str) -> ast.expr | None:
    """The value of a top-level assignment to `wanted`."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == wanted for target in targets):
            return value
    return None


def exported(module: Module) -> list[str]:
    """What `__all__` lists; nothing when there is none."""
    value = assigned(module.tree, "__all__")
    if not isinstance(value, ast.List | ast.Tuple):
        return []
    return [item.value for item in value.elts if isinstance(item, ast.Constant)]  # type: ignore[misc]


def defined(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Every name that the module binds at its top, and whether it is a class or function."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, True
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield (alias.asname or alias.name.partition(".")[0]), False
        elif isinstance(node, ast.If | ast.Try | ast.With):
            pending += [child for child in ast.walk(node) if isinstance(child, ast.stmt)][1:]
        else:
            for child in ast.walk(node):
                if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                    yield child.id, False


def violations(source: Iterable[Module]) -> list[str]:
    """One line for each name that is public and not listed, listed and not there, or listed twice.

    A module that answers to names by `__getattr__` may list what it does not define.
    """
    found = []
    for module in source:
        listed = exported(module)
        names = dict(defined(module.tree))
        public = {name for name, is_ours in names.items() if is_ours and name[0] != "_"}
        found += [f"{module.name}: '{name}' is not in __all__" for name in public - set(listed)]
        if "__getattr__" not in names:
            found += [f"{module.name}: no '{name}' here" for name in set(listed) - set(names)]
        found += [f"{module.name}: '{name}' twice" for name in listed if listed.count(name) > 1]
    return sorted(found)


def test_all_lists_every_public_name_and_no_other() -> None:
    """Every public class and function is in its module's `__all__`, and every name there exists."""
    assert violations(modules()) == []


def test_the_public_face_is_small() -> None:
    """The top level has few enough names to be read in one sitting."""
    assert len(mainstay.__all__) <= MOST_TOP_LEVEL_NAMES


def test_every_top_level_name_is_public_in_its_home() -> None:
    """What `mainstay` offers is what its own module offers, under the same name."""
    for name in mainstay.__all__:
        value = getattr(mainstay, name)
        if isclass(value) or isfunction(value):
            place = importlib.import_module(value.__module__)
            assert name in place.__all__
            assert getattr(place, name) is value


def test_the_version_is_written_once() -> None:
    """The package says what its metadata says, because the build reads it from the package."""
    assert mainstay.__version__ == importlib.metadata.version("mainstay")


def test_an_unknown_top_level_name_is_refused() -> None:
    """The lazy public face answers as any module does to a name it has not."""
    name = "no_such_name"
    with pytest.raises(AttributeError, match=name):
        getattr(mainstay, name)


def test_a_public_name_that_is_not_listed_is_found() -> None:
    """A class or function without an underscore is a promise, so it has to be listed."""
    text = '__all__ = ["f"]\ndef f(): ...\ndef g(): ...\nclass _C: ...\nif X:\n    def h(): ...'
    assert violations([parse("mainstay.core.x", text)]) == [
        "mainstay.core.x: 'g' is not in __all__",
        "mainstay.core.x: 'h' is not in __all__",
    ]


def test_a_listed_name_that_does_not_exist_is_found() -> None:
    """A stale entry breaks `from module import *` and misleads the reader."""
    text = '__all__ = ["A", "B", "B", "C"]\nA = 1\nimport C\nB: int = 2'
    assert violations([parse("mainstay.core.x", text)]) == ["mainstay.core.x: 'B' twice"] * 2
    assert violations([parse("mainstay.core.x", '__all__ = ["A"]')]) == [
        "mainstay.core.x: no 'A' here"
    ]


def test_a_lazy_module_may_list_what_it_answers_to() -> None:
    """`__getattr__` stands for names that are not bound."""
    text = '__all__ = ["A"]\ndef __getattr__(name): ...'
    assert violations([parse("mainstay", text, package=True)]) == []
