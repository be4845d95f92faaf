"""The command line's entry: which subcommands there are, and how errors are shown.

A fault of the user is one message and an exit code; only a fault of ours shows a traceback.
"""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Final, TextIO

import click

from mainstay.cli.exits import Exit, Failure, exit_of, write_exits
from mainstay.errors import BugError, Error
from mainstay.version import VERSION

__all__ = ["cli", "main"]

_COMMANDS: Final = {
    "call": "Call a method of a gRPC server with JSON, or show what it has.",
    "check": "Import, wire and validate a service without serving.",
    "completion": "Print the completion script of a shell.",
    "config": "Show every configuration value and where it comes from.",
    "drain": "Let a running service accept nothing for now.",
    "logs-reopen": "Let a running service open its log files anew.",
    "openapi": "Write the OpenAPI description of a service.",
    "proto": "Write Python for .proto files, and .proto files for Python.",
    "reload": "Replace the workers of a running service one by one.",
    "restart": "Replace a running service by a new generation.",
    "resume": "Let a running service accept again.",
    "routes": "Show what a service answers to by HTTP.",
    "run": "Run a service until a signal ends it.",
    "scale": "Give a running service N workers, and wait until they serve.",
    "status": "Show how a running service is.",
    "stop": "Drain and end a running service.",
    "units": "Print how systemd, supervisord or a container is told to run a service.",
    "version": "Show the versions that matter in a bug report.",
}


_MODULES: Final = {"reload": "restart", "resume": "drain", "logs-reopen": "drain"}
"""Commands that have no module of their own: where they are, by their name."""


class _Commands(click.Group):
    """Knows its subcommands by name and loads the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = f"mainstay.cli.{_MODULES.get(cmd_name, cmd_name)}"
        name = f"{cmd_name.replace('-', '_')}_command" if cmd_name in _MODULES else "command"
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            message = f"{module}.{name} is no command"
            raise TypeError(message)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(name, _COMMANDS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_COMMANDS)}"
            ctx.fail(f"no such command {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_exits(formatter, Exit)
        formatter.write_paragraph()
        formatter.write_text("Run `mainstay COMMAND --help` for the options of a command.")

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BugError:
            raise
        except Error as error:
            raise Failure(str(error), exit_of(error)) from error
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(Exit.INTERRUPTED)


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(VERSION, prog_name="mainstay")
def cli() -> None:
    """The service framework for Python.

    A service is named as MODULE:NAME: the module as Python imports it from here, and the name of
    the Service in it. The name may be left out if the module has one Service only; a function that
    makes the Service is called if the name ends with ().
    """


def main() -> None:
    """Run the command line of this process."""
    _fill_standard_descriptors()
    try:
        cli.main(prog_name="mainstay")
    except OSError as error:
        if not _is_stuck(sys.stdout):
            raise
        click.echo(f"Error: the output cannot be written: {error.strerror}", err=True)
        sys.exit(Exit.FAILED)


def _is_stuck(stream: TextIO | None) -> bool:
    """Whether `stream` holds what it cannot write; if so, that is dropped."""
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        from mainstay.cli.leaving import discard  # noqa: PLC0415 - the help loads next to nothing

        discard(stream)
        return True
    return False


def _fill_standard_descriptors() -> None:
    """Put the null device where a standard stream is closed.

    Otherwise the next socket gets its number, and whoever writes to the stream writes into the
    socket; libuv aborts when it has to close one (``fd > STDERR_FILENO``).
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
