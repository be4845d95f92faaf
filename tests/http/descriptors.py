"""What this process has open."""

from __future__ import annotations

import asyncio
from pathlib import Path


def open_files(folder: Path) -> int:
    """How many descriptors are of something in a folder, deleted or not."""
    return sum(_is_in(folder, entry) for entry in Path("/dev/fd").iterdir())


async def until_open(folder: Path, wanted: int) -> None:
    """Wait until so many are. A thread lets go of what it has returned a moment after its caller has
    it, and a file is open until then.

    Raises: TimeoutError.
    """
    async with asyncio.timeout(30):
        while open_files(folder) != wanted:  # noqa: ASYNC110 - the kernel knows, and tells nobody
            await asyncio.sleep(0.001)


def _is_in(folder: Path, entry: Path) -> bool:
    try:
        return entry.readlink().is_relative_to(folder)
    except FileNotFoundError:  # closed meanwhile: the listing's own, or another thread's
        return False
