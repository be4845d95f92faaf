"""How one parameter is taken out of its part of a request.

A part is what its source looks like once for a call: the pairs of the query, the fields of the head,
the cookies, the form, the parameters of the path. What is taken from it is raw (text, a list of
texts, texts by field of a model, files) or `ABSENT`, and then checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_origin

import msgspec

from mainstay.core.signature import MISSING
from mainstay.errors import Violation
from mainstay.http.checks import REFUSED, check_of, prepared_faults, text_of
from mainstay.http.faults import below, missing, of_message, of_pydantic
from mainstay.http.fields import Field
from mainstay.http.shapes import Kind, unwrap

__all__ = ["ABSENT", "Absent", "Taker", "default_of"]

ABSENT: Final[Any] = object()
"""What is taken where there is nothing."""


class Absent(ValueError):
    """A required value is not there."""


def default_of(field: Field) -> Callable[[], Any]:
    """What makes the value for a request without one; raises `Absent` when it is required."""
    if field.default_factory is not None:
        return field.default_factory
    default = field.default
    if default is MISSING:
        return _absent
    if isinstance(default, list | dict | set):
        # The next call must not see what this one did to it.
        return default.copy
    return lambda: default


def _absent() -> Any:
    raise Absent


class Taker:
    """Takes the value of one field.

    Attributes:
        field: which.
        get: the raw value in the part, or `ABSENT`.
        check: who checks it; None for files.
        default: see `default_of`.
    """

    __slots__ = ("_members", "_names", "check", "default", "field", "get")

    def __init__(self, field: Field) -> None:
        self.field = field
        self.default = default_of(field)
        self.check = None if field.shape.kind is Kind.OTHER else check_of(field.shape)
        self._members = [_MemberTaker.of(member) for member in field.members]
        self._names = {each.field.parameter: each.field.key for each in self._members}
        self.get: Callable[[Any], Any] = self._get_members if self._members else _getter(field)

    def take(self, part: Any) -> Any:
        """The value. Raises: one of `REFUSED`, of which `Absent` is one."""
        raw = self.get(part)
        if raw is ABSENT:
            return self.default()
        if self.check is None:
            return raw
        if self._members:
            return self.check.from_members(self._prepared(raw))
        if isinstance(raw, list):
            return self.check.from_texts(raw)
        return self.check.from_text(raw)

    def faults(self, part: Any) -> list[Violation]:
        """Everything that is wrong with it."""
        field = self.field
        raw = self.get(part)
        if raw is ABSENT:
            return [missing(field.pointer)] if field.required else []
        if self.check is None:
            return []
        if self._members:
            return self._member_faults(raw)
        return self.check.faults(raw, field.pointer)

    def json_faults(self, body: bytes) -> list[Violation]:
        """The same for a JSON document. Raises: Malformed."""
        assert self.check is not None
        return self.check.json_faults(body, self.field.pointer)

    # --- models ---------------------------------------------------------------------------------

    def _get_members(self, part: Any) -> Any:
        raw = {}
        for member in self._members:
            value = member.get(part)
            if value is not ABSENT:
                raw[member.field.parameter] = value
        # A model that is optional as a whole is absent when nothing of it is there.
        return raw if raw or self.field.required else ABSENT

    def _prepared(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.field.shape.pydantic:
            return raw
        return {
            member.field.parameter: member.prepared(raw[member.field.parameter])
            for member in self._members
            if member.field.parameter in raw
        }

    def _member_faults(self, raw: Mapping[str, Any]) -> list[Violation]:
        pointer = self.field.pointer
        found = []
        if not self.field.shape.pydantic:
            for member in self._members:
                name = member.field.parameter
                if name in raw:
                    found += member.faults(raw[name])
                elif member.field.required:
                    found.append(missing(member.field.pointer))
        if found:
            return found
        assert self.check is not None
        try:
            self.check.from_members(self._prepared(raw))
        except msgspec.ValidationError as error:
            return [of_message(str(error), pointer)]
        except REFUSED as error:
            if not hasattr(error, "errors"):
                raise
            return [self._named(each) for each in of_pydantic(error, pointer)]
        return []

    def _named(self, violation: Violation) -> Violation:
        """With the name that the request uses, where the model has another."""
        start, _, rest = violation.pointer.removeprefix(self.field.pointer + "/").partition("/")
        if start not in self._names:
            return violation
        pointer = below(self.field.pointer, self._names[start]) + (f"/{rest}" if rest else "")
        return Violation(pointer, violation.detail, violation.code)


@dataclass(frozen=True, slots=True)
class _MemberTaker:
    field: Field
    get: Callable[[Any], Any]
    prepare: Callable[[str], Any] | None

    @classmethod
    def of(cls, field: Field) -> _MemberTaker:
        core = field.shape.core
        if field.shape.kind is Kind.SCALARS:
            core = unwrap(core).__args__[0]
        return cls(field, _getter(field), text_of(core))

    def prepared(self, raw: Any) -> Any:
        if self.prepare is None:
            return raw
        return [self.prepare(each) for each in raw] if isinstance(raw, list) else self.prepare(raw)

    def faults(self, raw: Any) -> list[Violation]:
        return prepared_faults(raw, self.prepare, self.field.shape.core, self.field.pointer)


# --- getters: from a part to the raw value ------------------------------------------------------


def _getter(field: Field) -> Callable[[Any], Any]:
    key = field.key
    several = field.shape.kind is Kind.SCALARS
    match field.source:
        case "path" | "cookie":
            return lambda part: part.get(key, ABSENT)
        case "query":
            return _all_of(key) if several else _first_of(key)
        case "header":
            return _header(key.encode("latin-1"), several=several)
        case "form" if several:
            return _all_of(key)
        case "form":
            return _form_field(field)
        case "json":
            return lambda part: part or ABSENT
        case "file":
            return _files(key, several=get_origin(field.shape.core) is list)
    raise AssertionError(field.source)


def _first_of(key: str) -> Callable[[Sequence[tuple[str, str]]], Any]:
    def get(part: Sequence[tuple[str, str]]) -> Any:
        for name, value in part:
            if name == key:
                return value
        return ABSENT

    return get


def _all_of(key: str) -> Callable[[Sequence[tuple[str, str]]], Any]:
    return lambda part: [value for name, value in part if name == key] or ABSENT


def _header(key: bytes, *, several: bool) -> Callable[[Sequence[tuple[bytes, bytes]]], Any]:
    def first(part: Sequence[tuple[bytes, bytes]]) -> Any:
        for name, value in part:
            if name == key:
                return value.decode("latin-1")
        return ABSENT

    def every(part: Sequence[tuple[bytes, bytes]]) -> Any:
        lines = [value.decode("latin-1") for name, value in part if name == key]
        return [item for line in lines for item in _listed(line)] or ABSENT

    return every if several else first


def _listed(line: str) -> list[str]:
    """The members of a comma-separated list; commas in quotes do not count (RFC 9110 §5.6.1)."""
    pieces = line.split(",")
    if '"' in line:
        pieces = _outside_quotes(line)
    return [piece.strip() for piece in pieces if piece.strip()]


def _outside_quotes(line: str) -> list[str]:
    # Not a regular expression: what a peer writes must not cost more than its length.
    pieces = []
    start = 0
    quoted = escaped = False
    for index, letter in enumerate(line):
        if escaped:
            escaped = False
        elif letter == '"':
            quoted = not quoted
        elif quoted:
            escaped = letter == "\\"
        elif letter == ",":
            pieces.append(line[start:index])
            start = index + 1
    return [*pieces, line[start:]]


def _form_field(field: Field) -> Callable[[Any], Any]:
    """Browsers send an empty text for a field that nobody filled in; for a number it is nothing."""
    first = _first_of(field.key)
    if _takes_empty(field):
        return first

    def get(part: Any) -> Any:
        raw = first(part)
        return ABSENT if raw == "" else raw

    return get


def _takes_empty(field: Field) -> bool:
    if unwrap(field.shape.core) is str:
        return True
    try:
        check_of(field.shape).from_text("")
    except REFUSED:
        return False
    return True


def _files(key: str, *, several: bool) -> Callable[[Any], Any]:
    if several:
        return lambda part: part.files.get_all(key) or ABSENT
    return lambda part: part.files.get(key) or ABSENT
