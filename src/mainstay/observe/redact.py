"""What never reaches a log, and how any value becomes something a line can hold.

The rule, in the words of docs/howto/log.md:

* The value of a field whose **name** has a credential word in it (`CREDENTIAL_WORDS`, as whole
  words: ``db_password``, ``X-Api-Key``, ``accessToken``, ``Set-Cookie``) is shown as ``***``, in
  nested mappings and in lists of (name, value) pairs too. True, False and None are shown: they say
  whether there is a secret, not which.
* In **text** that contains ``://``, the password of a URL and the values of query parameters with
  such a name are shown as ``***``; `mainstay.core.redact` has both rules.
* Nothing else is searched. A secret in the middle of a sentence is not found: carry secrets as
  `mainstay.config.Secret`, which shows itself as ``***`` everywhere.

`plain` does both jobs in one walk, since every value is visited once anyway: it masks, and it
turns what JSON does not know into text. It never raises and never returns anything that refers to
the original, so what is rendered later is what was logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from mainstay.core.redact import MASK, hide_in_urls, is_credential

__all__ = [
    "DEPTH",
    "ITEMS",
    "plain",
    "plain_field",
]

DEPTH: Final = 6
"""Levels of a nested value that a record shows."""

ITEMS: Final = 1000
"""Items of a nested value that a record shows, all levels together."""

_AS_STR: Final = (UUID, PurePath, Decimal)
_AS_ISO: Final = (datetime, date, time)


def plain(value: Any, *, depth: int = 0, room: list[int] | None = None) -> Any:
    """`value` as str, int, float, bool, None, list and dict only, with secrets masked.

    What these cannot express becomes text: dates as ISO 8601, the rest as its repr. A structure is
    followed `DEPTH` levels down and for `ITEMS` items in all, the rest is ``...``. Never raises.
    """
    kind = type(value)
    if kind is str:
        return hide_in_urls(value) if "://" in value else value
    if kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return value if isfinite(value) else repr(value)
    try:
        if isinstance(value, (Mapping, list, tuple, set, frozenset)):
            return _plain_container(value, depth, [ITEMS] if room is None else room)
        return _plain_object(value)
    except Exception:  # somebody's repr or iterator must not lose the record
        return f"<{kind.__name__} that cannot be shown>"


def plain_field(name: str, value: Any, *, depth: int = 0, room: list[int] | None = None) -> Any:
    """The value of the field `name`, as `plain` has it, or the mask."""
    if is_credential(name) and not (value is None or value is True or value is False):
        return MASK
    return plain(value, depth=depth, room=room)


def _plain_container(value: Any, depth: int, room: list[int]) -> Any:
    # `room` is what is left of ITEMS for the whole value: a list that holds itself ten times is
    # ten to the power of DEPTH items otherwise.
    if depth >= DEPTH:
        return "..."
    if isinstance(value, Mapping):
        shown: dict[str, Any] = {}
        for key, item in value.items():
            room[0] -= 1
            if room[0] < 0:
                shown["..."] = "..."
                break
            name = _name(key)
            shown[name] = plain_field(name, item, depth=depth + 1, room=room)
        return shown
    if len(value) == 2 and isinstance(value, tuple) and _is_name(value[0]):  # noqa: PLR2004
        name, item = _name(value[0]), value[1]
        return [name, plain_field(name, item, depth=depth + 1, room=room)]
    items: list[Any] = []
    for item in value:
        room[0] -= 1
        if room[0] < 0:
            items.append("...")
            break
        items.append(plain(item, depth=depth + 1, room=room))
    return items


def _plain_object(value: Any) -> Any:
    if isinstance(value, Enum):
        return plain(value.value) if type(value.value) in (str, int) else str(value)
    if isinstance(value, (str, *_AS_STR)):
        # A Secret may be a str by inheritance, and then its __str__ is what may be shown.
        return hide_in_urls(str(value))
    if isinstance(value, _AS_ISO):
        return value.isoformat()
    return hide_in_urls(repr(value))


def _is_name(value: Any) -> bool:
    return type(value) in (str, bytes) and is_credential(_name(value))


def _name(key: Any) -> str:
    if type(key) is str:
        return key
    # Headers come as bytes from some servers, and their secrets are as secret.
    return key.decode("latin-1") if type(key) is bytes else str(key)
