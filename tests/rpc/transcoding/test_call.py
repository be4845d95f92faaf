"""Whole calls by JSON, over HTTP to a service in memory."""

import asyncio
import json
from typing import Any

import pytest

from mainstay import Call, Handler, Service
from mainstay.errors import Code, RpcError
from mainstay.rpc.call import RpcCall
from mainstay.rpc.settings import RpcSettings
from mainstay.service.settings import Settings
from mainstay.testing.http import http_client
from tests.rpc.transcoding.library import library, message, rpc_service


def answering(**answers: Any) -> Service:
    """A library of which these methods are answered."""
    service = Service("library")
    service.declaration.rpc["library.v1.Library"] = rpc_service(answers)
    return service


async def test_a_method_is_called_by_path_query_and_body() -> None:
    """The examples of google/api/http.proto, on a library of our own."""
    async with http_client(library()) as client:
        reply = await client.get("/v1/shelves/1/books/2?revision=7&author.teacher.name=Bo")
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/json"
        assert reply.json() == {
            "name": "shelves/1/books/2",
            "pages": "7",
            "author": {"teacher": {"name": "Bo"}},
        }
        made = await client.post("/v1/shelves/3/books?bookId=q", json={"title": "T"})
        assert made.json() == {"name": "shelves/3/books/q", "title": "T", "tags": ["dry=False"]}
        assert (await client.delete("/v1/shelves/1/books/2")).json() == {}
        archived = await client.post("/v1/shelves/1/books/2:archive", json={"revision": 4})
        assert archived.json()["pages"] == "4"
        nested = await client.get("/v1/authors/Ann/books/x")
        assert nested.json() == {"name": "x", "author": {"name": "Ann"}}
        assert (await client.request("LOCK", "/v1/books/q")).json()["title"] == "locked"


async def test_head_gets_the_head_of_get() -> None:
    """With its length, and no body."""
    async with http_client(library()) as client:
        reply = await client.head("/v1/books/x")
        assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize("versions", [("1.1",), ("2",)])
async def test_a_path_without_the_method_tells_which_it_has(versions: tuple[str, ...]) -> None:
    """405 and OPTIONS are HTTP's, and know of both."""
    service = library()

    @service.patch("/v1/books/{id}")
    async def change(id: str) -> str:
        return id

    async with http_client(service, versions=versions) as client:
        reply = await client.put("/v1/books/x", content=b"")
        assert reply.status == 405
        assert reply.headers["allow"] == "GET, HEAD, LOCK, OPTIONS, PATCH"
        assert reply.json()["reason"] == "METHOD_NOT_ALLOWED"
        asked = await client.options("/v1/books/x")
        assert (asked.status, asked.headers["allow"]) == (204, "GET, HEAD, LOCK, OPTIONS, PATCH")
        assert (await client.patch("/v1/books/x")).text == "x"
        assert (await client.get("/v1/nothing")).status == 404


async def test_a_path_that_is_not_utf_8_is_a_problem() -> None:
    """With 400, as what is malformed has everywhere; a string of protobuf cannot hold it."""
    async with http_client(library()) as client:
        reply = await client.get("/v1/shelves/%ff/books/2")
        assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")
        (error,) = reply.json()["errors"]
        assert (error["pointer"], error["detail"]) == (
            "/path/name",
            "it is not UTF-8 when it is decoded",
        )
        assert (await client.get("/v9/%ff")).status == 404


async def test_a_reply_that_is_too_long_is_said_to_be() -> None:
    """By the code that it has in gRPC, which is 429 by HTTP."""

    async def long(call: Any) -> Any:
        return message("library.v1.Book")(title="a" * 2000)

    service = answering(GetBook=long)
    settings = Settings(rpc=RpcSettings(send_size=1024))
    async with http_client(service, settings=settings) as client:
        reply = await client.get("/v1/shelves/1/books/2")
        assert reply.status == 429
        assert "that may be sent" in reply.json()["detail"]


async def test_a_wrong_request_is_a_problem_that_names_everything() -> None:
    """With 422, as the routes of HTTP answer; 400 is for what is no JSON at all."""
    async with http_client(library()) as client:
        reply = await client.get("/v1/search?quary=a&pageSize=x")
        assert reply.status == 422
        assert reply.headers["content-type"] == "application/problem+json"
        problem = reply.json()
        assert problem["reason"] == "VALIDATION_FAILED"
        assert [each["pointer"] for each in problem["errors"]] == [
            "/query/quary",
            "/query/pageSize",
        ]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-type": "application/merge-patch+json"}, 200),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
    ],
)
async def test_a_body_is_json(headers: dict[str, str], status: int) -> None:
    """A page elsewhere cannot send it without asking first (text/plain could be sent)."""
    async with http_client(library()) as client:
        path = "/v1/shelves/1/books/2:archive"
        reply = await client.post(path, content=b"{}", headers=headers)
        assert reply.status == status


