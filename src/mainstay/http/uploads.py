"""Files that came with a form: in memory while they are small, beyond that on disk.

The file on disk has no name (``O_TMPFILE``; elsewhere it is unlinked as soon as it is made), so
there is nothing to clean up after, whatever ends the call: not even a killed process leaves one.
Disks are touched in threads.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from mainstay.core.metadata import Metadata
from mainstay.core.scope import Scope
from mainstay.core.threads import to_thread
from mainstay.errors import ClosedError, ResourceError
from mainstay.http.descriptor import Descriptor, write_all

__all__ = ["CHUNK", "Budget", "UploadFile"]

CHUNK: Final = 256 * 1024
"""Bytes that are read or written by one visit to a thread."""


class Budget:
    """Bytes of memory that the files of one form may take together."""

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = size


class UploadFile:
    """One file of a form.

    Attributes:
        name: of the form's field.
        filename: what the peer calls it: a word to show, never a path to open.
        content_type: what the peer says that it is, which may be a lie.
        headers: the fields of its part.
        size: bytes.
    """

    __slots__ = (
        "_budget",
        "_buffer",
        "_closed",
        "_file",
        "_flushed",
        "_position",
        "content_type",
        "filename",
        "headers",
        "name",
        "size",
    )

    def __init__(
        self, name: str, filename: str, content_type: str, headers: Metadata, budget: Budget
    ) -> None:
        self.name = name
        self.filename = filename
        self.content_type = content_type
        self.headers = headers
        self.size = 0
        self._budget = budget
        self._buffer = bytearray()
        self._file: Descriptor | None = None
        self._flushed = 0
        self._position = 0
        self._closed = False

    @property
    def in_memory(self) -> bool:
        """Whether it is in memory, and not on disk."""
        return self._file is None

    async def write(self, data: bytes) -> None:
        """Append; for whoever reads the form.

        Raises: ResourceError when the disk does not take it.
        """
        self._buffer += data
        self.size += len(data)
        if self._file is None:
            self._budget.left -= len(data)
            if self._budget.left >= 0:
                return
            self._budget.left += len(self._buffer)
            await self._flush()
        elif len(self._buffer) >= CHUNK:
            await self._flush()

    async def complete(self) -> None:
        """Everything was written; for whoever reads the form."""
        if self._file is not None and self._buffer:
            await self._flush()

    async def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or all that are left; ``b""`` at the end.

        Raises: ClosedError after `close`.
        """
        left = self.size - self._position
        size = left if size < 0 else min(size, left)
        data = await self._read_at(self._position, size)
        self._position += len(data)
        return data

    def rewind(self) -> None:
        """Let `read` begin at the beginning again."""
        self._position = 0

    async def chunks(self, size: int = CHUNK) -> AsyncIterator[bytes]:
        """The whole file in pieces, whatever was read before.

        Raises: ClosedError after `close`.
        """
        for offset in range(0, self.size, size):
            yield await self._read_at(offset, min(size, self.size - offset))

    async def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file to `path`, replacing what is there, all or nothing.

        Choose the name yourself: one made of `filename` lets the peer choose it.

        Raises: OSError when the path cannot be written; ClosedError after `close`.
        """
        await to_thread(self._save, Path(path))

    def close(self) -> None:
        """Let go of the content; the end of the call does it too. Idempotent."""
        self._closed = True
        self._buffer = bytearray()
        if self._file is not None:
            self._file.close()

    def __repr__(self) -> str:
        return f"<UploadFile {self.name!r} {self.filename!r} {self.size} bytes>"

    async def _read_at(self, offset: int, size: int) -> bytes:
        if self._closed:
            raise ClosedError(f"{self!r} was closed before")
        if self._file is None:
            return bytes(self._buffer[offset : offset + size])
        return await to_thread(self._file.use, os.pread, size, offset)

    async def _flush(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        offset, self._flushed = self._flushed, self._flushed + len(data)
        try:
            if self._file is None:
                self._file = await to_thread(_open_nameless)
            await to_thread(self._file.use, write_all, data, offset)
        except OSError as error:
            raise ResourceError(f"an upload could not be stored: {error.strerror}") from error

    def _save(self, path: Path) -> None:
        # Beside the target: only within one file system is a rename all or nothing.
        unique = Scope.current().effects.random.getrandbits(64)
        part = path.with_name(f".{path.name}.{unique:x}.part")
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            try:
                self._copy(number)
            finally:
                os.close(number)
            part.replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                part.unlink()
            raise

    def _copy(self, target: int) -> None:
        if self._closed:
            raise ClosedError(f"{self!r} was closed before")
        if self._file is None:
            write_all(target, bytes(self._buffer), 0)
            return
        scope = Scope.current()
        for offset in range(0, self.size, CHUNK):
            scope.check()
            write_all(target, self._file.use(os.pread, CHUNK, offset), offset)


def _open_nameless() -> Descriptor:
    folder = tempfile.gettempdir()
    flag = getattr(os, "O_TMPFILE", 0)
    if flag:
        # Not every file system has it.
        with suppress(OSError):
            return Descriptor(os.open(folder, flag | os.O_RDWR | os.O_CLOEXEC, 0o600))
    number, path = tempfile.mkstemp(prefix="mainstay-upload-")
    os.unlink(path)  # noqa: PTH108 (a string, and used once)
    return Descriptor(number)
