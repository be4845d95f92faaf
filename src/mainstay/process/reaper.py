"""Process 1 of a container, and whoever else keeps a service's house: reaps, forwards, stays.

What the kernel expects of process 1, a service cannot do beside its work: a child that it has not
started itself is its to reap, and whoever waits for all children takes the statuses of those that
the program has started. So process 1 is a process of its own, which does nothing else, and the
service is its child:

* **It reaps** whatever ends. One process is its own, the service; every other is an orphan, whose
  status means nothing, whatever it is.
* **It forwards** every signal that a service knows to the service.
* **It stays** while generations follow each other, so that a container, or a program under a
  supervisor that watches one pid, does not end with the first of them. It learns who is next as
  systemd would: it is the manager of the service (``NOTIFY_SOCKET``), and hears ``MAINPID=``.
* **It ends** with the service, and as the service has: with 128 + the number for a signal.

If there is a manager above, it is told what the service says, but who the main process is.

When it is killed, the service has lost the one that a manager above knows, who starts another: every
generation watches the house (`watch_house`), and stops. Below process 1 the kernel kills all.
"""

from __future__ import annotations

import array
import asyncio
import os
import secrets
import select
import signal
import socket
import struct
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Final

from mainstay.errors import UsageError
from mainstay.process.activation import FIRST
from mainstay.process.daemon import close_others, passed_descriptors
from mainstay.process.notify import Manager

__all__ = [
    "FORWARDED",
    "HOUSE",
    "Household",
    "HouseWatch",
    "become_subreaper",
    "keep_house",
    "watch_house",
]

FORWARDED: Final = tuple(
    signal.Signals[f"SIG{name}"]
    for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "TTIN", "TTOU", "CONT")
)
"""The signals that go to the service."""

TAKEOVER: Final = 5.0
"""Seconds for the next generation to speak up when the service was killed in a restart."""

HOUSE: Final = "MAINSTAY_HOUSE"
"""The variable that tells a service, and all generations after it, which process keeps its house."""

_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
_CREDENTIALS: Final = struct.Struct("3i")
_LONGEST: Final = 1 << 16


class Household:
    """Which process is the service, and what its end means; touches nothing.

    Args:
        main: its pid.

    Attributes:
        main: see above.
        code: with which to end, once it has ended.
        orphans: reaped so far.
    """

    def __init__(self, main: int) -> None:
        self.main = main
        self.code: int | None = None
        self.killed = False
        self.orphans = 0

    def told(self, text: str) -> str:
        """Take in what the service says; what is left of it for the manager above."""
        lines = []
        for line in text.split("\n"):
            name, _, value = line.partition("=")
            if name == "MAINPID" and value.isdecimal():
                self._follow(int(value))
            elif name not in ("MAINPID", "MAINPIDFDID", "BARRIER"):
                lines.append(line)
        return "\n".join(lines)

    def _follow(self, pid: int) -> None:
        if pid != self.main:
            self.main = pid
            self.code = None
            self.killed = False

    def ended(self, pid: int, status: int) -> None:
        """A child has ended; `status` as waitpid(2) has it, and looked at only if it is ours."""
        if pid != self.main:
            self.orphans += 1
            return
        code = os.waitstatus_to_exitcode(status)
        self.killed = code < 0
        self.code = 128 - code if code < 0 else code


def become_subreaper() -> None:
    """Let orphans below this process become its children. Raises: UsageError elsewhere than Linux."""
    import ctypes  # noqa: PLC0415 - few processes need it

    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None or prctl(_SUBREAPER, 1, 0, 0, 0) != 0:
        raise UsageError("only Linux lets a process other than 1 reap orphans; leave --init away")


