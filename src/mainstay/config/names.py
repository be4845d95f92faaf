"""How a key is called in the environment and in flags, and which key such a name means.

A variable is the prefix and the keys on the way, in upper case, with *two* underscores between
them and after the prefix: ``HELLO__DATABASE__URL``. One would not do: Kubernetes gives every
container ``HELLO_PORT`` and ``HELLO_SERVICE_HOST`` for a service called hello
(https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables), and
field names contain single underscores themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from mainstay.config.shapes import Leaf, Many, Map, Shape, Table, entries

__all__ = ["Target", "by_key", "by_variable", "names_below", "variable_name"]

_BETWEEN: Final = "__"


class Target(NamedTuple):
    """Where a name leads: the keys on the way, what stands there, and whether it names a file."""

    path: list[str]
    shape: Shape
    is_pointer: bool

    def under(self, key: str) -> Target:
        """The same target, seen from one level further up."""
        return self._replace(path=[key, *self.path])


def variable_name(*keys: str) -> str:
    """The variable for the key that lies at `keys`, the prefix being the first of them."""
    return _BETWEEN.join(re.sub(r"[^A-Za-z0-9_]", "_", key).upper() for key in keys)


def by_variable(shape: Shape, rest: str) -> Target | None:
    """What the variable means whose name goes on with `rest` after the prefix of `shape`."""
    # Longest first, for a field whose own name has two underscores in a row.
    for entry in sorted(entries(shape), key=lambda entry: -len(entry.key)):
        name = variable_name(entry.key)
        if rest == name:
            return Target([entry.target], entry.field.shape, entry.is_pointer)
        if rest.startswith(name + _BETWEEN) and not entry.is_pointer:
            below = by_variable(entry.field.shape, rest[len(name + _BETWEEN) :])
            if below is not None:
                return below.under(entry.target)
    if isinstance(shape, Map):
        # The environment has no lower case to tell: keys of a map are lower-case there.
        name, between, deeper = rest.partition(_BETWEEN)
        found = by_variable(shape.value, deeper) if between else None
        return _in_map(shape, name.lower(), found, ends=not between)
    return None


def by_key(shape: Shape, segments: list[str]) -> Target | None:
    """What the dotted key means whose `segments` are relative to `shape`."""
    first, *rest = segments
    for entry in entries(shape):
        if entry.key == first:
            if not rest:
                return Target([entry.target], entry.field.shape, entry.is_pointer)
            below = by_key(entry.field.shape, rest) if not entry.is_pointer else None
            return below and below.under(entry.target)
    if isinstance(shape, Map):
        found = by_key(shape.value, rest) if rest else None
        return _in_map(shape, first, found, ends=not rest)
    return None


def _in_map(shape: Map, name: str, below: Target | None, *, ends: bool) -> Target | None:
    if not name:
        return None
    return Target([name], shape.value, False) if ends else below and below.under(name)


def names_below(
    shape: Shape, path: tuple[str, ...] = (), seen: frozenset[int] = frozenset()
) -> Iterator[tuple[str, ...]]:
    """The keys on the way to each value below `shape`, as they can be given by name."""
    if isinstance(shape, Leaf | Many | Map) or id(shape) in seen:
        yield path
        return
    for entry in entries(shape):
        inner = entry.field.shape
        fields = id(inner.fields) if isinstance(inner, Table) else id(inner)
        if fields not in seen:
            yield from names_below(inner, (*path, entry.key), seen | {fields})
