"""Which process a number means: a pid is used again, and its start time tells the two apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["command_of", "is_running", "started_at"]

_PROC: Final = Path("/proc")


def started_at(pid: int, proc: Path = _PROC) -> int | None:
    """When a process was started, in clock ticks since the machine was (field 22 of proc(5)'s stat).

    None for one that is gone or a zombie, and where there is no procfs.
    """
    try:
        text = (proc / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name, in parentheses, may itself have parentheses and spaces in it.
    fields = text[text.rfind(b")") + 2 :].split()
    state, started = fields[0], fields[19]
    return None if state in (b"Z", b"X", b"x") else int(started)


def is_running(pid: int, proc: Path = _PROC) -> bool:
    """Whether there is such a process, whoever it belongs to."""
    if (proc / "self").exists():
        return started_at(pid, proc) is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def command_of(pid: int, proc: Path = _PROC) -> str:
    """The name of its program, for a message; empty where that cannot be known."""
    try:
        return (proc / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return ""
