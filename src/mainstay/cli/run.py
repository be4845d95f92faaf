"""``mainstay run``."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import click

from mainstay.cli.target import find_service, target_options

__all__ = ["command"]

_PATIENCE = 1.0
"""Seconds that threads of the program's own have to end after the service has."""


@click.command("run")
@target_options
@click.option(
    "--dev",
    is_flag=True,
    help="Restart when a source or configuration file changes; for development.",
)
def command(target: str, files: tuple[Path, ...], flags: tuple[str, ...], dev: bool) -> None:
    """Run a service until a signal ends it.

    SIGTERM and Ctrl-C drain it: calls under way are finished. A second one cancels them. SIGQUIT
    logs what everything is doing and cancels at once.

    Exit codes: 0 stopped well, 1 a component failed, 2 wrong usage, 3 the start failed, 4 the
    module cannot be imported, 78 wrong configuration, 124 work had to be cut to stop in time.
    """
    if dev:
        from mainstay.cli.dev import develop  # noqa: PLC0415 - needs an extra

        sys.exit(develop(target, files, flags))
    _leave(find_service(target).run(files=files or None, flags=flags))


def _leave(code: int) -> None:
    """Exit, even if the program has threads that never end."""
    for thread in _others():
        thread.join(_PATIENCE)
    left = _others()
    sys.stdout.flush()
    sys.stderr.flush()
    if left:
        names = ", ".join(thread.name for thread in left)
        click.echo(f"mainstay: leaving without threads that do not end: {names}", err=True)
        os._exit(code)
    sys.exit(code)


def _others() -> list[threading.Thread]:
    # Only these keep the interpreter from exiting.
    return [
        thread
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]
