"""What the layers say, as trees that can be laid over each other.

A layer is one file, the environment, or the flags. Each becomes a tree with the shape of the
models: a `Branch` for a table, `Items` for a list, and `Given` for a value, all with their origin.
`merge` lays a tree over another: tables merge key by key, and anything else replaces what was
below, remembering whom it replaced. Values are converted later, and only those that won.

Everything in a tree hides its values from `repr`, since a tree may be a local of a traceback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from mainstay.config.files import check_depth
from mainstay.config.problems import Problem, closest
from mainstay.config.shapes import Choice, Leaf, Many, Map, Shape, Table, child_key, entries
from mainstay.config.unreadable import Unreadable

__all__ = [
    "Branch",
    "Broken",
    "Given",
    "Items",
    "Node",
    "Source",
    "both_given",
    "clashes",
    "graft",
    "grow",
    "kind_of",
    "merge",
    "origins",
]


@dataclass(frozen=True, slots=True)
class Source:
    """Where values come from.

    Attributes:
        origin: how it is called in rows and problems.
        text: whether values are text that stands for other types, as in the environment.
        directory: what relative names of secret files are relative to.
    """

    origin: str
    text: bool = False
    directory: Path = Path()


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A value for a leaf; `is_pointer` when it is the name of a file that has the value."""

    value: Any = field(repr=False)
    source: Source
    is_pointer: bool = False
    shadowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """Values for a table or a map, by key."""

    children: Mapping[str, Node]
    source: Source
    shadowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """Values for a list."""

    nodes: tuple[Node, ...]
    source: Source
    shadowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Broken:
    """Stands where something wrong was given and reported, so that it is not reported missing."""

    source: Source
    shadowed: tuple[str, ...] = ()


Node: TypeAlias = Given | Branch | Items | Broken


def merge(low: Node | None, high: Node) -> Node:
    """`high` laid over `low`."""
    if low is None:
        return high
    if isinstance(low, Branch) and isinstance(high, Branch):
        children = dict(low.children)
        for key, node in high.children.items():
            children[key] = merge(children.get(key), node)
        return replace(high, children=children)
    return replace(high, shadowed=(*high.shadowed, *origins(low), *low.shadowed))


def origins(node: Node) -> list[str]:
    """Where the values of `node` come from, each origin once, in the order of the keys."""
    if isinstance(node, Branch) and node.children:
        return list(dict.fromkeys(o for child in node.children.values() for o in origins(child)))
    return [node.source.origin]


def grow(path: list[str], node: Node) -> Node:
    """A tree that has nothing but `node`, at `path`."""
    for key in reversed(path):
        node = Branch({key: node}, node.source)
    return node


def clashes(tree: Node, path: list[str], node: Node) -> bool:
    """Whether one layer gives a secret both in itself and in a file."""
    found: Node | None = tree
    for key in path:
        found = found.children.get(key) if isinstance(found, Branch) else None
    both = isinstance(found, Given) and isinstance(node, Given)
    return both and found.is_pointer != node.is_pointer  # type: ignore[union-attr]


def graft(shape: Shape, value: Any, key: str, source: Source, problems: list[Problem]) -> Node:
    """The tree of `value`, which `source` gives for `key`; what does not fit is reported."""
    if isinstance(shape, Leaf):
        starts = value.lstrip()[:1] if source.text and isinstance(value, str) else ""
        if not (shape.takes_json and starts in ("[", "{")):
            return Given(value, source)
    if source.text:
        return _graft_text(shape, value, key, source, problems)
    if value is None and shape.nullable:
        return Given(None, source)
    match shape:
        case Leaf():
            return Given(value, source)
        case Many() if isinstance(value, list):
            nodes = (
                graft(shape.item, item, f"{key}[{index}]", source, problems)
                for index, item in enumerate(value)
            )
            return Items(tuple(nodes), source)
        case Map() if isinstance(value, Mapping):
            return Branch(
                {
                    str(name): graft(shape.value, item, child_key(key, str(name)), source, problems)
                    for name, item in value.items()
                },
                source,
            )
        case Table() | Choice() if isinstance(value, Mapping):
            return _graft_table(shape, value, key, source, problems)
    wanted = "list" if isinstance(shape, Many) else "table"
    problems.append(Problem(key, f"expected {wanted}, got {kind_of(value)}", source.origin))
    return Broken(source)


def _graft_text(shape: Shape, text: str, key: str, source: Source, problems: list[Problem]) -> Node:
    strict = replace(source, text=False)
    value: Any = None
    if not text and shape.nullable:
        return Given(None, strict)
    try:
        value = msgspec.json.decode(text)
        check_depth([value])
        fits = isinstance(value, list if isinstance(shape, Many) else Mapping)
        fits = fits or isinstance(shape, Leaf) or (value is None and shape.nullable)
    except (msgspec.DecodeError, RecursionError, Unreadable):
        fits = False
    if not fits:
        problems.append(Problem(key, f"expected {_example(shape)}", source.origin))
        return Broken(source)
    return graft(shape, value, key, strict, problems)


def _example(shape: Shape) -> str:
    """What text of `shape` looks like; never the text that was given, which may be a secret."""
    if not isinstance(shape, Many):
        return 'a table as JSON, such as {"name": "value"}'
    is_text = isinstance(shape.item, Leaf) and shape.item.takes_text
    return "a list as JSON, such as " + ('["one", "two"]' if is_text else "[1, 2]")


def _graft_table(
    shape: Table | Choice,
    value: Mapping[str, Any],
    key: str,
    source: Source,
    problems: list[Problem],
) -> Branch:
    known = {entry.key: entry for entry in entries(shape)}
    if isinstance(shape, Choice):
        # Two variants may have a key in common and mean different things by it.
        variant = shape.variant(value.get(shape.tag))
        known |= {entry.key: entry for entry in entries(variant)} if variant else {}
    children: dict[str, Node] = {}
    for name, item in value.items():
        full = child_key(key, name)
        entry = known.get(name)
        if entry is None:
            meant = closest(name, known)
            suggestion = child_key(key, meant) if meant else None
            problems.append(Problem(full, "unknown key", source.origin, suggestion=suggestion))
            continue
        if entry.is_pointer:
            node: Node = Given(item, source, is_pointer=True)
        else:
            node = graft(entry.field.shape, item, full, source, problems)
        if entry.target in children:
            problems.append(both_given(child_key(key, entry.target), source))
            node = Broken(source)
        children[entry.target] = node
    return Branch(children, source)


def both_given(key: str, source: Source) -> Problem:
    """The problem of a secret that one layer gives in itself and in a file."""
    reason = "given both as a value and as a file with the value; keep one of them"
    return Problem(key, reason, source.origin)


def kind_of(value: Any) -> str:
    """What files call the type of `value`."""
    match value:
        case None:
            return "null"
        case Mapping():
            return "table"
        case list() | tuple() | set():
            return "list"
    return type(value).__name__
