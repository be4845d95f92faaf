"""``mainstay version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click

from mainstay.cli.exits import Command
from mainstay.version import VERSION

__all__ = ["command"]


@click.command("version", cls=Command)
def command() -> None:
    """Show the versions that matter in a bug report."""
    click.echo(f"mainstay {VERSION}")
    click.echo(f"{platform.python_implementation()} {platform.python_version()}")
    click.echo(f"{platform.system()} {platform.release()} {platform.machine()}")
    for name in ("uvloop", "msgspec", "structlog", "click"):
        try:
            click.echo(f"{name} {version(name)}")
        except PackageNotFoundError:
            click.echo(f"{name} is not installed")
