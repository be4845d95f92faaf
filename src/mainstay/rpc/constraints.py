"""What values a field may have, as its annotation says it, for those who read schemas.

Descriptors do not keep constraints; whoever reads annotations leaves them here, as with comments.
They are enforced by the codecs of `mainstay.rpc.schema`, and by pydantic for its own classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["NAMES", "Constraints", "constraints_of", "constraints_said", "keep_constraints"]

_WORDS: Final[Mapping[str, str]] = {
    "ge": "at least",
    "gt": "above",
    "le": "at most",
    "lt": "below",
    "multiple_of": "a multiple of",
    "min_length": "of length at least",
    "max_length": "of length at most",
    "pattern": "matching",
}
NAMES: Final = tuple(_WORDS)
"""Of constraints, in msgspec's words, which are pydantic's as well."""

_NUMBER: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_KEYWORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "integer": _NUMBER,
    "number": _NUMBER,
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
}

_kept: Final[dict[Any, dict[str, Constraints]]] = {}


@dataclass(slots=True)
class Constraints:
    """Of one field: names of `NAMES` with their values.

    Attributes:
        own: of its value, or of its list or map as a whole.
        inner: of each value in its list or map.
    """

    own: dict[str, Any] = field(default_factory=dict)
    inner: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.own or self.inner)

    def fill(self, schema: dict[str, Any]) -> Constraints:
        """Say them in the JSON schema of the field; those that it has no keyword for are left: what
        is text in JSON and something else in protobuf has no limits there."""
        within = schema.get("items") or schema.get("additionalProperties")
        inner = within if isinstance(within, dict) else {}
        return Constraints(_filled(self.own, schema), _filled(self.inner, inner))

    def __str__(self) -> str:
        said = [_sentence("", self.own), _sentence("each ", self.inner)]
        return " ".join(each for each in said if each)


def _filled(constraints: Mapping[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    left = {}
    # A number of 64 bits, and bytes, are text in JSON.
    is_other = "format" in schema or "contentEncoding" in schema
    kind = schema.get("type", "")
    keywords: Mapping[str, str] = {}
    if isinstance(kind, str) and not (kind == "string" and is_other):
        keywords = _KEYWORDS.get(kind, {})
    for name, value in constraints.items():
        if name in keywords:
            schema[keywords[name]] = value
        else:
            left[name] = value
    return left


def _sentence(subject: str, constraints: Mapping[str, Any]) -> str:
    if not constraints:
        return ""
    parts = [f"{_WORDS[name]} {value}" for name, value in constraints.items()]
    said = subject + ", ".join(parts)
    return f"{said[0].upper()}{said[1:]}."


def keep_constraints(pool: Any, constraints: Iterable[tuple[str, Constraints]]) -> None:
    """Keep constraints, and with them their pool, which cannot be referred to weakly.

    Args:
        pool: of the types.
        constraints: with the full name of the field each, such as ``hello.v1.HelloRequest.name``.
    """
    _kept.setdefault(pool, {}).update((name, each) for name, each in constraints if each)


def constraints_of(field: Any) -> Constraints:
    """Those of a field, by its descriptor; empty for none."""
    return _kept.get(field.file.pool, {}).get(field.full_name) or Constraints()


def constraints_said(field: Any, schema: dict[str, Any]) -> str:
    """Say the constraints of a field in its JSON schema; returns what is left to say in words."""
    found = constraints_of(field)
    return str(found.fill(schema)) if found else ""
