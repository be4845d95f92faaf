"""Facts about the memory of processes."""

from __future__ import annotations

import mmap
import os

from mainstay.process.memory import resident


def test_what_is_used_is_resident() -> None:
    """Pages that are written to count, for oneself and by pid."""
    before = resident()
    with mmap.mmap(-1, 32 << 20) as block:  # fresh pages, and not some that were freed before
        block.write(b"x" * (32 << 20))
        assert resident() - before > 24 << 20
        assert abs(resident(os.getpid()) - resident()) < 8 << 20


def test_a_process_that_is_gone_has_none() -> None:
    """No such process, no memory."""
    assert resident(1 << 30) == 0
