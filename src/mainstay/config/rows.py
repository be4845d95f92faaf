"""Where each value came from, a row for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_origin

from mainstay.config.layers import Branch, Given, Items, Node
from mainstay.config.shapes import Choice, Leaf, Many, Map, Shape, Table, child_key
from mainstay.config.show import shown

__all__ = ["Row", "rows_of"]

_TAG_SHAPE = Leaf(Any, nullable=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One value of the configuration, as people may see it.

    Attributes:
        key: as written in a file: ``mainstay.log.level``.
        value: as JSON writes it; ``***`` for a secret, ``none`` for None.
        origin: the layer that gave it: ``default``, ``file hello.toml``,
            ``environment HELLO__GREETING`` or ``flag --set greeting``; for a secret from a file,
            that file too.
        shadowed: the origins that it overrides, the nearest first.
    """

    key: str
    value: str
    origin: str
    shadowed: tuple[str, ...] = ()


def rows_of(shape: Shape, value: Any, node: Node | None, key: str) -> Iterator[Row]:
    """A row for each value in `value`, in the order of the model; `node` is what was given."""
    children = node.children if isinstance(node, Branch) else {}
    match shape:
        case Table() if value is not None:
            for found in shape.fields.values():
                below = _member(value, found.member.name)
                if below is not _NOTHING:
                    full = child_key(key, found.key)
                    yield from rows_of(found.shape, below, children.get(found.key), full)
        case Choice() if value is not None:
            for tag, table in shape.variants.items():
                if type(value) is (get_origin(table.model) or table.model):
                    full = child_key(key, shape.tag)
                    yield _row(_TAG_SHAPE, tag, children.get(shape.tag), full)
                    yield from rows_of(table, value, node, key)
        case Map() if value:
            for name, item in value.items():
                given = str(getattr(name, "value", name))
                yield from rows_of(shape.value, item, children.get(given), child_key(key, given))
        case Many(item=Table() | Choice()) if value:
            nodes = node.nodes if isinstance(node, Items) else ()
            for index, item in enumerate(value):
                below = nodes[index] if index < len(nodes) else None
                yield from rows_of(shape.item, item, below, f"{key}[{index}]")
        case _:
            yield _row(shape, value, node, key)


_NOTHING = object()


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name, _NOTHING)
    return getattr(value, name, _NOTHING)


def _row(shape: Shape, value: Any, node: Node | None, key: str) -> Row:
    if node is None:
        return Row(key, shown(shape, value), "default")
    origin = node.source.origin
    if isinstance(node, Given) and node.is_pointer:
        origin = f"{origin} (from {node.source.directory / node.value})"
    return Row(key, shown(shape, value), origin, node.shadowed)
