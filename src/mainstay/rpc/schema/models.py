"""Classes with named fields, of whatever library: which they are, and what their fields are.

msgspec's structs, dataclasses, TypedDicts and named tuples are known by what the standard library
and msgspec say of them; classes of attrs and pydantic by what they carry, without an import of
either: whoever has such a class has imported it.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_type_hints

import msgspec

from mainstay.core.signature import MISSING
from mainstay.errors import WiringError

__all__ = ["MISSING", "Flavour", "Member", "flavour_of", "is_model", "members_of", "reserved_of"]

Flavour = Literal["attributes", "keys", "pydantic"]
"""How objects of a class are made and read: by attributes, as a dict, or as pydantic does."""


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a class.

    Attributes:
        name: as read from an object, and in protobuf.
        key: as given to the constructor.
        annotation: with its markers.
        default: its default, or `MISSING`.
        factory: makes its default; or None.
        required: whether objects always have it; false for keys of a TypedDict that may be absent.
    """

    name: str
    key: str
    annotation: Any
    default: Any = MISSING
    factory: Callable[[], Any] | None = None
    required: bool = True

    @property
    def has_default(self) -> bool:
        """Whether it need not be given."""
        return self.default is not MISSING or self.factory is not None


def is_model(annotation: Any) -> bool:
    """Whether it is a class with named fields."""
    return isinstance(annotation, type) and (
        issubclass(annotation, msgspec.Struct)
        or dataclasses.is_dataclass(annotation)
        or typing.is_typeddict(annotation)
        or hasattr(annotation, "__attrs_attrs__")
        or _is_pydantic(annotation)
        or (issubclass(annotation, tuple) and hasattr(annotation, "_fields"))
    )


def flavour_of(cls: type) -> Flavour:
    """See `Flavour`."""
    if typing.is_typeddict(cls):
        return "keys"
    return "pydantic" if _is_pydantic(cls) else "attributes"


def members_of(cls: type) -> list[Member]:
    """The fields of a class, in the order of their declaration.

    Raises: WiringError for annotations that cannot be resolved.
    """
    if _is_pydantic(cls):
        return [_of_pydantic(name, each) for name, each in cls.model_fields.items()]  # type: ignore[attr-defined]
    hints = _hints_of(cls)
    if issubclass(cls, msgspec.Struct):
        return [_of_struct(each, hints) for each in msgspec.structs.fields(cls)]
    if hasattr(cls, "__attrs_attrs__"):
        return [_of_attrs(each, hints) for each in cls.__attrs_attrs__ if each.init]
    if dataclasses.is_dataclass(cls):
        nothing = dataclasses.MISSING
        return [
            Member(
                each.name,
                each.name,
                hints[each.name],
                MISSING if each.default is nothing else each.default,
                None if each.default_factory is nothing else each.default_factory,
            )
            for each in dataclasses.fields(cls)
            if each.init
        ]
    if typing.is_typeddict(cls):
        required = cls.__required_keys__  # type: ignore[attr-defined]
        return [Member(name, name, hint, required=name in required) for name, hint in hints.items()]
    defaults = cls._field_defaults  # type: ignore[attr-defined]
    return [
        Member(name, name, hints[name], defaults.get(name, MISSING))
        for name in cls._fields  # type: ignore[attr-defined]
    ]


def reserved_of(cls: type) -> tuple[frozenset[int], frozenset[str]]:
    """The numbers and names that the class's own ``__reserved__`` keeps for fields it once had."""
    reserved = vars(cls).get("__reserved__", ())
    numbers = frozenset(each for each in reserved if isinstance(each, int))
    return numbers, frozenset(each for each in reserved if isinstance(each, str))


def _hints_of(cls: type) -> dict[str, Any]:
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        message = (
            f"{cls.__qualname__}: the annotation {error.name!r} cannot be resolved; import it at "
            "module level, and not only under TYPE_CHECKING"
        )
        raise WiringError(message) from None
    except (TypeError, SyntaxError, AttributeError) as error:
        message = f"{cls.__qualname__}: an annotation cannot be resolved: {error}"
        raise WiringError(message) from None
    return {name: hint for name, hint in hints.items() if typing.get_origin(hint) is not ClassVar}


def _is_pydantic(cls: type) -> bool:
    return hasattr(cls, "model_fields") and hasattr(cls, "__pydantic_validator__")


def _of_struct(field: Any, hints: dict[str, Any]) -> Member:
    nothing = msgspec.NODEFAULT
    default = MISSING if field.default is nothing else field.default
    factory = None if field.default_factory is nothing else field.default_factory
    return Member(field.name, field.name, hints[field.name], default, factory)


def _of_attrs(field: Any, hints: dict[str, Any]) -> Member:
    default = field.default
    made = getattr(default, "factory", None)
    if type(default).__name__ == "Factory" and made is not None:
        return Member(field.name, field.alias, hints[field.name], MISSING, made)
    nothing = type(default).__name__ == "_Nothing"
    return Member(field.name, field.alias, hints[field.name], MISSING if nothing else default)


def _of_pydantic(name: str, field: Any) -> Member:
    key = next(
        (each for each in (field.validation_alias, field.alias) if isinstance(each, str)), name
    )
    annotation = field.annotation
    for extra in field.metadata:
        annotation = typing.Annotated[annotation, extra]
    if field.default_factory is not None:
        return Member(name, key, annotation, MISSING, field.default_factory)
    return Member(name, key, annotation, MISSING if field.is_required() else field.default)
