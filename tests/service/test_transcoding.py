"""Paths of RPC beside the routes of HTTP."""

import asyncio

import pytest

from mainstay.errors import HttpError, WiringError
from mainstay.http.settings import HttpSettings
from mainstay.net.limits import Limits
from mainstay.rpc.settings import RpcSettings
from mainstay.service.settings import Settings
from mainstay.service.transcoding import problem, transcoded
from mainstay.testing.http import http_client
from tests.rpc.transcoding.library import library


def test_a_route_for_the_requests_of_a_method_is_refused_at_the_start() -> None:
    """Also where its parameter has another name; all of them are named."""
    service = library()

    @service.get("/v1/books/{id}")
    async def one(id: str) -> str:
        return id

    @service.get("/v1/files/{rest:path}")
    async def two(rest: str) -> str:
        return rest

    with pytest.raises(WiringError) as caught:
        transcoded(service.declaration)
    assert "GetBook is also the route 'GET /v1/books/{id}'" in caught.value.message
    assert "ReadFile is also the route 'GET /v1/files/{rest:path}'" in caught.value.message


def test_routes_of_other_methods_hosts_and_segments_are_none_of_these() -> None:
    """They never get the same requests, or differ by what they are more special in."""
    service = library()

    @service.patch("/v1/books/{id}")
    async def one(id: str) -> str:
        return id

    @service.get("/v1/books/{id}.json")
    async def two(id: str) -> str:
        return id

    assert transcoded(service.declaration)


async def test_a_route_without_parameters_goes_before_a_variable() -> None:
    """So do probes and the docs; a variable goes before a route that takes more."""
    service = library()

    @service.get("/v1/books/me")
    async def mine() -> str:
        return "mine"

    @service.get("/{rest:path}")
    async def anything(rest: str) -> str:
        return "anything"

    async with http_client(service) as client:
        assert (await client.get("/v1/books/me")).text == "mine"
        assert (await client.get("/v1/books/you")).json() == {"name": "you", "author": {}}
        assert (await client.get("/v2")).text == "anything"
        assert (await client.get("/livez")).status == 200


async def test_a_slash_too_much_is_redirected_as_for_routes() -> None:
    """With 308, which keeps the method; not where slashes are strict."""
    async with http_client(library()) as client:
        reply = await client.get("/v1/books/x/?view=FULL")
        assert reply.status == 308
        assert reply.headers["location"] == "/v1/books/x?view=FULL"
    settings = Settings(http=HttpSettings(slashes="strict"))
    async with http_client(library(), settings=settings) as client:
        assert (await client.get("/v1/books/x/")).status == 404


async def test_with_too_many_calls_at_work_a_path_is_refused_as_a_route_is() -> None:
    """503 with a problem, and when to try again."""
    service = library()
    gate = asyncio.Event()

    @service.get("/wait")
    async def wait() -> None:
        await gate.wait()

    limits = Limits(in_flight=1)
    async with http_client(service, settings=Settings(http=HttpSettings(limits=limits))) as client:
        waiting = [asyncio.ensure_future(client.get("/wait")) for _ in range(2)]
        await asyncio.sleep(1)
        for path in ("/v1/books/x", "/wait"):
            reply = await client.get(path)
            assert (reply.status, reply.headers["retry-after"]) == (503, "1")
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.json()["reason"] == "OVERLOADED"
        gate.set()
        await asyncio.gather(*waiting)


async def test_without_transcoding_there_are_no_such_paths() -> None:
    """The setting leaves methods to their own paths."""
    settings = Settings(rpc=RpcSettings(transcoding=False))
    async with http_client(library(), settings=settings) as client:
        assert (await client.get("/v1/books/x")).status == 404
        reply = await client.post("/library.v1.Library/GetBook", json={"name": "x"})
        assert reply.json()["name"] == "x"


async def test_a_service_of_methods_alone_has_a_page_of_docs() -> None:
    """With all of them in its document."""
    async with http_client(library()) as client:
        assert (await client.get("/docs")).status == 200
        said = (await client.get("/openapi.json")).json()
        assert "/v1/books/{name}" in said["paths"]


def test_a_problem_is_that_of_http_with_more_members() -> None:
    """The fields of the error are fields of the answer."""
    error = HttpError(429, "slowly", headers={"retry-after": "3"})
    status, fields, body = problem(error, "id 1", {"details": [1]})
    assert status == 429
    assert dict(fields) == {b"content-type": b"application/problem+json", b"retry-after": b"3"}
    assert b'"details":[1]' in body
    assert b'"instance":"id%201"' in body
