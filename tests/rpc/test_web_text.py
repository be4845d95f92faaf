"""gRPC-Web as text: base64 around each envelope."""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.wire.base64_stream import decode_padded
from mainstay.wire.envelopes import TRAILERS, seal
from tests.rpc.grpc_world import echo
from tests.rpc.web_world import WebWorld, envelopes

TEXT = "application/grpc-web-text"


@pytest.mark.parametrize("content_type", [TEXT, TEXT + "+proto"])
async def test_both_directions_are_base64(content_type: str) -> None:
    """A message and the trailers, each padded for itself."""
    reply = await WebWorld(echo).call("Unary", content_type, b64encode(seal(b"hello")))
    assert reply.content_type == b"application/grpc-web-text+proto"
    message = b64encode(seal(b"hello"))
    assert reply.body.startswith(message)
    assert b64decode(reply.body[len(message) :]) == seal(b"grpc-status: 0\r\n", TRAILERS)


async def test_text_may_be_padded_in_the_middle_and_cut_anywhere() -> None:
    """A client pads whenever it flushes."""
    whole = seal(b"hello")
    text = b64encode(whole[:4]) + b64encode(whole[4:])
    reply = await WebWorld(echo).call("Unary", TEXT, chunks=[text[:3], text[3:9], text[9:]])
    assert envelopes(decode_padded(reply.body))[0] == (0, b"hello")


async def test_each_message_of_a_stream_can_be_read_when_it_arrives() -> None:
    """It is whole base64, in JSON as well."""

    async def answer(call: Any) -> None:
        await call.stream.receive()
        await call.stream.send(b"a")
        await call.stream.send(b"bc")

    request = b64encode(seal(b'""'))
    reply = await WebWorld(answer).call("Server", TEXT + "+json", request)
    first, second = b64encode(seal(b'"a"')), b64encode(seal(b'"bc"'))
    assert reply.body.startswith(first + second)
    assert envelopes(decode_padded(reply.body))[2] == (TRAILERS, b"grpc-status: 0\r\n")


async def test_all_messages_of_a_generator_are_base64() -> None:
    """However long they are."""
    messages = [b"one", b"two", b"three" * 2000, b"four"]

    async def generate() -> AsyncIterator[bytes]:
        for each in messages:
            yield each

    async def answer(call: Any) -> None:
        await call.stream.receive()
        await call.stream.send_all(generate())

    reply = await WebWorld(answer).call("Server", TEXT, b64encode(seal(b"")))
    expected = b"".join(b64encode(seal(each)) for each in messages)
    assert reply.body.startswith(expected)
    assert envelopes(decode_padded(reply.body))[4] == (TRAILERS, b"grpc-status: 0\r\n")


@pytest.mark.parametrize("text", [b"!!!!", b64encode(seal(b"hello"))[:-3]])
async def test_what_is_no_text_of_messages_is_an_error(text: bytes) -> None:
    """INTERNAL, as for envelopes that are none."""
    reply = await WebWorld(echo).call("Unary", TEXT, text)
    assert envelopes(decode_padded(reply.body))[0][1].startswith(b"grpc-status: 13\r\n")
