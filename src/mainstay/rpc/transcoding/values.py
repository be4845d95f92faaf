"""Values in paths and queries: from text to a field of a message, by the JSON of proto3.

A field can be bound if it is a scalar, an enum, or a message that JSON writes as one text: Timestamp,
Duration, FieldMask and the wrappers (google/api/http.proto: "leaf fields"). What can be done with a
field is found once and kept, by descriptor.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

__all__ = ["AS_TEXT", "WRAPPERS", "Leaf", "Names", "converter_of", "names_of"]

Converter = Callable[[str], Any]

_INTEGER: Final = re.compile(r"-?[0-9]{1,20}\Z")
_NUMBER: Final = re.compile(
    r"-?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?\Z"
)
_UNREAL: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_FLOAT_MOST: Final = 3.4028234663852886e38
"""The greatest number that a ``float`` of protobuf holds (IEEE 754 binary32)."""

AS_TEXT: Final = frozenset(
    {"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"}
)
WRAPPERS: Final = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)

_SIGNED_32: Final = (-(2**31), 2**31 - 1)
_SIGNED_64: Final = (-(2**63), 2**63 - 1)
_RANGES: Final = {
    FieldDescriptor.TYPE_INT32: _SIGNED_32,
    FieldDescriptor.TYPE_SINT32: _SIGNED_32,
    FieldDescriptor.TYPE_SFIXED32: _SIGNED_32,
    FieldDescriptor.TYPE_INT64: _SIGNED_64,
    FieldDescriptor.TYPE_SINT64: _SIGNED_64,
    FieldDescriptor.TYPE_SFIXED64: _SIGNED_64,
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}


class Leaf:
    """A field that text can be.

    Attributes:
        name: of the field.
        repeated: whether there may be several.
        oneof: the name of what it is one of; None for a field of its own.
    """

    __slots__ = ("_convert", "_copied", "name", "oneof", "repeated")

    def __init__(self, field: FieldDescriptor, convert: Converter) -> None:
        self.name = field.name
        self.repeated = bool(field.is_repeated)
        oneof = field.containing_oneof
        self.oneof: str | None = None
        if oneof is not None and len(oneof.fields) > 1:
            self.oneof = oneof.name
        self._convert = convert
        self._copied = field.message_type is not None

    def put(self, message: Any, text: str) -> None:
        """Set the field of `message`, or add to it. Raises: ValueError that says what is expected."""
        value = self._convert(text)
        if self.repeated:
            getattr(message, self.name).append(value)
        elif self._copied:
            getattr(message, self.name).CopyFrom(value)
        else:
            setattr(message, self.name, value)


class Names:
    """The fields of a message by both of their names: as in the ``.proto``, and as in JSON.

    Args:
        descriptor: of the message.
    """

    __slots__ = ("_found", "descriptor")

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor
        self._found: dict[str, FieldDescriptor] = {}
        for field in descriptor.fields:
            self._found[field.json_name] = field
        for field in descriptor.fields:
            self._found[field.name] = field

    def resolve(self, path: str) -> tuple[list[FieldDescriptor], Leaf] | None:
        """The fields on the way to a leaf, and it; None if there is no such leaf."""
        names: Names = self
        way: list[FieldDescriptor] = []
        parts = path.split(".")
        for part in parts[:-1]:
            field = names._found.get(part)
            if field is None or field.message_type is None or field.is_repeated:
                return None
            way.append(field)
            names = names_of(field.message_type)
        last = names._found.get(parts[-1])
        if last is None:
            return None
        convert = converter_of(last)
        return None if convert is None else (way, Leaf(last, convert))

    def field(self, name: str) -> FieldDescriptor | None:
        """A field by one of its names."""
        return self._found.get(name)


_names: Final[dict[Descriptor, Names]] = {}


def names_of(descriptor: Descriptor) -> Names:
    """The names of a message, kept for as long as the program runs; there are as many as types."""
    found = _names.get(descriptor)
    if found is None:
        found = _names[descriptor] = Names(descriptor)
    return found


def converter_of(field: FieldDescriptor) -> Converter | None:
    """What makes a value of text, which raises ValueError; None for what is never one text."""
    kind = field.type
    if kind in _RANGES:
        return _integer(*_RANGES[kind])
    if kind == FieldDescriptor.TYPE_DOUBLE:
        return _double
    if kind == FieldDescriptor.TYPE_FLOAT:
        return _float
    if kind == FieldDescriptor.TYPE_BOOL:
        return _boolean
    if kind == FieldDescriptor.TYPE_STRING:
        return str
    if kind == FieldDescriptor.TYPE_BYTES:
        return _bytes
    if kind == FieldDescriptor.TYPE_ENUM:
        return _enum(field)
    if field.message_type is None:
        return None
    name = field.message_type.full_name
    if name in AS_TEXT:
        return _well_known(field.message_type)
    if name in WRAPPERS:
        return _wrapped(field.message_type)
    return None


def _integer(low: int, high: int) -> Converter:
    def convert(text: str) -> int:
        value = int(text) if _INTEGER.match(text) else None
        if value is None or not low <= value <= high:
            raise ValueError(f"this is an integer from {low} to {high}")
        return value

    return convert


def _double(text: str) -> float:
    if text in _UNREAL:
        return _UNREAL[text]
    value = float(text) if _NUMBER.match(text) else None
    if value is None or value in (float("inf"), float("-inf")):
        raise ValueError("this is a number")
    return value


def _float(text: str) -> float:
    value = _double(text)
    if text not in _UNREAL and abs(value) > _FLOAT_MOST:
        raise ValueError("this is a number of 32 bits")
    return value


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("this is true or false")
    return text == "true"


def _bytes(text: str) -> bytes:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("this is base64, of either alphabet") from None


def _enum(field: FieldDescriptor) -> Converter:
    enum: Any = field.enum_type
    by_name: dict[str, int] = {value.name: value.number for value in enum.values}
    numbers = set(by_name.values())
    first = ", ".join(list(by_name)[:5])
    closed = bool(enum.is_closed)

    def convert(text: str) -> int:
        found = by_name.get(text)
        if found is not None:
            return found
        number = int(text) if _INTEGER.match(text) else None
        if number is None or not _SIGNED_32[0] <= number <= _SIGNED_32[1]:
            raise ValueError(f"this is one of {first}{', …' if len(by_name) > 5 else ''}")  # noqa: PLR2004
        if closed and number not in numbers:
            raise ValueError(f"{enum.name} has no value {number}")
        return number

    return convert


def _well_known(descriptor: Descriptor) -> Converter:
    cls: Any = GetMessageClass(descriptor)
    said = {
        "Timestamp": 'a time by RFC 3339, such as "2026-01-31T12:00:00Z"',
        "Duration": 'seconds with an s, such as "1.5s"',
        "FieldMask": 'names of fields with commas between, such as "title,author.name"',
    }[descriptor.name]

    def convert(text: str) -> Any:
        made = cls()
        try:
            made.FromJsonString(text)
        except (ValueError, OverflowError):
            raise ValueError(f"this is {said}") from None
        return made

    return convert


def _wrapped(descriptor: Descriptor) -> Converter:
    cls: Any = GetMessageClass(descriptor)
    inner = converter_of(descriptor.fields_by_name["value"])
    assert inner is not None

    def convert(text: str) -> Any:
        return cls(value=inner(text))

    return convert
