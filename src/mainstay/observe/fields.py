"""What every log record of a call carries without being asked: its ids, and fields bound to it.

They live in the scope, so they follow the work into child tasks, groups and threads, and end with
it. `bind` adds to the current scope: later records there and below have the fields; the parent and
the siblings do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mainstay.core.ids import REQUEST_ID, SPAN_ID, TRACE_ID
from mainstay.core.scope import Key, Scope

__all__ = ["LOG_FIELDS", "bind", "scope_fields"]

LOG_FIELDS: Final = Key[Mapping[str, Any]]("log_fields")
"""The fields bound in one scope, without those of its parents. Use `bind`."""

_IDS: Final = (REQUEST_ID, TRACE_ID, SPAN_ID)


def bind(**fields: Any) -> None:
    """Add `fields` to every later log record of the current scope and of the scopes below it.

    Binding a field again replaces it; a field given with a record wins over a bound one.

    Raises: UsageError outside of any scope.
    """
    scope = Scope.current()
    bound = scope.get(LOG_FIELDS)
    if bound is None or (scope.parent is not None and scope.parent.get(LOG_FIELDS) is bound):
        scope.set(LOG_FIELDS, fields)
    else:
        # A new mapping: a record that another thread renders now sees the old one or the new one.
        scope.set(LOG_FIELDS, {**bound, **fields})


def scope_fields(scope: Scope) -> dict[str, Any]:
    """The ids of `scope` and the fields bound to it and to its parents; the nearest wins."""
    found: dict[str, Any] = {}
    for key in _IDS:
        value = scope.get(key)
        if value is not None:
            found[key.name] = value
    layers: list[Mapping[str, Any]] = []
    here: Scope | None = scope
    while here is not None:
        bound = here.get(LOG_FIELDS)
        if bound is None:
            break
        if not layers or layers[-1] is not bound:
            layers.append(bound)
        here = here.parent
    for layer in reversed(layers):
        found.update(layer)
    return found
