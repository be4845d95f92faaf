"""Forms: fields and files, whole or part by part, within bounds, and nothing left behind."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mainstay.errors import HttpError, InvalidRequest, PeerGone, TooLarge, UsageError
from mainstay.http.forms import FormData, FormLimits, Part, read_form, read_parts
from mainstay.http.pairs import Pairs
from tests.http.descriptors import open_files

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=B"


def part(content: bytes, name: str = "a", filename: str | None = None) -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    head = f'--B\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--B--\r\n"


async def pieces(*data: bytes | Exception) -> AsyncIterator[bytes]:
    for each in data:
        if isinstance(each, Exception):
            raise each
        yield each


async def form(content_type: str, *data: bytes, **limits: Any) -> FormData:
    return await read_form(content_type, pieces(*data), FormLimits(**limits))


def entries(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def test_an_urlencoded_form_has_its_fields() -> None:
    """Decoded, in order, and cut anywhere."""
    found = await form(URLENCODED + "; charset=UTF-8", b"a=1&b=x%2", b"0y+z&a=2&c")
    assert list(found) == [("a", "1"), ("b", "x y z"), ("a", "2"), ("c", "")]
    assert isinstance(found, Pairs)
    assert (found["a"], found.get_all("a"), len(found.files)) == ("1", ["1", "2"], 0)


async def test_a_multipart_form_has_fields_and_files() -> None:
    """A file that was not chosen is left out; an empty one that was is there."""
    data = body(
        part("grün".encode(), "colour"),
        part(b"one", "f", "1.txt"),
        part(b"two", "f", "2.txt"),
        part(b"", "none", ""),
        part(b"", "empty", "0.txt"),
    )
    found = await form(MULTIPART, data[:50], data[50:])
    assert list(found) == [("colour", "grün")]
    assert [each.filename for each in found.files.get_all("f")] == ["1.txt", "2.txt"]
    assert await found.files["f"].read() == b"one"
    assert found.files["empty"].size == 0
    assert "none" not in found.files
    assert found.files.get("none") is None
    with pytest.raises(KeyError):
        found.files["none"]
    found.close()


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain", "multipart/mixed"])
async def test_another_content_type_is_415(content_type: str) -> None:
    """For whole forms and for parts."""
    with pytest.raises(HttpError) as caught:
        await form(content_type, b"")
    assert caught.value.status == 415
    with pytest.raises(HttpError) as caught:
        await anext(read_parts(content_type, pieces()))
    assert caught.value.status == 415


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        (URLENCODED, b"a=\xff"),
        ("multipart/form-data", b""),
        (MULTIPART, b""),
        (MULTIPART, b"a=1"),
        (MULTIPART, part(b"1")),
        (MULTIPART, body(part(b"\xff"))),
    ],
    ids=str,
)
async def test_a_malformed_form_is_refused(content_type: str, data: bytes) -> None:
    """What is no text in a field, what has no end, what has no boundary."""
    with pytest.raises(InvalidRequest):
        await form(content_type, data)


@pytest.mark.parametrize(
    ("content_type", "data", "limits"),
    [
        (URLENCODED, b"a=1&b=2&c=3", {"fields": 2}),
        (URLENCODED, b"&" * 100, {"fields": 2}),
        (URLENCODED, b"a=12345", {"field_size": 4}),
        (URLENCODED, b"a=1&b=2", {"fields_size": 6}),
        (MULTIPART, body(part(b"1"), part(b"2")), {"fields": 1}),
        (MULTIPART, body(part(b"1", "f", "1"), part(b"2", "f", "2")), {"files": 1}),
        (MULTIPART, body(part(b"1", "f", "1")), {"files": 0}),
        (MULTIPART, body(part(b"12345")), {"field_size": 4}),
        (MULTIPART, body(part(b"123"), part(b"456")), {"fields_size": 5}),
        (MULTIPART, body(part(b"1", "a" * 100)), {"head_size": 100}),
    ],
    ids=str,
)
async def test_each_limit_holds(content_type: str, data: bytes, limits: dict[str, int]) -> None:
    """With an error that becomes 413."""
    with pytest.raises(TooLarge):
        await form(content_type, data, **limits)


async def test_limits_count_bytes() -> None:
    """Not characters."""
    umlauts = "ü" * 3
    await form(MULTIPART, body(part(umlauts.encode())), field_size=6, fields_size=6)
    for kind, data in ((MULTIPART, body(part(umlauts.encode()))), (URLENCODED, b"a=%C3%BC%C3%BC")):
        with pytest.raises(TooLarge):
            await form(kind, data, field_size=3)


@pytest.mark.real_loop
async def test_nothing_is_left_of_a_form_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a file nor a descriptor, when the peer leaves in the middle of the second file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data = part(b"x" * 5000, "f", "1") + part(b"y" * 5000, "g", "2")[:-10]
    with pytest.raises(PeerGone):
        await read_form(MULTIPART, pieces(data, PeerGone("left")), FormLimits(memory=100))
    assert open_files(tmp_path) == 0
    assert entries(tmp_path) == []


@pytest.mark.real_loop
async def test_nothing_is_left_of_a_form_that_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same when the call ends while the form is read."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    waits = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield part(b"x" * 5000, "f", "1")[:-10]
        waits.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(read_form(MULTIPART, stalled(), FormLimits(memory=100)))
    await waits.wait()
    assert open_files(tmp_path) == 1
    task.cancel()
    await asyncio.wait([task])
    del task
    assert open_files(tmp_path) == 0
    assert entries(tmp_path) == []


async def test_parts_are_read_as_they_come() -> None:
    """The next bytes are asked for only when the handler wants more."""
    data = body(part(b"1", "n"), part(b"abcdef", "f", "x.txt"), part(b"2", "m"))
    asked = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal asked
        for start in range(0, len(data), 10):
            asked += 1
            yield data[start : start + 10]

    parts = read_parts(MULTIPART, counted())
    first = await anext(parts)
    assert (first.name, first.filename, await first.text()) == ("n", None, "1")
    second = await anext(parts)
    seen = asked
    assert seen < len(data) / 10
    await asyncio.sleep(1)
    assert asked == seen
    assert b"".join([chunk async for chunk in second.chunks()]) == b"abcdef"
    assert [await each.read() async for each in parts] == [b"2"]


async def test_what_is_not_read_of_a_part_is_dropped() -> None:
    """And the part is over then."""
    data = body(part(b"skip", "a"), part(b"keep", "b"))
    parts = read_parts(MULTIPART, pieces(data))
    first = await anext(parts)
    second = await anext(parts)
    with pytest.raises(UsageError, match="'a' is over"):
        await first.read()
    assert await second.read() == b"keep"


async def test_memory_stays_flat_while_a_file_streams() -> None:
    """Of 64 MiB no more than what arrived last is held."""
    piece = b"x" * 65536
    held = []

    async def large() -> AsyncIterator[bytes]:
        yield part(b"", "f", "big")[:-2]
        for _ in range(1024):
            yield piece
        yield b"\r\n" + body()

    size = 0
    async for each in read_parts(MULTIPART, large()):
        async for chunk in each.chunks():
            size += len(chunk)
            waiting = each._source._parsed
            held.append(sum(len(one) for one in waiting if isinstance(one, bytes)))
    assert size == 1024 * 65536
    assert max(held) <= 65536


async def test_reading_a_part_is_bounded() -> None:
    """By the limit for fields, or by the one given."""

    async def first(limits: FormLimits) -> Part:
        return await anext(read_parts(MULTIPART, pieces(body(part(b"12345"))), limits))

    with pytest.raises(TooLarge):
        await (await first(FormLimits(field_size=4))).read()
    with pytest.raises(TooLarge):
        await (await first(FormLimits())).read(4)
    assert await (await first(FormLimits(field_size=4))).read(5) == b"12345"
