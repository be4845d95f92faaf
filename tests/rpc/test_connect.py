"""Connect's unary calls: a message, a reply, and nothing around them."""

import asyncio
import gzip
import json
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import quote

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from mainstay.core.scope import Scope
from mainstay.errors import Code, NotFound, RpcError
from mainstay.rpc.settings import RpcSettings
from tests.rpc.grpc_world import BYTES, echo
from tests.rpc.web_world import WebWorld

PROTO = "application/proto"
JSON = "application/json"


async def test_the_body_is_the_message() -> None:
    """In protobuf and in JSON, with the content type that was asked in."""
    world = WebWorld(echo)
    reply = await world.call("Unary", PROTO, b"hello")
    assert (reply.status, reply.content_type, reply.body) == (200, b"application/proto", b"hello")
    reply = await world.call("Unary", "Application/JSON; charset=utf-8", b'"hello"')
    assert (reply.status, reply.content_type, reply.body) == (200, b"application/json", b'"hello"')
    assert world.endpoints["Unary"].counts.statuses == {0: 2}


async def test_a_message_may_come_in_pieces() -> None:
    """As any body may."""
    reply = await WebWorld(echo).call("Unary", PROTO, chunks=[b"hel", b"lo"])
    assert reply.body == b"hello"


async def test_a_message_without_bytes_is_one() -> None:
    """Protobuf has empty messages, and JSON has not."""
    world = WebWorld(echo)
    assert (await world.call("Unary", PROTO)).body == b""
    reply = await world.call("Unary", JSON)
    assert (reply.status, json.loads(reply.body)["code"]) == (400, "invalid_argument")


async def test_metadata_are_fields_and_those_at_the_end_have_a_prefix() -> None:
    """Unary calls have no trailers; binary values are base64."""

    async def answer(call: Any) -> bytes:
        call.initial_metadata.append(("x-a", "b"))
        call.trailing_metadata.append(("x-c-bin", b"\xff"))
        return b""

    reply = await WebWorld(answer).call("Unary", PROTO)
    assert reply.fields == [(b"x-a", b"b"), (b"trailer-x-c-bin", b"/w")]


async def test_an_error_is_an_object_with_a_status_of_http() -> None:
    """Its details are protobuf's, each also as JSON; its trailers are fields."""

    async def refuse(call: Any) -> bytes:
        raise RpcError(
            Code.FAILED_PRECONDITION,
            "not now",
            details=[StringValue(value="why")],
            trailers=[("x-more", "1")],
        )

    reply = await WebWorld(refuse).call("Unary", PROTO)
    assert (reply.status, reply.content_type) == (400, b"application/json")
    assert reply.fields == [(b"trailer-x-more", b"1")]
    assert json.loads(reply.body) == {
        "code": "failed_precondition",
        "message": "not now",
        "details": [
            {"type": "google.protobuf.StringValue", "value": "CgN3aHk", "debug": {"value": "why"}}
        ],
    }


async def test_an_exception_says_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    """It is whole in the log."""

    async def boom(call: Any) -> bytes:
        raise ValueError("secret")

    reply = await WebWorld(boom).call("Unary", PROTO)
    assert (reply.status, json.loads(reply.body)["code"]) == (500, "unknown")
    assert b"secret" not in reply.body
    assert "secret" in caplog.text


