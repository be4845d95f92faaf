"""Replies and problems, as OpenAPI says them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Struct
from pydantic import BaseModel

from mainstay.errors import ValidationFailed, Violation
from mainstay.http.openapi.outputs import PROBLEM
from mainstay.http.problems import problem_response
from mainstay.http.replies import Created, Html, NoContent, Redirect
from mainstay.http.request import Request
from mainstay.http.response import Response
from mainstay.http.results import ContentType
from mainstay.http.routes import Routes
from mainstay.http.sse import Event, EventStream
from mainstay.testing.exchange import MemoryExchange
from tests.http.openapi.world import document


class Item(Struct):
    name: str


class Model(BaseModel):
    name: str = ""


def responses(returns: Any, path: str = "/", **options: Any) -> dict[str, Any]:
    async def answer() -> None: ...

    answer.__annotations__["return"] = returns
    routes = Routes()
    routes.get(path, **options)(answer)
    ((operation,),) = (each.values() for each in document(routes)["paths"].values())
    return dict(operation["responses"])


ITEM = {"$ref": "#/components/schemas/Item"}


@pytest.mark.parametrize(
    ("returns", "status", "content"),
    [
        (None, "204", None),
        (str, "200", {"text/plain": {"schema": {"type": "string"}}}),
        (Item, "200", {"application/json": {"schema": ITEM}}),
        (Model, "200", {"application/json": {"schema": {"$ref": "#/components/schemas/Model"}}}),
        (list[Item], "200", {"application/json": {"schema": {"type": "array", "items": ITEM}}}),
        (dict[str, Any], "200", {"application/json": {"schema": {"type": "object"}}}),
        (Redirect, "303", None),
        (Created, "201", {"application/json": {"schema": {}}}),
        (Created[Item], "201", {"application/json": {"schema": ITEM}}),
        (Created[None], "201", None),
        (NoContent, "204", None),
        (Html, "200", {"text/html": {"schema": {"type": "string"}}}),
        (Response, "200", {"*/*": {"schema": {}}}),
        (
            Annotated[str, ContentType("text/csv")],
            "200",
            {"text/csv": {"schema": {"type": "string"}}},
        ),
        (
            AsyncIterator[bytes],
            "200",
            {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        ),
        (
            AsyncIterator[Item],
            "200",
            {"application/x-ndjson": {"schema": {"type": "string"}, "x-item-schema": ITEM}},
        ),
        (
            EventStream[Item],
            "200",
            {"text/event-stream": {"schema": {"type": "string"}, "x-item-schema": ITEM}},
        ),
        (
            AsyncIterator[Event[Item]],
            "200",
            {"text/event-stream": {"schema": {"type": "string"}, "x-item-schema": ITEM}},
        ),
        (
            AsyncIterator[Event[Item] | Event[int]],
            "200",
            {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "x-item-schema": {"anyOf": [{"type": "integer"}, ITEM]},
                }
            },
        ),
        (
            AsyncIterator[Event],
            "200",
            {"text/event-stream": {"schema": {"type": "string"}, "x-item-schema": {}}},
        ),
    ],
)
def test_a_reply_is_told_by_its_type(returns: Any, status: str, content: Any) -> None:
    """Status, media type and schema."""
    found = responses(returns)
    assert found[status].get("content") == content
    assert found[status]["description"]


def test_several_replies_are_all_told() -> None:
    """A union is each of its members."""
    found = responses(Item | Model | Redirect | None)
    assert found["200"]["content"]["application/json"]["schema"]["anyOf"] == [
        ITEM,
        {"$ref": "#/components/schemas/Model"},
    ]
    assert {"204", "303"} <= set(found)


def test_the_status_of_the_route_is_that_of_success() -> None:
    """201 instead of 200."""
    found = responses(Item, status=201)
    assert "200" not in found
    assert found["201"]["description"] == "Created"


def test_every_problem_that_can_come_is_told() -> None:
    """Whatever takes a body can refuse it; what takes nothing has the server's faults only."""
    assert [each for each in responses(None) if each > "399"] == ["429", "500", "503", "504"]
    routes = Routes()

    @routes.post("/")
    async def create(item: Item) -> None: ...

    found = document(routes)["paths"]["/"]["post"]["responses"]
    wanted = ["400", "408", "413", "415", "422", "429", "500", "503", "504"]
    assert [each for each in found if each > "399"] == wanted


def test_a_route_declares_further_answers() -> None:
    """By a sentence, a type, None, or in OpenAPI's own words."""
    whole = {"description": "A teapot.", "headers": {"x-tea": {"schema": {"type": "string"}}}}
    said = {404: "There is no such item.", 202: Item, 410: None, 418: whole}
    found = responses(Item, responses=said)
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert found["404"] == {"description": "There is no such item.", "content": problem}
    assert found["202"]["content"] == {"application/json": {"schema": ITEM}}
    assert found["410"] == {"description": "Gone"}
    assert found["418"] == whole


def test_the_schema_of_problems_is_that_of_real_ones() -> None:
    """Each member that a problem has is described."""
    error = ValidationFailed([Violation("/query/a", "it is missing", "missing")])
    body = problem_response(error, Request(MemoryExchange())).body
    assert isinstance(body, bytes)
    problem = msgspec.json.decode(body)
    assert set(problem) <= set(PROBLEM["properties"])
    assert set(PROBLEM["required"]) <= set(problem)
    members = PROBLEM["properties"]["errors"]["items"]["properties"]
    assert set(problem["errors"][0]) <= set(members)
