"""How ``mainstay run`` is hosted: as a daemon, with a PID file, a log file, a folder of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from mainstay.cli.exits import Exit, Failure
from mainstay.errors import Error
from mainstay.net.address import Address
from mainstay.process.daemon import Started, StartReport, daemonise, leave_folder
from mainstay.process.host_notifier import HostNotifier, Report
from mainstay.process.lifeline import PARENT
from mainstay.process.log_file import LogFile
from mainstay.process.pidfile import PidFile
from mainstay.process.reaper import keep_house
from mainstay.service.loading import default_files
from mainstay.service.service import Service

__all__ = ["Hosted", "hosted_options"]


def hosted_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `Hosted` takes."""
    for decorate in (
        click.option(
            "--chdir",
            "folder",
            metavar="FOLDER",
            help="Work there, once the service and its configuration have been found from here. "
            "[default with --daemon: /]",
        ),
        click.option(
            "--init/--no-init",
            default=None,
            help="Stay in a process of its own that reaps orphans, forwards signals and outlives "
            "restarts. [default: as process 1 of a container]",
        ),
        click.option(
            "--log-file",
            "log_file",
            metavar="FILE",
            help="Append standard output and error to it; SIGUSR1 opens it anew.",
        ),
        click.option(
            "--pidfile",
            "pid_file",
            metavar="FILE",
            help="Write the process id there, and refuse to run a second time.",
        ),
        click.option(
            "--daemon",
            is_flag=True,
            help="Go on in the background; return when the service is ready, with 0, or when it "
            "cannot start, with its exit code and the reason.",
        ),
    ):
        function = decorate(function)
    return function


@dataclass
class Hosted:
    """What the options say. `begin`, then `enter` before the service runs.

    Attributes:
        daemon, pid_file, log_file, folder, init: the options.
        in_log: whether standard error is the log file by now.
    """

    daemon: bool = False
    pid_file: str | None = None
    log_file: str | None = None
    folder: str | None = None
    init: bool | None = None
    in_log: bool = field(default=False, init=False)
    _folder: str = field(default="", init=False)

    @property
    def given(self) -> list[str]:
        """The options that were given, as they are written."""
        values = {
            "--daemon": self.daemon or None,
            "--pidfile": self.pid_file,
            "--log-file": self.log_file,
            "--init": self.init,
            "--chdir": self.folder,
        }
        return [name for name, value in values.items() if value is not None]

    def begin(self, addresses: Sequence[str] = ()) -> HostNotifier:
        """Become what the options say; the launcher of a daemon exits here.

        A process with a parent of ours, the next generation or a worker, goes on as it is.

        Args:
            addresses: of ``--listen``; descriptors among them are kept.

        Raises: Failure.
        """
        child = PARENT in os.environ
        first = os.getpid() == 1
        if self.daemon and first:
            message = "a container ends with its process 1; leave --daemon away"
            raise Failure(message, Exit.USAGE)
        if self.folder is not None:
            self._folder = os.path.abspath(self.folder)  # noqa: PTH100 - as text
        elif self.daemon:
            self._folder = "/"
        log_file = None if self.log_file is None else LogFile(self.log_file)
        pid_file = None if self.pid_file is None else PidFile(self.pid_file)
        report: Report | None = None
        try:
            if self.daemon and not child:
                report = _daemonised(log_file, addresses)
            elif log_file is not None:
                report = None if child else _Terminal()
                log_file.redirect()
            self.in_log = log_file is not None
            if not child and (first if self.init is None else self.init):
                keep_house(os.environ)
            if pid_file is not None:
                if child:
                    pid_file.join()
                else:
                    pid_file.claim()
        except Error as error:
            if report is not None:
                report.failed(str(error), Exit.NOT_STARTED)
            raise Failure(str(error), Exit.NOT_STARTED) from error
        return HostNotifier(os.environ, pid_file=pid_file, log_file=log_file, report=report)

    def enter(self, service: Service, files: Sequence[Path]) -> list[Path] | None:
        """Leave the folder of the start, in which the service was found.

        Args:
            service: that is about to run.
            files: of ``--config``.

        Returns: its configuration files, as they are found from anywhere; None for the default.

        Raises: Failure.
        """
        if not self._folder:
            return list(files) or None
        found = list(files) or default_files(service.declaration, os.environ)
        paths = [each.absolute() for each in found]
        self.leave_folder()
        return paths

    def worker_options(self) -> list[str]:
        """What the workers of a supervisor are started with, of these options."""
        options = [] if not self._folder else ["--chdir", self._folder]
        if self.log_file is not None:
            options += ["--log-file", os.path.abspath(self.log_file)]  # noqa: PTH100 - as text
        return options

    def leave_folder(self) -> None:
        """Leave the folder of the start. Raises: Failure."""
        if self._folder:
            try:
                leave_folder(self._folder)
            except Error as error:
                raise Failure(str(error), Exit.NOT_STARTED) from error


def _daemonised(log_file: LogFile | None, addresses: Sequence[str]) -> StartReport:
    known = [Address.from_text(each) for each in addresses]
    keep = [each.descriptor for each in known if each.kind == "fd" and not each.name]
    outcome = daemonise(os.environ, log_file=log_file, keep=keep)
    if isinstance(outcome, Started):
        if outcome.reason:
            # What a process has written that was killed says more, be it the daemon or a worker.
            where = "" if log_file is None else f"; see {log_file.path}"
            named = outcome.code <= Exit.INTERRUPTED or outcome.reason.endswith(where)
            click.echo(f"Error: {outcome.reason}{'' if named else where}", err=True)
        for each in outcome.warnings:
            click.echo(f"Warning: {each}", err=True)
        sys.exit(outcome.code)
    return outcome


class _Terminal:
    """Where standard error was before the log file: the reason of a failed start goes there too."""

    def __init__(self) -> None:
        self._descriptor = os.dup(2)

    def ready(self) -> None:
        """Let go of it: from here on all goes to the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def failed(self, reason: str, code: int) -> None:
        """Say why."""
        self._say(f"Error: {reason}\n")
        self.ready()

    def warn(self, text: str) -> None:
        """Say it."""
        self._say(f"Warning: {text}\n")

    def _say(self, line: str) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                os.write(self._descriptor, line.encode(errors="replace"))
