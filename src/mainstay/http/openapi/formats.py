"""Formats of moments and times in schemas that msgspec makes.

It names ``date-time`` and ``time`` only where a type says that there is an offset
(``Meta(tz=True)``); everybody else who reads a schema wants to know that it is no other text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import inspect

__all__ = ["add_formats"]

_FORMATS: Final = ((inspect.DateTimeType, "date-time"), (inspect.TimeType, "time"))


def add_formats(
    info: inspect.Type, schema: dict[str, Any], components: Mapping[str, dict[str, Any]], place: str
) -> None:
    """Add formats to a schema, and to the components that it refers to.

    Args:
        info: what msgspec says of the type.
        schema: what it made of it; changed.
        components: by name; changed.
        place: what precedes a name in references.
    """
    _Walk(components, place).visit(info, schema)


class _Walk:
    def __init__(self, components: Mapping[str, dict[str, Any]], place: str) -> None:
        self._components = components
        self._place = place
        self._seen: set[str] = set()

    def visit(self, info: Any, schema: Any) -> None:
        while isinstance(info, inspect.Metadata):
            info = info.type
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            name = str(schema["$ref"]).removeprefix(self._place)
            if name in self._seen or name not in self._components:
                return
            self._seen.add(name)
            schema = self._components[name]
        for kind, said in _FORMATS:
            if isinstance(info, kind):
                schema.setdefault("format", said)
        if hasattr(info, "fields"):
            self._fields(info, schema)
        elif isinstance(info, inspect.CollectionType):
            self.visit(info.item_type, schema.get("items"))
        elif isinstance(info, inspect.TupleType):
            for item, each in zip(info.item_types, schema.get("prefixItems", ()), strict=False):
                self.visit(item, each)
        elif isinstance(info, inspect.UnionType):
            self._union(info, schema)
        elif hasattr(info, "value_type"):
            self.visit(info.value_type, schema.get("additionalProperties"))

    def _fields(self, info: Any, schema: dict[str, Any]) -> None:
        properties = schema.get("properties")
        if properties is None:  # an array, its tag first
            items = schema.get("prefixItems", [])
            for field, each in zip(
                info.fields, items[len(items) - len(info.fields) :], strict=True
            ):
                self.visit(field.type, each)
            return
        for field in info.fields:
            self.visit(field.type, properties.get(field.encode_name))

    def _union(self, info: inspect.UnionType, schema: dict[str, Any]) -> None:
        """Members are in order, but for None, which is last, and structs, which are before it."""
        structs, others = [], []
        for member in info.types:
            plain: Any = member
            while isinstance(plain, inspect.Metadata):
                plain = plain.type
            if isinstance(plain, inspect.StructType) and not plain.array_like:
                structs.append(plain)
            elif not isinstance(plain, inspect.NoneType):
                others.append(plain)
        options = schema.get("anyOf", [])
        for other, each in zip(others, options, strict=False):
            self.visit(other, each)
        self._structs(structs, options[len(others) :])

    def _structs(self, structs: list[Any], options: list[Any]) -> None:
        for option in options:
            if "discriminator" in option:
                options = option["anyOf"]
        for struct, each in zip(structs, options, strict=False):
            self.visit(struct, each)
