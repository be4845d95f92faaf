"""``mainstay scale``."""

from __future__ import annotations

from pathlib import Path

import click

from mainstay.cli.controlling import EXITS, connected, find_place, socket_options
from mainstay.cli.exits import Command

__all__ = ["command"]


@click.command("scale", cls=Command, exits=EXITS)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    metavar="SECONDS",
    help="How long to wait until they serve.  [default: 600]",
)
@socket_options
@click.argument("words", metavar="[MODULE:NAME] N", nargs=-1, required=True)
def command(
    words: tuple[str, ...], control: Path | None, pidfile: Path | None, timeout: float
) -> None:
    """Give a running service N workers, and wait until they serve.

    Those that are too many finish what they have begun.
    """
    *names, number = words
    if len(names) > 1 or not (number.isascii() and number.isdecimal() and int(number) > 0):
        message = "say the number of workers last, 1 or more: mainstay scale MODULE:NAME 4"
        raise click.UsageError(message)
    workers = int(number)
    with connected(find_place(names[0] if names else None, control, pidfile)) as client:
        result = client.ask("scale", {"workers": workers}, timeout=timeout)
    before = result["before"]
    said = "1 worker" if workers == 1 else f"{workers} workers"
    click.echo(said if before == workers else f"{said}, {before} before")
