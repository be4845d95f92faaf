"""``mainstay check``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mainstay.cli.exits import Command, Exit
from mainstay.cli.target import find_service, target_options
from mainstay.service.checking import check

__all__ = ["command"]


@click.command("check", cls=Command, exits=[Exit.NOT_IMPORTED, Exit.CONFIG])
@target_options
def command(target: str, files: tuple[Path, ...], flags: tuple[str, ...]) -> None:
    """Import, wire and validate a service without serving.

    Nothing is opened: no resource, no listener.
    """
    service = find_service(target)
    for line in check(service.declaration, files=files or None, flags=flags, environ=os.environ):
        click.echo(line)
