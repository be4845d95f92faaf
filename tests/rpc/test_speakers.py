"""Which content type is which protocol, and what is answered when it is none."""

import json

import pytest

from mainstay.http.problems import Problem
from mainstay.rpc.connect import ConnectCall
from mainstay.rpc.grpc import GrpcCall
from mainstay.rpc.settings import RpcSettings
from mainstay.rpc.speakers import get_speakers, speakers
from mainstay.wire.envelopes import seal
from tests.rpc.grpc_world import echo
from tests.rpc.web_world import WebWorld

STREAM = "application/connect+proto"


def test_protocols_can_be_switched_off() -> None:
    """GRPC cannot: it is what services of RPC are for."""
    found = speakers(RpcSettings(connect=False, web=False))
    assert {each.spoken for each in found.values()} == {"grpc"}
    assert get_speakers(RpcSettings(connect=False)) == {}
    every = speakers(RpcSettings())
    assert (every[b"application/grpc"], every[b"application/proto"]) == (GrpcCall, ConnectCall)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("Unary", "image/jpeg"),
        ("Unary", ""),
        ("Unary", STREAM),
        ("Unary", "application/grpc+foo"),
        ("Server", "application/proto"),
        ("Server", "application/json"),
    ],
)
async def test_another_content_type_is_refused_with_those_that_are_taken(
    name: str, content_type: str
) -> None:
    """Connect's differ between unary methods and streams."""
    reply = await WebWorld(echo).call(name, content_type, b"x")
    assert reply.status == 415
    problem = Problem.decode(reply.body)
    assert (problem.status, problem.reason) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert problem.detail.startswith("this method takes application/grpc, ")
    assert reply.content_type == b"application/problem+json"
    accepted = dict(reply.fields)[b"accept-post"].split(b", ")
    assert b"application/grpc" in accepted
    assert (b"application/proto" in accepted) is (name == "Unary")
    assert (STREAM.encode() in accepted) is (name == "Server")


@pytest.mark.parametrize(
    ("name", "method", "allowed"),
    [
        ("Unary", "GET", b"POST"),
        ("Unary", "DELETE", b"POST"),
        ("Unary?message=x&encoding=proto", "GET", b"POST"),
        ("Server", "GET", b"POST"),
        ("Ask", "PUT", b"GET, POST"),
        ("Unary", "OPTIONS", b"POST"),
    ],
)
async def test_another_method_of_http_is_refused_with_those_that_are_allowed(
    name: str, method: str, allowed: bytes
) -> None:
    """GET is for methods that change nothing."""
    reply = await WebWorld(echo).call(name, "application/proto", method=method)
    assert (reply.status, dict(reply.fields)[b"allow"]) == (405, allowed)
    problem = Problem.decode(reply.body)
    assert (problem.title, problem.reason) == ("Method Not Allowed", "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("query", ["", "?message=x", "?encoding=xml&message=x", "?" + "a&" * 99])
async def test_a_get_that_says_no_encoding_is_refused(query: str) -> None:
    """As a body without a content type is."""
    assert (await WebWorld(echo).call("Ask" + query, method="GET")).status == 415


@pytest.mark.parametrize("content_type", [STREAM, "application/grpc-web"])
async def test_streams_in_both_directions_need_http_2(content_type: str) -> None:
    """On HTTP/1.1 both sides might wait for each other for ever, and the connection is closed."""
    world = WebWorld(echo)
    assert (await world.call("Bidi", content_type, version="1.1")).status == 505
    assert (await world.call("Client", content_type, seal(b""), version="1.1")).status == 200


async def test_a_post_may_have_a_query() -> None:
    """Nobody has asked for it, and proxies add one."""
    assert (await WebWorld(echo).call("Unary?x=1", "application/proto", b"a")).body == b"a"


async def test_a_path_of_no_method_is_https() -> None:
    """But for content types that nobody else has: those get the answer of their protocol."""
    world = WebWorld(echo)
    assert (await world.call("Missing", "application/json", b"{}")).status == 404
    assert world.nobody.asked == [b"/test.Service/Missing"]
    reply = await world.call("Missing", STREAM)
    assert json.loads(reply.body[5:])["error"]["code"] == "unimplemented"
