"""How a process of ``mainstay run`` ends, whatever the program has left behind.

The interpreter's own end waits without bound for three things: threads that are no daemons, exit
functions, and its standard streams, which nobody may read any more or whose locks a thread may
hold that is blocked in `print`. So:

* A thread watches the end from before the first of them on, and ends the process when its time is
  up. It waits for no lock and writes to nothing that could block, so nothing can hold it.
* The streams are flushed while it watches: at once, and again after the program's own exit
  functions. The interpreter's last flush comes when no thread runs any more, and finds nothing.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import sys
import threading
import time
from functools import partial
from types import FrameType
from typing import Final, NoReturn, TextIO

from mainstay.cli.exits import Exit
from mainstay.cli.log_format import line
from mainstay.core.effects import Effects
from mainstay.observe.handler import Format
from mainstay.process.early_signals import keep

__all__ = ["PATIENCE", "cut", "discard", "flush", "leave", "prepare", "watch"]

PATIENCE: Final = 2.0
"""Seconds for threads, exit functions and streams of the program to end after the service has."""

_STEPS: Final = 20
"""In which `PATIENCE` is waited for: a machine that stands still as a whole, however long, takes one
of them from a program that had no chance to end meanwhile."""

# POSIX lets a pipe that is ready take this much at once, whatever PIPE_BUF is.
_LINE: Final = 512

_LISTED: Final = 300
"""Characters of the names of threads that are left."""


def prepare(format: Format = "auto") -> None:
    """Make this process ready for its end; call it before any code of the program runs.

    Args:
        format: of the log, in which what is said on the way out is said; see `line`.

    Until the service handles signals, SIGTERM ends the process at once with 128 + its number, and
    so does SIGHUP when its terminal is gone. The default would too, but not in a container: the
    kernel drops what process 1 has no handler for. Wishes for later are kept until then.
    """
    # Exit functions run in reverse, so this is after those of the program.
    atexit.register(flush)
    if threading.current_thread() is threading.main_thread():
        end = partial(_end, format)
        signal.signal(signal.SIGTERM, end)
        later = [signal.SIGUSR1, signal.SIGUSR2]
        if not Effects().process.has_terminal():
            later.append(signal.SIGHUP)
        elif signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, end)
        keep(later)


def leave(code: Exit | int, format: Format = "auto") -> NoReturn:
    """Exit with `code`, within `PATIENCE` seconds."""
    watch(code, format)
    flush()
    sys.exit(int(code))


def watch(code: Exit | int, format: Format = "auto") -> None:
    """End the process with `code` if it has not ended by itself within `PATIENCE` seconds."""
    arguments = (int(code), format)
    threading.Thread(target=_cut, args=arguments, name="mainstay-exit", daemon=True).start()


def cut(reason: str, format: Format = "auto") -> NoReturn:
    """End the process at once, by any thread, and say why if stderr takes it at once."""
    _say(f"{reason}; ending", format)
    os._exit(int(Exit.CUT))


def flush() -> None:
    """Write out what the standard streams hold; what one does not take is dropped."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            discard(stream)
        except Exception:  # noqa: S112 - closed, or somebody's own: nothing to save then
            continue


def discard(stream: TextIO | None) -> None:
    """Let the null device take what `stream` holds and cannot write.

    Otherwise the interpreter tries again at its end, fails, and makes the exit code 120.
    """
    try:
        descriptor = -1 if stream is None else stream.fileno()
    except (AttributeError, OSError, ValueError):
        return
    if descriptor < 0:
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def _end(format: Format, number: int, frame: FrameType | None) -> NoReturn:
    _say(f"ended by {signal.Signals(number).name} before the service has started", format)
    os._exit(128 + number)


def _cut(code: int, format: Format) -> None:
    for _ in range(_STEPS):
        time.sleep(PATIENCE / _STEPS)
    # Only these keep the interpreter from exiting.
    main = threading.main_thread()
    names = [each.name for each in threading.enumerate() if not each.daemon and each is not main]
    if names:
        _say(f"leaving without threads that do not end: {', '.join(names)[:_LISTED]}", format)
    else:
        _say("leaving without output or exit functions that do not end", format)
    os._exit(code)


def _say(text: str, format: Format) -> None:
    """Write a line to stderr if it takes one at once."""
    octets = line(text, format)
    if len(octets) > _LINE:
        octets = octets[: _LINE - 4] + b"...\n"
    poll = select.poll()
    poll.register(2, select.POLLOUT)
    try:
        if any(ready & select.POLLOUT for _, ready in poll.poll(0)):
            os.write(2, octets)
    except OSError:
        return
