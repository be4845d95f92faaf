"""RPC in the OpenAPI document of a service."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from openapi_spec_validator import validate

from mainstay import Service
from mainstay.http import bearer
from mainstay.http.middleware.principal import require
from mainstay.rpc import Get, Rpc
from mainstay.service.checking import document
from tests.rpc.transcoding.library import library, message, rpc_service


@dataclass
class Item:
    sku: str = ""


@pytest.fixture(scope="module", name="said")
def said_of_the_library() -> dict[str, Any]:
    """The document of the library."""
    return document(library().declaration, environ={})


def names(operation: dict[str, Any], where: str) -> list[str]:
    """The parameters of an operation that are there."""
    return [each["name"] for each in operation.get("parameters", ()) if each["in"] == where]


def test_the_document_is_one_of_openapi(said: dict[str, Any]) -> None:
    """By the validator of others."""
    validate(said)


def test_a_method_is_there_by_each_of_its_paths(said: dict[str, Any]) -> None:
    """With a name of its own for each, and not at the path that gRPC calls."""
    operations = [
        said["paths"][path]["get"]["operationId"]
        for path in (
            "/v1/shelves/{shelvesId}/books/{booksId}",
            "/v1/books/{name}",
            "/v1/authors/{author.name}/books/{name}",
        )
    ]
    assert operations == ["Library_GetBook", "Library_GetBook_2", "Library_GetBook_3"]
    assert "/library.v1.Library/GetBook" not in said["paths"]
    assert "/v1/shelves/{shelvesId}/books/{booksId}:archive" in said["paths"]


def test_comments_are_what_is_said_of_a_method(said: dict[str, Any]) -> None:
    """The first line is the summary, what follows the description; the service is the tag."""
    found = said["paths"]["/v1/books/{name}"]["get"]
    assert (found["summary"], found["description"]) == (
        "Find one book",
        "It may stand on any shelf.",
    )
    assert found["tags"] == ["library.v1.Library"]
    assert said["tags"] == [{"name": "library.v1.Library", "description": "Keeps books."}]


def test_parameters_are_the_fields_that_are_left(said: dict[str, Any]) -> None:
    """In the path its parts, in the query all others, in the body none of these."""
    book = said["paths"]["/v1/shelves/{shelvesId}/books/{booksId}"]
    assert names(book["get"], "path") == ["shelvesId", "booksId"]
    assert names(book["get"], "query") == ["revision", "author.name", "author.born"]
    assert book["get"]["parameters"][0]["description"] == "A part of the field name."
    assert names(book["patch"], "query") == []
    create = said["paths"]["/v1/shelves/{shelvesId}/books"]["post"]
    assert names(create, "query") == ["bookId", "dryRun"]
    content = create["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/library.v1.Book"}
    archive = said["paths"]["/v1/shelves/{shelvesId}/books/{booksId}:archive"]["post"]
    schema = archive["requestBody"]["content"]["application/json"]["schema"]
    assert list(schema["properties"]) == ["revision", "author"]
    search = said["paths"]["/v1/search"]["get"]
    assert {"labels", "authors", "author"}.isdisjoint(names(search, "query"))
    years = next(each for each in search["parameters"] if each["name"] == "years")
    assert years["schema"]["type"] == "array"


def test_replies_are_messages_fields_bytes_or_streams(said: dict[str, Any]) -> None:
    """Each with its content type; failures are problems."""

    def content(path: str, verb: str = "get") -> dict[str, Any]:
        found: dict[str, Any] = said["paths"][path][verb]["responses"]["200"]["content"]
        return found

    book = {"$ref": "#/components/schemas/library.v1.Book"}
    assert content("/v1/books/{name}") == {"application/json": {"schema": book}}
    assert content("/v1/titles")["application/json"]["schema"]["type"] == "array"
    assert content("/v1/files/{name}")["*/*"]["schema"]["format"] == "binary"
    stream = content("/v1/watch/{name}")
    assert list(stream) == ["application/x-ndjson", "text/event-stream"]
    item = stream["text/event-stream"]["x-item-schema"]
    assert item == {"$ref": "#/components/schemas/library.v1.Tick"}
    responses = said["paths"]["/v1/books/{name}"]["get"]["responses"]
    assert list(responses["default"]["content"]) == ["application/problem+json"]


def test_a_method_without_such_a_path_is_a_post_of_json(said: dict[str, Any]) -> None:
    """As Connect has it; of a method of HTTP that OpenAPI has no word for the description tells."""
    found = said["paths"]["/library.v1.Library/Lock"]["post"]
    assert found["description"] == "Also: `LOCK /v1/books/{name}`."
    assert list(found["requestBody"]["content"]) == ["application/json"]
    error = found["responses"]["default"]["content"]["application/json"]["schema"]
    assert error == {"$ref": "#/components/schemas/connect.Error"}


def test_streams_without_such_a_path_say_what_they_are_made_of() -> None:
    """Enveloped JSON, in the direction that streams."""

    async def talk(requests: Any) -> Any:
        """Talk back.

        For as long as you like.
        """
        yield

    tick: Any = message("library.v1.Tick")
    talk.__annotations__["requests"] = AsyncIterator[tick]
    service = Service("library")
    found = rpc_service({"Talk": talk})
    service.declaration.rpc["library.v1.Library"] = found
    said = document(service.declaration, environ={})
    validate(said)
    operation = said["paths"]["/library.v1.Library/Talk"]["post"]
    assert operation["summary"] == "Talk back"
    assert operation["description"].startswith("For as long as you like.\n\nThe messages of both")
    content = operation["responses"]["200"]["content"]["application/connect+json"]
    assert content["x-item-schema"] == {"$ref": "#/components/schemas/library.v1.Tick"}
    assert "x-item-count" not in content
    assert operation["x-rpc"] == {
        "method": "library.v1.Library/Talk",
        "kind": "bidirectional streaming",
    }


def test_a_stream_with_one_reply_says_so() -> None:
    """The reply of a client-streaming method is enveloped, and one."""
    rpc = Rpc("shop.v1.Stock")

    @rpc.method
    async def load(requests: AsyncIterator[Item]) -> Item:
        return Item()

    service = Service("shop")
    service.add_rpc(rpc)
    operation = document(service.declaration, environ={})["paths"]["/shop.v1.Stock/Load"]["post"]
    media = "application/connect+json"
    assert "x-item-count" not in operation["requestBody"]["content"][media]
    assert operation["responses"]["200"]["content"][media]["x-item-count"] == 1
    assert operation["x-rpc"]["kind"] == "client streaming"


def test_what_is_not_spoken_is_not_told() -> None:
    """Without Connect there is no POST of JSON, and without transcoding there are no paths."""
    environ = {
        "MAINSTAY__RPC__CONNECT": "false",
        "MAINSTAY__RPC__TRANSCODING": "false",
    }
    assert document(library().declaration, environ=environ)["paths"] == {}


def test_routes_of_http_stay_what_they_are() -> None:
    """Names of operations that both would have are made different."""
    service = library()

    @service.get("/v1/books/{name}/pages", name="Library_Search")
    async def pages(name: str) -> int:
        """Count the pages."""
        return 1

    said = document(service.declaration, environ={})
    validate(said)
    assert said["paths"]["/v1/books/{name}/pages"]["get"]["operationId"] == "Library_Search"
    assert said["paths"]["/v1/search"]["get"]["operationId"] == "Library_Search_2"


def test_what_callers_have_to_prove_is_told() -> None:
    """Of the service's middleware and of the method's, by each way, with the scheme; also where no
    route of HTTP has one."""
    rpc = Rpc("shop.v1.Stock")

    @rpc.method(http=Get("/v1/items/{sku}"))
    async def get_item(request: Item) -> Item:
        return request

    @rpc.method(middleware=[require("stock:write")])
    async def put(request: Item) -> Item:
        return request

    service = Service("shop", middleware=[bearer(lambda token: token, format="opaque")])
    service.add_rpc(rpc)
    made = document(service.declaration, environ={})
    validate(made)
    assert made["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "opaque"}
    }
    operation = made["paths"]["/v1/items/{sku}"]["get"]
    assert operation["security"] == [{"bearer": []}]
    assert {"401", "403"} <= set(operation["responses"])
    posted = made["paths"]["/shop.v1.Stock/Put"]["post"]
    assert posted["security"] == [{"bearer": ["stock:write"]}]


def test_who_asks_for_nothing_has_no_security(said: dict[str, Any]) -> None:
    """Neither schemes nor 401."""
    assert "securitySchemes" not in said["components"]
    operation = said["paths"]["/v1/books/{name}"]["get"]
    assert "security" not in operation
    assert "401" not in operation["responses"]
