"""Files as replies: types, tags, conditions, ranges and siblings, and what is no file."""

from __future__ import annotations

import asyncio
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest

from mainstay.core.scope import Scope
from mainstay.errors import BrokenError, HttpError, NotFound
from mainstay.http.files import CHUNK, SMALL, File
from mainstay.http.request import Request
from mainstay.http.response import Response
from mainstay.testing.exchange import MemoryExchange
from tests.http.descriptors import until_open

pytestmark = pytest.mark.real_loop


async def get(file: File, method: str = "GET", **fields: str) -> Response:
    named = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return await file.prepare(Request(MemoryExchange(method, "/", named)))


async def content(response: Response) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([part async for part in response.body])


def made(path: Path, data: bytes, age: int = 0) -> Path:
    path.write_bytes(data)
    os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return path


async def test_a_small_file_is_one_write(tmp_path: Path) -> None:
    """Its content is there at once, with type, tag and date."""
    response = await get(File(made(tmp_path / "a.txt", b"hello")))
    assert (response.status, response.body) == (200, b"hello")
    assert response.content_type == "text/plain; charset=utf-8"
    assert re.fullmatch(r'"[0-9a-f]+-5"', response.headers["etag"])
    assert response.headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert response.headers["accept-ranges"] == "bytes"
    assert "vary" not in response.headers


async def test_a_large_file_is_read_as_it_is_sent(tmp_path: Path) -> None:
    """In chunks, with its length; the file is closed at the end."""
    data = random.Random(1).randbytes(2 * CHUNK + 5)
    response = await get(File(made(tmp_path / "a.bin", data)))
    await until_open(tmp_path, 1)
    assert response.length == len(data)
    assert not isinstance(response.body, bytes)
    parts = [part async for part in response.body]
    assert [len(part) for part in parts] == [CHUNK, CHUNK, 5]
    assert b"".join(parts) == data
    await until_open(tmp_path, 0)


async def test_a_file_that_nobody_sends_is_closed(tmp_path: Path) -> None:
    """Whether it was begun, or a middleware has put another reply in its place."""
    path = made(tmp_path / "a.bin", b"x" * (2 * CHUNK))
    response: Response | None = await get(File(path))
    await until_open(tmp_path, 1)
    response = None
    await until_open(tmp_path, 0)
    response = await get(File(path))
    body: Any = aiter(response.body)  # type: ignore[arg-type]
    await anext(body)
    await body.aclose()
    await until_open(tmp_path, 0)
    assert response.status == 200


async def test_head_sends_the_fields_alone(tmp_path: Path) -> None:
    """The length of what GET would send, and nothing is kept open."""
    response = await get(File(made(tmp_path / "a.bin", b"x" * 100)), "HEAD")
    assert (response.status, response.length) == (200, 100)
    assert await content(response) == b""
    await until_open(tmp_path, 0)


async def test_what_the_peer_has_is_not_sent_again(tmp_path: Path) -> None:
    """304 by tag or date, with the fields that RFC 9110 asks for."""
    file = File(made(tmp_path / "a.bin", b"x" * 100), cache_control="max-age=60")
    first = await get(file)
    again = await get(file, if_none_match=first.headers["etag"])
    assert (again.status, again.body, again.content_type) == (304, b"", None)
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == "max-age=60"
    dated = await get(file, if_modified_since=first.headers["last-modified"])
    assert dated.status == 304


async def test_another_content_is_another_tag(tmp_path: Path) -> None:
    """By time and by size."""
    path = made(tmp_path / "a", b"one")
    tags = {(await get(File(path))).headers["etag"]}
    tags.add((await get(File(made(path, b"three")))).headers["etag"])
    tags.add((await get(File(made(path, b"three", age=1)))).headers["etag"])
    assert len(tags) == 3


async def test_a_condition_that_fails_is_412(tmp_path: Path) -> None:
    """The peer works on another version."""
    with pytest.raises(HttpError) as caught:
        await get(File(made(tmp_path / "a", b"x")), if_match='"other"')
    assert caught.value.status == 412


@pytest.mark.parametrize("size", [1000, SMALL + 1, CHUNK * 2])
async def test_a_range_is_sent(size: int, tmp_path: Path) -> None:
    """206 with its place and its length."""
    data = random.Random(1).randbytes(size)
    response = await get(File(made(tmp_path / "a", data)), range="bytes=10-")
    assert (response.status, response.length) == (206, size - 10)
    assert response.headers["content-range"] == f"bytes 10-{size - 1}/{size}"
    assert await content(response) == data[10:]


async def test_several_ranges_are_parts(tmp_path: Path) -> None:
    """Each with its place, and the length of it all is right."""
    path = made(tmp_path / "a.txt", b"0123456789")
    with Scope("call"):
        response = await get(File(path), range="bytes=0-1,5-6")
        body = await content(response)
    kind, _, boundary = (response.content_type or "").partition("; boundary=")
    assert (response.status, kind) == (206, "multipart/byteranges")
    assert response.length == len(body)
    delimiter = f"\r\n--{boundary}".encode()
    empty, first, second, end = body.split(delimiter)
    head = b"\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes %s/10\r\n\r\n%s"
    assert (empty, end) == (b"", b"--\r\n")
    assert first == head % (b"0-1", b"01")
    assert second == head % (b"5-6", b"56")


