"""Where each parameter comes from, decided at start; what could mean two things is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pydantic
import pytest

from mainstay.core.signature import MISSING
from mainstay.http.fields import Field, holes_of
from mainstay.http.forms import FormData
from mainstay.http.middleware.principal import Principal
from mainstay.http.request import Request
from mainstay.http.route import Route
from mainstay.http.sources import Cookie, Form, Header, Json, Path, Query, RawBody, Upload
from mainstay.http.uploads import UploadFile
from tests.http.items import PydanticItem, StructItem
from tests.http.plans import planned, refused


class Database:
    """What no request holds."""


def asking(annotation: Any, default: Any = MISSING) -> Any:
    """A function with one parameter ``a``."""

    def handler(a) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {"a": annotation}
    if default is not MISSING:
        handler.__defaults__ = (default,)
    return handler


def field_of(annotation: Any, path: str = "/", method: str = "GET", **options: Any) -> Field:
    (field,) = planned(asking(annotation), path, method, **options).fields
    return field


@pytest.mark.parametrize(
    ("annotation", "path", "method", "source"),
    [
        (int, "/{a}", "POST", "path"),
        (int, "/", "POST", "query"),
        (list[int], "/", "GET", "query"),
        (StructItem, "/", "POST", "json"),
        (PydanticItem, "/", "PUT", "json"),
        (dict[str, Any], "/", "PATCH", "json"),
        (list[StructItem], "/", "POST", "json"),
        (StructItem | None, "/", "POST", "json"),
        (Any, "/", "POST", "json"),
        (StructItem, "/", "QUERY", "json"),
        (bytes, "/", "POST", "raw"),
        (bytes | None, "/", "POST", "raw"),
        (AsyncIterator[bytes], "/", "POST", "stream"),
        (Request, "/", "GET", "request"),
        (FormData, "/", "POST", "form"),
        (UploadFile, "/", "POST", "file"),
        (list[UploadFile], "/", "POST", "file"),
        (UploadFile | None, "/", "POST", "file"),
        (Annotated[int, Query], "/{a}", "GET", "query"),
        (Annotated[int, Header], "/", "GET", "header"),
        (Annotated[int, Cookie], "/", "GET", "cookie"),
        (Annotated[int, Form], "/", "POST", "form"),
        (Annotated[int, Json], "/", "POST", "json"),
        (Annotated[StructItem, Json], "/", "DELETE", "json"),
        (Annotated[list[int], Json], "/", "POST", "json"),
        (Annotated[bytes, RawBody], "/", "DELETE", "raw"),
        (Annotated[AsyncIterator[bytes], RawBody()], "/", "GET", "stream"),
        (Annotated[UploadFile, Upload], "/", "POST", "file"),
        (Annotated[int, Path(name="b")], "/{b}", "GET", "path"),
        (Annotated[int, Query] | None, "/", "GET", "query"),
    ],
)
def test_the_type_and_the_marker_say_where(
    annotation: Any, path: str, method: str, source: str
) -> None:
    """What the marker says holds; else the path's names, then the type."""
    assert field_of(annotation, path, method).source == source


@pytest.mark.parametrize(
    ("annotation", "path", "method", "said"),
    [
        (MISSING, "/", "GET", "it comes from: say what it is, as in `page: int`"),
        (StructItem, "/", "GET", "Annotated[StructItem, Query]"),
        (dict[str, int], "/", "DELETE", "Annotated[dict[str, int], Json]"),
        (bytes, "/", "GET", "Annotated[bytes, RawBody]"),
        (list[int], "/", "POST", "Annotated[list[int], Query] or Annotated[list[int], Json]"),
        (Database, "/", "POST", "no resource provides it; declare it with @service.resource"),
        (list[Database], "/", "POST", "Database in it"),
        (Annotated[Database, Query], "/", "GET", "cannot come from Query"),
        (Annotated[dict[str, int], Query], "/", "GET", "cannot come from Query"),
        (Annotated[int, Query, Header], "/", "GET", "Query and Header at once"),
        (Annotated[int, Path], "/{b}", "GET", "has no 'a'; it has b"),
        (Annotated[int, Path], "/", "GET", "it has none"),
        (Annotated[int, Upload], "/", "POST", "Upload is for UploadFile"),
        (Annotated[str, RawBody], "/", "POST", "RawBody is for bytes"),
        (Annotated[UploadFile, Query], "/", "POST", "UploadFile cannot come from Query"),
        (Annotated[list[int], Cookie], "/", "GET", "no list"),
        (list[int], "/{a}", "GET", "the path cannot hold list[int]"),
        (StructItem, "/{a}", "GET", "the path cannot hold StructItem"),
        (str, "/{a:int}", "GET", "write {a} in the path, or a: int"),
        (UUID, "/{a:int}", "GET", "the path says 'int'"),
        (bool, "/{a:int}", "GET", "the path says 'int'"),
    ],
)
def test_what_could_not_be_meant_is_refused(
    annotation: Any, path: str, method: str, said: str
) -> None:
    """With the parameter, the route and what to write instead."""
    handler = asking(annotation)
    if annotation is MISSING:
        del handler.__annotations__["a"]
    message = refused(handler, path, method)
    assert said in message
    assert f"parameter 'a' of {method} {path}" in message


def test_a_method_of_a_class_is_no_handler() -> None:
    """Nothing is ``self`` before there is an instance; the message says what to write."""

    class Desk:
        async def answer(self) -> None: ...

    said = refused(Desk.answer)
    assert (
        "a method is no handler: declare a function, or decorate the method of an instance" in said
    )


