"""``mainstay run``."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from mainstay.cli.exits import Command, Exit, Failure, exit_of
from mainstay.cli.hosted import Hosted, hosted_options
from mainstay.cli.leaving import cut, leave, prepare, watch
from mainstay.cli.log_format import asked_format
from mainstay.cli.target import find_service, target_options
from mainstay.errors import BugError, Error, ResourceError, UsageError
from mainstay.net.address import Address
from mainstay.observe.handler import Format
from mainstay.observe.log import Logs, LogSettings
from mainstay.process.descriptors import check_descriptors
from mainstay.process.host_notifier import HostNotifier
from mainstay.process.launch import launched, start_folder
from mainstay.process.lifeline import tell_parent
from mainstay.process.orphan import watch_supervisor
from mainstay.service.service import Service

__all__ = ["command"]


_HINTS: Final = {
    "--host": "say it with the port: --listen HOST:PORT",
    "--bind": "write --listen ADDRESS",
    "--port": "write --listen PORT for this machine only, or --listen :PORT for every interface",
    "--reload": "write --dev",
}


class _Run(Command):
    """Knows what the options of other servers are called here."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Say what to write for an option of others."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = _HINTS.get(error.option_name)
            if hint is None:
                raise
            message = f"no such option {error.option_name}; {hint}"
            raise click.UsageError(message, ctx) from None


