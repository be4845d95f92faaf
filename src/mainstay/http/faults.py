"""Every fault of a value, where msgspec stops at the first.

Runs only when a request was refused already. The value is looked at from the top: what converts as a
whole is right; what does not is looked at field by field and item by item, down to the value that
is wrong. What is wrong with the whole, when every part is right (a length, a check of the class's
own), is said of the whole.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec

from mainstay.errors import Violation
from mainstay.http.models import members_of
from mainstay.http.shapes import is_model, item_of, unwrap

__all__ = ["MOST", "below", "faults_of", "missing", "of_message", "of_pydantic"]

MOST: Final = 50
"""Violations told of one request; its peer mends these first."""

_DEEPEST: Final = 64
_WORK: Final = 16 * 1024 * 1024
"""Bytes of JSON to convert, about a quarter of a second: each level may convert all of it again.

Below the depth that this allows, one fault is told for each part, the first."""
_LONGEST_KEY: Final = 100
_MOST_VALUES: Final = 20
"""Of an enumeration, that are told."""

_AT: Final = re.compile(r" - at `(key in )?(\$.*)`\Z", re.DOTALL)
_INDEX: Final = re.compile(r" - at `\$\[(\d+)\][^`]*`\Z")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_MISSING: Final = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_CODES: Final = (
    ("unknown", re.compile(r"Object contains unknown field")),
    ("length", re.compile(r".* of (at least |at most )?length|Expected `array` of")),
    ("pattern", re.compile(r".* matching regex")),
    ("range", re.compile(r"Expected `[^`]*` (>|<|that's)|.*out of range")),
    ("type", re.compile(r"Expected `")),
    ("choice", re.compile(r"Invalid (enum )?value")),
    ("format", re.compile(r"Invalid ")),
)


def below(pointer: str, *keys: object) -> str:
    """The JSON pointer to what `keys` name below `pointer` (RFC 6901 §3)."""
    for key in keys:
        said = str(key)
        if len(said) > _LONGEST_KEY:
            said = said[:_LONGEST_KEY] + "…"
        pointer += "/" + said.replace("~", "~0").replace("/", "~1")
    return pointer


def of_message(message: str, pointer: str, *, text: bool = False) -> Violation:
    """A message of msgspec's as a violation; of text the type that was got says nothing."""
    found = _AT.search(message)
    if found is not None:
        message = message[: found.start()]
        steps = _STEP.findall(found[2])
        pointer = below(pointer, *(name or index for name, index in steps))
    if named := _MISSING.fullmatch(message):
        return missing(below(pointer, named[1]))
    if text:
        message = message.removesuffix(", got `str`")
    code = next((code for code, pattern in _CODES if pattern.match(message)), "value")
    return Violation(pointer, message, code)