def test_a_marker_is_no_default() -> None:
    """As other frameworks have it; the message says how it is written here."""
    assert "Annotated[…, Query]" in refused(asking(int, Query()))
    assert "Annotated[…, Header]" in refused(asking(int, Header))


def test_a_default_and_a_factory_are_one_too_many() -> None:
    """Nobody could tell which holds."""
    handler = asking(Annotated[list[int], Query(default_factory=list)], ())
    assert "leave one out" in refused(handler)


def test_a_parameter_that_no_request_fills_keeps_its_default() -> None:
    """An optional resource that nobody provides is no fault."""
    assert planned(asking(Database | None, None)).fields == ()


def test_a_model_in_text_has_plain_fields() -> None:
    """A field that the query cannot hold is named."""

    class Nested(msgspec.Struct):
        item: StructItem

    nested = asking(Annotated[Nested, Query])
    assert "its field 'item' is StructItem, which the query cannot hold" in refused(nested)

    class Elsewhere(msgspec.Struct):
        a: Annotated[int, Header]

    handler = asking(Annotated[Elsewhere, Query])
    assert "cannot come from another place" in refused(handler)

    class Broken(msgspec.Struct):
        a: Annotated[int, Query, Header]

    assert "its field 'a'" in refused(asking(Annotated[Broken, Query]))


def test_a_websocket_has_no_body() -> None:
    """But a path, a query and a head."""
    assert field_of(int, kind="websocket").source == "query"
    for annotation in (StructItem, Annotated[StructItem, Json], Annotated[int, Form], bytes):
        with pytest.raises(Exception, match="no body"):
            field_of(annotation, method="WEBSOCKET", kind="websocket")


def test_a_field_tells_openapi_everything() -> None:
    """Names, type with constraints, whether it is required, and what the marker says."""
    limit = Annotated[
        int,
        Query(name="max", examples=(5,), deprecated=True, documented=False),
        msgspec.Meta(gt=0, description="how many"),
    ]
    (field,) = planned(asking(limit, 20)).fields
    assert (field.parameter, field.key, field.source) == ("a", "max", "query")
    assert (field.required, field.default, field.default_factory) == (False, 20, None)
    assert (field.examples, field.deprecated, field.documented) == ((5,), True, False)
    assert field.description == "how many"
    assert msgspec.json.schema(field.annotation)["exclusiveMinimum"] == 0
    assert field.pointer == "/query/max"


def test_a_description_of_pydantics_counts_too() -> None:
    """The marker's own goes first."""
    annotation = Annotated[int, pydantic.Field(description="of pydantic")]
    assert field_of(annotation).description == "of pydantic"
    assert field_of(Annotated[annotation, Query(description="own")]).description == "own"
    assert field_of(int).description is None


def test_the_fields_of_a_model_are_described() -> None:
    """With the names that the request uses."""

    class Filters(msgspec.Struct, rename="kebab"):
        page_size: int = 20
        x_token: Annotated[str, Query(description="what for")] = ""

    field = field_of(Annotated[Filters, Query])
    assert (field.key, field.pointer, field.required) == ("", "/query", True)
    assert [(each.key, each.default) for each in field.members] == [
        ("page-size", 20),
        ("x-token", ""),
    ]
    assert [each.pointer for each in field.members] == ["/query/page-size", "/query/x-token"]


def test_the_parameters_of_path_and_host() -> None:
    """Are known by name."""
    route = Route(path="/{a:int}/{b}", function=print, host="{c}.example.org")
    assert {name: hole.converter.name for name, hole in holes_of(route).items()} == {
        "a": "int",
        "b": "str",
        "c": "str",
    }


class User(Principal):
    """A principal of an application's own."""


@pytest.mark.parametrize(
    "annotation",
    [
        Principal,
        Principal | None,
        User,
        list[Principal],
        Annotated[Principal, Json],
        Annotated[User | None, Query],
    ],
)
def test_who_calls_is_never_taken_from_a_request(annotation: Any) -> None:
    """Or every peer would say itself who it is, and what it may do."""
    message = refused(asking(annotation), "/", "POST")
    assert "is never taken from a request; write `Principal`" in message


class Colour(Enum):
    """Two of them."""

    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int, "1"),
        (int, ...),
        (str, 1),
        (str, object()),
        (bool, 1),
        (float, True),
        (Colour, "red"),
        (Literal["a", "b"], "c"),
        (Literal[1], True),
        (int | UUID, "x"),
        (Annotated[int, Query], "1"),
        (Annotated[int, msgspec.Meta(ge=0)] | None, "1"),
        (str, None),
    ],
)
def test_a_default_is_of_the_type(annotation: Any, default: Any) -> None:
    """Or the handler would get what its signature rules out."""
    message = refused(asking(annotation, default))
    assert f"parameter 'a' of GET /: its default {default!r} is no " in message
    assert ("| None`" in message) == (default is None)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int, 1),
        (int, True),
        (float, 1),
        (Colour, Colour.RED),
        (Literal["a", "b"], "b"),
        (int | UUID, UUID(int=1)),
        (Annotated[int, msgspec.Meta(ge=0)], 1),
        (int | None, None),
        (pydantic.SecretStr, pydantic.SecretStr("x")),
        (Annotated[int, pydantic.Field(gt=0)], 1),
        (list[int], ()),
    ],
)
def test_a_default_that_fits_is_kept(annotation: Any, default: Any) -> None:
    """A whole number is as good as a float, and what pydantic checks is left to it."""
    (field,) = planned(asking(annotation, default)).fields
    assert field.default == default