async def test_a_range_of_another_version_is_the_whole(tmp_path: Path) -> None:
    """``if-range`` guards who puts parts together."""
    path = made(tmp_path / "a", b"0123456789")
    tag = (await get(File(path))).headers["etag"]
    assert (await get(File(path), range="bytes=0-1", if_range=tag)).status == 206
    other = await get(File(path), range="bytes=0-1", if_range='"other"')
    assert (other.status, other.body) == (200, b"0123456789")


async def test_a_range_outside_is_416(tmp_path: Path) -> None:
    """With the length that there is."""
    with pytest.raises(HttpError) as caught:
        await get(File(made(tmp_path / "a", b"0123456789")), range="bytes=10-")
    assert caught.value.status == 416
    assert caught.value.headers == {"content-range": "bytes */10"}
    await until_open(tmp_path, 0)


async def test_only_get_has_ranges(tmp_path: Path) -> None:
    """RFC 9110 §14.2: for other methods the field means nothing."""
    path = made(tmp_path / "a", b"0123456789")
    assert (await get(File(path), "HEAD", range="bytes=0-1")).status == 200


async def test_a_sibling_is_sent_to_who_accepts_it(tmp_path: Path) -> None:
    """With the type of the file, a tag of its own, and ``vary`` in any case."""
    path = made(tmp_path / "a.js", b"plain")
    made(tmp_path / "a.js.br", b"brotli")
    made(tmp_path / "a.js.gz", b"gzip")

    async def sent(accepted: str) -> tuple[str | None, bytes | object, str]:
        response = await get(File(path, precompressed=True), accept_encoding=accepted)
        assert response.content_type == "text/javascript; charset=utf-8"
        assert response.headers["vary"] == "accept-encoding"
        return response.headers.get("content-encoding"), response.body, response.headers["etag"]

    coding, body, tag = await sent("gzip, br")
    assert (coding, body, tag[-4:]) == ("br", b"brotli", '-br"')
    assert (await sent("gzip, zstd"))[:2] == ("gzip", b"gzip")
    assert (await sent("identity"))[:2] == (None, b"plain")
    assert (await sent("zstd"))[:2] == (None, b"plain")
    unasked = await get(File(path), accept_encoding="br")
    assert unasked.body == b"plain"


async def test_a_range_is_of_the_plain_file(tmp_path: Path) -> None:
    """Whatever codings the peer accepts."""
    path = made(tmp_path / "a.js", b"plain")
    made(tmp_path / "a.js.br", b"brotli")
    file = File(path, precompressed=True)
    response = await get(file, accept_encoding="br", range="bytes=0-1")
    assert (response.status, await content(response)) == (206, b"pl")


async def test_an_old_sibling_is_not_sent(tmp_path: Path) -> None:
    """It was made of what the file was before."""
    path = made(tmp_path / "a.js", b"plain")
    made(tmp_path / "a.js.br", b"old", age=10)
    response = await get(File(path, precompressed=True), accept_encoding="br")
    assert response.body == b"plain"


async def test_a_download_has_a_name(tmp_path: Path) -> None:
    """And the type and fields that were given."""
    file = File(
        made(tmp_path / "a", b"x"),
        content_type="text/csv",
        download_as="Größen.csv",
        headers={"x-a": "b"},
    )
    response = await get(file)
    assert response.content_type == "text/csv"
    assert response.headers["content-disposition"].endswith("UTF-8''Gr%C3%B6%C3%9Fen.csv")
    assert response.headers["x-a"] == "b"


async def test_what_is_no_file_is_not_found(tmp_path: Path) -> None:
    """Missing, a folder, a pipe (which nobody waits for), NUL: and the path is not told."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe", tmp_path / "n\0", "x" * 5000):
        async with asyncio.timeout(30):
            with pytest.raises(NotFound) as caught:
                await get(File(path))
        assert str(tmp_path) not in str(caught.value)
    await until_open(tmp_path, 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_may_not_be_read_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """For the peer it is missing; the operator learns why."""
    path = made(tmp_path / "a", b"x")
    path.chmod(0)
    with pytest.raises(NotFound):
        await get(File(path))
    assert "may not be read" in caplog.text


async def test_a_file_that_is_replaced_is_sent_as_it_was(tmp_path: Path) -> None:
    """What was opened is what is sent."""
    path = made(tmp_path / "a", b"x" * (2 * CHUNK))
    response = await get(File(path))
    made(tmp_path / "b", b"y").replace(path)
    assert await content(response) == b"x" * (2 * CHUNK)


async def test_a_file_that_shrinks_breaks_the_reply_off(tmp_path: Path) -> None:
    """The peer sees that it is not whole."""
    path = made(tmp_path / "a", b"x" * (2 * CHUNK))
    response = await get(File(path))
    os.truncate(path, CHUNK + 1)
    with pytest.raises(BrokenError, match="shorter"):
        await content(response)