def keep_house(environ: MutableMapping[str, str]) -> None:
    """Fork: return in the child, which is the service, and keep house for it in this process.

    Call it in a process with one thread. It ends with the exit code of the service.

    Raises: UsageError elsewhere than Linux.
    """
    if os.getpid() != 1:
        become_subreaper()
    above = Manager.find(environ)
    heard = _listen(environ)
    passed = passed_descriptors(environ)
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    house = os.getpid()
    child = os.fork()
    if child == 0:
        heard.close()
        if passed:
            environ["LISTEN_PID"] = str(os.getpid())
        # The manager above means this process, whoever feeds its watchdog.
        environ.pop("WATCHDOG_PID", None)
        environ[HOUSE] = str(house)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        return
    code = 1
    try:
        close_others({heard.fileno()})
        code = _keep(Household(child), heard, above)
    finally:
        os._exit(code)


class HouseWatch:
    """Sends this process SIGTERM when another has ended.

    Args:
        descriptor: of that process (pidfd_open(2)); closed by `stop`.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._ended)

    def _ended(self) -> None:
        self.stop()
        os.kill(os.getpid(), signal.SIGTERM)

    def stop(self) -> None:
        """Watch no more."""
        if self._descriptor >= 0 and not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
        self._descriptor = -1


def watch_house(environ: Mapping[str, str]) -> HouseWatch | None:
    """Stop this process by SIGTERM once the one that keeps its house is gone, or if it is already;
    None if there is no such process. Call it on the loop."""
    known = environ.get(HOUSE, "")
    if not known.isdecimal():
        return None
    try:
        return HouseWatch(os.pidfd_open(int(known)))
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGTERM)
    except OSError:
        pass  # a kernel before 5.3
    return None


def _keep(house: Household, heard: socket.socket, above: Manager | None) -> int:
    """Keep house until the service has ended; its code."""
    woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (*FORWARDED, signal.SIGCHLD):
        signal.signal(number, _noted)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    until = float("inf")
    while True:
        # What the service has said before its end is heard before its end is judged.
        _hear(house, heard, above)
        alone = _reap(house)
        _hear(house, heard, above)
        if house.code is None:
            until = float("inf")
        elif alone or not house.killed:
            return house.code
        elif until == float("inf"):
            until = time.monotonic() + TAKEOVER
        elif time.monotonic() >= until:
            return house.code
        timeout = None if until == float("inf") else max(0.0, until - time.monotonic())
        ready = select.select([woken, heard.fileno()], [], [], timeout)[0]
        if woken in ready:
            arrivals = os.read(woken, _LONGEST)
            # Whoever follows may have said so just before the signal came.
            _hear(house, heard, above)
            for arrived in arrivals:
                if arrived != signal.SIGCHLD:
                    with suppress(ProcessLookupError):
                        os.kill(house.main, arrived)


def _noted(number: int, frame: object) -> None:
    """The pipe has it."""


def _reap(house: Household) -> bool:
    """Reap all that has ended; whether there is no child left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            return False
        house.ended(pid, status)


def _listen(environ: MutableMapping[str, str]) -> socket.socket:
    """A socket for what the service says; of the abstract namespace, for the file system may be
    read-only. It has no permissions, so who speaks is looked at."""
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    name = f"mainstay-{os.getpid()}-{secrets.token_hex(8)}"
    heard.bind(f"\0{name}")
    environ["NOTIFY_SOCKET"] = f"@{name}"
    return heard


def _hear(house: Household, heard: socket.socket, above: Manager | None) -> None:
    room = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(FIRST * 64)
    while True:
        try:
            data, ancillary, _, _ = heard.recvmsg(_LONGEST, room, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return
        known, descriptors = _who(ancillary)
        if known:
            left = house.told(data.decode(errors="replace"))
            if above is not None and left:
                above.send_with(left, descriptors)
        # A barrier waits for its descriptor to be closed.
        for each in descriptors:
            os.close(each)


def _who(ancillary: list[tuple[int, int, bytes]]) -> tuple[bool, list[int]]:
    """Whether our own user speaks, and what descriptors came along."""
    known = False
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level != socket.SOL_SOCKET:
            continue
        if kind == socket.SCM_CREDENTIALS:
            known = _CREDENTIALS.unpack(data)[1] in (os.getuid(), 0)
        elif kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data)
    return known, list(descriptors)