def _addresses(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    """What `--listen` was given, as settings have it; a number alone is a port of this machine."""
    try:
        return tuple(
            str(Address.from_text(f"127.0.0.1:{text}" if text.isdecimal() else text))
            for text in texts
        )
    except UsageError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _size(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """What `--workers` was given."""
    if text is None:
        return None
    if text == "auto":
        from mainstay.process.cgroups import workers_auto  # noqa: PLC0415 - few runs need it

        return workers_auto().workers
    if text.isascii() and text.isdecimal() and int(text) > 0:
        return int(text)
    message = f"{text!r} is no number of workers; write 1 or more, or auto"
    raise click.BadParameter(message, context, parameter)


@click.command(
    "run",
    cls=_Run,
    exits=[
        Exit.NOT_STARTED,
        Exit.NOT_IMPORTED,
        Exit.CONFIG,
        Exit.CUT,
        Exit.INTERRUPTED,
    ],
)
@target_options
@click.option(
    "-l",
    "--listen",
    "addresses",
    metavar="ADDRESS",
    multiple=True,
    callback=_addresses,
    help="Where to serve HTTP: 8000 (this machine only), :8000 (every interface), HOST:PORT, "
    "unix:PATH, fd:NUMBER or fd://NAME; repeatable. The same as --set mainstay.http.listen=…, and "
    "wins over it. [default: 8000]",
)
@click.option(
    "--dev",
    is_flag=True,
    help="Restart when a source or configuration file changes; for development.",
)
@click.option(
    "--workers",
    "workers",
    metavar="N|auto",
    callback=_size,
    help="Have so many processes serve, and one see to them; auto: one for each processor that "
    "this process may use, by affinity and control groups.",
)
@click.option(
    "--control",
    "control",
    metavar="PATH",
    help="Where the control socket is, by which `mainstay status` and its like reach the service; "
    "an empty PATH for none. The same as --set mainstay.process.control=…, and wins over it. "
    "[default: derived from MODULE:NAME and this folder]",
)
@hosted_options
@click.option("--parent", "parent", type=int, hidden=True)
def command(
    target: str,
    files: tuple[Path, ...],
    flags: tuple[str, ...],
    addresses: tuple[str, ...],
    dev: bool,
    workers: int | None,
    control: str | None,
    parent: int | None,
    **options: Any,
) -> None:
    """Run a service until a signal ends it.

    SIGTERM and Ctrl-C drain it: calls under way are finished. A second one cancels them. SIGQUIT
    logs what everything is doing and cancels at once.

    With --workers, a supervisor that runs no code of the service holds its ports, and workers serve
    it: SIGHUP replaces them all by new ones, SIGUSR2 the supervisor as well, SIGTTIN and SIGTTOU
    add and take away a worker, SIGUSR1 opens log files anew.
    """
    given = flags
    if addresses:
        flags = (*flags, f"mainstay.http.listen={json.dumps(addresses)}")
    if control is not None:
        flags = (*flags, f"mainstay.process.control={control}")
    if dev:
        from mainstay.cli.dev import develop  # noqa: PLC0415 - needs an extra

        if workers is not None:
            raise click.UsageError("--dev runs one process; leave --workers away")
        if refused := Hosted(**options).given:
            message = f"--dev stays in the foreground; leave {', '.join(refused)} away"
            raise click.UsageError(message)
        sys.exit(develop(target, files, flags))
    start_folder()  # before a daemon forgets by which name it was found
    hosted = Hosted(**options)
    form = asked_format(flags, os.environ)
    with _recorded(hosted, form):
        notifier = _begun(hosted, addresses)
        prepare(form)
        watch_supervisor(os.environ, partial(cut, format=form))
        # Before the program can change its folder or its environment.
        launched()
        if parent is not None:
            from mainstay.cli.dev import end_with  # noqa: PLC0415 - the child of --dev only

            end_with(parent)
        try:
            if workers is None:
                code = _host(target, files, flags, addresses, hosted, notifier)
            else:
                from mainstay.cli.workers import Start, supervise  # noqa: PLC0415 - few need it

                start = Start(target, files, given, addresses, hosted.worker_options())
                hosted.leave_folder()
                code = supervise(start, workers, control, notifier, in_log=hosted.in_log)
        except BaseException as error:
            _fail(error, notifier, form)
            raise
    leave(code, form)


@contextmanager
def _recorded(hosted: Hosted, format: Format) -> Iterator[None]:
    """Let why it does not run be a record where standard error is a log file, and a line elsewhere."""
    try:
        yield
    except BugError:
        raise
    except (Failure, Error) as error:
        if not hosted.in_log:
            raise
        logs = Logs.install(LogSettings(format=format))
        logging.getLogger(__name__).critical("%s", error)
        logs.uninstall()
        sys.exit(int(_code_of(error)))


def _host(
    target: str,
    files: tuple[Path, ...],
    flags: tuple[str, ...],
    addresses: tuple[str, ...],
    hosted: Hosted,
    notifier: HostNotifier,
) -> int:
    """Run the service in this process; its exit code."""
    service = find_service(target)
    if addresses:
        _check_speaks(service)
    paths = hosted.enter(service, files)
    from mainstay.service.hosting import host  # noqa: PLC0415 - after the target's faults

    return host(service.declaration, files=paths, flags=flags, target=target, notifier=notifier)


def _fail(error: BaseException, notifier: HostNotifier, format: Format) -> None:
    """Tell who waits for it why it does not run; ends the process if a parent says the rest."""
    code = int(_code_of(error))
    reason = str(error) or type(error).__name__
    notifier.failed(reason, code)
    notifier.ended(failed=True)
    told = tell_parent(os.environ, reason, code)
    # The module may have started threads before it failed.
    watch(code, format)
    if told and isinstance(error, Failure | Error):
        # The parent says it, and once, however many children it has.
        sys.exit(code)


def _begun(hosted: Hosted, addresses: tuple[str, ...]) -> HostNotifier:
    """What `Hosted.begin` gives; where it fails, a parent is told, and says it."""
    try:
        try:
            check_descriptors()
        except ResourceError as error:
            raise Failure(str(error), Exit.NOT_STARTED) from None
        return hosted.begin(addresses)
    except Failure as error:
        if tell_parent(os.environ, str(error), error.exit_code):
            sys.exit(error.exit_code)
        raise


def _check_speaks(service: Service) -> None:
    """An address that nobody would listen on is a mistake, and not to be passed over."""
    if not service.declaration.has_routes:
        message = (
            f"{service.name} has no routes, so there is nothing to --listen for; "
            "declare some, or leave the option away"
        )
        raise Failure(message, Exit.USAGE)


def _code_of(error: BaseException) -> int:
    """The exit code that `error` will get on its way out."""
    if isinstance(error, Failure):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED
    return exit_of(error) if isinstance(error, Error) else Exit.FAILED
