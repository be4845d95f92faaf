"""A daemon in the manner of daemon(7), whose launcher knows whether it has started.

In this order, before there is any loop, thread or TLS: descriptors that nobody passed on are
closed; handlers and mask of signals are those of a new process; the environment loses what belongs
to a terminal; a pipe is made for the result; fork, setsid, fork; the null device becomes standard
input, and output and error as well unless there is a log file; the umask is 022. The folder is
changed by whoever calls (`leave_folder`), after the program was found from where it was started.

Three processes::

    launcher      waits for the result, and exits with it
    └── minder    the leader of the new session; waits with it, and ends when the start has
        └── daemon    is no leader, so that it can never get a terminal; then the child of init

The minder is there for the daemon that dies without a word: only its parent gets the exit code.
When the launcher leaves, or is killed, the minder leaves too.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Collection, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from mainstay.errors import ResourceError
from mainstay.process.activation import FIRST
from mainstay.process.log_file import LogFile

__all__ = [
    "StartReport",
    "Started",
    "close_others",
    "daemonise",
    "leave_folder",
    "passed_descriptors",
    "reset_signals",
]

UMASK: Final = 0o022
_TERMINAL: Final = frozenset(
    {
        "_",
        "COLUMNS",
        "LINES",
        "OLDPWD",
        "PWD",
        "SHLVL",
        "SSH_AUTH_SOCK",
        "SSH_CLIENT",
        "SSH_CONNECTION",
        "SSH_TTY",
        "STY",
        "TERM",
        "TERM_PROGRAM",
        "TMUX",
        "TMUX_PANE",
        "WINDOWID",
    }
)
_LOOK: Final = 0.05
_LONGEST: Final = 1 << 16
_LONGEST_REASON: Final = 8000
_LONGEST_WARNING: Final = 1000


@dataclass(frozen=True, slots=True)
class Started:
    """What the launcher knows in the end.

    Attributes:
        code: the exit code of the start; 0 when the service is ready.
        reason: why it is not; for the operator.
        pid: of the daemon, or 0.
        warnings: what to know of a service that is ready.
    """

    code: int
    reason: str = ""
    pid: int = 0
    warnings: tuple[str, ...] = ()


class StartReport:
    """The daemon's end of the pipe to its launcher: one word, and it is closed.

    Args:
        descriptor: of the pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._warnings: list[str] = []

    def ready(self) -> None:
        """The service is up."""
        self._say({"pid": os.getpid(), "warnings": self._warnings})

    def warn(self, text: str) -> None:
        """Something to be said when it is up."""
        self._warnings.append(text[:_LONGEST_WARNING])

    def failed(self, reason: str, code: int) -> None:
        """It cannot start: why, and its exit code."""
        self._say({"reason": reason[:_LONGEST_REASON], "code": code})

    def _say(self, word: dict[str, object]) -> None:
        if self._descriptor < 0:
            return
        data = json.dumps(word).encode() + b"\n"
        with suppress(OSError):  # the launcher may be gone; the daemon goes on
            os.write(self._descriptor, data)
        os.close(self._descriptor)
        self._descriptor = -1


def daemonise(
    environ: MutableMapping[str, str],
    *,
    log_file: LogFile | None = None,
    keep: Collection[int] = (),
) -> StartReport | Started:
    """Go on in a daemon.

    Call it in a process with one thread, whose streams hold nothing.

    Args:
        environ: the environment, which is changed.
        log_file: what standard output and error become; the null device unless given.
        keep: descriptors from 3 on that the daemon is to have.

    Returns: in the daemon, where to report to; in the launcher, when the daemon has reported, what.

    Raises: ResourceError when there cannot be another process.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    passed = passed_descriptors(environ)
    close_others({*keep, *passed})
    reset_signals()
    for name in _TERMINAL & set(environ):
        del environ[name]
    told, tell = os.pipe()
    leashed, leash = os.pipe()
    # Until there is somebody who ends the start with it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        minder = os.fork()
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        raise ResourceError(f"no process can be started: {error.strerror}") from error
    if minder:
        os.close(tell)
        os.close(leashed)
        return _wait_started(minder, told, leash, log_file)
    try:
        os.close(told)
        os.close(leash)
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        daemon = os.fork()
        if daemon:
            os.close(tell)
            _mind(daemon, leashed)
        os.close(leashed)
        return _settle(tell, environ, log_file, activated=bool(passed))
    except BaseException as error:
        StartReport(tell).failed(f"the daemon cannot be started: {error}", 3)
        os._exit(3)


def leave_folder(folder: str) -> None:
    """Work in `folder` from now on, so that the one of the start can be unmounted or removed.

    Raises: ResourceError.
    """
    try:
        os.chdir(folder)
    except OSError as error:
        raise ResourceError(f"the folder {folder} cannot be used: {error.strerror}") from error


def passed_descriptors(environ: MutableMapping[str, str]) -> range:
    """What a service manager has passed to this process; see `mainstay.process.activation`."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return range(0)
    return range(FIRST, FIRST + int(count))


