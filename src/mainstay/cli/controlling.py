"""What the commands about a running service share: how it is named, and how it is reached."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from mainstay.cli.exits import Exit, Failure
from mainstay.cli.target import working_directory
from mainstay.errors import (
    BrokenError,
    DeadlineExceeded,
    InvalidRequest,
    PermissionDenied,
    ResourceError,
)
from mainstay.process.control_client import ControlClient, NotRunning, find_target, reachable
from mainstay.process.control_place import of_others, other_names
from mainstay.process.identity import is_running

__all__ = [
    "EXITS",
    "Place",
    "connected",
    "find_place",
    "place_options",
    "socket_options",
]

EXITS: Final = (Exit.UNREACHABLE, Exit.DECLINED)
"""That every command about a running service may give, besides the common ones."""

_OFFERED: Final = 5
"""Sockets that a message names."""


@dataclass(frozen=True, slots=True)
class Place:
    """How a service was named on the command line.

    Attributes:
        path: of its control socket.
        said: what to call it in a message.
        named: whether the path itself was given.
    """

    path: Path
    said: str
    named: bool


def place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and options that name a running service; `find_place` takes their values."""
    argument = click.argument("target", metavar="[MODULE:NAME]", required=False)
    return argument(socket_options(function))


def socket_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `place_options` alone."""
    for decorate in (
        click.option(
            "--pidfile",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The PID file that it was started with, instead of a name.",
        ),
        click.option(
            "--control",
            type=click.Path(path_type=Path),
            metavar="PATH",
            help="The control socket that it was started with, instead of a name.",
        ),
    ):
        function = decorate(function)
    return function


def find_place(target: str | None, control: Path | None, pidfile: Path | None) -> Place:
    """Which service is meant. Raises: click.UsageError unless it is named in one way; Failure."""
    if sum(each is not None for each in (target, control, pidfile)) != 1:
        message = (
            "name the service: by MODULE:NAME, as it was started and from the folder it was started "
            "in, or by --control PATH, or by --pidfile FILE"
        )
        raise click.UsageError(message)
    if control is not None:
        return Place(control, str(control), True)
    if pidfile is not None:
        return _by_pidfile(pidfile)
    assert target is not None
    return Place(find_target(target, working_directory(), os.environ), target, False)


def _by_pidfile(file: Path) -> Place:
    try:
        text = file.read_text("ascii", errors="replace")
        pid = int(text.split()[0])
    except OSError as error:
        raise Failure(f"the PID file {file}: {error.strerror}", Exit.UNREACHABLE) from None
    except (ValueError, IndexError):
        raise Failure(f"the PID file {file} has no number in it", Exit.UNREACHABLE) from None
    for path, listens in reachable(os.environ).items():
        if listens == pid:
            return Place(path, f"process {pid}", False)
    if not is_running(pid):
        raise Failure(f"process {pid}, which {file} names, does not run", Exit.UNREACHABLE)
    message = (
        f"process {pid}, which {file} names, runs, and none of the control sockets in the default "
        "folder is its own; say --control PATH if it was started with one, and otherwise stop it by "
        f"kill -TERM {pid}"
    )
    raise Failure(message, Exit.UNREACHABLE)


@contextmanager
def connected(place: Place) -> Iterator[ControlClient]:
    """A connection to the service, for as long as the block.

    Raises: Failure, in one line, when it cannot be reached, does not answer, or refuses.
    """
    try:
        with ControlClient(place.path) as client:
            yield client
    except NotRunning as error:
        raise Failure(_not_running(place, error), Exit.UNREACHABLE) from None
    except (PermissionDenied, DeadlineExceeded, InvalidRequest) as error:
        raise Failure(error.message, Exit.UNREACHABLE) from None
    except BrokenError as error:
        # With a reason of its own, it is the service that refuses.
        gone = error.reason == BrokenError.reason
        raise Failure(error.message, Exit.UNREACHABLE if gone else Exit.DECLINED) from None
    except ResourceError as error:
        raise Failure(error.message, Exit.UNREACHABLE) from None


def _not_running(place: Place, error: NotRunning) -> str:
    if place.named:
        return error.message
    running = reachable(os.environ)
    others = other_names(place.said, working_directory(), {path.name for path in running})
    if others:
        names = " and ".join(others)
        return f"{place.said} does not run by this name; from this folder there is {names}"
    message = (
        f"{place.said} does not run, or was started by another name, in another folder, or without "
        f"a control socket, as a second one of the same name is: {error.message}"
    )
    found = of_others(place.path.name, os.geteuid())
    if found:
        shown = " or ".join(f"--control {path} (user {uid})" for path, uid in found)
        return f"{message}; another user has one of that name: say {shown}"
    paths = [str(path) for path in running if path != place.path]
    if paths:
        shown = ", ".join(paths[:_OFFERED]) + (", …" if len(paths) > _OFFERED else "")
        message += f"; these can be reached by --control: {shown}"
    return message
