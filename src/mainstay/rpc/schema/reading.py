"""From annotations to shapes: which field is what on the wire, and which number it has.

Numbers are what makes messages of yesterday readable tomorrow, so their rule is short: a field has
the number after that of the field before it, unless `Field` says which; numbers in ``__reserved__``
are stepped over. Fields are added at the end, and one that goes leaves its number reserved.
"""

from __future__ import annotations

import re
import types
import typing
from collections import abc
from collections.abc import Iterable, Iterator
from enum import Enum, Flag
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from google.protobuf.message import Message
from msgspec import Meta

from mainstay.core.signature import say_type
from mainstay.errors import WiringError
from mainstay.rpc.constraints import NAMES, Constraints
from mainstay.rpc.schema.marker import Field
from mainstay.rpc.schema.models import MISSING, Member, is_model, members_of, reserved_of
from mainstay.rpc.schema.shapes import EnumShape, FieldShape, Item, MessageShape, Option
from mainstay.rpc.schema.values import CONVERSIONS

__all__ = ["Reader", "constraints_in", "is_checked"]

_SCALARS: Final = {str: "string", bytes: "bytes", bool: "bool", int: "int64", float: "double"}
_INTS: Final = frozenset(
    {
        *("int32", "int64", "uint32", "uint64", "sint32", "sint64"),
        *("fixed32", "fixed64", "sfixed32", "sfixed64"),
    }
)
_WIDTHS: Final = {int: _INTS, float: frozenset({"float", "double"})}
_LISTS: Final = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    abc.Sequence: list,
    abc.Collection: list,
    abc.Iterable: list,
    abc.Set: frozenset,
}
_MAPS: Final = frozenset({dict, abc.Mapping, abc.MutableMapping})
_KEYS: Final = frozenset({str, int, bool})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN: Final = frozenset(dir(Message))
_FIRST_RESERVED: Final = 19000
_AFTER_RESERVED: Final = 20000


class _Fault(Exception):
    """What is wrong with one field."""


