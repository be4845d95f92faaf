"""Descriptors that threads use and the loop closes."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest

from mainstay.errors import ClosedError
from mainstay.http.descriptor import Descriptor, write_all


def opened(path: Path) -> tuple[Descriptor, int]:
    number = os.open(path, os.O_RDWR | os.O_CREAT)
    return Descriptor(number), number


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_it_is_used_until_it_is_closed(tmp_path: Path) -> None:
    """Then it is refused, and closing twice is fine."""
    descriptor, number = opened(tmp_path / "a")
    descriptor.use(write_all, b"hello", 0)
    assert descriptor.use(os.pread, 5, 0) == b"hello"
    descriptor.close()
    descriptor.close()
    assert not is_open(number)
    with pytest.raises(ClosedError):
        descriptor.use(os.pread, 5, 0)


def test_a_thread_at_work_keeps_it_open(tmp_path: Path) -> None:
    """Closed meanwhile, it is closed when the thread is done."""
    descriptor, number = opened(tmp_path / "a")
    entered, leave = threading.Event(), threading.Event()

    def work(_: int) -> None:
        entered.set()
        leave.wait(10)

    thread = threading.Thread(target=descriptor.use, args=(work,))
    thread.start()
    entered.wait(10)
    descriptor.close()
    assert descriptor.closed
    assert is_open(number)
    leave.set()
    thread.join(10)
    assert not is_open(number)


def test_a_forgotten_one_is_closed(tmp_path: Path) -> None:
    """Without a warning: whoever drops a reply has no other way."""
    descriptor, number = opened(tmp_path / "a")
    assert is_open(number)
    del descriptor
    gc.collect()
    assert not is_open(number)


def test_everything_is_written_in_its_place(tmp_path: Path) -> None:
    """At the offset, over what was there."""
    descriptor, _ = opened(tmp_path / "a")
    descriptor.use(write_all, b"0123456789", 0)
    descriptor.use(write_all, b"ab", 4)
    assert (tmp_path / "a").read_bytes() == b"0123ab6789"
