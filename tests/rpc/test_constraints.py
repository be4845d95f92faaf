"""Constraints of fields: enforced by every protocol, and told by every schema."""

from typing import Annotated, Any, NewType

import grpc
import msgspec
import pydantic
import pytest
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from msgspec import Meta
from openapi_spec_validator import validate

from mainstay import Service
from mainstay.rpc import Get, Post, Rpc
from mainstay.rpc.constraints import Constraints, constraints_of
from mainstay.rpc.method import MessageType
from mainstay.rpc.proto.export import export
from mainstay.service.checking import document
from mainstay.testing.http import http_client
from mainstay.wire.envelopes import seal
from tests.rpc.inspected import serving

Positive = NewType("Positive", Annotated[int, Meta(gt=0)])


class Line(msgspec.Struct):
    """One line of an order."""

    sku: Annotated[str, Meta(pattern="^[A-Z]+$")]
    count: Positive = Positive(1)


class Order(msgspec.Struct):
    """What somebody wants."""

    name: Annotated[str, Meta(min_length=2, max_length=5)]
    share: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    limit: Annotated[int, Meta(multiple_of=5)] | None = None
    lines: Annotated[list[Line], Meta(max_length=3)] = []
    marks: list[Annotated[int, Meta(le=9)]] = []
    words: dict[str, Annotated[str, Meta(max_length=2)]] = {}
    raw: Annotated[bytes, Meta(max_length=4)] = b""


class Plain(pydantic.BaseModel):
    """With pydantic's own."""

    size: int = pydantic.Field(default=1, ge=1)


orders = Rpc("shop.v1.Orders")


@orders.method(http=(Post("/v1/orders"), Get("/v1/orders/{name}")))
async def place(request: Order) -> Order:
    return request


@orders.method
async def measure(request: Plain) -> None: ...


def service() -> Service:
    """Takes orders."""
    made = Service("shop")
    made.add_rpc(orders)
    return made


def order() -> MessageType:
    """The type of the request."""
    return orders.service.methods["Place"].request


def wrong() -> bytes:
    """An order by protobuf, of which three fields are wrong."""
    descriptor: Any = order().descriptor
    made = descriptor._concrete_class(name="a", marks=[1, 10], lines=[{"sku": "A", "count": -1}])
    data: bytes = made.SerializeToString()
    return data


FAULTS = {
    "name": "Expected `str` of length >= 2",
    "lines.0.count": "Expected `int` >= 1",
    "marks.1": "Expected `int` <= 9",
}


@pytest.mark.real_loop
async def test_grpc_refuses_what_the_types_forbid() -> None:
    """With INVALID_ARGUMENT, and each field in the details."""
    async with serving(service()) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/shop.v1.Orders/Place")(wrong())
    error = caught.value
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    metadata: Any = error.trailing_metadata()
    status = Status.FromString(dict(metadata)["grpc-status-details-bin"])
    bad = BadRequest()
    assert any(each.Unpack(bad) for each in status.details)
    assert {each.field: each.description for each in bad.field_violations} == FAULTS


async def test_browsers_and_json_are_refused_alike() -> None:
    """By gRPC-Web, by Connect in both encodings, and by a path of its own."""
    json = {"name": "a", "marks": [1, 10], "lines": [{"sku": "A", "count": -1}]}
    async with http_client(service()) as client:

        async def post(path: str, kind: str, **body: Any) -> Any:
            return await client.post(path, headers={"content-type": kind}, **body)

        path = "/shop.v1.Orders/Place"
        web = await post(path, "application/grpc-web+proto", content=seal(wrong()))
        assert b"grpc-status: 3" in web.body.replace(b"status:3", b"status: 3")
        for reply in (
            await post(path, "application/proto", content=wrong()),
            await client.post(path, json=json),
        ):
            assert (reply.status, reply.json()["code"]) == (400, "invalid_argument")
            (bad,) = [
                each["debug"]["fieldViolations"]
                for each in reply.json()["details"]
                if each["type"] == "google.rpc.BadRequest"
            ]
            assert {each["field"]: each["description"] for each in bad} == FAULTS
        reply = await client.post("/v1/orders", json=json)
        assert reply.status == 422
        assert {each["pointer"]: each["detail"] for each in reply.json()["errors"]} == {
            f"/body/{name.replace('.', '/')}": said for name, said in FAULTS.items()
        }
        reply = await client.get("/v1/orders/abc?share=1")
        assert [each["pointer"] for each in reply.json()["errors"]] == ["/query/share"]
        assert (await client.get("/v1/orders/abc?share=0.5")).status == 200
        assert (await client.get("/v1/orders/abcdef")).status == 422


def test_openapi_says_them() -> None:
    """By keywords; in words, where what protobuf has as a number is text in JSON."""
    said = document(service().declaration, environ={})
    validate(said)
    schemas = said["components"]["schemas"]
    fields = schemas["shop.v1.Order"]["properties"]
    assert fields["name"] == {"type": "string", "minLength": 2, "maxLength": 5}
    assert (fields["share"]["minimum"], fields["share"]["exclusiveMaximum"]) == (0, 1)
    assert fields["limit"]["description"] == "A multiple of 5."
    assert fields["lines"]["maxItems"] == 3
    assert fields["marks"]["description"] == "Each at most 9."
    assert fields["words"]["additionalProperties"] == {"type": "string", "maxLength": 2}
    assert fields["raw"]["description"] == "Of length at most 4."
    line = schemas["shop.v1.Line"]["properties"]
    assert line["sku"]["pattern"] == "^[A-Z]+$"
    assert line["count"]["description"] == "Above 0."
    assert schemas["shop.v1.Plain"]["properties"]["size"]["description"] == "At least 1."
    (path,) = [
        each
        for each in said["paths"]["/v1/orders/{name}"]["get"]["parameters"]
        if each["in"] == "path"
    ]
    assert path["schema"] == {"type": "string", "minLength": 2, "maxLength": 5}


def test_exported_files_say_them_in_comments() -> None:
    """Above the field."""
    (text,) = export([orders.service]).values()
    assert "  // Of length at least 2, of length at most 5.\n  string name = 1;\n" in text
    assert "  // Each at most 9.\n  repeated int64 marks = 5;\n" in text


def test_a_field_without_any_has_none() -> None:
    """And what has no keyword is left over."""
    assert not constraints_of(BadRequest.DESCRIPTOR.fields_by_name["field_violations"])
    schema: dict[str, Any] = {"type": "integer"}
    left = Constraints({"le": 3, "pattern": "a"}, {"ge": 1}).fill(schema)
    assert (schema, left) == (
        {"type": "integer", "maximum": 3},
        Constraints({"pattern": "a"}, {"ge": 1}),
    )
    assert str(left) == "Matching a. Each at least 1."
