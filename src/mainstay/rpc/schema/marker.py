"""What an annotation can say of a field, beyond its type."""

from __future__ import annotations

from mainstay.errors import UsageError

__all__ = ["Field"]


class Field:
    """The number, and the type on the wire, of a field: ``Annotated[int, Field(3, type="uint32")]``.

    Args:
        numbers: of the field; none for the next one. A union of classes has a number for each.
        type: of protobuf, where Python's says too little: for an ``int`` one of ``int32``,
            ``int64``, ``uint32``, ``uint64``, ``sint32``, ``sint64``, ``fixed32``, ``fixed64``,
            ``sfixed32``, ``sfixed64``; for a ``float``, ``float`` or ``double``.

    Raises: UsageError for numbers that protobuf has not.
    """

    __slots__ = ("numbers", "type")

    def __init__(self, *numbers: int, type: str | None = None) -> None:
        for number in numbers:
            if not 1 <= number < 1 << 29 or 19000 <= number < 20000:  # noqa: PLR2004 - protobuf's
                raise UsageError(
                    f"{number} cannot number a field: protobuf has 1 to 536870911, without 19000 "
                    "to 19999"
                )
        self.numbers = numbers
        self.type = type

    def __repr__(self) -> str:
        return f"Field{self.numbers}" if self.type is None else f"Field({self.type})"
