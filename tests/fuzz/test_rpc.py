"""Whatever a peer sends to a method, it gets an answer that says whose fault it is: never ours."""

import gc
import logging
import os
import random
from base64 import b64encode
from typing import Any

import pytest

from mainstay.errors import EndOfStream
from mainstay.rpc.settings import RpcSettings
from mainstay.rpc.speakers import speakers
from mainstay.wire.envelopes import seal
from tests.rpc.web_world import KINDS, WebWorld

ROUNDS = 500 * int(os.environ.get("FUZZ_FACTOR", "1"))

TYPES = [name.decode() for name in speakers(RpcSettings())]
VALUES = ["gzip", "deflate", "identity", "br", "", "1", "0", "-1", "99999999H", "\xff", "1,2"]
FIELDS = [
    "grpc-encoding",
    "grpc-timeout",
    "grpc-accept-encoding",
    "content-encoding",
    "accept-encoding",
    "connect-content-encoding",
    "connect-protocol-version",
    "connect-timeout-ms",
    "origin",
    "x-bin",
]


def bent(draw: random.Random, data: bytes) -> bytes:
    """The same, cut, doubled or with other bytes in it."""
    body = bytearray(data)
    for _ in range(draw.randrange(3)):
        at = draw.randrange(len(body) + 1)
        how = draw.randrange(4)
        if how == 0:
            del body[at:]
        elif how == 1:
            body[at:at] = draw.randbytes(draw.randrange(6))
        elif how == 2 and at < len(body):
            body[at] = draw.randrange(256)
        else:
            body += body[:at]
    return bytes(body)


def body_of(draw: random.Random, content_type: str) -> bytes:
    """Messages as the content type has them."""
    message = b'"hello"' if content_type.endswith("json") else b"hello"
    if "grpc" not in content_type and "connect" not in content_type:
        return message
    parts = [seal(message, draw.choice([0, 0, 1])) for _ in range(draw.randrange(3))]
    if "text" in content_type:
        return b"".join(map(b64encode, parts))
    return b"".join(parts)


async def answer(call: Any) -> Any:
    """Take all that comes, and answer with the last of it."""
    if call.stream is None:
        return call.request
    message = b""
    while True:
        try:
            message = await call.stream.receive()
        except EndOfStream:
            await call.stream.send(message)
            return None


async def test_bent_calls_get_an_answer_and_never_a_fault_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Heads, bodies and queries that mean little, in every protocol."""
    draw = random.Random(7)
    # What tests before have left is told of when it is collected, which is not to happen below.
    gc.collect()
    caplog.clear()
    settings = RpcSettings(receive_size=1000, compression="gzip", compress_from=0, origins=("*",))
    world = WebWorld(answer, settings, timeout=5.0)
    seen = set()
    for _ in range(ROUNDS):
        content_type = draw.choice(TYPES)
        fields = [(draw.choice(FIELDS), draw.choice(VALUES)) for _ in range(draw.randrange(3))]
        body = bent(draw, body_of(draw, content_type))
        cut = draw.randrange(len(body) + 1)
        name, method = draw.choice([*KINDS]), "POST"
        if draw.random() < 0.2:
            query = bent(draw, b"encoding=json&message=%22hello%22&base64=0&connect=v1")
            name, method, body = f"Ask?{query.decode('latin-1')}", "GET", b""
        with caplog.at_level(logging.ERROR):
            reply = await world.call(
                name,
                content_type,
                body,
                *fields,
                method=method,
                version=draw.choice(["1.1", "2"]),
                chunks=draw.choice([None, [body[:cut], body[cut:]]]),
            )
        assert reply.finished, (content_type, fields, body)
        assert not reply.broken, (content_type, fields, body)
        assert not caplog.records, (content_type, fields, body, caplog.text)
        seen.add(reply.status)
    assert seen >= {200, 400, 415, 501, 505}