def close_others(kept: Collection[int]) -> None:
    """Close every descriptor from 3 on that is not among `kept`."""
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - numbers
    except OSError:
        numbers = list(range(os.sysconf("SC_OPEN_MAX")))
    for number in numbers:
        if number >= FIRST and number not in kept:
            with suppress(OSError):
                os.close(number)


def reset_signals() -> None:
    """Give every signal the action that a new process of Python has, and block none."""
    for number in signal.valid_signals():
        if number in (signal.SIGPIPE, getattr(signal, "SIGXFSZ", None)):
            continue
        action = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        with suppress(OSError, ValueError):  # some are not to be changed
            signal.signal(number, action)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


# --- the launcher -------------------------------------------------------------------------------


def _wait_started(minder: int, told: int, leash: int, log_file: LogFile | None) -> Started:
    code: int | None = None
    word = b""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        # The end of the file is not to be waited for: what the daemon has forked may hold it too.
        while code is None and not word.endswith(b"\n"):
            word += _read(told, _LOOK)
            left, status = os.waitpid(minder, os.WNOHANG)
            if left:
                code = os.waitstatus_to_exitcode(status)
        while not word.endswith(b"\n") and (piece := _read(told, 0.0)):
            word += piece
    except KeyboardInterrupt:
        # The minder leads the group in which the daemon is.
        with suppress(ProcessLookupError):
            os.killpg(minder, signal.SIGTERM)
        word = b'{"reason": "the start was interrupted", "code": 130}\n'
    os.close(told)
    os.close(leash)
    if code is None:
        code = os.waitstatus_to_exitcode(os.waitpid(minder, 0)[1])
    if word.endswith(b"\n"):
        said = json.loads(word)
        return Started(
            int(said.get("code", 0)),
            said.get("reason", ""),
            said.get("pid", 0),
            tuple(said.get("warnings", ())),
        )
    where = "say --log-file to learn more" if log_file is None else f"see {log_file.path}"
    return Started(code or 1, f"the daemon ended in its start, without a word; {where}")


def _read(descriptor: int, timeout: float) -> bytes:
    ready = select.select([descriptor], [], [], timeout)[0]
    return os.read(descriptor, _LONGEST) if ready else b""


# --- the minder ---------------------------------------------------------------------------------


def _mind(daemon: int, leashed: int) -> None:
    """Wait for the end of the start, and exit as the daemon has if that is its end as well."""
    # It is the daemon's affair what happens to the group; the minder only waits.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        left, status = os.waitpid(daemon, os.WNOHANG)
        if left:
            code = os.waitstatus_to_exitcode(status)
            os._exit(128 - code if code < 0 else code)
        if select.select([leashed], [], [], _LOOK)[0]:
            os._exit(0)


# --- the daemon ---------------------------------------------------------------------------------


def _settle(
    tell: int, environ: MutableMapping[str, str], log_file: LogFile | None, *, activated: bool
) -> StartReport:
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    if null > 2:  # noqa: PLR2004 - the number of standard error
        os.close(null)
    if log_file is not None:
        try:
            log_file.redirect()
        except ResourceError as error:
            StartReport(tell).failed(str(error), 3)
            os._exit(3)
    os.umask(UMASK)
    if activated:
        environ["LISTEN_PID"] = str(os.getpid())
    return StartReport(tell)
