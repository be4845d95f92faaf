"""The fields of a model, whichever library the model is written with.

Read from the class alone, never from an instance: msgspec structs, dataclasses, attrs classes,
TypedDicts, and pydantic models. attrs and pydantic are recognised by what their classes carry, so
neither is imported here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NotRequired, Required, get_origin, get_type_hints

import msgspec
from msgspec import structs

from mainstay.errors import UsageError

__all__ = ["Family", "Member", "family_of", "members_of"]


class Family(Enum):
    """The library that a model is written with, which decides how instances are made."""

    STRUCT = "msgspec"
    DATACLASS = "dataclass"
    ATTRS = "attrs"
    TYPED_DICT = "TypedDict"
    PYDANTIC = "pydantic"


@dataclass(frozen=True, slots=True)
class Member:
    """One field as its model declares it.

    Attributes:
        name: of the attribute (of the key, in a TypedDict).
        parameter: what the constructor calls it.
        key: what files, variables and flags call it.
        annotation: its type.
        required: whether there is neither a default nor leave to be absent.
        default: makes the default value; None when there is none, or it cannot be known.
    """

    name: str
    parameter: str
    key: str
    annotation: Any
    required: bool
    default: Callable[[], Any] | None


def family_of(model: Any) -> Family | None:
    """How `model` is written, or None when it is no model."""
    origin = get_origin(model) or model
    if not isinstance(origin, type):
        return None
    if issubclass(origin, msgspec.Struct):
        return None if origin.__struct_config__.array_like else Family.STRUCT
    if origin is not model:
        return None  # a generic alias of another library: msgspec converts it whole
    if hasattr(model, "model_validate") and isinstance(_read(model, "model_fields"), Mapping):
        return Family.PYDANTIC
    if hasattr(model, "__attrs_attrs__"):
        return Family.ATTRS
    if dataclasses.is_dataclass(model):
        return Family.DATACLASS
    if hasattr(model, "__required_keys__") and hasattr(model, "__total__"):
        return Family.TYPED_DICT
    return None


def members_of(model: Any, family: Family) -> list[Member]:
    """The fields of `model`, in the order of their declaration.

    Raises: UsageError when an annotation names something that does not exist.
    """
    try:
        return list(_READERS[family](model))
    except NameError as error:
        raise UsageError(
            f"the annotations of {model.__qualname__} cannot be read: {error};"
            " define what they name at the level of the module"
        ) from error


def _read(model: Any, name: str) -> Any:
    return getattr(model, name, None)


def _struct(model: Any) -> Iterator[Member]:
    for field in structs.fields(model):
        default = None
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory
        elif field.default is not msgspec.NODEFAULT:
            default = _constant(field.default)
        yield Member(field.name, field.name, field.encode_name, field.type, field.required, default)


def _dataclass(model: Any) -> Iterator[Member]:
    hints = get_type_hints(model, include_extras=True)
    for field in dataclasses.fields(model):
        if not field.init:
            continue
        default = None
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory
        elif field.default is not dataclasses.MISSING:
            default = _constant(field.default)
        yield Member(field.name, field.name, field.name, hints[field.name], not default, default)


def _attrs(model: Any) -> Iterator[Member]:
    hints = get_type_hints(model, include_extras=True)
    for field in model.__attrs_attrs__:
        if not field.init:
            continue
        factory = getattr(field.default, "factory", None)
        required = getattr(field.default, "name", None) == "NOTHING"
        default = None
        if factory is None and not required:
            default = _constant(field.default)
        elif factory is not None and not field.default.takes_self:
            default = factory
        annotation = hints.get(field.name, Any)
        # The alias is the name in the constructor: a private `_port` is `port` to its users.
        yield Member(field.name, field.alias, field.alias, annotation, required, default)


def _typed_dict(model: Any) -> Iterator[Member]:
    hints = get_type_hints(model, include_extras=True)
    for name, annotation in hints.items():
        required = name in model.__required_keys__
        # Where annotations are strings, the class could not see these two (PEP 655).
        for wrapper, answer in ((Required, True), (NotRequired, False)):
            required = answer if get_origin(annotation) is wrapper else required
        yield Member(name, name, name, annotation, required, None)


def _pydantic(model: Any) -> Iterator[Member]:
    for name, field in model.model_fields.items():
        alias = field.validation_alias or field.alias
        if alias is not None and not isinstance(alias, str):
            # AliasChoices: any of them is understood by pydantic, the first is ours.
            alias = next((a for a in getattr(alias, "choices", ()) if isinstance(a, str)), None)
        yield Member(name, name, alias or name, field.annotation, field.is_required(), None)


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


_READERS: Mapping[Family, Callable[[Any], Iterator[Member]]] = {
    Family.STRUCT: _struct,
    Family.DATACLASS: _dataclass,
    Family.ATTRS: _attrs,
    Family.TYPED_DICT: _typed_dict,
    Family.PYDANTIC: _pydantic,
}
