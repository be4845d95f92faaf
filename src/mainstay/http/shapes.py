"""What kind of thing an annotation asks for, and which library checks it.

msgspec checks whatever it can: scalars, collections, structs, dataclasses, TypedDicts, attrs classes
and named tuples. pydantic checks a type if a part of it is pydantic's. It is recognised by what its
classes carry and never imported from here: whoever has such a class has imported it.

Constraints of ``annotated_types`` become those of msgspec. One that nobody would check is refused,
because a rule that is written down and not kept is worse than none.
"""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections import abc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

import msgspec

from mainstay.core.signature import say_type
from mainstay.errors import UsageError
from mainstay.http.sources import Marker, marker_of

__all__ = [
    "Kind",
    "Shape",
    "is_default_of",
    "is_model",
    "is_pydantic",
    "item_of",
    "shape_of",
    "unwrap",
]

_SCALARS: Final = frozenset({str, int, float, bool, Decimal, UUID, datetime, date, time, timedelta})
_SEQUENCES: Final = frozenset(
    {
        list,
        set,
        frozenset,
        tuple,
        abc.Sequence,
        abc.MutableSequence,
        abc.Collection,
        abc.Set,
        abc.MutableSet,
    }
)
_MAPPINGS: Final = frozenset({dict, abc.Mapping, abc.MutableMapping})
_CONSTRAINTS: Final = {
    "Gt": "gt",
    "Ge": "ge",
    "Lt": "lt",
    "Le": "le",
    "MultipleOf": "multiple_of",
    "MinLen": "min_length",
    "MaxLen": "max_length",
}
_SAID_ONLY: Final = frozenset({"Unit", "DocInfo"})


class Kind(Enum):
    """What an annotation asks for, as far as the place of its value depends on it."""

    SCALAR = "one value that text can stand for"
    SCALARS = "several of them"
    MODEL = "named fields"
    DATA = "other data"
    OTHER = "nothing that a request could hold"


@dataclass(frozen=True, slots=True)
class Shape:
    """An annotation, taken apart.

    Attributes:
        annotation: without markers, constraints said in msgspec's words.
        core: the same without ``| None``.
        nullable: whether None is allowed.
        kind: of the core.
        pydantic: whether pydantic checks it, rather than msgspec.
        marker: where it comes from, if the annotation says so.
    """

    annotation: Any
    core: Any
    nullable: bool
    kind: Kind
    pydantic: bool
    marker: Marker | None


def shape_of(annotation: Any) -> Shape:
    """Take `annotation` apart.

    Raises: UsageError for two markers, and for types and constraints that cannot be checked.
    """
    markers: list[Marker] = []
    plain = _without_markers(annotation, markers)
    if len(markers) > 1:
        said = " and ".join(type(each).__name__ for each in markers)
        raise UsageError(f"it cannot come from {said} at once")
    pydantic = any(_is_of_pydantic(part) for part in _parts(plain))
    if not pydantic:
        plain = _in_msgspec(plain)
    core, nullable = _without_none(plain)
    kind = _kind_of(core, pydantic=pydantic)
    if kind is not Kind.OTHER:
        _check(plain, pydantic=pydantic)
    return Shape(plain, core, nullable, kind, pydantic, markers[0] if markers else None)


def unwrap(annotation: Any) -> Any:
    """The type behind ``Annotated``, ``NewType`` and ``type X = …``."""
    while True:
        if get_origin(annotation) in (Annotated, typing.Required, typing.NotRequired):
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def is_pydantic(annotation: Any) -> bool:
    """Whether it is a model or dataclass of pydantic."""
    return "__pydantic_validator__" in getattr(annotation, "__dict__", ()) or hasattr(
        annotation, "__pydantic_core_schema__"
    )


def is_model(annotation: Any) -> bool:
    """Whether it is a class with named fields, which JSON writes as an object."""
    plain = unwrap(annotation)
    origin = get_origin(plain) or plain
    if not isinstance(origin, type):
        return False
    if issubclass(origin, msgspec.Struct):
        return not origin.__struct_config__.array_like
    return (
        dataclasses.is_dataclass(origin)
        or hasattr(origin, "__attrs_attrs__")
        or typing.is_typeddict(origin)
        or is_pydantic(origin)
    )