def of_pydantic(error: Any, pointer: str) -> list[Violation]:
    """What pydantic found, which is everything."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        Violation(below(pointer, *each["loc"]), each["msg"], each["type"]) for each in found[:MOST]
    ]


def faults_of(
    value: Any, annotation: Any, pointer: str, *, text: bool = False, size: int = 0
) -> list[Violation]:
    """What is wrong with `value`, which was decoded without types; empty when nothing is.

    Args:
        value: made of dicts, lists and scalars.
        annotation: what it should be.
        pointer: where it stands.
        text: whether its scalars are text, to be converted.
        size: bytes that it came in, which bound the search.
    """
    search = _Search(text=text, deepest=max(2, min(_DEEPEST, _WORK // (size + 1))))
    search.look(value, annotation, pointer, 0)
    return search.found


class _Search:
    def __init__(self, *, text: bool, deepest: int) -> None:
        self.found: list[Violation] = []
        self._text = text
        self._deepest = deepest

    def look(self, value: Any, annotation: Any, pointer: str, depth: int) -> None:
        if len(self.found) >= MOST:
            return
        try:
            msgspec.convert(value, annotation, strict=not self._text, str_keys=True)
        except msgspec.ValidationError as error:
            message = str(error)
        except RecursionError:
            message = "nested too deeply"
        else:
            return
        before = len(self.found)
        if depth < self._deepest:
            self._look_inside(value, _chosen(annotation, value), pointer, depth + 1)
        if len(self.found) == before:
            found = of_message(message, pointer, text=self._text)
            if (
                found.code == "choice"
                and found.pointer == pointer
                and (known := _values_of(annotation))
            ):
                found = Violation(pointer, f"{found.detail}; there are {known}", found.code)
            self.found.append(found)

    def _look_inside(self, value: Any, annotation: Any, pointer: str, depth: int) -> None:
        plain = unwrap(annotation)
        if isinstance(value, dict):
            if is_model(plain):
                self._look_at_fields(value, plain, pointer, depth)
            elif get_origin(plain) is not None and _is(plain, Mapping) and len(get_args(plain)) > 1:
                kind = get_args(plain)[1]
                self._look_at_items([*value.values()], [*value], kind, pointer, depth)
        elif isinstance(value, list):
            if _is(plain, tuple) and get_args(plain)[-1:] != (Ellipsis,):
                for index, (each, kind) in enumerate(zip(value, get_args(plain), strict=False)):
                    self.look(each, kind, below(pointer, index), depth)
            elif _is(plain, (Sequence, set, frozenset)) or hasattr(plain, "__args__"):
                self._look_at_items(value, range(len(value)), item_of(plain), pointer, depth)

    def _look_at_items(
        self, values: list[Any], keys: Sequence[Any], kind: Any, pointer: str, depth: int
    ) -> None:
        # Item by item would take seconds for a long list with one fault at its end.
        start = 0
        while start < len(values) and len(self.found) < MOST:
            bad = self._first_bad(values[start:], kind)
            if bad is None:
                return
            start += bad
            self.look(values[start], kind, below(pointer, keys[start]), depth)
            start += 1

    def _first_bad(self, values: list[Any], kind: Any) -> int | None:
        try:
            msgspec.convert(values, list[kind], strict=not self._text, str_keys=True)
        except msgspec.ValidationError as error:
            found = _INDEX.search(str(error))
            index = 0 if found is None else int(found[1])
            return index if index < len(values) else 0
        except RecursionError:
            return 0
        return None

    def _look_at_fields(self, value: dict[str, Any], model: Any, pointer: str, depth: int) -> None:
        config = getattr(get_origin(model) or model, "__struct_config__", None)
        members = members_of(model)
        for member in members:
            if member.key in value:
                self.look(value[member.key], member.annotation, below(pointer, member.key), depth)
            elif member.required and len(self.found) < MOST:
                self.found.append(missing(below(pointer, member.key)))
        if config is not None and config.forbid_unknown_fields:
            known = {member.key for member in members} | {config.tag_field}
            for key in value:
                if key not in known and len(self.found) < MOST:
                    self.found.append(
                        Violation(below(pointer, key), "there is no such field", "unknown")
                    )


def _values_of(annotation: Any) -> str:
    """The values that an enumeration or a literal has, as in its message; empty for other types."""
    plain = unwrap(annotation)
    if get_origin(plain) is Literal:
        values = [repr(each) for each in get_args(plain)]
    elif isinstance(plain, type) and issubclass(plain, Enum):
        values = [repr(each.value) for each in plain]
    elif get_origin(plain) in (Union, types.UnionType):
        return next(filter(None, map(_values_of, get_args(plain))), "")
    else:
        return ""
    return ", ".join(values[:_MOST_VALUES]) + (", …" if len(values) > _MOST_VALUES else "")


def missing(pointer: str) -> Violation:
    """A required value is not there."""
    return Violation(pointer, "this is required", "missing")


def _is(annotation: Any, kinds: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, kinds) and origin is not str


def _chosen(annotation: Any, value: Any) -> Any:
    """Of a union, the option that `value` was meant for, if that can be told."""
    plain = unwrap(annotation)
    if get_origin(plain) not in (Union, types.UnionType):
        return plain
    options = [unwrap(each) for each in get_args(plain)]
    if isinstance(value, dict):
        fitting = [each for each in options if is_model(each) or _is(each, Mapping)]
        fitting = [each for each in fitting if not _has_another_tag(each, value)]
    elif isinstance(value, list):
        fitting = [each for each in options if _is(each, (Sequence, set, frozenset))]
    else:
        fitting = []
    return fitting[0] if len(fitting) == 1 else None


def _has_another_tag(model: Any, value: dict[str, Any]) -> bool:
    config = getattr(get_origin(model) or model, "__struct_config__", None)
    return (
        config is not None
        and config.tag_field is not None
        and value.get(config.tag_field) != config.tag
    )
