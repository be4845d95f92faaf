"""Connect's streams: envelopes, the last of which tells how the call ended."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.errors import Code, EndOfStream, RpcError
from mainstay.rpc.settings import RpcSettings
from mainstay.wire.envelopes import COMPRESSED, END_STREAM, seal
from tests.rpc.web_world import WebWorld, envelopes

PROTO = "application/connect+proto"
JSON = "application/connect+json"


async def messages(call: Any) -> AsyncIterator[bytes]:
    """What the peer sends."""
    while True:
        try:
            yield await call.stream.receive()
        except EndOfStream:
            return


async def repeat(call: Any) -> None:
    """Answer each message with itself."""
    async for message in messages(call):
        await call.stream.send(message)


async def collect(call: Any) -> None:
    """Answer all messages with one."""
    await call.stream.send(b"+".join([each async for each in messages(call)]))


async def test_a_stream_is_envelopes_with_an_end() -> None:
    """The status of HTTP is 200, and the end is an object of JSON."""
    reply = await WebWorld(repeat).call("Bidi", PROTO, seal(b"a") + seal(b"b"))
    assert (reply.status, reply.fields) == (200, [(b"content-type", b"application/connect+proto")])
    assert envelopes(reply.body) == [(0, b"a"), (0, b"b"), (END_STREAM, b"{}")]
    assert reply.trailers == []


async def test_the_end_is_json_whatever_the_messages_are() -> None:
    """And messages are JSON when they were asked in it."""
    reply = await WebWorld(collect).call("Client", JSON, seal(b'"a"') + seal(b'"b"'))
    assert reply.fields == [(b"content-type", b"application/connect+json")]
    assert envelopes(reply.body) == [(0, b'"a+b"'), (END_STREAM, b"{}")]


async def test_metadata_at_the_end_are_in_the_end() -> None:
    """Each name with all its values."""

    async def answer(call: Any) -> None:
        await call.stream.receive()
        call.initial_metadata.append(("x-head", "1"))
        call.trailing_metadata.extend([("x-a", "1"), ("x-a", "2"), ("x-bin", b"\xff")])
        await call.stream.send(b"m")

    reply = await WebWorld(answer).call("Server", PROTO, seal(b""))
    assert (b"x-head", b"1") in reply.fields
    end = envelopes(reply.body)[-1]
    assert end[0] == END_STREAM
    assert json.loads(end[1]) == {"metadata": {"x-a": ["1", "2"], "x-bin": ["/w"]}}


@pytest.mark.parametrize("sent", [0, 2])
async def test_an_error_is_in_the_end_after_what_was_sent(sent: int) -> None:
    """Before the first message as after the last."""

    async def answer(call: Any) -> None:
        call.initial_metadata.append(("x-head", "1"))
        for _ in range(sent):
            await call.stream.send(b"m")
        raise RpcError(Code.ABORTED, "enough", trailers=[("x-more", "1")])

    reply = await WebWorld(answer).call("Bidi", PROTO)
    assert reply.status == 200
    assert (b"x-head", b"1") in reply.fields
    found = envelopes(reply.body)
    assert found[:-1] == [(0, b"m")] * sent
    assert json.loads(found[-1][1]) == {
        "error": {"code": "aborted", "message": "enough"},
        "metadata": {"x-more": ["1"]},
    }


async def test_messages_are_compressed_one_by_one() -> None:
    """With fields of their own, so that nobody takes them for the body's."""
    settings = RpcSettings(compression="gzip", compress_from=10)
    body = seal(gzip.compress(b"x" * 50), COMPRESSED) + seal(b"short")
    reply = await WebWorld(repeat, settings).call(
        "Bidi",
        PROTO,
        body,
        ("connect-content-encoding", "gzip"),
        ("connect-accept-encoding", "gzip"),
    )
    assert (b"connect-content-encoding", b"gzip") in reply.fields
    (flags, first), second, _ = envelopes(reply.body)
    assert (flags, gzip.decompress(first), second) == (COMPRESSED, b"x" * 50, (0, b"short"))


@pytest.mark.parametrize(
    ("body", "fields", "code"),
    [
        (seal(b"x", COMPRESSED), [], "internal"),
        (seal(b"x" * 101), [], "resource_exhausted"),
        (seal(b"x")[:-1], [], "internal"),
        (seal(b"x", 0x40), [], "internal"),
        (seal(b"broken"), [], "invalid_argument"),
        (seal(b"x"), [("connect-content-encoding", "br")], "unimplemented"),
        (seal(b"x"), [("connect-timeout-ms", "x")], "invalid_argument"),
        (seal(b"x"), [("connect-protocol-version", "9")], "invalid_argument"),
    ],
)
async def test_what_cannot_be_read_ends_the_call(
    body: bytes, fields: list[tuple[str, str]], code: str
) -> None:
    """With the code that says whose fault it is."""
    world = WebWorld(repeat, RpcSettings(receive_size=100))
    reply = await world.call("Bidi", PROTO, body, *fields)
    assert json.loads(envelopes(reply.body)[-1][1])["error"]["code"] == code


@pytest.mark.parametrize("body", [b"", seal(b"a") + seal(b"b")], ids=["none", "two"])
async def test_a_method_with_one_request_takes_no_other_number(body: bytes) -> None:
    """The handler is not told of the first of two."""

    async def answer(call: Any) -> None:
        await call.stream.receive()
        raise AssertionError("the handler got a message")

    reply = await WebWorld(answer).call("Server", PROTO, body)
    assert json.loads(envelopes(reply.body)[-1][1])["error"]["code"] == "unimplemented"


async def test_a_stream_that_is_over_its_time_ends_so() -> None:
    """A stream has no limit but its caller's."""

    async def wait(call: Any) -> None:
        await call.stream.send(b"first")
        await call.stream.receive()

    async def silence() -> AsyncIterator[bytes]:
        await asyncio.sleep(100)
        yield b""

    exchange: Any = silence()
    reply = await WebWorld(wait).call(
        "Bidi", PROTO, b"", ("connect-timeout-ms", "300"), chunks=exchange
    )
    first, end = envelopes(reply.body)
    assert first == (0, b"first")
    assert json.loads(end[1])["error"]["code"] == "deadline_exceeded"
