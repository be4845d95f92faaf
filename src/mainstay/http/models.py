"""The fields of a model, whichever library it is written with."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import structs

from mainstay.http.shapes import is_pydantic, unwrap

__all__ = ["Member", "members_of"]


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a model.

    Attributes:
        name: of the attribute.
        key: as it is called in JSON, a query or a form.
        annotation: its type, with constraints.
        required: whether it has no default.
        default: makes the default; None when there is none.
    """

    name: str
    key: str
    annotation: Any
    required: bool
    default: Callable[[], Any] | None


def members_of(model: Any) -> tuple[Member, ...]:
    """The fields of `model`, for which `is_model` holds, in order."""
    model = unwrap(model)
    origin = get_origin(model) or model
    if hasattr(origin, "model_fields"):
        return _of_pydantic(origin.model_fields)
    if is_pydantic(origin):
        return _of_pydantic(origin.__pydantic_fields__)
    if issubclass(origin, msgspec.Struct):
        hints = {field.name: field.type for field in structs.fields(model)}
    else:
        hints = typing.get_type_hints(origin, include_extras=True)
    info: Any = msgspec.inspect.type_info(model)
    return tuple(
        Member(
            field.name,
            field.encode_name,
            _plain(hints.get(field.name, Any)),
            field.required,
            _default(field.default, field.default_factory),
        )
        for field in info.fields
    )


def _plain(annotation: Any) -> Any:
    if get_origin(annotation) in (typing.Required, typing.NotRequired):
        return get_args(annotation)[0]
    return annotation


def _default(value: Any, factory: Any) -> Callable[[], Any] | None:
    if factory is not msgspec.NODEFAULT:
        return typing.cast("Callable[[], Any]", factory)
    return None if value is msgspec.NODEFAULT else lambda: value


def _of_pydantic(fields: Any) -> tuple[Member, ...]:
    return tuple(_of_field(name, field) for name, field in fields.items())


def _of_field(name: str, field: Any) -> Member:
    alias = field.validation_alias or field.alias
    if alias is not None and not isinstance(alias, str):
        # AliasChoices: pydantic understands any of them, and the first is ours.
        alias = next(
            (each for each in getattr(alias, "choices", ()) if isinstance(each, str)), None
        )
    annotation = field.annotation
    if field.metadata:
        annotation = Annotated[(annotation, *field.metadata)]
    required = field.is_required()
    default = None if required else lambda: field.get_default(call_default_factory=True)
    return Member(name, alias or name, annotation, required, default)
