"""Forms: ``application/x-www-form-urlencoded`` and ``multipart/form-data``, whole or part by part.

`read_form` keeps everything: fields in memory, files beyond `FormLimits.memory` on disk.
`read_parts` keeps nothing: the content of a part is read straight from the connection while the
handler asks for it, and the peer waits while it does not, so a file of any size takes a few
hundred kilobytes.

The size of the whole body is bounded by the server or the route (``body_limit``); what is bounded
here is what a body of that size could be made of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

from mainstay.core.metadata import Metadata
from mainstay.errors import HttpError, InvalidRequest, TooLarge, UsageError
from mainstay.http.pairs import Pairs, parse_query
from mainstay.http.uploads import Budget, UploadFile
from mainstay.wire.multipart import MultipartReader, PartHead, boundary_of
from mainstay.wire.parameters import parse_parameters

__all__ = ["Files", "FormData", "FormLimits", "Part", "read_form", "read_parts"]

_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLimits:
    """Bounds of one form. Sizes are bytes; beyond one of them the answer is 413.

    Attributes:
        fields: number of fields that are no files.
        files: number of files.
        field_size: of the value of one field.
        fields_size: of the values of all fields.
        head_size: of what stands before the content of a part.
        memory: what files take in memory, all together, before they go to disk.
    """

    fields: int = 1000
    files: int = 100
    field_size: int = 1024 * 1024
    fields_size: int = 8 * 1024 * 1024
    head_size: int = 4096
    memory: int = 1024 * 1024


DEFAULT_LIMITS: Final = FormLimits()


class Files:
    """The files of a form by the names of their fields; a name may come twice."""

    __slots__ = ("_files",)

    def __init__(self, files: tuple[UploadFile, ...] = ()) -> None:
        self._files = files

    def get(self, name: str) -> UploadFile | None:
        """The first file of the field `name`, or None."""
        return next((file for file in self._files if file.name == name), None)

    def get_all(self, name: str) -> list[UploadFile]:
        """Every file of the field `name`, in order."""
        return [file for file in self._files if file.name == name]

    def __getitem__(self, name: str) -> UploadFile:
        file = self.get(name)
        if file is None:
            raise KeyError(name)
        return file

    def __contains__(self, name: object) -> bool:
        return any(file.name == name for file in self._files)

    def __iter__(self) -> Iterator[UploadFile]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"<Files {' '.join(file.name for file in self._files) or 'none'}>"


class FormData(Pairs):
    """The fields of a form, as `Pairs`, and its files.

    Attributes:
        files: see `Files`; a file that was not chosen is left out.
    """

    __slots__ = ("files",)

    def __init__(
        self, fields: list[tuple[str, str]] | tuple[()] = (), files: tuple[UploadFile, ...] = ()
    ) -> None:
        super().__init__(fields)
        self.files = Files(files)

    def close(self) -> None:
        """Let go of the files; the end of the call does it too. Idempotent."""
        for file in self.files:
            file.close()


class Part:
    """One part of a form whose content is still on its way.

    Use it before the next part is asked for; what is not read by then is dropped.

    Attributes:
        name, filename, content_type, headers: see `PartHead`.
    """

    __slots__ = ("_source", "content_type", "filename", "headers", "name")

    def __init__(self, head: PartHead, source: _Source) -> None:
        self.name = head.name
        self.filename = head.filename
        self.content_type = head.content_type
        self.headers: Metadata = head.headers
        self._source = source

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content as it comes; the peer waits while nobody asks for more.

        Raises: InvalidRequest, TooLarge and what `Exchange.receive` raises; UsageError when the
        next part was asked for already.
        """
        source = self._source
        while True:
            if source.part is not self:
                raise UsageError(f"the part {self.name!r} is over; read it before the next one")
            data = await source.content()
            if not data:
                return
            yield data

    async def read(self, limit: int | None = None) -> bytes:
        """The whole content.

        Args:
            limit: bytes allowed; `FormLimits.field_size` unless given.

        Raises: TooLarge above the limit; and as `chunks`.
        """
        limit = self._source.limits.field_size if limit is None else limit
        parts = []
        size = 0
        async for data in self.chunks():
            size += len(data)
            if size > limit:
                raise TooLarge(f"the part {self.name!r} of the form is longer than {limit} bytes")
            parts.append(data)
        return b"".join(parts)

    async def text(self) -> str:
        """The whole content as UTF-8 text.

        Raises: InvalidRequest when it is none; and as `read`.
        """
        return _decoded(self.name, await self.read())

    def __repr__(self) -> str:
        return f"<Part {self.name!r} {self.filename!r}>"


