"""JSON schemas of messages, by the JSON mapping of proto3 (protobuf.dev, programming-guides/json).

Each message and enumeration becomes a component under its full name. Well-known types stand as what
JSON makes of them. Required fields, and those of one direction, are told by ``google.api.field_behavior``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from itertools import combinations
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from mainstay.rpc.comments import comment_of
from mainstay.rpc.constraints import constraints_said

__all__ = ["BINARY", "MessageSchemas", "Schema", "is_required"]

Schema = dict[str, Any]

BINARY: Final[Schema] = {"type": "string", "format": "binary"}

_PLACE: Final = "#/components/schemas/"
_PAIRED: Final = 6
"""Members of a oneof of which every pair is excluded by name; longer ones are only described."""

_INT32: Final = {"type": "integer", "format": "int32"}
_INT64: Final = {"type": "string", "format": "int64"}
_UINT32: Final = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
_UINT64: Final = {"type": "string", "format": "uint64"}
_BASE64: Final = {"type": "string", "contentEncoding": "base64"}
_SCALARS: Final[Mapping[int, Schema]] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: _BASE64,
}

_WELL_KNOWN: Final[Mapping[str, Schema]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {
        "type": "string",
        "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$",
        "examples": ["1.5s"],
    },
    "google.protobuf.FieldMask": {"type": "string", "examples": ["title,author.name"]},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
        "additionalProperties": True,
    },
    "google.protobuf.DoubleValue": {"type": ["number", "null"], "format": "double"},
    "google.protobuf.FloatValue": {"type": ["number", "null"], "format": "float"},
    "google.protobuf.Int64Value": {"type": ["string", "null"], "format": "int64"},
    "google.protobuf.UInt64Value": {"type": ["string", "null"], "format": "uint64"},
    "google.protobuf.Int32Value": {"type": ["integer", "null"], "format": "int32"},
    "google.protobuf.UInt32Value": {"type": ["integer", "null"], "minimum": 0},
    "google.protobuf.BoolValue": {"type": ["boolean", "null"]},
    "google.protobuf.StringValue": {"type": ["string", "null"]},
    "google.protobuf.BytesValue": {"type": ["string", "null"], "contentEncoding": "base64"},
}

_REQUIRED, _OUTPUT_ONLY, _INPUT_ONLY = 2, 3, 4  # google.api.FieldBehavior


class MessageSchemas:
    """The schemas of one document.

    Attributes:
        components: by full name.
    """

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, descriptor: Descriptor) -> Schema:
        """A message."""
        known = _WELL_KNOWN.get(descriptor.full_name)
        if known is not None:
            return dict(known)
        name = descriptor.full_name
        if name not in self.components:
            self.components[name] = {}  # before its fields, which may be of the same type
            self.components[name].update(self.object_of(descriptor))
        return {"$ref": _PLACE + name}

    def object_of(self, descriptor: Descriptor, without: Container[str] = ()) -> Schema:
        """A message as a schema in its place, without some of its fields."""
        schema: Schema = {"title": descriptor.name, "type": "object"}
        if comment := comment_of(descriptor):
            schema["description"] = comment
        fields = [field for field in descriptor.fields if field.name not in without]
        if fields:
            schema["properties"] = {each.json_name: self.of_field(each) for each in fields}
        if required := [each.json_name for each in fields if is_required(each)]:
            schema["required"] = required
        exclusions = [
            {"required": list(pair)}
            for oneof in descriptor.oneofs
            if len(oneof.fields) <= _PAIRED
            for pair in combinations(
                [each.json_name for each in oneof.fields if each.name not in without], 2
            )
        ]
        if exclusions:
            schema["not"] = {"anyOf": exclusions}
        if descriptor.GetOptions().deprecated:
            schema["deprecated"] = True
        return schema

    def of_field(self, field: FieldDescriptor) -> Schema:
        """A field, with what is said of it."""
        schema = dict(self.of_value(field))
        notes = [comment_of(field), constraints_said(field, schema)]
        oneof = field.containing_oneof
        if oneof is not None and len(oneof.fields) > 1:
            others = ", ".join(each.json_name for each in oneof.fields if each.name != field.name)
            notes.append(f"Excludes {others}.")
        if description := "\n\n".join(note for note in notes if note):
            schema["description"] = description
        behavior = _behavior(field)
        if _OUTPUT_ONLY in behavior:
            schema["readOnly"] = True
        if _INPUT_ONLY in behavior:
            schema["writeOnly"] = True
        if field.GetOptions().deprecated:
            schema["deprecated"] = True
        return schema

    def of_value(self, field: FieldDescriptor) -> Schema:
        """What a field holds."""
        kind = field.message_type
        if kind is not None and field.is_repeated and kind.GetOptions().map_entry:
            value = self.of_one(kind.fields_by_name["value"])
            return {"type": "object", "additionalProperties": value}
        one = self.of_one(field)
        return {"type": "array", "items": one} if field.is_repeated else one

    def of_one(self, field: FieldDescriptor) -> Schema:
        """One value of a field, repeated or not."""
        if field.message_type is not None:
            return self.of(field.message_type)
        if field.enum_type is not None:
            return self._of_enum(field.enum_type)
        return dict(_SCALARS[field.type])

    def _of_enum(self, enum: EnumDescriptor) -> Schema:
        name = enum.full_name
        if name == "google.protobuf.NullValue":
            return {"type": "null"}
        if name not in self.components:
            schema: Schema = {
                "title": enum.name,
                "type": "string",
                "enum": [value.name for value in enum.values],
            }
            if comment := comment_of(enum):
                schema["description"] = comment
            self.components[name] = schema
        return {"$ref": _PLACE + name}


def is_required(field: FieldDescriptor) -> bool:
    """Whether a caller has to send it, as far as its description says."""
    return bool(field.is_required) or _REQUIRED in _behavior(field)


def _behavior(field: FieldDescriptor) -> Container[int]:
    encoded = field.GetOptions().SerializeToString()
    if not encoded:
        return ()
    from google.api import field_behavior_pb2  # noqa: PLC0415 - only where options are
    from google.protobuf import descriptor_pb2  # noqa: PLC0415 - same

    # Read anew: a descriptor of another pool does not know the extension.
    options = descriptor_pb2.FieldOptions.FromString(encoded)
    extension: Any = field_behavior_pb2.field_behavior
    return tuple(options.Extensions[extension])
