"""Uploaded files: in memory, on disk without a name, and saved all or nothing."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstay.core.metadata import EMPTY
from mainstay.core.scope import Scope
from mainstay.errors import ClosedError, ResourceError
from mainstay.http import uploads
from mainstay.http.uploads import CHUNK, Budget, UploadFile

pytestmark = pytest.mark.real_loop


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go; empty before and after."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert entries(place) == []


def entries(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def upload(data: bytes, memory: int = 1000, piece: int = 100_000) -> UploadFile:
    file = UploadFile("f", "a.txt", "text/plain", EMPTY, Budget(memory))
    for start in range(0, len(data), piece):
        await file.write(data[start : start + piece])
    await file.complete()
    return file


@pytest.mark.parametrize("size", [0, 10, 1000, 1001, 3 * CHUNK + 7])
async def test_what_was_sent_is_read(size: int) -> None:
    """Whole, in steps, in chunks and again; from memory and from disk."""
    data = os.urandom(size)
    file = await upload(data)
    assert (file.size, file.in_memory) == (size, size <= 1000)
    assert await file.read(4) + await file.read(0) + await file.read() == data
    assert await file.read() == b""
    file.rewind()
    assert await file.read() == data
    assert b"".join([chunk async for chunk in file.chunks(999)]) == data
    file.close()


async def test_the_files_of_a_form_share_their_memory() -> None:
    """A file that goes to disk leaves its share to the others."""
    budget = Budget(1000)
    first, second, third = (UploadFile(n, n, "", EMPTY, budget) for n in "abc")
    await first.write(b"1" * 600)
    await second.write(b"2" * 600)
    await third.write(b"3" * 400)
    assert [each.in_memory for each in (first, second, third)] == [True, False, True]
    assert budget.left == 0
    for each in (first, second, third):
        each.close()


async def test_a_file_without_tmpfile_has_no_name_either(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On systems without it, the file is unlinked as soon as it is made."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    file = await upload(b"x" * 5000)
    assert not file.in_memory
    assert entries(folder) == []
    assert await file.read() == b"x" * 5000
    file.close()


@pytest.mark.parametrize("size", [10, 3 * CHUNK + 7])
async def test_a_file_is_saved_over_what_was_there(size: int, tmp_path: Path) -> None:
    """With the usual mode, and nothing else in the folder."""
    target = tmp_path / "saved" / "a.bin"
    target.parent.mkdir()
    target.write_bytes(b"old")
    data = os.urandom(size)
    file = await upload(data)
    with Scope("call"):
        await file.save(target)
    assert target.read_bytes() == data
    assert list(target.parent.iterdir()) == [target]
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask
    file.close()


async def test_a_save_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no half of the new one."""
    target = tmp_path / "saved" / "a.bin"
    target.parent.mkdir()
    target.write_bytes(b"old")
    file = await upload(b"x" * 5000)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploads, "write_all", full)
    with Scope("call"), pytest.raises(OSError, match="No space"):
        await file.save(target)
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]
    file.close()


async def test_a_full_disk_is_a_fault_of_a_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of the peer, and not of the program."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploads, "write_all", full)
    with pytest.raises(ResourceError, match="No space"):
        await upload(b"x" * 5000)


@pytest.mark.parametrize("size", [10, 5000])
async def test_a_closed_file_is_not_read(size: int, tmp_path: Path) -> None:
    """Neither from memory nor from disk; closing twice is fine."""
    file = await upload(b"x" * size)
    file.close()
    file.close()
    with pytest.raises(ClosedError):
        await file.read()
    with Scope("call"), pytest.raises(ClosedError):
        await file.save(tmp_path / "a")
    assert not (tmp_path / "a").exists()