class _Source:
    """Where parts get their content: what was parsed and not taken yet, then the body."""

    def __init__(
        self, reader: MultipartReader, chunks: AsyncIterator[bytes], limits: FormLimits
    ) -> None:
        self.limits = limits
        self.part: Part | None = None
        self._reader = reader
        self._chunks = chunks
        self._parsed: deque[PartHead | bytes] = deque()

    async def next_part(self) -> Part | None:
        """The next part, when what is left of this one was dropped; None after the last."""
        self.part = None
        while await self.content():
            pass
        if not self._parsed:
            return None
        head = self._parsed.popleft()
        assert isinstance(head, PartHead)
        self.part = Part(head, self)
        return self.part

    async def content(self) -> bytes:
        """The next bytes of this part; ``b""`` at its end."""
        while not self._parsed and not self._reader.finished:
            data = await anext(self._chunks, b"")
            self._parsed.extend(self._reader.receive_data(data))
        if not self._parsed:
            return b""
        first = self._parsed[0]
        if isinstance(first, PartHead):
            return b""
        self._parsed.popleft()
        return first


async def read_parts(
    content_type: str, chunks: AsyncIterator[bytes], limits: FormLimits = DEFAULT_LIMITS
) -> AsyncIterator[Part]:
    """The parts of a ``multipart/form-data`` body, as they come.

    Args:
        content_type: the field of the request.
        chunks: the body.
        limits: see `FormLimits`; `memory` does not apply.

    Raises: HttpError 415 for another content type; InvalidRequest for a malformed body; TooLarge
        above a limit; and what `chunks` raises.
    """
    kind, parameters = parse_parameters(content_type)
    if kind != _MULTIPART:
        raise _unsupported(kind, _MULTIPART)
    reader = MultipartReader(
        boundary_of(parameters),
        most_parts=limits.fields + limits.files,
        head_size=limits.head_size,
    )
    source = _Source(reader, chunks, limits)
    fields = files = 0
    while (part := await source.next_part()) is not None:
        if part.filename is None:
            fields += 1
            _bound(fields, limits.fields, "fields")
        else:
            files += 1
            _bound(files, limits.files, "files")
        yield part


async def read_form(
    content_type: str, chunks: AsyncIterator[bytes], limits: FormLimits = DEFAULT_LIMITS
) -> FormData:
    """The whole form, of either content type.

    Raises: HttpError 415 for another content type; InvalidRequest for a malformed body; TooLarge
        above a limit; ResourceError when a file cannot be stored; and what `chunks` raises.
    """
    kind, _ = parse_parameters(content_type)
    if kind == _URLENCODED:
        return await _read_urlencoded(chunks, limits)
    if kind != _MULTIPART:
        raise _unsupported(kind, f"{_URLENCODED} or {_MULTIPART}")
    fields: list[tuple[str, str]] = []
    files: list[UploadFile] = []
    budget = Budget(limits.memory)
    left = limits.fields_size
    try:
        async for part in read_parts(content_type, chunks, limits):
            if part.filename is None:
                value = await part.read()
                left -= len(value)
                if left < 0:
                    raise _fields_too_large(limits)
                fields.append((part.name, _decoded(part.name, value)))
            else:
                file = UploadFile(part.name, part.filename, part.content_type, part.headers, budget)
                files.append(file)
                async for data in part.chunks():
                    await file.write(data)
                await file.complete()
    except BaseException:
        for file in files:
            file.close()
        raise
    # What a browser sends for a file that was not chosen.
    return FormData(fields, tuple(file for file in files if file.filename or file.size))


async def _read_urlencoded(chunks: AsyncIterator[bytes], limits: FormLimits) -> FormData:
    parts = []
    left = limits.fields_size
    separators = 0
    async for data in chunks:
        left -= len(data)
        separators += data.count(b"&")
        if left < 0:
            raise _fields_too_large(limits)
        _bound(separators, limits.fields, "fields")
        parts.append(data)
    try:
        pairs = parse_query(b"".join(parts).decode())
    except UnicodeDecodeError:
        raise InvalidRequest("the form is no UTF-8") from None
    _bound(len(pairs), limits.fields, "fields")
    for name, value in pairs:
        if len(value.encode()) > limits.field_size:
            message = f"the field {name!r} of the form is longer than {limits.field_size} bytes"
            raise TooLarge(message)
    return FormData(pairs)


def _decoded(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"the field {name!r} of the form is no UTF-8") from None


def _bound(number: int, most: int, what: str) -> None:
    if number > most:
        raise TooLarge(f"the form has more than {most} {what}")


def _fields_too_large(limits: FormLimits) -> TooLarge:
    return TooLarge(f"the fields of the form have more than {limits.fields_size} bytes")


def _unsupported(kind: str, wanted: str) -> HttpError:
    message = f"the body is {kind or 'of no type'}; send a form, as {wanted}"
    return HttpError(415, message, reason="UNSUPPORTED_MEDIA_TYPE")