def is_default_of(shape: Shape, value: Any) -> bool:
    """Whether `value` is an instance of a scalar type; of types that classes of others check,
    anything may be."""
    if value is None:
        return shape.nullable
    return shape.pydantic or _is_instance(shape.core, value)


def _is_instance(annotation: Any, value: Any) -> bool:
    plain = unwrap(annotation)
    if get_origin(plain) in (Union, UnionType):
        return any(_is_instance(each, value) for each in get_args(plain))
    if get_origin(plain) is Literal:
        return any(value == each and type(value) is type(each) for each in get_args(plain))
    if plain is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return not isinstance(plain, type) or isinstance(value, plain)


def item_of(annotation: Any) -> Any:
    """The type of the items of a collection; Any if it does not say."""
    arguments = get_args(unwrap(annotation))
    return arguments[0] if arguments else Any


# --- inside -------------------------------------------------------------------------------------


def _without_markers(annotation: Any, found: list[Marker]) -> Any:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extras = get_args(annotation)
        kept = []
        for extra in extras:
            marker = marker_of(extra)
            if marker is None:
                kept.append(extra)
            else:
                found.append(marker)
        inner = _without_markers(inner, found)
        return Annotated[(inner, *kept)] if kept else inner
    if origin in (Union, UnionType):
        return _union(_without_markers(each, found) for each in get_args(annotation))
    return annotation


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """The annotation without ``| None``, and whether it had it; constraints around it stay."""
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        core, nullable = _without_none(inner)
        return Annotated[(core, *extras)], nullable
    if get_origin(annotation) in (Union, UnionType):
        options = get_args(annotation)
        left = tuple(each for each in options if each is not NoneType)
        if left and len(left) < len(options):
            return _union(left), True
    return annotation, False


def _union(options: Iterable[Any]) -> Any:
    return Union[tuple(options)]  # noqa: UP007 - `|` does not take what is not known yet


def _kind_of(core: Any, *, pydantic: bool) -> Kind:
    plain = unwrap(core)
    origin = get_origin(plain) or plain
    if _is_scalar(plain):
        return Kind.SCALAR
    if is_model(plain):
        return Kind.MODEL
    if origin in _SEQUENCES:
        items = [each for each in get_args(plain) if each is not Ellipsis]
        if items and all(_is_scalar(_without_none(unwrap(each))[0]) for each in items):
            return Kind.SCALARS
        return Kind.DATA
    if origin in _MAPPINGS or plain in (Any, object) or origin in (Union, UnionType):
        return Kind.DATA
    if isinstance(origin, type):
        if issubclass(origin, msgspec.Struct) or _is_named_tuple(origin):
            return Kind.DATA
        if pydantic and origin.__module__.partition(".")[0] == "pydantic":
            return Kind.SCALAR  # EmailStr, HttpUrl, SecretStr, …
    return Kind.OTHER


def _is_scalar(annotation: Any) -> bool:
    plain = unwrap(annotation)
    if isinstance(plain, type) and (plain in _SCALARS or issubclass(plain, Enum)):
        return True
    origin = get_origin(plain)
    if origin is Literal:
        return True
    if origin in (Union, UnionType):
        return all(_is_scalar(each) for each in get_args(plain) if each is not NoneType)
    return False


def _is_named_tuple(origin: type) -> bool:
    return issubclass(origin, tuple) and hasattr(origin, "_fields")


