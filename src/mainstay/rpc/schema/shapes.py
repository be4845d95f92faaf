"""What the messages of a definition look like, once their annotations were read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from mainstay.rpc.schema.models import Member

__all__ = ["EnumShape", "FieldShape", "Item", "MessageShape", "Option"]

Form = Literal["plain", "enum", "literal", "converted", "model", "foreign"]


@dataclass(frozen=True, slots=True)
class Item:
    """One value: of a field, or in its list or map.

    Attributes:
        form: how it goes from Python to protobuf: as it is; by number; as one of some values; by a
            `Conversion`; field by field; as a message of another pool.
        wire: protobuf's scalar, ``enum`` or ``message``.
        python: its type; for a literal, the values.
        type_name: full, of an enum or a message.
    """

    form: Form
    wire: str
    python: Any
    type_name: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One class of a union, which is a field of a oneof: its name, number and value."""

    name: str
    number: int
    item: Item


@dataclass(slots=True)
class FieldShape:
    """One field.

    Attributes:
        member: of the class.
        number: of the field; of a union, that of the first option.
        item: its value, or that of its list or map; None for a union.
        repeated: the type of its list; None for no list.
        key: of its map; None for no map.
        options: of its union.
        nullable: whether None is allowed.
        presence: whether the wire tells a missing one from zero.
        checked: the annotation, if msgspec is to check constraints in it; else None.
    """

    member: Member
    number: int
    item: Item | None = None
    repeated: type | None = None
    key: Item | None = None
    options: tuple[Option, ...] = ()
    nullable: bool = False
    presence: bool = False
    checked: Any = None

    @property
    def name(self) -> str:
        """On the wire, and in Python."""
        return self.member.name


@dataclass(slots=True)
class MessageShape:
    """One class, as a message."""

    cls: type
    full_name: str
    fields: list[FieldShape] = field(default_factory=list)
    reserved_numbers: frozenset[int] = frozenset()
    reserved_names: frozenset[str] = frozenset()


@dataclass(slots=True)
class EnumShape:
    """One enum: the names of its values in protobuf, each with its number and Python's member;
    None for the zero that protobuf needs, where Python has none."""

    cls: type[Enum]
    full_name: str
    values: list[tuple[str, int, Enum | None]]
