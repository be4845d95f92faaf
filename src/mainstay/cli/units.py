"""``mainstay units``."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from mainstay.cli.exits import Command, Exit, Failure
from mainstay.cli.target import find_service, target_options, working_directory
from mainstay.net.address import Address
from mainstay.process.grace import grace_problem
from mainstay.process.units import UnitFacts, container, supervisor, systemd
from mainstay.service.loading import FRAMEWORK, configuration
from mainstay.service.settings import Settings

__all__ = ["command"]

_KINDS: Final = ("systemd", "supervisor", "container")

_PATIENCE: Final = 5.0
"""Seconds for systemd to say its version."""


@click.command("units", cls=Command, exits=[Exit.NOT_IMPORTED, Exit.CONFIG])
@click.argument("kind", type=click.Choice(_KINDS))
@target_options
@click.option("-l", "--listen", "addresses", metavar="ADDRESS", multiple=True, help="As for run.")
@click.option("--workers", metavar="N|auto", help="As for run.")
@click.option("--user", default="", metavar="NAME", help="Whom to run as.")
@click.option("--sockets", is_flag=True, help="Let systemd hold the listeners, in socket units.")
@click.option("--store", is_flag=True, help="Let systemd keep the listeners between two starts.")
@click.option(
    "--systemd",
    "version",
    type=click.IntRange(min=1),
    metavar="VERSION",
    help="The version of systemd that it is for; those before 253 cannot do all.  [default: that of "
    "this machine]",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="What there is between SIGTERM and SIGKILL, such as terminationGracePeriodSeconds, less "
    "what a preStop hook takes; a shutdown that does not fit is warned of.",
)
def command(
    kind: str,
    target: str,
    files: tuple[Path, ...],
    flags: tuple[str, ...],
    addresses: tuple[str, ...],
    workers: str | None,
    user: str,
    sockets: bool,
    store: bool,
    version: int | None,
    grace: float | None,
) -> None:
    """Print how systemd, supervisord or a container is told to run a service.

    The times are those of the service's configuration. Nothing is written or installed.
    """
    service = find_service(target)
    loaded = configuration(
        service.declaration, files=files or None, flags=flags, environ=os.environ
    )
    settings: Settings = loaded.get(FRAMEWORK)
    listened = tuple(
        str(Address.from_text(f"127.0.0.1:{each}" if each.isdecimal() else each))
        for each in addresses
    )
    if sockets and not listened:
        raise Failure("--sockets needs the addresses: say --listen as well", Exit.USAGE)
    arguments = ["run", target]
    for path in files:
        arguments += ["--config", str(path if kind == "container" else path.absolute())]
    for flag in flags:
        arguments += ["--set", flag]
    if workers is not None:
        arguments += ["--workers", workers]
    program = ["mainstay"] if kind == "container" else [sys.executable, "-m", "mainstay"]
    process = settings.process
    facts = UnitFacts(
        name=service.name,
        command=(*program, *arguments),
        program=tuple(program),
        folder=str(working_directory()),
        addresses=listened,
        user=user,
        start=settings.start_timeout,
        timeout=settings.shutdown.timeout,
        restart=process.child_timeout + process.probation + process.commit_timeout,
        sockets=sockets,
        store=store,
        control=_control(process.control),
    )
    if kind == "systemd":
        text = systemd(replace(facts, systemd=version or _version_here()))
    elif kind == "supervisor":
        text = supervisor(facts)
    else:
        text = container(facts, f"{sys.version_info[0]}.{sys.version_info[1]}", grace)
    click.echo(text, nl=False)
    known = settings.shutdown.grace if grace is None else grace
    if problem := grace_problem(settings.shutdown.timeout, known):
        click.echo(f"Warning: {problem}", err=True)


def _control(setting: str | None) -> str | None:
    """The path of the control socket as the configuration names it, in full."""
    return str(working_directory() / setting) if setting else setting


def _version_here() -> int | None:
    """The version of systemd on this machine; None without one."""
    try:
        done = subprocess.run(
            ["systemctl", "--version"],  # noqa: S607 - wherever it is
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    return int(words[1]) if words[:1] == ["systemd"] and words[1].isdecimal() else None
