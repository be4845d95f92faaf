"""``mainstay stop``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import click

from mainstay.cli.controlling import connected, find_place, place_options
from mainstay.cli.exits import Command, Exit, Failure
from mainstay.errors import DeadlineExceeded
from mainstay.process.control_client import ANSWER, ControlClient

__all__ = ["command"]

_FORCED: Final = 8.0
"""Seconds that a forced stop may take: the service bounds it by 4, and its guard by 2 more."""

_HEARD: Final = ANSWER
"""Seconds for the service to say that it was asked; if its loop is blocked, it does not."""

_HEARD_FORCED: Final = 5.0
"""The same where it is forced afterwards whatever it says."""

_KILLED: Final = 5.0
"""Seconds for the kernel to end a process."""


@click.command("stop", cls=Command, exits=[Exit.UNREACHABLE, Exit.CUT])
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=60.0,
    metavar="SECONDS",
    help="How long to wait until the process is gone.  [default: 60]",
)
@click.option(
    "--force",
    is_flag=True,
    help="When the time is over, cancel the work that is left, and kill the process if that does "
    "not help.",
)
@place_options
def command(
    target: str | None, control: Path | None, pidfile: Path | None, timeout: float, force: bool
) -> None:
    """Drain and end a running service, and wait until it is gone.

    If no such service runs, the exit code is 6: a mistyped name is no success.
    """
    with connected(find_place(target, control, pidfile)) as client:
        pid = client.peer.pid
        began = time.monotonic()
        try:
            heard = _HEARD_FORCED if force else _HEARD
            client.ask("stop", {"force": force and timeout == 0}, timeout=heard)
        except DeadlineExceeded:
            # A blocked loop has the wish in its queue; only its end counts.
            if not force:
                raise
        if client.wait_gone(max(began + timeout - time.monotonic(), 0)):
            _say_end(client, time.monotonic() - began)
            return
        if not force:
            message = (
                f"process {pid} is still stopping after {timeout:g} s; wait for it by the same "
                "command, or cut its work by --force"
            )
            raise Failure(message, Exit.CUT)
        _cut(client, pid)


def _say_end(client: ControlClient, seconds: float) -> None:
    """Say how it has ended. Raises: Failure, unless all went well."""
    message = f"process {client.peer.pid} has stopped after {seconds:.1f} s"
    code = client.exit_code()
    if code == Exit.WELL:
        click.echo(message)
    elif code is None:
        raise Failure(f"{message}, and has not said how; its log may", Exit.CUT)
    elif code == Exit.CUT:
        raise Failure(f"{message}, and work was cut; its log says which", Exit.CUT)
    else:
        raise Failure(f"{message}, with exit code {code}; its log says why", Exit.FAILED)


def _cut(client: ControlClient, pid: int) -> None:
    """End it, whatever it does. Raises: Failure, always: its work was cut, or it is still there."""
    client.send("stop", {"force": True})
    if client.wait_gone(_FORCED):
        raise Failure(f"process {pid} has stopped, and its work was cut", Exit.CUT)
    if client.kill() and client.wait_gone(_KILLED):
        raise Failure(f"process {pid} did not stop, and was killed", Exit.CUT)
    raise Failure(f"process {pid} cannot be ended from here", Exit.CUT)
