"""The body of a request, from what the caller gave."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from mainstay.core.threads import to_thread
from mainstay.errors import UsageError
from mainstay.http.encode import json_encoder

__all__ = ["Body", "FileSource", "Files", "FormSource", "make_body"]

FormSource: TypeAlias = "Mapping[str, Any] | Iterable[tuple[str, Any]]"
"""Fields of a form; a list or tuple is a field several times."""

FileSource: TypeAlias = (
    "bytes | Path | tuple[str, bytes | Path | AsyncIterable[bytes]] "
    "| tuple[str, bytes | Path | AsyncIterable[bytes], str]"
)
"""Content; or file name and content; or these and a media type."""

Files: TypeAlias = "Mapping[str, FileSource] | Iterable[tuple[str, FileSource]]"

_BLOCK: Final = 64 * 1024
_FORM: Final = "application/x-www-form-urlencoded"
_encode: Final = json_encoder("the request's json")


@dataclass(slots=True)
class Body:
    """What is sent.

    Attributes:
        content: None for no body.
        content_type: its media type, or None.
        length: bytes, or None when that is not known.
        sent: whether it is an iterator that was handed to a connection, and is spent.
    """

    content: bytes | AsyncIterable[bytes] | None = None
    content_type: str | None = None
    length: int | None = None
    sent: bool = False


def make_body(
    *,
    json: Any,
    content: bytes | str | AsyncIterable[bytes] | None,
    form: FormSource | None,
    files: Files | None,
    absent: object,
    random: Random,
) -> Body:
    """The one body that the arguments mean; `json` is `absent` when it was not given.

    Raises: UsageError when they mean two, or what cannot be sent.
    """
    given = [json is not absent, content is not None, form is not None or files is not None]
    if sum(given) > 1:
        raise UsageError("a request has one body: json=, content=, or form= with files=")
    if json is not absent:
        data = _encode(json)
        return Body(data, "application/json", len(data))
    if content is not None:
        return _from_content(content)
    if files is not None:
        return _multipart(form, files, f"{random.getrandbits(128):032x}")
    if form is not None:
        data = urlencode(_fields(form)).encode("ascii")
        return Body(data, _FORM, len(data))
    return Body()


def _from_content(content: bytes | str | AsyncIterable[bytes]) -> Body:
    if isinstance(content, str):
        data = content.encode()
        return Body(data, "text/plain; charset=utf-8", len(data))
    if isinstance(content, bytes):
        return Body(content, None, len(content))
    if not hasattr(content, "__aiter__"):
        message = f"content= takes bytes, text or an async iterable of bytes, not {type(content)!r}"
        raise UsageError(message)
    return Body(content)


def _fields(form: FormSource) -> list[tuple[str, str]]:
    found = []
    for name, value in form.items() if isinstance(form, Mapping) else form:
        several = value if isinstance(value, list | tuple) else (value,)
        found += [(name, str(each)) for each in several]
    return found


class _Part:
    """One part of a multipart body: its head, and its content."""

    __slots__ = ("content", "head", "length")

    def __init__(self, head: bytes, content: bytes | Path | AsyncIterable[bytes]) -> None:
        self.head = head
        self.content = content
        self.length: int | None = None
        if isinstance(content, bytes):
            self.length = len(content)
        elif isinstance(content, Path):
            self.length = _size(content)


def _multipart(form: FormSource | None, files: Files, boundary: str) -> Body:
    """RFC 7578, names escaped as browsers do (WHATWG HTML §4.10.21.8)."""
    parts = []
    for name, value in _fields(form or ()):
        head = f'content-disposition: form-data; name="{_escaped(name)}"\r\n\r\n'
        parts.append(_Part(head.encode(), value.encode()))
    for name, source in files.items() if isinstance(files, Mapping) else files:
        filename, content, kind = _file(name, source)
        head = (
            f'content-disposition: form-data; name="{_escaped(name)}"; '
            f'filename="{_escaped(filename)}"\r\ncontent-type: {kind}\r\n\r\n'
        )
        parts.append(_Part(head.encode(), content))
    lengths = [each.length for each in parts]
    mark = len(boundary) + 4  # two dashes before it, a line break after
    total = mark + 2  # and two more dashes after the last
    for each in parts:
        total += mark + len(each.head) + (each.length or 0) + 2
    return Body(
        _MultipartContent(parts, boundary),
        f"multipart/form-data; boundary={boundary}",
        None if None in lengths else total,
    )


def _file(name: str, source: FileSource) -> tuple[str, bytes | Path | AsyncIterable[bytes], str]:
    kind = "application/octet-stream"
    if isinstance(source, Path):
        return source.name, source, kind
    if isinstance(source, tuple):
        filename, content, *rest = source
        kind = rest[0] if rest else kind
        if "\r" in kind or "\n" in kind:
            raise UsageError(f"the media type of the file {name!r} has a line break in it")
        return filename, content, kind
    return name, source, kind


class _MultipartContent:
    """Iterates the parts, files read in threads; can be iterated again if its parts can."""

    def __init__(self, parts: list[_Part], boundary: str) -> None:
        self._parts = parts
        self._boundary = boundary

    async def __aiter__(self) -> AsyncIterator[bytes]:
        mark = f"--{self._boundary}".encode()
        for part in self._parts:
            yield mark + b"\r\n" + part.head
            content = part.content
            if isinstance(content, bytes):
                yield content
            elif isinstance(content, Path):
                async for block in _read(content):
                    yield block
            else:
                async for block in content:
                    yield block
            yield b"\r\n"
        yield mark + b"--\r\n"


async def _read(path: Path) -> AsyncIterator[bytes]:
    file = await to_thread(path.open, "rb")
    try:
        while block := await to_thread(file.read, _BLOCK):
            yield block
    finally:
        file.close()


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - one call, no method of a path between
    except OSError as error:
        raise UsageError(f"the file {str(path)!r} cannot be sent: {error.strerror}") from None


def _escaped(name: str) -> str:
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
