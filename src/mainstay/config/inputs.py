"""Each layer's tree: of a file, of the environment, of the flags.

What a layer says that no model knows is a problem, in all three alike: a mistyped name that is
silently ignored is the dearest kind of mistake, since the default works until it does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mainstay.config.files import read_config
from mainstay.config.layers import (
    Branch,
    Broken,
    Given,
    Node,
    Source,
    both_given,
    clashes,
    graft,
    grow,
    merge,
)
from mainstay.config.names import Target, by_key, by_variable, names_below, variable_name
from mainstay.config.problems import Problem, closest
from mainstay.config.shapes import Shape, Table, full_key
from mainstay.config.unreadable import Unreadable

__all__ = ["Section", "environment_layer", "file_layer", "flag_layer"]


class Section:
    """One model's place: the keys before its own, its variables' prefix, and its shape."""

    __slots__ = ("path", "prefix", "shape")

    def __init__(self, path: tuple[str, ...], prefix: str, shape: Table) -> None:
        self.path = path
        self.prefix = prefix
        self.shape = shape


def file_layer(whole: Table, path: Path, problems: list[Problem]) -> Node:
    """What the file at `path` says; `Broken` when it cannot be read."""
    source = Source(f"file {path}", directory=path.parent)
    try:
        found = read_config(path)
    except Unreadable as error:
        problems.append(Problem("", str(error), source.origin))
        return Broken(source)
    return graft(whole, found, "", source, problems)


def environment_layer(
    sections: Iterable[Section], environ: Mapping[str, str], problems: list[Problem]
) -> Node:
    """What the variables say whose names begin with a section's prefix."""
    layer = _Layer(Source("environment", text=True), problems)
    for section in sections:
        start = variable_name(section.prefix, "")
        for name in sorted(name for name in environ if name.startswith(start)):
            source = Source(f"environment {name}", text=True)
            rest = name.removeprefix(start)
            target = by_variable(section.shape, rest)
            if target is None:
                known = {variable_name(*path) for path in names_below(section.shape) if path}
                # Without the prefix, which would make all names alike.
                meant = closest(rest.upper(), known)
                problem = Problem(
                    "", "unknown variable", source.origin, suggestion=meant and start + meant
                )
                problems.append(problem)
                continue
            for key in reversed(section.path):
                target = target.under(key)
            layer.add(target, environ[name], source)
    return layer.tree


def flag_layer(whole: Table, flags: Sequence[str], problems: list[Problem]) -> Node:
    """What the flags say, each of them ``key=value``; of the same key the last one counts."""
    layer = _Layer(Source("flag --set", text=True), problems)
    for number, flag in enumerate(flags, 1):
        key, equals, text = flag.partition("=")
        key = key.strip()
        if not equals:
            # Not a word of it: it may be a password, with its key forgotten.
            problems.append(Problem("", "expected key=value", f"flag --set no. {number}"))
            continue
        source = Source(f"flag --set {key}", text=True)
        target = by_key(whole, key.split("."))
        if target is None:
            meant = closest(key, {full_key(path) for path in names_below(whole)})
            problems.append(Problem("", "unknown key", source.origin, suggestion=meant))
            continue
        layer.add(target, text, source)
    return layer.tree


class _Layer:
    """A tree that grows by one named value at a time."""

    def __init__(self, source: Source, problems: list[Problem]) -> None:
        self.tree: Node = Branch({}, source)
        self._problems = problems

    def add(self, target: Target, text: str, source: Source) -> None:
        key = full_key(target.path)
        node = self._node(target.shape, target.is_pointer, text, key, source)
        if clashes(self.tree, target.path, node):
            self._problems.append(both_given(key, source))
            node = Broken(source)
        self.tree = merge(self.tree, grow(target.path, node))

    def _node(self, shape: Shape, is_pointer: bool, text: str, key: str, source: Source) -> Node:
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            # How Python passes on bytes of the outside that are no UTF-8 (PEP 383).
            self._problems.append(Problem(key, "the value is not UTF-8", source.origin))
            return Broken(source)
        if is_pointer:
            return Given(text, source, is_pointer=True)
        return graft(shape, text, key, source, self._problems)
