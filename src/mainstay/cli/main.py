"""The command line's entry: which subcommands there are, and how errors are shown.

A fault of the user is one message and an exit code; only a fault of ours shows a traceback.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from mainstay import __version__
from mainstay.errors import ConfigError, Error, UsageError

__all__ = ["cli", "main"]

_COMMANDS: Final = {
    "check": "Import, wire and validate a service without serving.",
    "completion": "Print the completion script of a shell.",
    "config": "Show every configuration value and where it comes from.",
    "run": "Run a service until a signal ends it.",
    "version": "Show the versions that matter in a bug report.",
}

USAGE, CONFIG, FAILED = 2, 78, 1


class _Commands(click.Group):
    """Knows its subcommands by name and loads the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"mainstay.cli.{cmd_name}").command
        if not isinstance(command, click.Command):
            message = f"mainstay.cli.{cmd_name}.command is no command"
            raise TypeError(message)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Error as error:
            raise _shown(error) from error


class _Failed(click.ClickException):
    """An error of the library as the command line shows it."""

    exit_code = FAILED


class _Misused(_Failed):
    exit_code = USAGE


class _Misconfigured(_Failed):
    exit_code = CONFIG


def _shown(error: Error) -> _Failed:
    if isinstance(error, ConfigError):
        return _Misconfigured(str(error))
    return (_Misused if isinstance(error, UsageError) else _Failed)(str(error))


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Run `mainstay COMMAND --help` for the options of a command.",
)
@click.version_option(__version__, prog_name="mainstay")
def cli() -> None:
    """The service framework for Python.

    A service is named as MODULE:NAME: the module as Python imports it from here, and the name of
    the Service in it. The name may be left out if the module has one Service only.
    """


def main() -> None:
    """Run the command line of this process."""
    cli.main(prog_name="mainstay")
