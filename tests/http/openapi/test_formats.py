"""Formats of moments and times, wherever they stand."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from msgspec import Meta, Struct

from mainstay.http.openapi.schemas import Schemas

MOMENT = {"type": "string", "format": "date-time"}


class One(Struct, tag=True):
    at: datetime


class Two(Struct, tag=True):
    at: Annotated[datetime, Meta(description="When.")] | None
    next: Two | None = None


class Row(Struct, array_like=True, tag=True):
    at: datetime


class Pair(NamedTuple):
    at: datetime
    name: str


class Every(Struct):
    moment: datetime
    day: date
    hour: time
    local: Annotated[time, Meta(tz=False)]
    id: UUID
    span: timedelta
    many: list[datetime]
    pair: tuple[int, datetime]
    named: dict[str, datetime]
    either: int | One | Two | None
    maybe: One | None
    row: Row
    also: Pair


def made(annotation: Any) -> dict[str, Any]:
    schemas = Schemas()
    schema = schemas.of(annotation)
    schemas.finish()
    return {"": schema, **schemas.components}


def test_a_field_says_what_text_it_is() -> None:
    """A client makes a moment of it rather than a string; a time without offset stays one."""
    found = made(Every)["Every"]["properties"]
    formats = {name: each.get("format") for name, each in found.items()}
    assert formats["moment"] == "date-time"
    assert (formats["day"], formats["hour"], formats["local"]) == ("date", "time", "partial-time")
    assert (formats["id"], formats["span"]) == ("uuid", "duration")


def test_what_stands_in_other_types_says_it_too() -> None:
    """Lists, tuples, mappings, unions, arrays with a tag, named tuples; once for what contains
    itself."""
    found = made(Every)
    fields = found["Every"]["properties"]
    assert fields["many"]["items"] == MOMENT
    assert fields["pair"]["prefixItems"][1] == MOMENT
    assert fields["named"]["additionalProperties"] == MOMENT
    assert found["One"]["properties"]["at"] == MOMENT
    assert found["Two"]["properties"]["at"]["anyOf"][0] == {**MOMENT, "description": "When."}
    assert found["Row"]["prefixItems"][1] == MOMENT
    assert found["Pair"]["prefixItems"][0] == MOMENT


def test_alone_it_says_it_too() -> None:
    """As parameters and replies are."""
    assert made(datetime)[""] == MOMENT
    assert made(list[One])["One"]["properties"]["at"] == MOMENT