class Reader:
    """Reads the classes of one definition.

    Args:
        package: of protobuf, in which they are.

    Attributes:
        messages, enums: by class.
        foreign: classes of protobuf messages that are fields.
        faults: everything that is wrong.
    """

    def __init__(self, package: str) -> None:
        self.messages: dict[type, MessageShape] = {}
        self.enums: dict[type, EnumShape] = {}
        self.foreign: dict[Any, None] = {}
        self.faults: list[str] = []
        self._package = package
        self._names: dict[str, type] = {}

    def message(self, cls: type) -> MessageShape:
        """A class with named fields, and all that its fields need."""
        known = self.messages.get(cls)
        if known is not None:
            return known
        numbers, names = reserved_of(cls)
        shape = MessageShape(cls, self._name(cls), reserved_numbers=numbers, reserved_names=names)
        self.messages[cls] = shape
        try:
            members = members_of(cls)
        except WiringError as fault:
            self.faults.append(fault.message)
            return shape
        last = 0
        for member in members:
            try:
                made = self._field(shape, member, last)
            except _Fault as fault:
                self.faults.append(f"{cls.__qualname__}.{member.name}: {fault}")
                last += 1
                continue
            shape.fields.append(made)
            last = made.options[-1].number if made.options else made.number
        self._check_numbers(shape)
        return shape

    def _name(self, cls: type) -> str:
        name = f"{self._package}.{cls.__name__}" if self._package else cls.__name__
        other = self._names.setdefault(name, cls)
        if other is not cls:
            self.faults.append(
                f"{other.__module__}.{other.__qualname__} and {cls.__module__}.{cls.__qualname__} "
                f"would both be {name}; rename one"
            )
        elif not _NAME.fullmatch(cls.__name__):
            self.faults.append(f"{cls.__name__!r} cannot name a message of protobuf; rename it")
        return name

    def _check_numbers(self, shape: MessageShape) -> None:
        seen: dict[int, str] = {}
        for name, number in _numbered(shape):
            where = f"{shape.cls.__qualname__}.{name}"
            other = seen.setdefault(number, name)
            if other != name:
                self.faults.append(f"{where}: its number {number} is that of {other!r}")
            if number in shape.reserved_numbers:
                self.faults.append(f"{where}: its number {number} is reserved")
            if name in shape.reserved_names:
                self.faults.append(f"{where}: its name is reserved")

    # --- fields ---------------------------------------------------------------------------------

    def _field(self, shape: MessageShape, member: Member, last: int) -> FieldShape:
        if not _NAME.fullmatch(member.name):
            raise _Fault("protobuf has ASCII letters, digits and underscores in names")
        if member.name in _TAKEN:
            raise _Fault("messages of protobuf have a method of this name; rename it")
        plain, extras = _unwrapped(member.annotation)
        markers = [each for each in extras if isinstance(each, Field)]
        if len(markers) > 1:
            raise _Fault("it has two Field markers; one says all")
        marker = markers[0] if markers else Field()
        core, nullable = _without_none(plain)
        made = FieldShape(member, 0, nullable=nullable or not member.required)
        made.number = marker.numbers[0] if marker.numbers else _after(last, shape)
        self._fill(made, core, marker, shape)
        if len(marker.numbers) > max(1, len(made.options)):
            raise _Fault(f"it is one field, and is given the numbers {marker.numbers}")
        made.presence = bool(made.options) or self._has_presence(made)
        if is_checked(member.annotation):
            made.checked = plain if not extras else Annotated[(plain, *extras)]
            _refuse_unchecked(made)
        return made

    def _fill(self, made: FieldShape, core: Any, marker: Field, shape: MessageShape) -> None:
        origin = get_origin(core) or core
        args = get_args(core)
        if origin in (Union, types.UnionType):
            made.options = self._union(made, args, marker, shape)
            return
        if origin in _LISTS or origin in _MAPS:
            if made.nullable:
                raise _Fault(
                    f"protobuf does not tell an empty {origin.__name__} from none; leave `None` out"
                )
            if _default_of(made.member):
                raise _Fault(
                    f"its default is not empty, and protobuf does not tell an empty "
                    f"{origin.__name__} from one that is not there"
                )
        if origin in _MAPS:
            made.key, made.item = self._map(args, marker)
        elif origin in _LISTS:
            made.repeated = _LISTS[origin]
            if origin is tuple and not (len(args) == 2 and args[1] is ...):  # noqa: PLR2004 - T, ...
                raise _Fault("a tuple has any number of one type here: tuple[T, ...]")
            if not args:
                raise _Fault(f"say what is in it: {origin.__name__}[…]")
            made.item = self._item(args[0], marker, "a list")
        else:
            made.item = self._item(core, marker, "")

    def _map(self, args: tuple[Any, ...], marker: Field) -> tuple[Item, Item]:
        if not args:
            raise _Fault("say what is in it: dict[str, …]")
        key, _ = _unwrapped(args[0])
        if key not in _KEYS:
            raise _Fault(f"the keys of a map are str, int or bool, not {say_type(key)}")
        return Item("plain", _SCALARS[key], key), self._item(args[1], marker, "a map")

    def _item(self, annotation: Any, marker: Field, within: str) -> Item:
        core, extras = _unwrapped(annotation)
        if within:
            inner = next((each for each in extras if isinstance(each, Field)), marker)
            marker = Field(type=inner.type or marker.type)
            self._refuse_nested(core, within)
        if marker.type is not None and marker.type not in _WIDTHS.get(core, ()):
            raise _Fault(f"{say_type(core)} cannot be {marker.type} on the wire")
        if core in _SCALARS:
            return Item("plain", marker.type or _SCALARS[core], core)
        if core in CONVERSIONS:
            wire = CONVERSIONS[core].wire
            if "." in wire:
                return Item("converted", "message", core, wire)
            return Item("converted", wire, core)
        if get_origin(core) is Literal:
            return _literal(get_args(core))
        if isinstance(core, type) and issubclass(core, Flag):
            raise _Fault(
                "a Flag may be several at once, and an enum of protobuf is one; use an int"
            )
        if isinstance(core, type) and issubclass(core, Enum):
            return Item("enum", "enum", core, self._enum(core).full_name)
        if is_model(core):
            return Item("model", "message", core, self.message(core).full_name)
        if isinstance(core, type) and hasattr(core, "DESCRIPTOR"):
            self.foreign[core] = None
            return Item("foreign", "message", core, core.DESCRIPTOR.full_name)
        raise _Fault(_unknown(core))

    @staticmethod
    def _refuse_nested(core: Any, within: str) -> None:
        origin = get_origin(core) or core
        if origin in _LISTS or origin in _MAPS:
            raise _Fault(f"protobuf has no {origin.__name__} in {within}; put it into a class")
        if origin in (Union, types.UnionType):
            raise _Fault(f"protobuf has no union, and no None, in {within}; put it into a class")

    def _union(
        self, made: FieldShape, args: tuple[Any, ...], marker: Field, shape: MessageShape
    ) -> tuple[Option, ...]:
        classes = [_unwrapped(each)[0] for each in args]
        if not all(is_model(each) or hasattr(each, "DESCRIPTOR") for each in classes):
            said = " | ".join(say_type(each) for each in classes)
            raise _Fault(f"a union is of classes with named fields only, and this is {said}")
        if marker.numbers and len(marker.numbers) not in (1, len(classes)):
            raise _Fault(f"it has {len(classes)} options, and {len(marker.numbers)} numbers")
        options = []
        number = made.number
        for index, each in enumerate(classes):
            if index:
                said_all = len(marker.numbers) > 1
                number = marker.numbers[index] if said_all else _after(number, shape)
            item = self._item(each, Field(), "")
            options.append(Option(f"{made.name}_{_snake(each.__name__)}", number, item))
        return tuple(options)

    def _has_presence(self, made: FieldShape) -> bool:
        if made.repeated is not None or made.key is not None:
            return False
        assert made.item is not None
        if made.nullable or made.item.wire == "message":
            return True
        if not made.member.has_default:
            return False
        # A default that is not protobuf's zero has to be told from a zero that was sent.
        default = _default_of(made.member)
        return made.item.form != "plain" or bool(default) or default is None

    def _enum(self, cls: type[Enum]) -> EnumShape:
        known = self.enums.get(cls)
        if known is not None:
            return known
        members = list(cls)
        numbers = all(type(each.value) is int or isinstance(each, int) for each in members)
        prefix = _snake(cls.__name__).upper() + "_"
        values: list[tuple[str, int, Enum | None]] = []
        for index, each in enumerate(members, 1):
            name = each.name if each.name.startswith(prefix) else prefix + each.name
            values.append((name.upper(), int(each.value) if numbers else index, each))
        if not members:
            raise _Fault(f"{cls.__qualname__} has no members")
        if not all(-(1 << 31) <= number < 1 << 31 for _, number, _ in values):
            raise _Fault(f"{cls.__qualname__} has numbers of more than 32 bits")
        values.sort(key=lambda each: each[1] != 0)  # proto3 has the zero first
        if values[0][1] != 0:
            values.insert(0, (f"{prefix}UNSPECIFIED", 0, None))
        shape = self.enums[cls] = EnumShape(cls, self._name(cls), values)
        return shape


