"""gRPC whose messages are JSON."""

from typing import Any

from mainstay.wire.envelopes import seal
from tests.rpc.grpc_world import echo
from tests.rpc.web_world import WebWorld, envelopes


async def test_messages_are_json_and_the_rest_is_grpc() -> None:
    """Head, envelopes and trailers."""
    reply = await WebWorld(echo).call("Unary", "application/grpc+json", seal(b'"hello"'))
    assert reply.fields == [(b"content-type", b"application/grpc+json")]
    assert envelopes(reply.body) == [(0, b'"hello"')]
    assert reply.trailers == [(b"grpc-status", b"0")]


async def test_so_are_those_of_streams_and_they_count_with_the_others() -> None:
    """One method has one set of counters."""

    async def answer(call: Any) -> None:
        await call.stream.send(await call.stream.receive())

    world = WebWorld(answer)
    for content_type, body in (("grpc+json", b'"a"'), ("grpc", b"a"), ("grpc+json", b'"a"')):
        reply = await world.call("Server", f"application/{content_type}", seal(body))
        assert envelopes(reply.body) == [(0, body)]
    endpoint = world.endpoints["Server"]
    assert (endpoint.received, endpoint.sent, endpoint.counts.statuses) == (3, 3, {0: 3})


async def test_an_error_is_grpcs() -> None:
    """Its content type says what the messages would have been."""
    reply = await WebWorld(echo).call("Unary", "application/grpc+json", seal(b"{"))
    assert (b"content-type", b"application/grpc+json") in reply.fields
    assert (b"grpc-status", b"3") in reply.fields
