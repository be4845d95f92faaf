"""Facts about replies made smaller."""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from collections.abc import AsyncIterator
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from mainstay.core.call import Handler
from mainstay.errors import UsageError
from mainstay.http.middleware.compression import Coding, compression
from mainstay.http.response import Response
from mainstay.testing.exchange import MemoryExchange, Reply
from tests.http.middleware.desk import Desk

TEXT = b"the quick brown fox jumps over the lazy dog. " * 100
PLAIN = "text/plain; charset=utf-8"


def answers(body: Any = TEXT, status: int = 200, **options: Any) -> dict[str, Handler]:
    options.setdefault("content_type", PLAIN)

    async def answer(call: Any) -> Response:
        return Response(body() if callable(body) else body, status, **options)

    return {"GET /": answer}


def undone(reply: Reply) -> bytes:
    match reply.headers.get("content-encoding"):
        case "gzip":
            return gzip.decompress(reply.body)
        case "br":
            found: bytes = brotli.decompress(reply.body)
            return found
        case "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(reply.body)
        case _:
            return reply.body


async def get(desk: Desk, accept: str = "gzip", method: str = "GET") -> Reply:
    return await desk.ask("/", method, [("accept-encoding", accept)])


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_a_whole_body_is_compressed(coding: str) -> None:
    """With its new length; and it is the same body."""
    reply = await get(Desk([compression()], answers()), coding)
    assert reply.headers.get("content-encoding") == coding
    assert reply.headers.get("vary") == "accept-encoding"
    assert reply.length == len(reply.body) < len(TEXT) / 10
    assert undone(reply) == TEXT


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("gzip, br, zstd", "zstd"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("*", "zstd"),
        ("*, zstd;q=0", "br"),
        ("gzip;q=0", None),
        ("identity, gzip;q=0.5", None),
        ("GZIP", "gzip"),
        ("deflate", None),
        ("gzip;q=nan", None),
        ("", None),
    ],
)
async def test_the_peer_chooses(accept: str, expected: str | None) -> None:
    """By quality, then by our order; the reply varies in any case."""
    reply = await get(Desk([compression()], answers()), accept)
    assert reply.headers.get("content-encoding") == expected
    assert reply.headers.get("vary") == "accept-encoding"
    assert undone(reply) == TEXT


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"content-encoding": "br"}},
        {"headers": {"cache-control": "public, no-transform"}},
        {"status": 206, "headers": {"content-range": "bytes 0-4499/9000"}},
        {"content_type": "image/png"},
        {"content_type": "application/octet-stream"},
        {"content_type": None},
        {"body": b"short"},
    ],
)
async def test_what_is_not_worth_it_is_left_alone(options: dict[str, Any]) -> None:
    """Compressed before, not to be changed, a part, a picture, short."""
    reply = await get(Desk([compression()], answers(**options)))
    given = (options.get("headers") or {}).get("content-encoding")
    assert reply.headers.get("content-encoding") == given
    assert reply.body == options.get("body", TEXT)


@pytest.mark.parametrize("status", [204, 304])
async def test_a_reply_without_a_body_is_left_alone(status: int) -> None:
    """There is nothing to compress."""
    reply = await get(Desk([compression(minimum=0)], answers(b"", status)))
    assert (reply.status, reply.headers.get("content-encoding")) == (status, None)


async def test_head_is_left_alone_and_varies() -> None:
    """Compressing for the length alone is a waste; RFC 9110 §9.3.2 lets it differ."""
    reply = await get(Desk([compression()], answers()), method="HEAD")
    assert (reply.headers.get("content-encoding"), reply.length) == (None, len(TEXT))
    assert reply.headers.get("vary") == "accept-encoding"


async def test_a_strong_tag_becomes_weak() -> None:
    """The bytes are others; a weak one stays as it is, and parts are offered no more."""
    headers = {"etag": '"a"', "accept-ranges": "bytes"}
    reply = await get(Desk([compression()], answers(headers=headers)))
    assert reply.headers.get_all("etag") == ['W/"a"']
    assert "accept-ranges" not in reply.headers
    reply = await get(Desk([compression()], answers(headers={"etag": 'W/"a"'})))
    assert reply.headers.get_all("etag") == ['W/"a"']
    reply = await get(Desk([compression()], answers(headers=headers)), "identity")
    assert reply.headers.get_all("etag") == ['"a"']


