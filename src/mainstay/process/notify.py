"""What the service manager is told: sd_notify(3), without a library.

One datagram a message, of lines ``NAME=value``, to the socket that ``NOTIFY_SOCKET`` names. What
has to be known at one moment goes in one datagram: systemd drops a ``RELOADING=1`` without its
``MONOTONIC_USEC``, and a main process that changes between ``MAINPID=`` and ``READY=1`` would be
one that nobody has said is ready.

Only who is the main process is listened to (``NotifyAccess=main``, which ``Type=notify`` implies).
So the generation that leaves says who comes next, and the new one is quiet until then; and the one
that drains after a hand-over never says ``STOPPING=1``, which systemd takes for the end of the
service (from v259 on it kills what does not end).

Sending never blocks and never raises: nobody who listens is no reason not to serve.
"""

from __future__ import annotations

import array
import logging
import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["Manager", "fd_name"]

_log = logging.getLogger(__name__)

_MICRO: Final = 1_000_000
_LONGEST_NAME: Final = 255


class Manager:
    """The manager of this process; make it with `find`.

    Args:
        address: of its socket: a path, or a name of the abstract namespace after ``@``.
        watchdog: seconds within which it wants a sign of life, or None.

    Attributes:
        watchdog: see above.
    """

    def __init__(self, address: str, watchdog: float | None = None) -> None:
        self.watchdog = watchdog
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._complained = False

    @classmethod
    def find(cls, environ: Mapping[str, str]) -> Manager | None:
        """The manager that the environment names, or None.

        A watchdog for another process (``WATCHDOG_PID``) is not ours to feed.
        """
        address = environ.get("NOTIFY_SOCKET", "")
        if not address:
            return None
        if not address.startswith(("/", "@")):
            _log.warning("NOTIFY_SOCKET=%s is no path and no abstract name; ignored", address)
            return None
        return cls(address, _watchdog(environ))

    def send(self, *lines: str) -> bool:
        """Say it, in one datagram; whether it was taken."""
        return self.send_with("\n".join(lines), ())

    # --- what there is to say -------------------------------------------------------------------

    def ready(self, status: str) -> None:
        """The service is up, or up again after a reload, whether that has changed anything."""
        self.send("READY=1", f"STATUS={_line(status)}")

    def reloading(self, status: str) -> None:
        """A reload begins; `ready` ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.send("RELOADING=1", f"MONOTONIC_USEC={now}", f"STATUS={_line(status)}")

    def stopping(self, status: str, timeout: float) -> None:
        """The service ends.

        Args:
            status: for people.
            timeout: seconds that this may take, whatever the unit says.
        """
        self.send("STOPPING=1", f"STATUS={_line(status)}", _extension(timeout))

    def extend(self, timeout: float) -> None:
        """Starting, reloading or stopping may take `timeout` seconds from now."""
        self.send(_extension(timeout))

    def status(self, text: str) -> None:
        """Say to people how things are."""
        self.send(f"STATUS={_line(text)}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self.send("WATCHDOG=1")

    def succeeded_by(self, pid: int, status: str) -> None:
        """Another process is the service from now on."""
        self.send(f"MAINPID={pid}", "READY=1", f"STATUS={_line(status)}")

    def store(self, name: str, descriptors: Sequence[int]) -> bool:
        """Let the manager keep descriptors, and give them to the next start of the service.

        It does only if the unit has ``FileDescriptorStoreMax=``.
        """
        return self.send_with(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", descriptors)

    def forget(self, name: str) -> None:
        """Let the manager close what it keeps under `name`."""
        self.send("FDSTOREREMOVE=1", f"FDNAME={name}")

    def barrier(self) -> int:
        """Ask to be told when everything said before has been taken in.

        Returns: a descriptor that reports a hang-up then; the caller closes it. -1 when nobody
            listens.
        """
        ours, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if self.send_with("BARRIER=1", [theirs]):
                return ours
        finally:
            os.close(theirs)
        os.close(ours)
        return -1

    def send_with(self, text: str, descriptors: Sequence[int]) -> bool:
        """Say lines, and pass descriptors along; whether it was taken."""
        rights = []
        if descriptors:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendmsg([text.encode()], rights, socket.MSG_NOSIGNAL, self._address)
        except OSError as error:
            if not self._complained:
                self._complained = True
                _log.warning("the service manager cannot be told anything: %s", error.strerror)
            return False
        return True

    def __repr__(self) -> str:
        return f"<Manager {self._address!r}>"


def fd_name(address: str) -> str:
    """The name under which the manager keeps the listener of an address: no colon, no control
    character, at most 255 (sd_pid_notify_with_fds(3))."""
    kept = "".join(each if each.isascii() and each.isalnum() else "-" for each in address)
    return f"mainstay-{kept}"[:_LONGEST_NAME]


def _watchdog(environ: Mapping[str, str]) -> float | None:
    meant = environ.get("WATCHDOG_PID", "")
    if meant and meant != str(os.getpid()):
        return None
    text = environ.get("WATCHDOG_USEC", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text)):
        _log.warning("WATCHDOG_USEC=%s is no number of microseconds; ignored", text)
        return None
    return int(text) / _MICRO


def _extension(timeout: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={int(timeout * _MICRO)}"


def _line(text: str) -> str:
    """One line of a status: a new one would be another assignment."""
    return " ".join(text.split())