async def test_a_body_longer_than_a_message_may_be_is_refused() -> None:
    """With 413, whether its length is told or not."""
    settings = Settings(rpc=RpcSettings(receive_size=100))

    async def parts() -> Any:
        for _ in range(20):
            yield b" " * 10

    async with http_client(library(), settings=settings) as client:
        json_type = {"content-type": "application/json"}
        path = "/v1/shelves/1/books/2:archive"
        for content in (b" " * 101, parts()):
            reply = await client.post(path, content=content, headers=json_type)
            assert reply.status == 413
        assert (await client.post(path, content=b"{}" + b" " * 98, headers=json_type)).status == 200


async def test_codes_are_statuses_and_what_failed_here_is_not_told() -> None:
    """google.rpc.Code as its comments map it; details are members of the problem."""
    detail = message("library.v1.Author")(name="Ann")

    async def get_book(request: Any) -> Any:
        if request.name == "broken":
            raise ZeroDivisionError("secret")
        code = Code[request.name]
        raise RpcError(code, "told", details=[detail], trailers=[("x-a", "b")])

    expected = {"NOT_FOUND": 404, "ABORTED": 409, "UNAUTHENTICATED": 401, "UNIMPLEMENTED": 501}
    async with http_client(answering(GetBook=get_book)) as client:
        for name, status in expected.items():
            reply = await client.get(f"/v1/books/{name}")
            assert (reply.status, reply.headers["x-a"]) == (status, "b")
            problem = reply.json()
            assert (problem["reason"], problem["detail"]) == (name, "told")
            kind = "type.googleapis.com/library.v1.Author"
            assert problem["details"] == [{"@type": kind, "name": "Ann"}]
        reply = await client.get("/v1/books/broken")
        assert reply.status == 500
        assert reply.json() == {
            "type": "about:blank",
            "title": "Internal Server Error",
            "status": 500,
        }


async def test_bytes_go_as_they_are_both_ways() -> None:
    """google.api.HttpBody, whole, as a field, and in pieces."""
    async with http_client(library()) as client:
        png = {"content-type": "image/png"}
        wrote = await client.put("/v1/files/x/y%2Fz", content=b"\0\xff", headers=png)
        assert (wrote.body, wrote.headers["content-type"]) == (b"x/y%2Fz=\0\xff", "image/png")
        read = await client.get("/v1/files/a/b")
        assert (read.body, read.headers["content-type"]) == (b"a/b", "text/plain")
        pieces = await client.get("/v1/download/x")
        assert (pieces.body, pieces.headers["content-type"]) == (b"a,b\n1,2\n", "text/csv")


async def test_a_stream_is_a_line_for_each_message() -> None:
    """Of JSON; the request may be a body or a query."""
    async with http_client(library()) as client:
        for reply in (
            await client.get("/v1/watch/x?most=2"),
            await client.post("/v1/watch", json={"most": 2}),
        ):
            assert reply.headers["content-type"] == "application/x-ndjson"
            lines = [json.loads(line) for line in reply.body.splitlines()]
            assert lines == [{"wide": "1099511627776"}, {"number": 1, "wide": "1099511627776"}]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/event-stream", "text/event-stream"),
        ("application/json, text/event-stream;q=0.9", "text/event-stream"),
        ("text/event-stream;q=0", "application/x-ndjson"),
        ("text/event-stream; q=0.0", "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
    ],
)
async def test_who_accepts_events_gets_them(accept: str, kind: str) -> None:
    """So ``EventSource`` in a browser follows a method."""
    async with http_client(library()) as client:
        reply = await client.get("/v1/watch/x?most=1", headers={"accept": accept})
        assert reply.headers["content-type"] == kind
        assert reply.headers["vary"] == "accept"
        if kind == "text/event-stream":
            assert reply.body == b'data: {"wide":"1099511627776"}\n\n'


async def test_events_that_break_off_say_why() -> None:
    """By an event named error, whose data is the problem; before the first it is the answer."""
    async with http_client(library()) as client:
        events = {"accept": "text/event-stream"}
        reply = await client.get("/v1/watch/x?most=1&fault=late", headers=events)
        first, second, _ = reply.body.split(b"\n\n")
        assert first == b'data: {"wide":"1099511627776"}'
        name, data = second.split(b"\n")
        assert name == b"event: error"
        assert json.loads(data.removeprefix(b"data: "))["reason"] == "ABORTED"
        refused = await client.get("/v1/watch/x?fault=first", headers=events)
        assert (refused.status, refused.json()["reason"]) == (403, "PERMISSION_DENIED")


