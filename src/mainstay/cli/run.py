"""``mainstay run``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mainstay.cli.exits import Command, Exit, Failure, exit_of
from mainstay.cli.leaving import leave, prepare, watch
from mainstay.cli.target import find_service, target_options
from mainstay.errors import Error

__all__ = ["command"]


@click.command(
    "run",
    cls=Command,
    exits=[
        Exit.NOT_STARTED,
        Exit.NOT_IMPORTED,
        Exit.CONFIG,
        Exit.CUT,
        Exit.INTERRUPTED,
    ],
)
@target_options
@click.option(
    "--dev",
    is_flag=True,
    help="Restart when a source or configuration file changes; for development.",
)
@click.option("--parent", "parent", type=int, hidden=True)
def command(
    target: str, files: tuple[Path, ...], flags: tuple[str, ...], dev: bool, parent: int | None
) -> None:
    """Run a service until a signal ends it.

    SIGTERM and Ctrl-C drain it: calls under way are finished. A second one cancels them. SIGQUIT
    logs what everything is doing and cancels at once.
    """
    if dev:
        from mainstay.cli.dev import develop  # noqa: PLC0415 - needs an extra

        sys.exit(develop(target, files, flags))
    prepare()
    if parent is not None:
        from mainstay.cli.dev import end_with  # noqa: PLC0415 - the child of --dev only

        end_with(parent)
    try:
        code = find_service(target).run(files=files or None, flags=flags)
    except BaseException as error:
        # The module may have started threads before it failed.
        watch(_code_of(error))
        raise
    leave(code)


def _code_of(error: BaseException) -> int:
    """The exit code that `error` will get on its way out."""
    if isinstance(error, Failure):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED
    return exit_of(error) if isinstance(error, Error) else Exit.FAILED
