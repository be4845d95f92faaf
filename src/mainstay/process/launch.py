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
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

__all__ = ["DROPPED", "Launch", "SIZE", "WORKER", "launched", "start_folder"]

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
        return cls(command, start_folder(), environ)


@functools.cache
def start_folder() -> str:
    """The folder that this process was started in, by the name that its starter knows it by: a
    release behind a link is to be found through the link again. The root if it is gone.

    Found once; call it before the folder or ``PWD`` changes.
    """
    try:
        here = os.getcwd()  # noqa: PTH109 - text, as a child gets it
    except OSError:
        return "/"  # what needs the folder says so
    named = os.environ.get("PWD", "")
    with suppress(OSError):
        if os.path.isabs(named) and os.path.samefile(named, here):  # noqa: PTH117, PTH121 - same
            return named
    return here


@functools.cache
def launched() -> Launch:
    """How this process was started, as it was at the first call: whoever starts a program calls it
    before any code of that program runs."""
    return Launch.of_this_process()
