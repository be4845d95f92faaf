"""``mainstay run``."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import Final, NoReturn

import click

from mainstay.cli.exits import Command, Exit
from mainstay.cli.target import find_service, target_options

__all__ = ["command"]

_PATIENCE: Final = 1.0
"""Seconds that threads of the program's own have to end after the service has."""


@click.command(
    "run",
    cls=Command,
    exits=[
        Exit.FAILED,
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
    if parent is not None:
        from mainstay.cli.dev import end_with  # noqa: PLC0415 - the child of --dev only

        end_with(parent)
    _leave(find_service(target).run(files=files or None, flags=flags))


def _leave(code: int) -> NoReturn:
    """Exit, even if the program has threads that never end."""
    if _others():
        ended = threading.Event()
        # The interpreter waits for threads first and calls this next, before any other exit
        # function: those of the program run, and may take their time.
        atexit.register(ended.set)
        cut = threading.Thread(target=_cut, args=(code, ended), name="mainstay-exit", daemon=True)
        cut.start()
    sys.exit(code)


def _cut(code: int, ended: threading.Event) -> None:
    if ended.wait(_PATIENCE):
        return
    names = ", ".join(thread.name for thread in _others())
    with contextlib.suppress(OSError, ValueError):
        click.echo(f"mainstay: leaving without threads that do not end: {names}", err=True)
    for stream in (sys.stdout, sys.stderr):
        # None without a console, closed or broken at somebody's will: nothing to save then.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(code)


def _others() -> list[threading.Thread]:
    # Only these keep the interpreter from exiting.
    return [
        thread
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]
