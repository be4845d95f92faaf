"""How much memory a process has."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["resident"]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int | str = "self") -> int:
    """Bytes resident; 0 where that cannot be known, or for a process that is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123 - once a second a process
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0
