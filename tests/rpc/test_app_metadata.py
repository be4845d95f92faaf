"""Metadata that cannot be sent do not hide what became of a call."""

import json
from typing import Any

import pytest

from mainstay.errors import Code, RpcError
from mainstay.rpc.method import Kind
from tests.rpc.grpc_world import World
from tests.rpc.web_world import WebWorld, envelopes

BAD = [("content-type", "x"), ("x-ö", "1"), ("x-a", "ö"), ("grpc-status", "0")]


@pytest.mark.parametrize("bad", BAD, ids=[name for name, _ in BAD])
@pytest.mark.parametrize("kind", [Kind.UNARY, Kind.BIDI])
@pytest.mark.parametrize("sent", [0, 1])
async def test_a_call_of_grpc_is_answered_without_them(
    bad: tuple[str, str], kind: Kind, sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    """With the code and the text, whatever was sent before; the log names them."""

    async def answer(call: Any) -> None:
        if kind is Kind.BIDI and sent:
            await call.stream.send(b"m")
        raise RpcError(Code.ABORTED, "no", trailers=[bad])

    world = World(answer, kind)
    world.call(b"a")
    reply = await world.settled()
    assert (reply.status, reply.message, reply.reset) == (10, b"no", None)
    assert "metadata" in caplog.text


async def test_so_are_the_streams_of_connect() -> None:
    """Those of the head as well as those of the end, behind what was sent."""

    async def answer(call: Any) -> None:
        call.initial_metadata.append(("x-a", "ö"))
        await call.stream.send(b"m")

    reply = await WebWorld(answer).call("Bidi", "application/connect+proto")
    message, (_, end) = envelopes(reply.body)
    assert message == (0, b"m")
    assert json.loads(end)["error"]["code"] == "internal"
