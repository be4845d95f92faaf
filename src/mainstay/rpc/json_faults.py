"""What is wrong with JSON that protobuf refuses, by field.

protobuf's own text says it for whoever develops the server, and differs by version. So JSON that was
refused is looked at again by the descriptors: one walk over what the peer has sent, which costs no
more than the parser itself, and ends after `MOST` faults. The parser decides; this names.

Unknown members are skipped; a name that an enumeration does not have is a fault, since there is no
value that could stand for it (protobuf.dev, programming-guides/json, leaves it to the parser).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from mainstay.errors import ValidationFailed, Violation
from mainstay.rpc.json_base64 import Base64Fields, is_base64
from mainstay.rpc.long_messages import weigh_json

__all__ = ["MOST", "parse_json", "read_json"]

MOST: Final = 50
"""Faults told of one message."""

_REFUSALS: Final = (
    json_format.Error,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    KeyError,
    RecursionError,
)
"""What protobuf raises for JSON that it refuses; the last three are for odd shapes."""

_RANGES: Final[Mapping[int, tuple[int, int]]] = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS: Final = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
_DIGITS: Final = 400
"""Characters of a number that is written as text; of a longer one it is said that it is none."""
_DEEP: Final = 100
"""Messages within one another, of which protobuf's parser takes no more either."""
_LONGEST: Final = 100
"""Characters of a key that are told."""
_FLOAT_MOST: Final = 3.4028234663852886e38
"""The greatest number that a ``float`` of protobuf holds (IEEE 754 binary32)."""
_FAR: Final = 1000
"""Characters of a pointer from which it is not made longer."""
_FIRST: Final = 5
"""Values of an enumeration that are named."""

_EXPECTED: Final[Mapping[int, str]] = {
    FieldDescriptor.CPPTYPE_INT32: "this is an integer of 32 bits",
    FieldDescriptor.CPPTYPE_UINT32: "this is an integer of 32 bits, and not negative",
    FieldDescriptor.CPPTYPE_INT64: "this is an integer of 64 bits",
    FieldDescriptor.CPPTYPE_UINT64: "this is an integer of 64 bits, and not negative",
    FieldDescriptor.CPPTYPE_DOUBLE: "this is a number",
    FieldDescriptor.CPPTYPE_FLOAT: "this is a number of 32 bits",
    FieldDescriptor.CPPTYPE_BOOL: "this is true or false",
    FieldDescriptor.CPPTYPE_STRING: "this is a string",
}
_WELL_KNOWN: Final[Mapping[str, str]] = {
    "Timestamp": 'this is a time by RFC 3339, such as "2026-01-31T12:00:00Z"',
    "Duration": 'this is seconds with an s, such as "1.5s"',
    "FieldMask": 'this is names of fields with commas between, such as "title,author.name"',
    "Any": 'this is an object whose "@type" names a message that is known here',
    "Struct": "this is an object",
    "ListValue": "this is a list",
}


def read_json(data: bytes, limit: int | None = None) -> Any:
    """What JSON says.

    Args:
        data: its bytes.
        limit: elements that it may have, if it is long; None for any number.

    Raises: ValueError for what is none, for people on the other side; TooLarge.
    """
    value = _read(data)
    if limit is not None:
        weigh_json(data, value, limit)
    return value