def _parts(annotation: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """The annotation, every type and extra inside it, and those of the fields of its models."""
    seen = set() if seen is None else seen
    if id(annotation) in seen:
        return
    seen.add(id(annotation))
    yield annotation
    if get_origin(annotation) is Literal:
        return
    inner = list(get_args(annotation)) if get_origin(annotation) is not None else []
    plain = unwrap(annotation)
    if plain is not annotation:
        inner.append(plain)
    if is_model(plain) and not is_pydantic(plain):
        inner += _hints(get_origin(plain) or plain).values()
    for each in inner:
        if isinstance(each, list):  # the arguments of a Callable
            continue
        yield from _parts(each, seen)


def _hints(model: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(model, include_extras=True)
    except (NameError, TypeError) as error:
        raise UsageError(
            f"the annotations of {say_type(model)} cannot be read: {error}; "
            "define what they name at the level of the module"
        ) from None


def _is_of_pydantic(part: Any) -> bool:
    if isinstance(part, type):
        return is_pydantic(part) or part.__module__.partition(".")[0] == "pydantic"
    return type(part).__module__.partition(".")[0] == "pydantic"


def _in_msgspec(annotation: Any) -> Any:
    """The annotation with the constraints of ``annotated_types`` as msgspec's."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extras = get_args(annotation)
        said = [each for extra in extras for each in _as_meta(extra)]
        return Annotated[(_in_msgspec(inner), *said)] if said else _in_msgspec(inner)
    if origin in (Union, UnionType):
        return _union(_in_msgspec(each) for each in get_args(annotation))
    if origin in _SEQUENCES | _MAPPINGS:
        arguments = tuple(
            each if each is Ellipsis else _in_msgspec(each) for each in get_args(annotation)
        )
        return origin[arguments]
    return annotation


def _as_meta(extra: Any) -> list[Any]:
    if type(extra).__module__.partition(".")[0] != "annotated_types":
        return [extra]
    name = type(extra).__name__
    if name in _SAID_ONLY:
        return []
    if name in _CONSTRAINTS:
        word = _CONSTRAINTS[name]
        return [msgspec.Meta(**{word: getattr(extra, word)})]
    if isinstance(extra, abc.Iterable):  # Interval and Len are made of others
        return [each for part in extra for each in _as_meta(part)]
    raise UsageError(f"nothing would check {extra!r}; use msgspec.Meta, or check it in the handler")


def _check(annotation: Any, *, pydantic: bool) -> None:
    """Raise UsageError for what the library that checks the type cannot check."""
    if pydantic:
        _pydantic_check(annotation)
        return
    try:
        info = msgspec.inspect.type_info(annotation)
    except (TypeError, NameError) as error:
        raise UsageError(f"{say_type(annotation)} cannot be checked: {error}") from None
    for unknown in _unknown(info, set()):
        raise UsageError(
            f"{say_type(annotation)} has {say_type(unknown)} in it, which nobody knows how to read"
        )
    for part in _parts(annotation):
        if type(part).__module__.partition(".")[0] == "annotated_types":
            raise UsageError(
                f"nothing would check {part!r} in a field of {say_type(annotation)}; "
                "write it as msgspec.Meta"
            )


def _pydantic_check(annotation: Any) -> None:
    if any(
        isinstance(part, type) and issubclass(part, msgspec.Struct) for part in _parts(annotation)
    ):
        raise UsageError(
            f"{say_type(annotation)} mixes pydantic with msgspec; make it of one of them"
        )
    # Not an import: a type of pydantic's has brought the package.
    pydantic: Any = sys.modules["pydantic"]
    try:
        pydantic.TypeAdapter(annotation)
    except pydantic.errors.PydanticUserError as error:
        raise UsageError(f"{say_type(annotation)} cannot be checked: {error}") from None


def _unknown(info: Any, seen: set[int]) -> Iterator[Any]:
    """The classes in `info` that msgspec does not know."""
    if id(info) in seen:
        return
    seen.add(id(info))
    # What JSON gives is an object, so that `object` is as good as Any.
    if isinstance(info, msgspec.inspect.CustomType) and info.cls is not object:
        yield info.cls
    for name in ("type", "item_type", "key_type", "value_type"):
        if hasattr(info, name):
            yield from _unknown(getattr(info, name), seen)
    for name in ("item_types", "types", "fields"):
        for each in getattr(info, name, ()):
            yield from _unknown(each, seen)
