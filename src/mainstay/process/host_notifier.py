"""Whoever hosts this process, told what becomes of the service: manager, PID file, launcher.

One object for a service or a supervisor, and one method a moment; it knows who of the three is
there, and what each may be told by whom. A worker tells nobody anything. A generation that follows
another is quiet until that one has left, but for the PID file, which is its own from the moment
that it serves.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, MutableMapping
from typing import Protocol

from mainstay.errors import ResourceError
from mainstay.net.registry import Upstream
from mainstay.process.activation import Activation, activated
from mainstay.process.lifeline import PARENT
from mainstay.process.log_file import LogFile
from mainstay.process.notify import Manager, fd_name
from mainstay.process.pidfile import PidFile
from mainstay.process.reaper import HouseWatch, watch_house

__all__ = ["HostNotifier", "Report"]

_log = logging.getLogger(__name__)

_PATIENCE = 5.0
"""Seconds for a manager to take in who is the main process now."""


class Report(Protocol):
    """Whoever waits for the start to end."""

    def ready(self) -> None:
        """The service is up."""

    def failed(self, reason: str, code: int) -> None:
        """It cannot start: why, and its exit code."""

    def warn(self, text: str) -> None:
        """It starts, and something about it is to be known."""


class HostNotifier:
    """See the top of the file. Use it on one thread.

    Args:
        environ: the environment, from which what is for this process only is removed.
        pid_file: claimed already; joined, if this process has a parent.
        log_file: that standard output and error are.
        report: to whoever waits for the start, such as the launcher of a daemon.
    """

    def __init__(
        self,
        environ: MutableMapping[str, str],
        *,
        pid_file: PidFile | None = None,
        log_file: LogFile | None = None,
        report: Report | None = None,
    ) -> None:
        self._manager = Manager.find(environ)
        self._keeps = environ.get("FDSTORE", "").isdecimal() and self._manager is not None
        self._activation: Activation | None = activated(environ)
        self._pid_file = pid_file
        self._log_file = log_file
        self._report = report
        self._timer: asyncio.TimerHandle | None = None
        self._environ = environ
        self._house: HouseWatch | None = None
        self._quiet = PARENT in environ
        self._written = False

    @property
    def upstream(self) -> Upstream | None:
        """Where listening sockets may come from: the service manager, if it has passed any."""
        return None if self._activation is None else self._activation.take

    @property
    def keeps_descriptors(self) -> bool:
        """Whether the manager keeps descriptors between two starts (``FileDescriptorStoreMax=``)."""
        return self._keeps

    @property
    def has_log_file(self) -> bool:
        """Whether standard output and error are a log file."""
        return self._log_file is not None

    # --- the start ------------------------------------------------------------------------------

    def ready(self, status: str, role: str = "") -> None:
        """The service is up. Call it on the loop.

        Args:
            status: for people.
            role: ``worker``, ``successor``, or empty without a parent.
        """
        self._quiet = bool(role)
        if role == "worker":
            return
        if self._activation is not None and (rest := self._activation.close_rest()):
            _log.warning("sockets were passed that nothing listens on: %s", ", ".join(rest))
        self._write()
        self._house = watch_house(self._environ)
        if self._manager is not None:
            if not role:
                self._manager.ready(status)
            self._feed()
        if self._report is not None:
            self._report.ready()

    def failed(self, reason: str, code: int) -> None:
        """The service cannot start."""
        if self._report is not None:
            self._report.failed(reason, code)
        if self._manager is not None and not self._quiet:
            self._manager.status(f"not started: {reason}")

    def warn(self, text: str) -> None:
        """Something that whoever starts the service has to know."""
        if self._report is not None:
            self._report.warn(text)

    def keep(self, listeners: Iterable[tuple[str, int]]) -> None:
        """Let the manager keep listening sockets for the next start, if it does.

        Args:
            listeners: the address of each as it was configured, and its descriptor.
        """
        if self._manager is None or not self._keeps:
            return
        for address, descriptor in listeners:
            name = fd_name(address)
            # What was kept under the name is another socket, or the same once more.
            self._manager.forget(name)
            self._manager.store(name, [descriptor])

    # --- a restart ------------------------------------------------------------------------------

    def reloading(self, status: str) -> None:
        """The next generation is about to start."""
        if self._manager is not None and not self._quiet:
            self._manager.reloading(status)

    def reloaded(self, status: str) -> None:
        """The restart is over, well or not, and this process serves on."""
        if self._quiet:
            return
        if self._written:
            self._write()
        if self._manager is not None:
            self._manager.ready(status)

    async def succeeded_by(self, pid: int, status: str) -> None:
        """The next generation has proved itself, and this one is about to leave: wait until the
        manager knows."""
        manager, self._manager = self._manager, None
        self._stop_feeding()
        if self._pid_file is not None:
            self._pid_file.leave()
        if manager is None or self._quiet:
            return
        manager.alive()
        manager.succeeded_by(pid, status)
        await _hung_up(manager.barrier(), _PATIENCE)

    def freed(self, status: str) -> None:
        """The generation before has left: this one is the service now."""
        self._quiet = False
        if self._manager is not None:
            # It may have died before it could say so.
            self._manager.succeeded_by(os.getpid(), status)
            self._manager.alive()

    # --- the end --------------------------------------------------------------------------------

    def stopping(self, status: str, timeout: float) -> None:
        """The service ends, which may take `timeout` seconds. Not for a generation that hands over:
        nothing is said after `succeeded_by`."""
        if self._manager is not None and not self._quiet:
            self._manager.stopping(status, timeout)

    def ended(self, *, failed: bool = False) -> None:
        """The service has ended.

        Args:
            failed: whether it was no wish of anybody's. The generation before may take over then,
                and finds the PID file as it is.
        """
        self._stop_feeding()
        if self._house is not None:
            self._house.stop()
        if self._pid_file is None:
            return
        if failed and self._quiet:
            self._pid_file.leave()
        else:
            self._pid_file.remove()

    # --- meanwhile ------------------------------------------------------------------------------

    def status(self, text: str) -> None:
        """Say to people how things are."""
        if self._manager is not None and not self._quiet:
            self._manager.status(text)

    def reopen(self) -> None:
        """Open the log file anew, if there is one."""
        if self._log_file is not None:
            self._log_file.reopen()

    def _write(self) -> None:
        if self._pid_file is None:
            return
        try:
            self._pid_file.join()
            self._pid_file.write()
        except ResourceError as error:
            # The service is up, and that is worth more.
            _log.error("%s", error)
        else:
            self._written = True

    def _feed(self) -> None:
        """Feed the watchdog, twice as often as it wants; only a loop that runs comes here."""
        manager = self._manager
        if manager is None or manager.watchdog is None:
            return
        manager.alive()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(manager.watchdog / 2, self._feed)

    def _stop_feeding(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _hung_up(descriptor: int, timeout: float) -> None:
    """Wait until the other end of a pipe is closed, and close this one."""
    if descriptor < 0:
        return
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    # A hang-up is reported as something to be read.
    loop.add_reader(descriptor, over.cancel)
    try:
        await asyncio.wait([over], timeout=timeout)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
