"""``mainstay drain``, ``resume`` and ``logs-reopen``: what is said to a running service and done."""

from __future__ import annotations

from pathlib import Path

import click

from mainstay.cli.controlling import EXITS, Place, connected, find_place, place_options
from mainstay.cli.exits import Command

__all__ = ["command", "logs_reopen_command", "resume_command"]


@click.command("drain", cls=Command, exits=EXITS)
@place_options
def command(target: str | None, control: Path | None, pidfile: Path | None) -> None:
    """Let a running service accept nothing for now.

    Those there are go on, and new ones wait in the kernel until `mainstay resume`, or for another
    process that has the same listeners.
    """
    done = "accepts no connections for now; those there are go on"
    _say(find_place(target, control, pidfile), "drain", done)


@click.command("resume", cls=Command, exits=EXITS)
@place_options
def resume_command(target: str | None, control: Path | None, pidfile: Path | None) -> None:
    """Let a running service accept again, after `mainstay drain`."""
    _say(find_place(target, control, pidfile), "resume", "accepts connections again")


@click.command("logs-reopen", cls=Command, exits=EXITS)
@place_options
def logs_reopen_command(target: str | None, control: Path | None, pidfile: Path | None) -> None:
    """Let a running service open its log files anew, after they were moved away."""
    _say(find_place(target, control, pidfile), "reopen_logs", "opens its log files anew")


def _say(place: Place, command: str, done: str) -> None:
    with connected(place) as client:
        client.ask(command)
        pid = client.peer.pid
    click.echo(f"process {pid} {done}")
