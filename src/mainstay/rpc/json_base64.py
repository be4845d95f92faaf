"""Bytes in JSON, looked at before protobuf does: its decoder skips what is no base64, and makes other
bytes of it without a word.

Either alphabet is right, with padding or without (protobuf.dev, programming-guides/json). What an
``Any`` holds is not looked at.
"""

from __future__ import annotations

from typing import Any, Final

from mainstay.errors import Violation

__all__ = ["Base64Fields", "is_base64"]

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_WRAPPER: Final = "google.protobuf.BytesValue"
_QUANTUM: Final = 4
"""Characters that three bytes are."""

WRONG: Final = "this is base64"


def is_base64(text: str) -> bool:
    """Whether it is base64 (RFC 4648 §4, §5), with the padding that belongs to it, or none."""
    if not text.isascii():
        return False
    encoded = text.encode()
    plain = encoded.rstrip(b"=")
    padding = len(encoded) - len(plain)
    if plain.translate(None, _ALPHABET) or len(plain) % _QUANTUM == 1:
        return False
    return padding == 0 or padding == -len(plain) % _QUANTUM


class Base64Fields:
    """Where the messages of one type have bytes.

    Args:
        descriptor: of the type.
    """

    __slots__ = ("_plans", "_root")

    def __init__(self, descriptor: Any) -> None:
        self._root: str = descriptor.full_name
        fields: dict[str, list[tuple[Any, str, Any]]] = {}
        _gather(descriptor, fields)
        having = {_WRAPPER}
        found = True
        while found:  # a type has bytes if one that it holds has: until there are no more of them
            found = False
            for name, held in fields.items():
                if name not in having and any(
                    kind is None or kind.full_name in having for _, _, kind in held
                ):
                    having.add(name)
                    found = True
        self._plans = {
            name: {
                key: (how, None if kind is None or kind.full_name == _WRAPPER else kind.full_name)
                for field, how, kind in held
                if kind is None or kind.full_name in having
                for key in (field.json_name, field.name)
            }
            for name, held in fields.items()
            if name in having
        }

    def __bool__(self) -> bool:
        return self._root in self._plans or self._root == _WRAPPER

    def faults(self, value: Any, most: int) -> list[Violation]:
        """What is no base64 in a value that protobuf has taken; `most` of it at most."""
        found: list[Violation] = []
        waiting = [(value, "", None if self._root == _WRAPPER else self._root)]
        while waiting and len(found) < most:
            given, at, kind = waiting.pop()
            if kind is None:
                if isinstance(given, str) and not is_base64(given):
                    found.append(Violation(at, WRONG, "type"))
            elif isinstance(given, dict):
                plan = self._plans[kind]
                waiting += [
                    each
                    for key in given.keys() & plan.keys()
                    for each in _held(given[key], f"{at}/{key}", *plan[key])
                ]
        return found


def _gather(descriptor: Any, fields: dict[str, list[tuple[Any, str, Any]]]) -> None:
    """The fields of a type, and of those that it holds, which are bytes or messages."""
    if descriptor.full_name in fields or descriptor.full_name == _WRAPPER:
        return
    held = fields[descriptor.full_name] = []
    for field in descriptor.fields:
        inner, how = field, "one"
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            inner, how = field.message_type.fields_by_name["value"], "map"
        elif field.is_repeated:
            how = "list"
        if inner.message_type is not None:
            held.append((field, how, inner.message_type))
            _gather(inner.message_type, fields)
        elif inner.type == inner.TYPE_BYTES:
            held.append((field, how, None))


def _held(given: Any, at: str, how: str, kind: str | None) -> list[tuple[Any, str, str | None]]:
    if how == "list" and isinstance(given, list):
        return [(each, f"{at}/{index}", kind) for index, each in enumerate(given)]
    if how == "map" and isinstance(given, dict):
        return [(each, f"{at}/{_escaped(key)}", kind) for key, each in given.items()]
    return [(given, at, kind)]


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
