"""The source as a graph: which module imports which, and where.

Read from the syntax trees, never by importing, so that a rule can be checked on a module that does
not import, and on one that exists only as a string in the test of the rule itself (`parse`).
"""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "mainstay"


@dataclass(frozen=True)
class Import:
    """One thing that a module imports.

    Attributes:
        target: full name of the module, or of the name in it, that is imported.
        line: where.
        deferred: whether it stands in a function, and so runs later than the module.
    """

    target: str
    line: int
    deferred: bool

    @property
    def top(self) -> str:
        """The distribution-level package, such as ``msgspec``."""
        return self.target.partition(".")[0]


@dataclass(frozen=True, eq=False)
class Module:
    """One source file."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Whether it is the `__init__` of a folder."""
        return self.path.name == "__init__.py"

    @property
    def room(self) -> str:
        """The folder or file right under the package; empty for the package's own `__init__`."""
        return [*self.name.split("."), ""][1]

    @property
    def folder(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def imports(self) -> list[Import]:
        """Everything it imports, in functions and under TYPE_CHECKING too."""
        return list(_imports(self, self.tree, deferred=False))

    def where(self, line: int) -> str:
        """A place for a message, such as ``mainstay.core.call:42``."""
        return f"{self.name}:{line}"


def parse(name: str, text: str = "", *, package: bool = False) -> Module:
    """A module that need not exist."""
    parts = name.split(".")
    path = Path(*parts, "__init__.py") if package else Path(*parts).with_suffix(".py")
    return Module(name, path, text, ast.parse(text))


@cache
def modules(root: Path = ROOT / "src") -> tuple[Module, ...]:
    """Every module of the package, sorted by name."""
    with _hidden_from_the_collector():
        return tuple(_read(root, sorted((root / PACKAGE).rglob("*.py"))))


@cache
def suite(root: Path = ROOT) -> tuple[Module, ...]:
    """Every Python file under ``tests/``, named from the root of the repository."""
    with _hidden_from_the_collector():
        return tuple(_read(root, sorted((root / "tests").rglob("*.py"))))


def home(target: str, known: Iterable[str]) -> str | None:
    """The module among `known` that holds `target`: itself, or the one it is a name in."""
    if target in known:
        return target
    parent = target.rpartition(".")[0]
    return parent if parent in known else None


def is_stdlib(top: str) -> bool:
    """Whether the package comes with Python."""
    return top in sys.stdlib_module_names


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function in the tree, methods and nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def dotted(node: ast.expr) -> str:
    """The expression as a dotted name, such as ``pytest.mark.real_loop``; empty for others."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    if isinstance(node, ast.Subscript | ast.Call):
        return dotted(node.value if isinstance(node, ast.Subscript) else node.func)
    return ""


@contextmanager
def _hidden_from_the_collector() -> Iterator[None]:
    # Millions of nodes that are kept until the end: each full run of the collector, as tests for
    # leaks ask for, would look at them all.
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _read(root: Path, paths: Iterable[Path]) -> Iterator[Module]:
    for path in paths:
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        yield Module(name, path.relative_to(root), text, ast.parse(text, str(path)))


def _imports(module: Module, node: ast.AST, *, deferred: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, deferred)
        elif isinstance(child, ast.ImportFrom):
            start = _start(module, child)
            for alias in child.names:
                yield Import(f"{start}.{alias.name}", child.lineno, deferred)
        else:
            if isinstance(child, ast.Call) and dotted(child.func).endswith("import_module"):
                yield from _named(child, deferred=deferred)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(module, child, deferred=deferred or inside)


def _start(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.folder.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def _named(call: ast.Call, *, deferred: bool) -> Iterator[Import]:
    # `import_module("mainstay.x")` is an import in all but syntax.
    for argument in call.args[:1]:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield Import(argument.value, call.lineno, deferred)
