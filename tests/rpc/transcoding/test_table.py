"""All paths of a service: what is refused at the start, and who answers where several could."""

import dataclasses
import logging

import pytest
from google.longrunning import operations_pb2  # type: ignore[import-untyped]

from mainstay.errors import WiringError
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.method import RpcMethod
from mainstay.rpc.protobuf import bare_method
from mainstay.rpc.transcoding.route import Route
from mainstay.rpc.transcoding.rules import Get, HttpRule, Post
from mainstay.rpc.transcoding.table import Transcoding, conflicts, routes_of
from mainstay.testing.exchange import MemoryExchange
from tests.rpc.transcoding.library import compiled


def method(name: str, *rules: HttpRule) -> RpcMethod:
    """A method of the library with rules of its own."""
    service = compiled().FindServiceByName("library.v1.Library")
    return dataclasses.replace(bare_method(service.methods_by_name[name]), http=rules)


async def nothing(call: object) -> None:
    """Answers nothing."""


def table(*methods: RpcMethod, own: tuple[str, ...] = (), prefix: str = "") -> Transcoding:
    """What finds these methods."""
    endpoints = [RpcEndpoint(each, nothing) for each in methods]

    def problem(*_: object) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        return 500, [], b""

    return Transcoding(routes_of(methods), endpoints, problem, own, prefix)


def found(transcoding: Transcoding, target: str, verb: str = "GET") -> str | None:
    """The name of the method that a request calls."""
    made = transcoding.find(MemoryExchange(verb, target))
    return None if made is None else made.endpoint.method.name


def test_two_rules_of_one_shape_are_refused_together_with_every_other_fault() -> None:
    """Whatever their variables are called; the error names both."""
    methods = [
        method("GetBook", Get("/v1/{name}"), Get("/{nothing}")),
        method("Search", Get("/v1/{query}"), Post("/v1/{query}")),
    ]
    with pytest.raises(WiringError) as caught:
        routes_of(methods)
    same = "GET /v1/{query} of library.v1.Library/Search is the same as GET /v1/{name} of"
    assert same in caught.value.message
    assert "'nothing' is no field" in caught.value.message


def test_a_method_whose_callers_stream_has_no_path(caplog: pytest.LogCaptureFixture) -> None:
    """In code it is an error; in a ``.proto``, which may be somebody else's, a line in the log."""
    with pytest.raises(WiringError, match=r"its callers stream messages; leave out http="):
        routes_of([method("Talk", Get("/talk"))])
    text = """
        syntax = "proto3";
        package talk.v1;
        import "google/api/annotations.proto";
        message Word { string text = 1; }
        service Talk {
          rpc Listen(stream Word) returns (Word) {
            option (google.api.http) = { post: "/v1/listen" body: "*" };
          }
        }
    """
    service = compiled(text, "talk.proto").FindServiceByName("talk.v1.Talk")
    with caplog.at_level(logging.WARNING):
        assert routes_of([bare_method(service.methods_by_name["Listen"])]) == []
    assert "talk.v1.Talk/Listen has no path of its own" in caplog.text


def test_a_path_of_http_goes_before_a_variable_and_not_before_a_literal() -> None:
    """The more special one answers, as in one router."""
    methods = method("GetBook", Get("/v1/{name}"), Get("/v1/all"))
    transcoding = table(methods, own=("/v1/me", "/v1/all"))
    assert found(transcoding, "/v1/me") is None
    assert found(transcoding, "/v1/you?x=1") == "GetBook"
    assert found(transcoding, "/v1/all") == "GetBook"


def test_what_is_not_ours_is_left_to_http() -> None:
    """Unknown paths, other methods, WebSockets; but a path that is ours and not UTF-8 is answered."""
    transcoding = table(method("GetBook", Get("/v1/{name}")))
    assert found(transcoding, "/v2/x") is None
    assert found(transcoding, "/v1/x", "POST") is None
    assert found(transcoding, "/v2/%ff") is None
    assert found(transcoding, "/v1/%ff") == "GetBook"
    assert found(transcoding, "*", "OPTIONS") is None
    socket = MemoryExchange("GET", "/v1/x", protocol="websocket")
    assert transcoding.find(socket) is None
    assert transcoding.methods("/v1/x") == {"GET", "HEAD"}


def test_a_prefix_may_be_there_or_not() -> None:
    """As for routes of HTTP behind a proxy."""
    transcoding = table(method("GetBook", Get("/v1/{name}"), Get("/")), prefix="/api")
    assert found(transcoding, "/api/v1/x") == "GetBook"
    assert found(transcoding, "/v1/x") == "GetBook"
    assert found(transcoding, "/api") == "GetBook"
    assert found(transcoding, "/apiv1/x") is None
    assert transcoding.methods("/api/v1/x") == {"GET", "HEAD"}


def test_a_rule_and_a_route_for_the_same_requests_conflict() -> None:
    """Method and shape have to be the same."""
    routes = [Route(method("GetBook"), Get("/v1/{name}"))]
    shape = routes[0].template.shape
    assert conflicts(routes, {("POST", shape): "POST /v1/{x}"}) == []
    (fault,) = conflicts(routes, {("GET", shape): "GET /v1/{x}"})
    assert fault.endswith("library.v1.Library/GetBook is also the route 'GET /v1/{x}'")


def test_the_rules_of_a_public_api_are_taken_as_they_are() -> None:
    """Those of google.longrunning, from a package of others."""
    service = operations_pb2.DESCRIPTOR.services_by_name["Operations"]
    transcoding = table(*(bare_method(each) for each in service.methods))
    assert found(transcoding, "/v1/operations/a/b") == "GetOperation"
    assert found(transcoding, "/v1/operations/a/b:cancel", "POST") == "CancelOperation"
    assert found(transcoding, "/v1/operations", "GET") == "ListOperations"
    assert found(transcoding, "/v1/operations/a", "DELETE") == "DeleteOperation"