async def test_what_gets_longer_is_sent_as_it_was() -> None:
    """Noise has nothing to save."""
    noise = random.Random(7).randbytes(5000)
    reply = await get(Desk([compression()], answers(noise)))
    assert (reply.headers.get("content-encoding"), reply.body) == (None, noise)


async def test_two_of_them_compress_once() -> None:
    """The outer one sees that it is done."""
    reply = await get(Desk([compression(), compression()], answers()))
    assert reply.headers.get_all("content-encoding") == ["gzip"]
    assert undone(reply) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_each_part_of_a_slow_stream_arrives_in_time(coding: Coding) -> None:
    """It can be read before the next one is made."""
    go = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield b"data: one\n\n"
        await go.wait()
        yield b"data: two\n\n"

    handlers = answers(parts, content_type="text/event-stream")
    desk = Desk([compression(codings=[coding])], handlers)
    exchange = MemoryExchange("GET", "/", [("accept-encoding", coding)])
    desk.app.begin(exchange)
    await asyncio.sleep(1)
    makers: dict[str, Any] = {
        "gzip": lambda: zlib.decompressobj(31).decompress,
        "br": lambda: brotli.Decompressor().process,
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    }
    decompressor = makers[coding]()
    assert decompressor(exchange.reply.body) == b"data: one\n\n"
    sent = len(exchange.reply.body)
    go.set()
    await exchange.wait_finished()
    assert decompressor(exchange.reply.body[sent:]) == b"data: two\n\n"
    assert exchange.reply.length is None
    assert exchange.reply.finished


async def test_a_stream_of_known_length_is_a_file() -> None:
    """It is not flushed part by part, and its length is another."""

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(TEXT), 45):
            yield TEXT[start : start + 45]

    reply = await get(Desk([compression()], answers(parts, length=len(TEXT))))
    assert undone(reply) == TEXT
    assert reply.length is None
    assert len(reply.parts) < 5
    reply = await get(Desk([compression()], answers(parts, length=100)))
    assert reply.headers.get("content-encoding") is None


async def test_a_stream_that_is_cut_off_is_closed() -> None:
    """What it holds is released with the call."""
    ended = []

    async def parts() -> AsyncIterator[bytes]:
        try:
            yield TEXT
            await asyncio.sleep(60)
        finally:
            ended.append("closed")

    desk = Desk([compression()], answers(parts))
    exchange = MemoryExchange("GET", "/", [("accept-encoding", "gzip")])
    desk.app.begin(exchange)
    await asyncio.sleep(1)
    exchange.leave()
    await asyncio.sleep(1)
    assert ended == ["closed"]


async def test_a_stream_that_fails_is_broken_off() -> None:
    """Its end is not made up."""

    async def parts() -> AsyncIterator[bytes]:
        yield TEXT
        raise ValueError("late")

    reply = await get(Desk([compression()], answers(parts)))
    assert reply.broken
    assert not reply.finished


@pytest.mark.real_loop
async def test_a_long_body_is_compressed_beside_the_loop() -> None:
    """Which goes on meanwhile."""
    body = random.Random(7).randbytes(300_000).hex().encode() * 4
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0)
            beats += 1

    from tests.http.site import running  # noqa: PLC0415 - of this test only

    (handler,) = answers(body).values()
    async with running({"GET /": handler}, middleware=[compression()]) as site:
        task = asyncio.ensure_future(beat())
        status, fields, sent = await site.get("/", fields="Accept-Encoding: gzip\r\n")
        task.cancel()
    assert (status, fields[b"content-encoding"]) == (200, b"gzip")
    assert gzip.decompress(sent) == body
    assert beats > 20


def test_a_coding_that_is_not_there_is_refused() -> None:
    """When it is made."""
    with pytest.raises(UsageError, match="deflate"):
        compression(codings=["deflate"])  # type: ignore[list-item]


async def test_types_may_be_listed() -> None:
    """With a star for anything."""
    desk = Desk([compression(types=["application/*"])], answers(content_type="application/x"))
    assert (await get(desk)).headers.get("content-encoding") == "gzip"
    desk = Desk([compression(types=[])], answers())
    assert (await get(desk)).headers.get("content-encoding") is None
