"""What gRPC's calls say when they end in another way than their kind would have it."""

from typing import Any

import pytest

from mainstay.errors import Code, EndOfStream, RpcError
from mainstay.rpc.method import Kind
from tests.rpc.grpc_world import World


@pytest.mark.parametrize("messages", [[], [b"a", b"b"]], ids=["none", "two"])
async def test_a_method_that_streams_replies_has_one_request(messages: list[bytes]) -> None:
    """UNIMPLEMENTED otherwise, before the handler has any of them."""
    got: list[bytes] = []

    async def answer(call: Any) -> None:
        got.append(await call.stream.receive())

    world = World(answer, Kind.SERVER_STREAM)
    world.call(*messages)
    assert ((await world.settled()).status, got) == (12, [])


async def test_after_the_one_request_the_stream_has_ended() -> None:
    """As a stream of any number of messages ends."""

    async def answer(call: Any) -> None:
        assert await call.stream.receive() == b"a"
        with pytest.raises(EndOfStream):
            await call.stream.receive()
        await call.stream.send(b"done")

    world = World(answer, Kind.SERVER_STREAM)
    world.call(b"a")
    reply = await world.settled()
    assert (reply.messages, reply.status) == ([b"done"], 0)


@pytest.mark.parametrize("kind", [Kind.UNARY, Kind.BIDI])
async def test_metadata_that_were_set_before_an_error_are_a_head(kind: Kind) -> None:
    """In one block with the status (Trailers-Only) clients would take all of it for trailers."""

    async def refuse(call: Any) -> None:
        call.initial_metadata.append(("x-head", "1"))
        call.trailing_metadata.append(("x-tail", "2"))
        raise RpcError(Code.ABORTED, "no")

    world = World(refuse, kind)
    world.call(b"a")
    reply = await world.settled()
    assert (reply.head[b"x-head"], reply.trailers[b"x-tail"]) == (b"1", b"2")
    assert reply.trailers[b"grpc-status"] == b"10"
    assert b"grpc-status" not in reply.head
