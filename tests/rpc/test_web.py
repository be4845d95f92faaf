"""gRPC-Web: envelopes, the last of which has the trailers."""

import gzip
import json
from typing import Any

import pytest

from mainstay.errors import Code, NotFound, RpcError
from mainstay.rpc.settings import RpcSettings
from mainstay.wire.envelopes import COMPRESSED, TRAILERS, seal
from tests.rpc.grpc_world import echo
from tests.rpc.web_world import WebWorld, envelopes

PROTO = "application/grpc-web+proto"


@pytest.mark.parametrize("content_type", ["application/grpc-web", PROTO])
async def test_the_trailers_are_the_last_envelope(content_type: str) -> None:
    """And the reply has a length, since it is known."""
    reply = await WebWorld(echo).call("Unary", content_type, seal(b"hello"))
    assert (reply.status, reply.content_type) == (200, b"application/grpc-web+proto")
    assert envelopes(reply.body) == [(0, b"hello"), (TRAILERS, b"grpc-status: 0\r\n")]
    assert reply.length == len(reply.body)
    assert reply.trailers == []


async def test_messages_may_be_json() -> None:
    """As the content type says."""
    reply = await WebWorld(echo).call("Unary", "application/grpc-web+json", seal(b'"hello"'))
    assert reply.content_type == b"application/grpc-web+json"
    assert envelopes(reply.body)[0] == (0, b'"hello"')


async def test_streams_work_over_http_1() -> None:
    """Nothing of it needs HTTP/2 but streams in both directions."""

    async def answer(call: Any) -> None:
        count = int(await call.stream.receive())
        for number in range(count):
            await call.stream.send(b"%d" % number)

    world = WebWorld(answer)
    reply = await world.call("Server", PROTO, seal(b"3"), version="1.1")
    assert [data for _, data in envelopes(reply.body)[:-1]] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("sent", [0, 1])
async def test_an_error_is_in_the_trailers_whenever_it_comes(sent: int) -> None:
    """Not in the head, which pages may not be allowed to read; metadata stay where they were."""

    async def answer(call: Any) -> None:
        call.initial_metadata.append(("x-head", "1"))
        call.trailing_metadata.append(("x-bin", b"\xff"))
        for _ in range(sent):
            await call.stream.send(b"m")
        raise RpcError(Code.ABORTED, "no: 100%")

    reply = await WebWorld(answer).call("Bidi", PROTO)
    assert (b"x-head", b"1") in reply.fields
    assert not any(name.startswith(b"grpc-") for name, _ in reply.fields)
    found = envelopes(reply.body)
    assert found[:-1] == [(0, b"m")] * sent
    assert found[-1] == (
        TRAILERS,
        b"grpc-status: 10\r\ngrpc-message: no: 100%25\r\nx-bin: /w\r\n",
    )


async def test_a_unary_error_is_told_the_same_way() -> None:
    """Also for a method that does not exist."""

    async def refuse(call: Any) -> bytes:
        raise NotFound("no such thing")

    world = WebWorld(refuse)
    reply = await world.call("Unary", PROTO, seal(b""))
    assert envelopes(reply.body)[0][1].startswith(b"grpc-status: 5\r\n")
    reply = await world.call("Missing", PROTO, seal(b""))
    assert envelopes(reply.body)[0][1].startswith(b"grpc-status: 12\r\n")


async def test_compression_is_that_of_grpc() -> None:
    """With its fields and its flag."""
    settings = RpcSettings(compression="gzip", compress_from=10)
    reply = await WebWorld(echo, settings).call(
        "Unary",
        PROTO,
        seal(gzip.compress(b"x" * 50), COMPRESSED),
        ("grpc-encoding", "gzip"),
        ("grpc-accept-encoding", "identity, gzip"),
    )
    assert (b"grpc-encoding", b"gzip") in reply.fields
    flags, data = envelopes(reply.body)[0]
    assert (flags, gzip.decompress(data)) == (COMPRESSED, b"x" * 50)


async def test_it_can_be_switched_off() -> None:
    """Then its content types are none of ours."""
    world = WebWorld(echo, RpcSettings(web=False))
    assert (await world.call("Unary", PROTO, seal(b""))).status == 415


async def test_calls_say_what_they_came_by() -> None:
    """Middleware may ask."""

    async def answer(call: Any) -> bytes:
        return json.dumps(call.transport).encode()

    world = WebWorld(answer)
    reply = await world.call("Unary", PROTO, seal(b""))
    assert envelopes(reply.body)[0][1] == b'"grpc-web"'
    assert (await world.call("Unary", "application/proto")).body == b'"connect"'