async def test_lines_that_break_off_are_not_whole() -> None:
    """What was sent arrives, and the connection tells that it is not all."""
    tick = message("library.v1.Tick")

    async def watch(request: Any) -> Any:
        yield tick(number=1)
        await asyncio.sleep(1)
        raise RpcError(Code.ABORTED, "late")

    async with http_client(answering(Watch=watch)) as client:
        got = b""
        with pytest.raises(Exception, match=r"closed|broken|ended|reset|left"):
            async with client.stream("GET", "/v1/watch/x") as reply:
                async for part in reply.chunks():
                    got += part
        assert got == b'{"number":1}\n'


async def test_fields_are_metadata_both_ways() -> None:
    """Initial and trailing ones are fields of a whole reply; binary ones are base64."""

    async def get_book(request: Any, call: RpcCall) -> Any:
        call.initial_metadata.append(("x-first", call.scope.metadata.get("x-asked") or ""))
        call.trailing_metadata.append(("x-last-bin", b"\0\xff"))
        return message("library.v1.Book")(title=call.transport)

    async with http_client(answering(GetBook=get_book)) as client:
        reply = await client.get("/v1/books/x", headers={"x-asked": "yes"})
        assert (reply.headers["x-first"], reply.headers["x-last-bin"]) == ("yes", "AP8")
        assert reply.json() == {"title": "http"}


async def test_middleware_sees_messages_as_by_any_other_protocol() -> None:
    """The request is the method's message, and the reply may be changed."""
    seen = []

    async def watching(call: Call, next: Handler) -> Any:
        seen.append((call.transport, call.method, type(call.request).__name__))
        reply = await next(call)
        reply.title = "changed"
        return reply

    service = library()
    service.declaration.middleware.append(watching)
    async with http_client(service) as client:
        assert (await client.get("/v1/books/x")).json()["title"] == "changed"
    assert seen == [("http", "library.v1.Library/GetBook", "GetBookRequest")]


async def test_a_caller_gives_time_by_a_field() -> None:
    """By ``x-request-timeout``, and not more than the service does; then it is 504."""

    async def get_book(request: Any) -> Any:
        await asyncio.sleep(60)

    settings = Settings(call_timeout=3.0)
    async with http_client(answering(GetBook=get_book), settings=settings) as client:
        reply = await client.get("/v1/books/x", headers={"x-request-timeout": "1.5"})
        assert (reply.status, reply.json()["reason"]) == (504, "DEADLINE_EXCEEDED")
        longer = await client.get("/v1/books/x", headers={"x-request-timeout": "50"})
        assert longer.status == 504


async def test_pages_of_named_origins_may_call() -> None:
    """The browser's question is answered with the methods of the path, and replies are readable."""
    settings = Settings(rpc=RpcSettings(origins=("https://a.example",)))
    origin = {"origin": "https://a.example"}
    async with http_client(library(), settings=settings) as client:
        asked = await client.options(
            "/v1/books/x", headers={**origin, "access-control-request-method": "GET"}
        )
        assert asked.status == 204
        assert asked.headers["access-control-allow-methods"] == "GET, HEAD, LOCK"
        for path in ("/v1/books/x", "/v1/books/missing", "/v1/watch/x?most=1"):
            reply = await client.get(path, headers=origin)
            assert reply.headers["access-control-allow-origin"] == "https://a.example"
        other = await client.get("/v1/books/x", headers={"origin": "https://b.example"})
        assert other.headers.get("access-control-allow-origin") is None
        assert (await client.options("/v1/books/x")).headers["allow"] == "GET, HEAD, LOCK, OPTIONS"


async def test_a_body_of_too_many_elements_is_refused() -> None:
    """With 413, as one that is too long; as many as are allowed are taken, whatever makes them."""
    settings = Settings(rpc=RpcSettings(receive_elements=20_000))
    path = "/v1/shelves/3/books"
    async with http_client(library(), settings=settings) as client:
        reply = await client.post(path, json={"tags": ["abc"] * 20_000})
        assert reply.status == 200
        reply = await client.post(path, json={"tags": ["abc"] * 20_001})
        assert (reply.status, reply.json()["reason"]) == (413, "TOO_LARGE")
        assert "more than the 20000 elements" in reply.json()["detail"]