def is_checked(annotation: Any) -> bool:
    """Whether msgspec has constraints to check in it."""
    named = _named_type(annotation)
    if named is not annotation:
        return is_checked(named)
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        return any(isinstance(each, Meta) and _constrains(each) for each in extras) or is_checked(
            inner
        )
    if get_origin(annotation) is Literal:
        return False
    return any(is_checked(each) for each in get_args(annotation))


def _constrains(meta: Meta) -> bool:
    return any(getattr(meta, name) is not None for name in (*NAMES, "tz"))


def _named_type(annotation: Any) -> Any:
    """What a ``NewType`` or ``type X = …`` stands for; anything else as it is."""
    if hasattr(annotation, "__supertype__"):
        return annotation.__supertype__
    if type(annotation).__name__ == "TypeAliasType":
        return annotation.__value__
    return annotation


def constraints_in(annotation: Any) -> Constraints:
    """The constraints of a field, by its annotation."""
    core, extras = _unwrapped(annotation)
    if get_origin(core) in (Union, types.UnionType):
        options = [each for each in get_args(core) if each is not types.NoneType]
        if len(options) == 1:
            core, more = _unwrapped(options[0])
            extras = [*extras, *more]
    found = Constraints(_constraints(extras))
    origin, args = get_origin(core), get_args(core)
    if args and (origin in _LISTS or origin in _MAPS):
        found.inner = _constraints(_unwrapped(args[1 if origin in _MAPS else 0])[1])
    return found


