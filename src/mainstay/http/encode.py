"""Values as JSON: what msgspec encodes, pydantic models, paths and network addresses, in any nest.

pydantic is not imported: its models are known by the methods they carry.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import Any, Final

import msgspec
from msgspec.inspect import (
    CustomType,
    DataclassType,
    DictType,
    Field,
    ListType,
    StructType,
    Type,
    type_info,
)

from mainstay.core.signature import say_type
from mainstay.errors import UsageError

__all__ = ["encode_json", "is_model", "json_encoder", "unsayable"]

_AS_TEXT: Final = (PurePath, IPv4Address, IPv6Address, IPv4Network, IPv6Network)

_NO_KEYS: Final = (StructType, DataclassType, ListType)
"""Types whose values are no keys of a JSON object, in any way."""


def is_model(kind: Any) -> bool:
    """Whether `kind` is a class of pydantic models."""
    return (
        isinstance(kind, type)
        and hasattr(kind, "model_dump_json")
        and hasattr(kind, "__pydantic_validator__")
    )


def json_encoder(where: str) -> Callable[[Any], bytes]:
    """A function from a value to JSON.

    Args:
        where: names in errors whose value it was, such as a handler.

    The function raises: UsageError for a value that cannot be said in JSON.
    """

    def hook(value: Any) -> Any:
        if is_model(type(value)):
            return msgspec.Raw(value.model_dump_json(by_alias=True).encode())
        if isinstance(value, _AS_TEXT):
            return str(value)
        message = (
            f"{where}: a {say_type(type(value))} cannot be said in JSON; use a msgspec Struct, a "
            "dataclass, a TypedDict, an attrs or pydantic class, or plain values"
        )
        raise UsageError(message)

    return msgspec.json.Encoder(enc_hook=hook).encode


encode_json: Final = json_encoder("a reply")
"""Encode a value whose origin nobody knows."""


def unsayable(annotation: Any) -> str | None:
    """The first type in `annotation` of which no value can be said in JSON, or None."""
    try:
        found = type_info(annotation)
    except (TypeError, NameError, AttributeError):
        return None  # msgspec cannot decode such a union; its values may be encoded all the same
    for each in _parts(found, set()):
        if isinstance(each, CustomType) and not _encodable(each.cls):
            return say_type(each.cls)
        if isinstance(each, DictType) and isinstance(each.key_type, _NO_KEYS):
            return f"{say_type(getattr(each.key_type, 'cls', list))} as a key"
    return None


def _parts(found: Type, seen: set[Any]) -> Iterator[CustomType | DictType]:
    """The classes that msgspec does not know, and the mappings, in a type and below."""
    if isinstance(found, CustomType):
        yield found
        return
    if isinstance(found, DictType):
        yield found
    cls = getattr(found, "cls", None)
    if cls is not None:
        if cls in seen:
            return
        seen.add(cls)
    for name in found.__struct_fields__:
        value = getattr(found, name)
        for each in value if isinstance(value, tuple) else (value,):
            inner = each.type if isinstance(each, Field) else each
            if isinstance(inner, Type):
                yield from _parts(inner, seen)


def _encodable(cls: type) -> bool:
    return (
        cls is object
        or is_model(cls)
        or issubclass(cls, _AS_TEXT)
        or issubclass(cls, msgspec.Raw)
        # A value is of a class below, which may be encodable.
        or inspect.isabstract(cls)
        or bool(getattr(cls, "_is_protocol", False))
    )
