"""Parameters and bodies of requests, as OpenAPI says them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum
from typing import Annotated, Any

from msgspec import Meta, Struct
from pydantic import BaseModel

from mainstay.http.forms import FormData
from mainstay.http.routes import Routes
from mainstay.http.sources import Cookie, Form, Header, Json, Query, RawBody, Upload
from mainstay.http.uploads import UploadFile
from tests.http.openapi.world import document


class Colour(Enum):
    RED = "red"


class Filters(Struct):
    colour: Colour
    limit: Annotated[int, Meta(ge=1, le=100, description="How many.")] = 20


class Item(Struct):
    name: Annotated[str, Meta(min_length=1, examples=["pen"])]


class Model(BaseModel):
    name: str


class Login(Struct):
    user: str
    remember: bool = False


def operation(routes: Routes) -> dict[str, Any]:
    (path,) = document(routes)["paths"].values()
    (said,) = path.values()
    return dict(said)


def parameters(routes: Routes) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in operation(routes)["parameters"]}


def test_parameters_have_their_place_type_and_default() -> None:
    """Path parameters are required; constraints are part of the schema."""
    routes = Routes()

    @routes.get("/users/{id:int}")
    async def read(
        id: Annotated[int, Meta(ge=1)],
        q: str | None = None,
        limit: int = 20,
        x_token: Annotated[str, Header] = "",
        session: Annotated[str | None, Cookie] = None,
        tag: Annotated[list[str], Query] = [],  # noqa: B006
    ) -> None: ...

    found = parameters(routes)
    assert found["id"] == {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
    assert (found["q"]["required"], found["q"]["schema"]) == (False, {"type": "string"})
    assert found["limit"]["schema"] == {"type": "integer", "default": 20}
    assert found["x-token"]["in"] == "header"
    assert found["session"]["in"] == "cookie"
    assert found["tag"]["schema"]["items"] == {"type": "string"}


def test_a_parameter_of_the_path_that_nobody_asks_for_is_told() -> None:
    """The document would be wrong without it; its type is the converter's."""
    routes = Routes()

    @routes.get("/a/{id:int}/b-{name}.txt")
    async def read(name: str) -> None: ...

    assert list(document(routes)["paths"]) == ["/a/{id}/b-{name}.txt"]
    assert parameters(routes)["id"]["schema"] == {"type": "integer"}


def test_a_model_of_the_query_is_its_fields() -> None:
    """Each is a parameter, with what the model says of it."""
    routes = Routes()

    @routes.get("/")
    async def search(filters: Annotated[Filters, Query]) -> None: ...

    found = parameters(routes)
    assert found["colour"]["required"]
    assert found["colour"]["schema"] == {"$ref": "#/components/schemas/Colour"}
    assert found["limit"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "description": "How many.",
        "default": 20,
    }


def test_a_marker_describes_deprecates_and_hides() -> None:
    """Description and examples are told; what is not documented is left out."""
    routes = Routes()

    @routes.get("/")
    async def search(
        a: Annotated[str, Query(description="An a.", examples=("x",), deprecated=True)],
        b: Annotated[str, Query(name="b-b", examples={"best": "y"})],
        c: Annotated[str, Query(documented=False)] = "",
    ) -> None: ...

    found = parameters(routes)
    assert set(found) == {"a", "b-b"}
    assert (found["a"]["description"], found["a"]["deprecated"]) == ("An a.", True)
    assert found["a"]["examples"] == {"example 1": {"value": "x"}}
    assert found["b-b"]["examples"] == {"best": {"value": "y"}}


def test_fields_that_openapi_says_elsewhere_are_left_out() -> None:
    """``authorization`` is security's, ``content-type`` and ``accept`` the body's."""
    routes = Routes()

    @routes.get("/")
    async def read(authorization: Annotated[str, Header] = "") -> None: ...

    assert "parameters" not in operation(routes)


def test_a_json_body_is_its_schema() -> None:
    """By reference, with the media types that are taken."""
    routes = Routes()

    @routes.post("/")
    async def create(item: Annotated[Item, Json(media_types=("application/x-item",))]) -> None: ...

    body = operation(routes)["requestBody"]
    media = {"schema": {"$ref": "#/components/schemas/Item"}}
    assert body == {
        "required": True,
        "content": {"application/json": media, "application/x-item": media},
    }
    component = document(routes)["components"]["schemas"]["Item"]
    assert component["properties"]["name"] == {
        "type": "string",
        "minLength": 1,
        "examples": ["pen"],
    }


def test_a_body_may_be_pydantic_s_and_optional() -> None:
    """A default makes it so."""
    routes = Routes()

    @routes.post("/")
    async def create(item: Model | None = None) -> None: ...

    body = operation(routes)["requestBody"]
    assert not body["required"]
    options = body["content"]["application/json"]["schema"]["anyOf"]
    assert options == [{"$ref": "#/components/schemas/Model"}, {"type": "null"}]


def test_a_form_is_an_object_in_both_encodings() -> None:
    """Models are their fields; with files it is multipart only."""
    routes = Routes()

    @routes.post("/")
    async def login(form: Annotated[Login, Form]) -> None: ...

    content = operation(routes)["requestBody"]["content"]
    assert set(content) == {"application/x-www-form-urlencoded", "multipart/form-data"}
    schema = content["multipart/form-data"]["schema"]
    assert schema["required"] == ["user"]
    assert schema["properties"]["remember"] == {"type": "boolean", "default": False}


def test_files_are_binary() -> None:
    """One, several, and beside fields."""
    routes = Routes()

    @routes.post("/")
    async def upload(
        title: Annotated[str, Form],
        photo: Annotated[UploadFile, Upload(description="A photo.")],
        more: list[UploadFile] = [],  # noqa: B006
    ) -> None: ...

    content = operation(routes)["requestBody"]["content"]
    assert set(content) == {"multipart/form-data"}
    schema = content["multipart/form-data"]["schema"]
    binary = {"type": "string", "format": "binary"}
    assert schema["properties"]["photo"] == {**binary, "description": "A photo."}
    assert schema["properties"]["more"] == {"type": "array", "items": binary}
    assert sorted(schema["required"]) == ["photo", "title"]


def test_a_whole_form_may_have_any_fields() -> None:
    """Nobody has said which."""
    routes = Routes()

    @routes.post("/")
    async def upload(form: FormData) -> None: ...

    content = operation(routes)["requestBody"]["content"]
    assert content["multipart/form-data"]["schema"] == {"type": "object", "properties": {}}


def test_a_raw_body_is_bytes_of_its_types() -> None:
    """Of any type unless it says which, whole or as it comes."""
    routes = Routes()

    @routes.put("/")
    async def put(data: Annotated[bytes, RawBody(media_types=("image/png",))]) -> None: ...

    assert set(operation(routes)["requestBody"]["content"]) == {"image/png"}
    routes = Routes()

    @routes.put("/")
    async def stream(data: AsyncIterator[bytes]) -> None: ...

    assert set(operation(routes)["requestBody"]["content"]) == {"application/octet-stream"}
