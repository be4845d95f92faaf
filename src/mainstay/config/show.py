"""How values are shown to people: as JSON writes them, with every secret hidden."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from mainstay.config.secret import Secret, hide_passwords
from mainstay.config.shapes import Shape, is_sensitive
from mainstay.core.redact import MASK

__all__ = ["shown", "shown_briefly"]

_BRIEF = 80


def shown(shape: Shape, value: Any) -> str:
    """`value` as one line; ``none`` for None, ``***`` where `shape` says that it is a secret."""
    if value is None:
        return "none"
    empty = isinstance(value, Collection) and not isinstance(value, str | bytes) and not value
    if is_sensitive(shape) and not empty:
        return MASK
    return json.dumps(_plain(value), ensure_ascii=False)


def shown_briefly(shape: Shape, value: Any) -> str:
    """Like `shown`, cut to what fits in a message."""
    text = shown(shape, value)
    return text if len(text) <= _BRIEF else text[: _BRIEF - 1] + "…"


def _plain(value: Any) -> Any:
    """`value` in what JSON knows, its texts without passwords."""
    match value:
        case str():
            return hide_passwords(value)
        case Mapping():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return sorted((_plain(item) for item in value), key=str)
        case bool() | int() | float() | None:
            return value
        case Secret():
            return MASK
    built = msgspec.to_builtins(value, enc_hook=str)
    return _plain(built) if type(built) is not type(value) else str(value)
