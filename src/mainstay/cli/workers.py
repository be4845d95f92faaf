"""``mainstay run --workers``: this process becomes the supervisor, and imports no service."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from mainstay.cli.exits import Exit, Failure
from mainstay.cli.log_format import asked_format
from mainstay.core.effects import Effects
from mainstay.errors import StartError, UsageError
from mainstay.observe.handler import Format
from mainstay.observe.log import Logs, LogSettings
from mainstay.process.control_door import ControlDoor
from mainstay.process.early_signals import deliver
from mainstay.process.host_notifier import HostNotifier
from mainstay.process.launch import SIZE, Launch, launched
from mainstay.process.lifeline import find_parent
from mainstay.process.supervisor import Supervisor
from mainstay.process.supervisor_signals import install
from mainstay.version import VERSION

__all__ = ["Start", "supervise", "worker_launch"]


@dataclass(frozen=True, slots=True)
class Start:
    """What a service is started with; see `mainstay run`.

    Attributes:
        target: its name on the command line.
        files: of ``--config``.
        flags: of ``--set``.
        addresses: of ``--listen``.
        options: further ones, of the command line.
    """

    target: str
    files: Sequence[Path] = ()
    flags: Sequence[str] = ()
    addresses: Sequence[str] = ()
    options: Sequence[str] = ()


def worker_launch(own: Launch, arguments: Sequence[str], start: Start) -> Launch:
    """How a worker is started: as this process was, with what is about the service only.

    Args:
        own: how this process was started.
        arguments: the part of its command that is behind the program.
        start: the service.
    """
    program = own.command[: len(own.command) - len(arguments)]
    command = [*program, "run", *start.options]
    for path in start.files:
        command += ["--config", str(path)]
    for flag in start.flags:
        command += ["--set", flag]
    for address in start.addresses:
        command += ["--listen", address]
    return replace(own, command=(*command, "--", start.target))


def supervise(
    start: Start, size: int, control: str | None, notifier: HostNotifier, *, in_log: bool = False
) -> int:
    """Have `size` workers serve until a signal ends it; the exit code.

    Args:
        start: the service.
        size: how many.
        control: where the control socket is; None for the default, empty for none.
        notifier: tells whoever hosts this process how things are.
        in_log: whether standard error is a log file, which is for records only.

    Raises: UsageError where there can be no workers; Failure when the control socket that was named
    cannot be had.
    """
    if not hasattr(os, "pidfd_open"):
        raise UsageError(
            "--workers needs Linux 5.3 or newer; leave it away to serve in one process"
        )
    own = launched()
    worker = worker_launch(own, sys.argv[1:], start)
    logs = _Logs(Effects(), asked_format(start.flags, os.environ))
    try:
        with asyncio.Runner() as runner:
            code, reason = runner.run(
                _supervise(own, worker, size, start.target, logs, control, notifier)
            )
    except StartError as error:
        notifier.failed(error.message, Exit.NOT_STARTED)
        notifier.ended(failed=True)
        raise Failure(error.message, Exit.NOT_STARTED) from None
    else:
        if reason and not in_log:
            # As a service in one process says it, and as plainly.
            click.echo(f"Error: {reason}", err=True)
        return code
    finally:
        logs.close()


async def _supervise(
    own: Launch,
    worker: Launch,
    size: int,
    target: str,
    logs: _Logs,
    control: str | None,
    notifier: HostNotifier,
) -> tuple[int, str]:
    """The exit code, and why the start has failed, if it has and nobody else says it."""
    parent = find_parent(os.environ)
    scaled = os.environ.pop(SIZE, "")
    if parent is not None and scaled.isdecimal():
        size = int(scaled)

    def ready() -> None:
        if parent is not None:
            door.take_over()

    def left() -> None:
        door.release()

    supervisor = Supervisor(
        own,
        worker,
        size,
        target=target,
        version=VERSION,
        parent=parent,
        notifier=notifier,
        said=logs.adapt,
        ready=ready,
        left=left,
    )
    # The configuration is the workers' affair, so its path is not known here.
    door = ControlDoor(
        supervisor,
        setting=control,
        target=target,
        folder=Path(own.folder),
        environ=os.environ,
        warn=notifier.warn,
    )
    if parent is None:
        door.open()
    undo = install(supervisor, has_terminal=Effects().process.has_terminal())
    deliver()
    code: int | None = None
    try:
        code = await supervisor.run()
        return code, supervisor.failure if parent is None else ""
    finally:
        undo()
        door.close(code)


class _Logs:
    """The log of a process without a configuration: it becomes what the workers say theirs is."""

    def __init__(self, effects: Effects, format: Format) -> None:
        self._effects = effects
        self._settings = LogSettings(format=format)
        self._logs = Logs.install(self._settings, effects)

    def adapt(self, said: Mapping[str, Any]) -> None:
        """Take over format and level from the settings that a worker says."""
        wanted = replace(
            self._settings,
            format=said.get("log_format", self._settings.format),
            level=said.get("log_level", self._settings.level),
        )
        if wanted == self._settings:
            return
        self._settings = wanted
        self._logs.uninstall()
        self._logs = Logs.install(wanted, self._effects)

    def close(self) -> None:
        """Write what is left."""
        self._logs.flush()
        self._logs.uninstall()