def _read(data: bytes) -> Any:
    try:
        return json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        said = f"{error.msg} in line {error.lineno}, column {error.colno}"
        raise ValueError(f"it is no JSON: {said}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except _OddError:
        raise
    except ValueError:  # of the interpreter (sys.set_int_max_str_digits)
        raise ValueError("it has a number of too many digits") from None


class _OddError(ValueError):
    """What JSON can say, and nobody means."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _OddError("a key is there twice")
    return made


def _refuse(name: str) -> Any:
    raise _OddError(f"it is no JSON: {name} is text there")


def parse_json(value: Any, message: Any, pool: Any, base64: Base64Fields | None = None) -> None:
    """Fill `message` with what a value of JSON holds.

    Args:
        value: see `read_json`.
        message: without anything in it.
        pool: in which the messages of an ``Any`` are.
        base64: of the type of the message, if it was made before.

    Raises: ValidationFailed that names what is wrong, with pointers into the value; ValueError where
    that cannot be named.
    """
    try:
        json_format.ParseDict(value, message, descriptor_pool=pool)
    except _REFUSALS:
        pass  # perhaps for a member that nobody knows, and nothing else
    else:
        found = _bytes_faults(value, message, base64)
        if found:
            raise ValidationFailed(found)
        return
    walk = _Walk(pool)
    message.Clear()
    try:
        json_format.ParseDict(value, message, ignore_unknown_fields=True, descriptor_pool=pool)
    except _REFUSALS:
        found = walk.faults(value, message.DESCRIPTOR)
        if not found:
            raise ValueError(f"it has not the shape of {message.DESCRIPTOR.name}") from None
    else:
        walk.enums_only = True
        found = walk.faults(value, message.DESCRIPTOR) or _bytes_faults(value, message, base64)
    if found:
        raise ValidationFailed(found)


def _bytes_faults(value: Any, message: Any, base64: Base64Fields | None) -> list[Violation]:
    fields = Base64Fields(message.DESCRIPTOR) if base64 is None else base64
    return fields.faults(value, MOST) if fields else []


class _Walk:
    """One look at a value of JSON that was refused.

    Args:
        pool: in which the messages of an ``Any`` are.

    Attributes:
        enums_only: whether all else is known to be right.
    """

    __slots__ = ("_pool", "enums_only")

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.enums_only = False

    def faults(self, value: Any, descriptor: Descriptor) -> list[Violation]:
        """What is wrong, as far as it can be named."""
        if _is_known(descriptor):
            return []
        return list(islice(self._message(value, descriptor, "", _DEEP), MOST))

    def _message(
        self, value: Any, descriptor: Descriptor, at: str, deep: int
    ) -> Iterator[Violation]:
        if not isinstance(value, dict):
            yield Violation(at, "this is an object", "type")
            return
        if not deep:
            yield Violation(at, "this is nested too deeply")
            return
        by_json = {each.json_name: each for each in descriptor.fields}
        by_name: Any = descriptor.fields_by_name
        taken: set[str] = set()
        for key, given in value.items():
            field = by_json.get(key) or by_name.get(key)
            if field is None or given is None:
                continue
            place = _under(at, key)
            oneof = field.containing_oneof
            if oneof is not None:
                if oneof.name in taken:
                    yield Violation(place, f"another one of {oneof.name!r} is given")
                    continue
                taken.add(oneof.name)
            yield from self._field(given, field, place, deep)

    def _field(self, given: Any, field: FieldDescriptor, at: str, deep: int) -> Iterator[Violation]:
        kind: Any = field.message_type
        if not field.is_repeated:
            yield from self._one(given, given, field, at, deep)
        elif kind is not None and kind.GetOptions().map_entry:
            if not isinstance(given, dict):
                yield Violation(at, "this is an object", "type")
                return
            for key, each in given.items():
                inner = kind.fields_by_name["value"]
                yield from self._key(key, kind.fields_by_name["key"], at)
                yield from self._one(each, each, inner, _under(at, key), deep)
        elif not isinstance(given, list):
            yield Violation(at, "this is a list", "type")
        else:
            for index, each in enumerate(given):
                yield from self._one(each, [each], field, f"{at}/{index}", deep)

    def _key(self, key: str, field: FieldDescriptor, at: str) -> Iterator[Violation]:
        truth = field.cpp_type == FieldDescriptor.CPPTYPE_BOOL
        if not (key in ("true", "false") if truth else _is_scalar(key, field)):
            yield Violation(_under(at, key), f"of the name: {_expected(field)}", "type")

    def _one(
        self, given: Any, alone: Any, field: FieldDescriptor, at: str, deep: int
    ) -> Iterator[Violation]:
        """One value; `alone` is what its field would be, were it the only one."""
        kind = field.message_type
        if kind is not None and not _is_known(kind):
            yield from self._message(given, kind, at, deep - 1)
            return
        if kind is not None:
            fits = self.enums_only or self._parses(alone, field, unknown=True)
        elif field.enum_type is not None:
            fits = _is_named(given, field.enum_type) or self._parses(alone, field, unknown=False)
        else:
            fits = self.enums_only or _is_scalar(given, field)
        if not fits:
            yield Violation(at, _expected(field), "type")

    def _parses(self, alone: Any, field: FieldDescriptor, *, unknown: bool) -> bool:
        """Whether protobuf takes it."""
        owner: Any = field.containing_type
        message = GetMessageClass(owner)()
        try:
            json_format.ParseDict(
                {field.json_name: alone},
                message,
                ignore_unknown_fields=unknown,
                descriptor_pool=self._pool,
            )
        except _REFUSALS:
            return False
        return True


def _under(at: str, key: str) -> str:
    if len(at) > _FAR:
        return at
    if len(key) > _LONGEST:
        key = key[:_LONGEST] + "…"
    return f"{at}/{key.replace('~', '~0').replace('/', '~1')}"


def _is_known(kind: Any) -> bool:
    """Whether JSON has a form of its own for it."""
    return kind.file.package == "google.protobuf" and (
        kind.name in _WELL_KNOWN or kind.name.endswith("Value")
    )


def _is_named(given: Any, enum: Any) -> bool:
    if isinstance(given, str):
        return given in enum.values_by_name
    return isinstance(given, int) and given in enum.values_by_number


def _is_scalar(given: Any, field: FieldDescriptor) -> bool:
    """Whether protobuf takes it for a number, a text or a truth."""
    kind = field.cpp_type
    if kind in _RANGES:
        low, high = _RANGES[kind]
        number = _number(given)
        return number is not None and number == number // 1 and low <= number <= high
    if kind in _FLOATS:
        if given in ("NaN", "Infinity", "-Infinity") or given is True or given is False:
            return True
        number = _number(given)
        return number is not None and (kind == _FLOATS[1] or abs(number) <= _FLOAT_MOST)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return isinstance(given, bool)
    return isinstance(given, str) and _is_text(given, field)


def _number(given: Any) -> int | float | None:
    """A finite number, which may be written as text."""
    if isinstance(given, bool) or (isinstance(given, str) and len(given) > _DIGITS):
        return None
    try:
        number = float(given)
        if number - number != 0:  # infinite, or none
            return None
        return int(given) if isinstance(given, int) else _exact(given, number)
    except (TypeError, ValueError, OverflowError):
        return None


def _exact(given: Any, number: float) -> int | float:
    try:
        return int(given) if isinstance(given, str) else number
    except ValueError:
        return number


def _is_text(given: str, field: FieldDescriptor) -> bool:
    try:
        given.encode()  # which half a surrogate pair cannot be
    except ValueError:
        return False
    return field.type != FieldDescriptor.TYPE_BYTES or is_base64(given)


def _expected(field: FieldDescriptor) -> str:
    kind: Any = field.message_type
    if kind is not None:
        if kind.name in _WELL_KNOWN:
            return _WELL_KNOWN[kind.name]
        inner = kind.fields_by_name.get("value")  # a wrapper's
        return "this is a value of JSON" if inner is None else _expected(inner)
    if field.enum_type is not None:
        names = [each.name for each in field.enum_type.values]
        return f"this is one of {', '.join(names[:_FIRST])}{', …' if len(names) > _FIRST else ''}"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "this is base64"
    return _EXPECTED[field.cpp_type]