def _constraints(extras: Iterable[Any]) -> dict[str, Any]:
    """By name; markers of pydantic have the attributes that msgspec's have."""
    return {
        name: value
        for name in NAMES
        for each in extras
        if (value := getattr(each, name, None)) is not None
    }


def _refuse_unchecked(made: FieldShape) -> None:
    items = [made.item, *(each.item for each in made.options)]
    if any(each is not None and each.form == "foreign" for each in items):
        raise _Fault("nobody checks constraints of protobuf's own messages")


def _numbered(shape: MessageShape) -> Iterator[tuple[str, int]]:
    for each in shape.fields:
        if each.options:
            yield from ((option.name, option.number) for option in each.options)
        else:
            yield each.name, each.number


def _after(last: int, shape: MessageShape) -> int:
    number = last + 1
    while number in shape.reserved_numbers or _FIRST_RESERVED <= number < _AFTER_RESERVED:
        number += 1
    return number


def _unwrapped(annotation: Any) -> tuple[Any, list[Any]]:
    """The type behind ``Annotated``, ``NewType``, ``type X = …`` and ``Required``; the extras."""
    extras: list[Any] = []
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            extras = [*more, *extras]
        elif origin in (typing.Required, typing.NotRequired, typing.Final):
            annotation = get_args(annotation)[0]
        elif (named := _named_type(annotation)) is not annotation:
            annotation = named
        else:
            return annotation, extras


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    args = get_args(annotation)
    options = [each for each in args if each is not types.NoneType]
    if len(options) == 1:
        return _unwrapped(options[0])[0], True
    return Union[tuple(options)], len(options) < len(args)  # noqa: UP007 - made at run time


def _literal(values: Iterable[Any]) -> Item:
    values = tuple(values)
    for kind, wire in ((str, "string"), (int, "int64")):
        if all(type(each) is kind for each in values):
            return Item("literal", wire, values)
    raise _Fault("the values of a Literal are all str or all int")


def _default_of(member: Member) -> Any:
    if member.factory is None:
        return None if member.default is MISSING else member.default
    try:
        return member.factory()
    except TypeError:  # pydantic's may want the other fields
        return True


def _unknown(core: Any) -> str:
    if get_origin(core) is not None and isinstance(get_origin(core), type):
        return f"{say_type(core)} has parameters; make a class of its own for them"
    if core in (Any, object):
        return "protobuf has a type for every field; say which, or make it a class"
    return (
        f"{say_type(core)} has no place in protobuf; there are str, bytes, bool, int, float, enums, "
        "datetime, timedelta, date, time, UUID, Decimal, classes with named fields, messages of "
        "protobuf, and lists, maps and unions of them"
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
