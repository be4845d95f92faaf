"""Schemas of types, in one set of components."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from msgspec import Struct, defstruct
from pydantic import BaseModel

from mainstay.http.openapi.schemas import Schemas, plain


class Tree(Struct):
    children: list[Tree] = []


class Item(BaseModel):
    name: str = ""


class Loose(Struct):
    name: str
    extra: object
    address: IPv4Address | None = None


class Node(BaseModel):
    next: Node | None = None


def test_types_of_one_name_stay_apart() -> None:
    """Also when one is msgspec's and the other pydantic's, and references follow."""
    schemas = Schemas()
    other = defstruct("Item", [("size", int)])
    first, second = schemas.of(other), schemas.of(list[Item])
    schemas.finish()
    assert first == {"$ref": "#/components/schemas/Item"}
    assert second["items"] == {"$ref": "#/components/schemas/Item_2"}
    assert set(schemas.components) == {"Item", "Item_2"}


def test_a_type_may_contain_itself() -> None:
    """It refers to itself, in either library."""
    schemas = Schemas()
    one, two = schemas.of(Tree), schemas.of(Node)
    schemas.finish()
    assert (one, two) == (
        {"$ref": "#/components/schemas/Tree"},
        {"$ref": "#/components/schemas/Node"},
    )
    children = schemas.components["Tree"]["properties"]["children"]
    assert children["items"] == {"$ref": "#/components/schemas/Tree"}


def test_a_type_that_we_send_may_read_otherwise() -> None:
    """Pydantic requires a field with a default only of what it sends."""
    schemas = Schemas()
    taken, sent = schemas.of(Item), schemas.of(Item, sent=True)
    schemas.finish()
    names = [each["$ref"].rpartition("/")[2] for each in (taken, sent)]
    assert all(schemas.components[name]["title"] == "Item" for name in names)


def test_what_nobody_can_describe_is_left_open() -> None:
    """One odd type does not cost the others their schemas."""
    schemas = Schemas()
    odd, address, good = schemas.of(type[int]), schemas.of(IPv4Address), schemas.of(int)
    schemas.of(Any)
    schemas.finish()
    assert (odd, address, good) == ({}, {}, {"type": "integer"})


def test_object_is_anything() -> None:
    """Alone, in other types, and in the fields of a struct, which keeps its other fields."""
    schemas = Schemas()
    alone, values, loose = (schemas.of(each) for each in (object, dict[str, object], Loose))
    schemas.finish()
    assert (alone, values) == ({}, {"type": "object", "additionalProperties": {}})
    assert loose == {"$ref": "#/components/schemas/Loose"}
    properties = schemas.components["Loose"]["properties"]
    assert (properties["name"], properties["extra"]) == ({"type": "string"}, {})
    assert "x-open" not in str(schemas.components)


def test_a_schema_of_ours_keeps_its_name() -> None:
    """A user's type of that name gets another."""
    schemas = Schemas()
    assert schemas.add("Tree", {"type": "string"}) == {"$ref": "#/components/schemas/Tree"}
    theirs = schemas.of(Tree)
    schemas.finish()
    assert theirs == {"$ref": "#/components/schemas/Tree_2"}
    assert schemas.components["Tree"] == {"type": "string"}
    children = schemas.components["Tree_2"]["properties"]["children"]
    assert children["items"] == {"$ref": "#/components/schemas/Tree_2"}


def test_values_become_those_of_json() -> None:
    """Structs, models, and whatever is said as text."""
    assert plain(Tree([Tree()])) == {"children": [{"children": []}]}
    assert plain([Item(name="a"), IPv4Address("10.0.0.1")]) == [{"name": "a"}, "10.0.0.1"]
