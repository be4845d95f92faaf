"""The error tree is printed once, at the top of `mainstay.errors`, and explained in docs/errors.md."""

import ast
import re
from collections.abc import Iterable

import pytest

from mainstay import errors
from tests.architecture.source import ROOT, Module, modules, parse

PAGE = ROOT / "docs" / "errors.md"
CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.Error)
}
SECTIONS = ("Meaning.", "Likely cause.", "What to try.")


def printed_tree(text: str) -> dict[str, str]:
    """Class -> parent, read from a tree drawn with box characters; the root has no parent."""
    parents: dict[str, str] = {}
    trail: list[str] = []
    for line in text.splitlines():
        drawn = re.match(r"    ((?:│   |    )*)(?:├── |└── )(\w+)", line)
        root = re.match(r"    (\w+)$", line)
        if drawn:
            del trail[1 + len(drawn[1]) // 4 :]
            parents[drawn[2]] = trail[-1]
            trail.append(drawn[2])
        elif root and not trail:
            trail = [root[1]]
            parents[root[1]] = ""
    return parents


def real_tree() -> dict[str, str]:
    """Class -> parent, as the classes are."""
    return {
        name: next((base.__name__ for base in value.__bases__ if base in CLASSES.values()), "")
        for name, value in CLASSES.items()
    }


def headings(page: str) -> list[str]:
    """The reasons that have a heading, in order."""
    return re.findall(r"^### ([A-Z_]+)$", page, re.MULTILINE)


def facts(value: type[errors.Error]) -> str:
    """The line under a heading that says what machines read from the error."""
    retry = "may succeed later" if value.retryable else "will fail again"
    return f"`{value.__name__}` · code `{value.code.name}` · the same call {retry}"


def reasons(source: Iterable[Module]) -> set[str]:
    """Every reason written in the source: of a class, and given when an error is raised."""
    found: set[object] = set()
    for module in source:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.keyword) and node.arg == "reason":
                values: list[ast.expr] = [node.value]
            elif isinstance(node, ast.ClassDef):
                values = [value for item in node.body if (value := _reason(item))]
            else:
                continue
            found |= {value.value for value in values if isinstance(value, ast.Constant)}
    return {each for each in found if isinstance(each, str) and re.fullmatch("[A-Z][A-Z_]+", each)}


def _reason(node: ast.stmt) -> ast.expr | None:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    is_reason = any(isinstance(each, ast.Name) and each.id == "reason" for each in targets)
    return node.value if is_reason and isinstance(node, ast.Assign | ast.AnnAssign) else None


def test_the_printed_tree_is_the_tree_of_classes() -> None:
    """The docstring of `mainstay.errors` shows every class under its parent, and no other."""
    assert printed_tree(errors.__doc__ or "") == real_tree()


def test_every_reason_has_one_class() -> None:
    """No two classes share a reason: it is what a client branches on."""
    own = [value.reason for value in CLASSES.values()]
    assert sorted(own) == sorted(set(own))


def test_every_reason_has_a_heading_and_every_heading_a_reason() -> None:
    """The page has one heading for each reason in the source, wherever it is raised."""
    written = headings(PAGE.read_text(encoding="utf-8"))
    assert sorted(written) == sorted(reasons(modules()))


@pytest.mark.parametrize("value", CLASSES.values(), ids=CLASSES)
def test_the_page_says_what_the_class_says(value: type[errors.Error]) -> None:
    """Class, code and whether a retry can help stand under the heading, then the three answers."""
    page = PAGE.read_text(encoding="utf-8")
    section = page.partition(f"### {value.reason}\n")[2].partition("\n##")[0]
    assert section.strip().splitlines()[0] == facts(value)
    for answer in SECTIONS:
        assert f"**{answer}**" in section


def test_a_tree_that_differs_is_found() -> None:
    """A class under the wrong parent, or left out, makes the trees unequal."""
    tree = "    Error\n    ├── A  says\n    │   └── B  says\n    └── C  says\n"
    assert printed_tree(tree) == {"Error": "", "A": "Error", "B": "A", "C": "Error"}
    moved = tree.replace("│   └── B", "├── B    ")
    assert printed_tree(moved)["B"] == "Error"


def test_a_reason_is_found_wherever_it_is_given() -> None:
    """In a class, annotated or not, and as an argument; lower-case ones are of others."""
    text = 'class A(B):\n    reason = "ONE"\n    reason: str = "TWO"\nf(reason="THREE", x=g(reason="no"))'
    assert reasons([parse("mainstay.core.x", text)]) == {"ONE", "TWO", "THREE"}
