"""JSON Schemas of types: those of msgspec and those of pydantic, in one set of components.

Names are given when all types are known, so that two classes of one name do not become one: types
are noted first, and what was handed out for them is filled by `Schemas.finish`.
"""

from __future__ import annotations

import sys
from typing import Any, Final, TypeAlias

import msgspec

from mainstay.core.signature import MISSING
from mainstay.errors import Error
from mainstay.http.openapi.formats import add_formats
from mainstay.http.shapes import shape_of

__all__ = ["Schema", "Schemas", "plain"]

Schema: TypeAlias = dict[str, Any]

_PLACE: Final = "#/components/schemas/"
_OPEN: Final = "x-open"
"""Marks a schema that says nothing while msgspec works, which takes no empty one."""


class Schemas:
    """The schemas of one document.

    Attributes:
        components: by name; complete after `finish`.
    """

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._wanted: list[tuple[Schema, Any]] = []
        self._wanted_of_pydantic: list[tuple[Schema, Any, str]] = []

    def of(self, annotation: Any, *, sent: bool = False) -> Schema:
        """The schema of a type, filled by `finish`; empty for one that nobody can describe.

        Args:
            annotation: with its constraints.
            sent: whether we send it, rather than receive it: pydantic's differ.
        """
        schema: Schema = {}
        if annotation in (MISSING, Any, object):
            return schema
        if _is_of_pydantic(annotation):
            mode = "serialization" if sent else "validation"
            self._wanted_of_pydantic.append((schema, annotation, mode))
        else:
            self._wanted.append((schema, annotation))
        return schema

    def add(self, name: str, schema: Schema) -> Schema:
        """Keep a schema of our own under `name`; returns a reference to it."""
        self.components[name] = schema
        return {"$ref": _PLACE + name}

    def finish(self) -> None:
        """Fill every schema that was handed out."""
        self._finish_msgspec()
        if self._wanted_of_pydantic:
            self._finish_pydantic()

    def _finish_msgspec(self) -> None:
        known = [(schema, each) for schema, each in self._wanted if _can_be_said(each)]
        types = [each for _, each in known]
        made, components = msgspec.json.schema_components(
            types, schema_hook=_of_unknown, ref_template=_PLACE + "{name}"
        )
        for info, one in zip(msgspec.inspect.multi_type_info(types), made, strict=True):
            add_formats(info, one, components, _PLACE)
        for each in (*made, *components.values()):
            _open(each)
        renamed = self._take(components)
        for (schema, _), filled in zip(known, made, strict=True):
            schema.update(_renamed(filled, renamed))

    def _finish_pydantic(self) -> None:
        # Not an import: a type of pydantic's has brought the package.
        pydantic: Any = sys.modules["pydantic"]
        wanted = [
            (number, mode, pydantic.TypeAdapter(each))
            for number, (_, each, mode) in enumerate(self._wanted_of_pydantic)
        ]
        made, document = pydantic.TypeAdapter.json_schemas(wanted, ref_template=_PLACE + "{model}")
        renamed = self._take(document.get("$defs", {}))
        for number, (schema, _, mode) in enumerate(self._wanted_of_pydantic):
            schema.update(_renamed(made[number, mode], renamed))

    def _take(self, components: dict[str, Schema]) -> dict[str, str]:
        """Add `components`, under other names where theirs are taken; returns new ones by old."""
        renamed = {}
        for name in components:
            free, number = name, 2
            while free in self.components:
                free, number = f"{name}_{number}", number + 1
            if free != name:
                renamed[_PLACE + name] = _PLACE + free
            self.components[free] = {}
        for name, schema in components.items():
            new = renamed.get(_PLACE + name, _PLACE + name).removeprefix(_PLACE)
            self.components[new].update(_renamed(schema, renamed))
        return renamed


def plain(value: Any) -> Any:
    """A value as JSON has it, or `MISSING` if JSON cannot say it: for defaults and examples."""
    try:
        return msgspec.to_builtins(value, enc_hook=_dumped)
    except (TypeError, ValueError):
        return MISSING


def _dumped(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    return str(value)


def _is_of_pydantic(annotation: Any) -> bool:
    try:
        return shape_of(annotation).pydantic
    except Error:
        return False


def _can_be_said(annotation: Any) -> bool:
    try:
        msgspec.json.schema_components([annotation], schema_hook=_of_unknown)
    except (TypeError, ValueError):
        return False
    return True


def _of_unknown(kind: type) -> Schema:
    """Whatever msgspec does not know may be anything, as `object` is; nothing is said about it."""
    return {_OPEN: True}


def _open(schema: Any) -> None:
    """Take the marks of `_of_unknown` off."""
    if isinstance(schema, dict):
        if schema.get(_OPEN) is True:
            del schema[_OPEN]
        schema = schema.values()
    for each in schema:
        if isinstance(each, dict | list | tuple):
            _open(each)


def _renamed(schema: Any, renamed: dict[str, str]) -> Any:
    if not renamed:
        return schema
    if isinstance(schema, list):
        return [_renamed(each, renamed) for each in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _renamed(value, renamed) for key, value in schema.items()}
    if isinstance(changed.get("$ref"), str):
        changed["$ref"] = renamed.get(changed["$ref"], changed["$ref"])
    # The values of a discriminator's mapping are references as well.
    mapping = (
        changed.get("discriminator", {}).get("mapping") if "discriminator" in changed else None
    )
    if isinstance(mapping, dict):
        changed["discriminator"]["mapping"] = {
            key: renamed.get(value, value) for key, value in mapping.items()
        }
    return changed
