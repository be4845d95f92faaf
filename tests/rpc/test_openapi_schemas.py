"""Schemas of messages; what protobuf writes as JSON has to fit them."""

from typing import Any

import msgspec
import pytest
from google.protobuf import json_format
from openapi_schema_validator import OAS31Validator

from mainstay.rpc.openapi_schemas import MessageSchemas
from tests.rpc.transcoding.library import compiled, message

TEXT = """
syntax = "proto2";
package schemas.v1;
import "google/api/field_behavior.proto";
import "google/protobuf/any.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
message Thing {
  required string id = 1;
  optional string name = 2 [(google.api.field_behavior) = REQUIRED];
  optional string made = 3 [(google.api.field_behavior) = OUTPUT_ONLY];
  optional string secret = 4 [(google.api.field_behavior) = INPUT_ONLY];
  optional int32 old = 5 [deprecated = true];
  optional google.protobuf.Any any = 6;
  optional google.protobuf.Value value = 7;
  optional google.protobuf.NullValue nothing = 8;
  optional google.protobuf.Int32Value small = 9;
  optional fixed32 natural = 10;
  map<string, Thing> parts = 11;
}
"""


def schema_of(name: str, pool: Any = None) -> tuple[MessageSchemas, dict[str, Any]]:
    """The schemas of a document with one message, and its own."""
    schemas = MessageSchemas()
    schemas.of((pool or compiled()).FindMessageTypeByName(name))
    return schemas, schemas.components[name]


def test_scalars_are_what_json_has_for_them() -> None:
    """Integers of 64 bits are text, bytes are base64, maps are objects."""
    said = schema_of("library.v1.Book")[1]["properties"]
    assert said["pages"] == {"type": "string", "format": "int64"}
    assert said["scan"]["contentEncoding"] == "base64"
    assert said["tags"] == {"type": "array", "items": {"type": "string"}}
    assert said["copies"]["additionalProperties"] == {"type": "integer", "format": "int32"}
    assert said["printed"] == {"type": "string", "format": "date-time"}
    assert said["author"] == {"$ref": "#/components/schemas/library.v1.Author"}
    assert said["name"]["description"].startswith("Where it stands")


def test_an_enumeration_is_a_component_of_names() -> None:
    """Of all of them, the zero too."""
    found = schema_of("library.v1.Book")[0].components["library.v1.Genre"]
    assert found["enum"] == ["GENRE_UNSPECIFIED", "GENRE_NOVEL", "GENRE_POEM"]


def test_members_of_a_oneof_exclude_one_another() -> None:
    """In words and in the schema."""
    found = schema_of("library.v1.Book")[1]
    assert found["not"] == {"anyOf": [{"required": ["picture", "scan"]}]}
    assert found["properties"]["picture"]["description"] == "Excludes scan."


def test_a_message_within_itself_ends() -> None:
    """By a reference."""
    found = schema_of("library.v1.Author")[1]
    assert found["properties"]["teacher"] == {"$ref": "#/components/schemas/library.v1.Author"}


def test_options_of_fields_are_told() -> None:
    """Required ones, those of one direction, what is deprecated."""
    found = schema_of("schemas.v1.Thing", compiled(TEXT, "schemas.proto"))[1]
    said = found["properties"]
    assert found["required"] == ["id", "name"]
    assert said["made"]["readOnly"] is True
    assert said["secret"]["writeOnly"] is True
    assert said["old"]["deprecated"] is True
    assert said["value"] == {}
    assert said["nothing"] == {"type": "null"}
    assert said["small"]["type"] == ["integer", "null"]
    assert said["natural"]["minimum"] == 0
    assert said["any"]["required"] == ["@type"]


BOOK = {
    "name": "a",
    "title": "b",
    "pages": "9007199254740993",
    "genre": "GENRE_POEM",
    "author": {"name": "c", "born": -5, "teacher": {"name": "d"}},
    "tags": ["e"],
    "copies": {"f": 1},
    "printed": "2026-01-31T12:00:00Z",
    "notes": {"g": [1, None, {"h": True}]},
    "scan": "/w==",
}


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"picture": "x"}, False),
        ({"pages": 1}, False),
        ({"genre": "NOVEL"}, False),
        ({"copies": {"f": "x"}}, False),
        ({"author": {"teacher": {"born": "x"}}}, False),
    ],
)
def test_json_of_a_message_fits_and_other_json_does_not(change: dict[str, Any], fits: bool) -> None:
    """The schema says what protobuf does, in both directions."""
    schemas, schema = schema_of("library.v1.Book")
    document = {**schema, "components": {"schemas": schemas.components}}
    value = BOOK | change
    if fits:
        made = json_format.ParseDict(value, message("library.v1.Book")())
        assert msgspec.to_builtins(json_format.MessageToDict(made)) == value
    assert OAS31Validator(document).is_valid(value) is fits
