"""Facts about the identity of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mainstay.process.identity import command_of, is_running, started_at


def test_a_process_has_one_start_time() -> None:
    """It stays the same, and a child's is not before its parent's."""
    mine = started_at(os.getpid())
    assert mine is not None
    assert started_at(os.getpid()) == mine
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert (started_at(child.pid) or 0) >= mine
        assert is_running(child.pid)
    assert started_at(child.pid) is None
    assert not is_running(child.pid)


def test_a_zombie_does_not_run() -> None:
    """Ended and not waited for, its number is nobody's any more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert started_at(child.pid) is None
    assert not is_running(child.pid)
    child.wait()


def test_a_name_may_be_anything(tmp_path: Path) -> None:
    """Parentheses and spaces in the name of the program do not shift the fields."""
    (tmp_path / "self").mkdir()
    (tmp_path / "7").mkdir()
    fields = " ".join(str(number) for number in range(4, 40))
    (tmp_path / "7" / "stat").write_text(f"7 (a) S (b c) S {fields}\n")
    (tmp_path / "7" / "comm").write_text("a) S (b c\n")
    assert started_at(7, tmp_path) == 22
    assert command_of(7, tmp_path) == "a) S (b c"
    assert is_running(7, tmp_path)
    assert not is_running(8, tmp_path)


def test_without_procfs_the_signal_tells(tmp_path: Path) -> None:
    """Where the start time cannot be known, there is still an answer to whether it runs."""
    assert is_running(os.getpid(), tmp_path)
    assert started_at(os.getpid(), tmp_path) is None
    assert command_of(os.getpid(), tmp_path) == ""