async def test_the_callers_limit_is_the_deadline() -> None:
    """In milliseconds; the answer is 504 when it is over."""
    left: list[float | None] = []

    async def slow(call: Any) -> bytes:
        left.append(Scope.current().remaining())
        await asyncio.sleep(60)
        return b""

    world = WebWorld(slow, timeout=1.0)
    reply = await world.call("Unary", PROTO, b"", ("connect-timeout-ms", "2500"))
    assert left == [pytest.approx(2.5)]
    assert (reply.status, json.loads(reply.body)["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize(
    ("field", "status", "code"),
    [
        (("connect-timeout-ms", "1s"), 400, "invalid_argument"),
        (("connect-protocol-version", "2"), 400, "invalid_argument"),
        (("content-encoding", "snappy"), 501, "unimplemented"),
        (("content-encoding", "gzip"), 400, "invalid_argument"),
    ],
)
async def test_a_head_that_means_nothing_is_refused(
    field: tuple[str, str], status: int, code: str
) -> None:
    """Before the handler runs."""

    async def never(call: Any) -> bytes:
        raise AssertionError("the handler ran")

    reply = await WebWorld(never).call("Unary", PROTO, b"no gzip", field)
    assert (reply.status, json.loads(reply.body)["code"]) == (status, code)


async def test_a_message_may_be_compressed_either_way() -> None:
    """As any body of HTTP; the reply only where the peer takes it."""
    world = WebWorld(echo, RpcSettings(compression="gzip", compress_from=10))
    body = gzip.compress(b"x" * 100)
    packed = ("content-encoding", "gzip")
    reply = await world.call("Unary", PROTO, body, packed, ("accept-encoding", "br, gzip;q=0.5"))
    assert reply.fields == [(b"vary", b"accept-encoding"), (b"content-encoding", b"gzip")]
    assert gzip.decompress(reply.body) == b"x" * 100
    for accepted in ("identity", "gzip;q=0", "br"):
        reply = await world.call("Unary", PROTO, body, packed, ("accept-encoding", accepted))
        assert reply.body == b"x" * 100
    reply = await world.call("Unary", PROTO, b"short", ("accept-encoding", "gzip"))
    assert reply.body == b"short"


@pytest.mark.parametrize("chunks", [None, [b"x" * 60, b"x" * 60]])
async def test_a_long_message_is_refused(chunks: list[bytes] | None) -> None:
    """By its size on the wire and after decompression."""
    world = WebWorld(echo, RpcSettings(receive_size=100))
    assert (await world.call("Unary", PROTO, b"x" * 101, chunks=chunks)).status == 429
    packed = ("content-encoding", "gzip")
    assert (await world.call("Unary", PROTO, gzip.compress(b"x" * 101), packed)).status == 429
    assert (await world.call("Unary", PROTO, gzip.compress(b"x" * 100), packed)).status == 200
    assert (await world.call("Unary", PROTO, b"x" * 100)).status == 200


async def test_a_reply_that_is_too_long_is_said_to_be() -> None:
    """By the code that it has in gRPC."""
    reply = await WebWorld(echo, RpcSettings(send_size=1024)).call("Unary", PROTO, bytes(1025))
    assert (reply.status, json.loads(reply.body)["code"]) == (429, "resource_exhausted")


async def test_what_is_no_such_message_is_the_callers_fault() -> None:
    """It is told what type was wanted."""
    reply = await WebWorld(echo).call("Unary", PROTO, b"broken")
    said = json.loads(reply.body)
    assert said["code"] == "invalid_argument"
    assert said["message"] == "the message is no test.Text: cannot be decoded"
    (detail,) = said["details"]
    assert detail["debug"] == {"reason": "INVALID_REQUEST", "domain": "mainstay"}


async def test_a_method_without_json_says_so() -> None:
    """Messages that come as a pair of functions only have none."""
    world = WebWorld(echo, message=BYTES)
    reply = await world.call("Unary", JSON, b'"x"')
    assert (reply.status, json.loads(reply.body)["code"]) == (501, "unimplemented")


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("message=hello&encoding=proto&connect=v1", b"hello"),
        ("encoding=proto&base64=1&message=" + urlsafe_b64encode(b"hello?>").decode(), b"hello?>"),
        ("encoding=json&message=" + quote('"hello"'), b'"hello"'),
        (
            "encoding=proto&compression=gzip&base64=1&message="
            + urlsafe_b64encode(gzip.compress(b"hello")).rstrip(b"=").decode(),
            b"hello",
        ),
    ],
    ids=["plain", "base64", "json", "gzip"],
)
async def test_a_method_that_changes_nothing_may_be_asked_by_get(query: str, body: bytes) -> None:
    """Its message is in the query."""
    reply = await WebWorld(echo).call(f"Ask?{query}", method="GET")
    assert (reply.status, reply.body) == (200, body)


@pytest.mark.parametrize(
    "query",
    [
        "encoding=proto",
        "encoding=proto&message=a&connect=v2",
        "encoding=proto&message=!!&base64=1",
        "encoding=proto&message=x&compression=gzip",
    ],
)
async def test_a_query_that_means_nothing_is_refused(query: str) -> None:
    """With an error of the protocol, since it is clear that it was meant."""
    reply = await WebWorld(echo).call(f"Ask?{query}", method="GET")
    assert (reply.status, json.loads(reply.body)["code"]) == (400, "invalid_argument")


async def test_a_reply_to_get_says_how_long_it_may_be_kept() -> None:
    """What the handler says as metadata is a field like any other."""

    async def answer(call: Any) -> bytes:
        call.initial_metadata.append(("cache-control", "max-age=60"))
        return b""

    reply = await WebWorld(answer).call("Ask?encoding=proto&message=", method="GET")
    assert (b"cache-control", b"max-age=60") in reply.fields


async def test_metadata_cannot_take_the_place_of_the_protocols_fields(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A wrong length or coding would let nobody read the reply."""

    async def answer(call: Any) -> bytes:
        call.initial_metadata.append(("content-encoding", "gzip"))
        return b""

    reply = await WebWorld(answer).call("Unary", PROTO)
    assert (reply.status, json.loads(reply.body)["code"]) == (500, "internal")
    assert "content-encoding" in caplog.text


async def test_errors_count_by_their_codes() -> None:
    """The same counters as those of gRPC."""

    async def refuse(call: Any) -> bytes:
        raise NotFound("no")

    world = WebWorld(refuse)
    assert (await world.call("Unary", JSON, b'"x"')).status == 404
    assert world.endpoints["Unary"].counts.statuses == {5: 1}


async def test_a_call_whose_time_is_over_when_it_comes_is_not_begun() -> None:
    """deadline_exceeded, with the status of it."""
    begun: list[Any] = []

    async def answer(call: Any) -> bytes:
        begun.append(call)
        return b""

    reply = await WebWorld(answer).call("Unary", PROTO, b"x", ("connect-timeout-ms", "0"))
    assert (reply.status, json.loads(reply.body)["code"]) == (504, "deadline_exceeded")
    assert begun == []


async def test_a_message_in_a_query_may_be_compressed_and_long() -> None:
    """As one in a body."""
    text = "a" * 100_000
    packed = urlsafe_b64encode(gzip.compress(json.dumps(text).encode())).decode()
    query = f"encoding=json&connect=v1&base64=1&compression=gzip&message={packed}"
    reply = await WebWorld(echo).call(f"Ask?{query}", method="GET")
    assert (reply.status, json.loads(reply.body)) == (200, text)
