"""The exit codes of the command line: one table, which the help and the docs show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

import click

from mainstay.errors import ConfigError, Error, UsageError

__all__ = ["MEANINGS", "Command", "Exit", "Failure", "exit_of", "write_exits"]


class Exit(IntEnum):
    """How a command ended. 2 is click's, 4 gunicorn's, 75 and 78 are those of sysexits.h, 124 is that
    of timeout(1)."""

    WELL = 0
    FAILED = 1
    USAGE = 2
    NOT_STARTED = 3
    NOT_IMPORTED = 4
    REFUSED = 5
    UNREACHABLE = 6
    DECLINED = 75
    CONFIG = 78
    CUT = 124
    INTERRUPTED = 130


MEANINGS: Final[Mapping[Exit, str]] = MappingProxyType(
    {
        Exit.WELL: "It went well.",
        Exit.FAILED: "A component of the running service failed, or the output cannot be written.",
        Exit.USAGE: "Wrong usage, or a service that cannot be put together.",
        Exit.NOT_STARTED: "The service could not start; the message names the component.",
        Exit.NOT_IMPORTED: "The module cannot be imported, or has no such service.",
        Exit.REFUSED: "The server answered the call with an error; its code is the first word.",
        Exit.UNREACHABLE: "The server cannot be reached, or no such service runs.",
        Exit.DECLINED: "The running service refused, or rolled its restart back, and goes on as it "
        "was; of a new process: it was not let take over.",
        Exit.CONFIG: "The configuration is wrong; every fault is listed.",
        Exit.CUT: "Work had to be cut off to stop in time.",
        Exit.INTERRUPTED: "Ended at once by Ctrl-C; by another signal: 128 + its number.",
    }
)


class Failure(click.ClickException):
    """One message on stderr and an exit code, instead of a traceback."""

    # Click's is the class's, but it reads it from the instance.
    exit_code: int  # type: ignore[misc]

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.exit_code = code


class Command(click.Command):
    """A command whose help ends with the exit codes it may give.

    Args:
        exits: the codes, those that every command shares left out.
    """

    def __init__(self, *args: Any, exits: Iterable[Exit] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.exits = sorted({Exit.WELL, Exit.FAILED, Exit.USAGE, *exits})

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes below the options."""
        write_exits(formatter, self.exits)


def write_exits(formatter: click.HelpFormatter, exits: Iterable[Exit]) -> None:
    """Write the table of `exits` as a section of a help page."""
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(int(code)), MEANINGS[code]) for code in exits])


def exit_of(error: Error) -> Exit:
    """The exit code for an error of the library that reached the command line."""
    if isinstance(error, ConfigError):
        return Exit.CONFIG
    return Exit.USAGE if isinstance(error, UsageError) else Exit.FAILED
