"""How this program was started, so that it can be started again: command, folder, environment.

Taken when the process is young: a program may change its folder and its environment, and a new
generation has to begin where this one did (a new virtual environment behind the same path, a new
release behind the same link).
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["DROPPED", "SIZE", "WORKER", "Launch", "launched"]

WORKER: Final = "MAINSTAY_WORKER"
"""The variable that tells a worker its place, for its logs."""

SIZE: Final = "MAINSTAY_WORKERS"
"""The variable that tells the supervisor after this one how many workers there are by now."""

DROPPED: Final = (
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "WATCHDOG_PID",
    "MAINSTAY_PARENT",
    WORKER,
    SIZE,
)
"""Variables that are about one process only, and that a child must not take for its own."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A start of this program.

    Attributes:
        command: the interpreter and its arguments.
        folder: that it starts in.
        environ: its variables, without `DROPPED`.
    """

    command: tuple[str, ...]
    folder: str
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of_this_process(cls) -> Launch:
        """As this process was started; call it before anything changes folder or environment."""
        command = (sys.executable, *sys.orig_argv[1:])
        environ = {name: value for name, value in os.environ.items() if name not in DROPPED}
        return cls(command, os.getcwd(), environ)  # noqa: PTH109 - text, as the child gets it


@functools.cache
def launched() -> Launch:
    """How this process was started, as it was at the first call: whoever starts a program calls it
    before any code of that program runs."""
    return Launch.of_this_process()
