"""``mainstay restart`` and ``mainstay reload``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mainstay.cli.controlling import EXITS, Place, connected, find_place, place_options
from mainstay.cli.exits import Command, Exit, Failure
from mainstay.interfaces.controlled import Outcome, RestartKind
from mainstay.process.control_client import ControlClient, as_json

__all__ = ["command", "reload_command"]


def _waiting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in (
        click.option("--json", "in_json", is_flag=True, help="Print the outcome as JSON."),
        click.option(
            "--timeout",
            type=click.FloatRange(0, min_open=True),
            default=900.0,
            metavar="SECONDS",
            help="How long to wait for the outcome; the restart goes on.  [default: 900]",
        ),
        click.option("--no-wait", is_flag=True, help="Return as soon as it has begun."),
    ):
        function = decorate(function)
    return function


@click.command("restart", cls=Command, exits=EXITS)
@click.option(
    "--supervisor",
    is_flag=True,
    help="With workers: replace the process that sees to them as well.",
)
@_waiting_options
@place_options
def command(
    target: str | None,
    control: Path | None,
    pidfile: Path | None,
    supervisor: bool,
    no_wait: bool,
    timeout: float,
    in_json: bool,
) -> None:
    """Replace a running service by a new generation: new code, configuration and interpreter.

    The new one has to be ready before the old one leaves, and nothing is dropped. If it fails, or
    fails soon after, the old one serves on, and the exit code is 75.
    """
    place = find_place(target, control, pidfile)
    _replace(place, "replace" if supervisor else "restart", no_wait, timeout, in_json)


@click.command("reload", cls=Command, exits=EXITS)
@_waiting_options
@place_options
def reload_command(
    target: str | None,
    control: Path | None,
    pidfile: Path | None,
    no_wait: bool,
    timeout: float,
    in_json: bool,
) -> None:
    """Replace the workers of a running service one by one.

    It takes longer than a restart and needs memory for one worker more only; meanwhile both
    generations answer. Without workers it is a restart.
    """
    place = find_place(target, control, pidfile)
    _replace(place, "reload", no_wait, timeout, in_json)


def _replace(place: Place, kind: RestartKind, no_wait: bool, timeout: float, in_json: bool) -> None:
    with connected(place) as client:
        if no_wait:
            _begin(client, kind, timeout)
            return
        steps = _Steps(quiet=in_json)
        try:
            outcome = client.restart(kind, steps.add, timeout)
        finally:
            steps.end()
        # A supervisor that stays does not serve.
        where = "" if outcome.pid == client.peer.pid else f" as process {outcome.pid}"
    if in_json:
        click.echo(as_json(outcome))
    elif outcome.ok:
        click.echo(f"generation {outcome.generation} serves{where}, after {outcome.seconds:.1f} s")
    if not outcome.ok:
        raise Failure(_refused(kind, outcome), Exit.DECLINED)


def _begin(client: ControlClient, kind: RestartKind, timeout: float) -> None:
    """Wait until it is under way, or refused."""
    for what, content in client.replies(kind, timeout=timeout):
        if what == "result" and not content["ok"]:
            raise Failure(f"no {kind}: {content['reason']}", Exit.DECLINED)
        click.echo(content if what == "progress" else "done")
        return


def _refused(kind: RestartKind, outcome: Outcome) -> str:
    return f"no {kind}; the service goes on as it was: {outcome.reason}"


class _Steps:
    """Shows what is done on one line, as it is done."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._any = False

    def add(self, text: str) -> None:
        """One step more."""
        if not self._quiet:
            # Why is what the command ends with.
            text = "rolled back" if text.startswith("rolled back") else text
            click.echo(f" · {text}" if self._any else text, nl=False)
            self._any = True

    def end(self) -> None:
        """There are no more."""
        if self._any:
            click.echo()
