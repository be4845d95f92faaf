"""``mainstay config``."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import click

from mainstay.cli.exits import Command, Exit
from mainstay.cli.target import find_service, target_options
from mainstay.service.loading import configuration

__all__ = ["command"]


@click.command("config", cls=Command, exits=[Exit.NOT_IMPORTED, Exit.CONFIG])
@target_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a value, for scripts.")
def command(target: str, files: tuple[Path, ...], flags: tuple[str, ...], as_json: bool) -> None:
    """Show every configuration value and where it comes from; secrets are masked.

    Flags win over the environment, the environment over files, files over defaults.
    """
    service = find_service(target)
    rows = configuration(
        service.declaration, files=files or None, flags=flags, environ=os.environ
    ).rows()
    if as_json:
        for row in rows:
            click.echo(json.dumps(asdict(row), default=str))
        return
    widths = [
        max((len(getattr(row, column)) for row in rows), default=0) for column in ("key", "value")
    ]
    for row in rows:
        click.echo(f"{row.key:{widths[0]}}  {row.value:{widths[1]}}  {row.origin}".rstrip())
