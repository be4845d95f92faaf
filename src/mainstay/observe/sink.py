"""Writes lines to a stream that may be slow, full, closed or gone, and never makes anybody wait.

The write is synchronous: a line is with the kernel before the logging call returns, so a crash
loses nothing, and there is no thread to start, fork or join (docs/decisions/011-logging.md has the
measurements). What a plain synchronous write gets wrong is a reader that stalls: the pipe fills
and the write blocks the event loop for as long as the reader pleases. So:

* Before each write the descriptor is asked whether it would block (`poll`, under a microsecond). A
  pipe that says it is writable takes `PIPE_BUF` bytes without blocking, so it gets no more at once.
* While it would block, lines wait in a backlog of `BACKLOG` bytes. They go out before the next
  line, or with `flush`. When the backlog is full, new lines are lost, and counted.
* A write that fails loses its line, which is counted; nothing is raised. The next line that gets
  through is preceded by one that says how many were lost.

Safe from any thread (`logging` holds the handler's lock) and inside a signal handler that
interrupts a write: the inner call only queues its line, and the outer one writes it afterwards.

A stream without a descriptor (a `StringIO`, a test's capture) is simply written to.
"""

from __future__ import annotations

import io
import os
import select
import stat
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TextIO

from mainstay.core.effects import Clock

__all__ = ["BACKLOG", "LogStatistics", "Sink"]

BACKLOG: Final = 1 << 20
"""Bytes that wait for a reader that stalls."""

_PIPE_BUF: Final = getattr(select, "PIPE_BUF", 512)


@dataclass(frozen=True, slots=True)
class LogStatistics:
    """What became of the lines.

    Attributes:
        written: lines handed to the stream.
        waiting: lines in the backlog, because the stream would block.
        lost: lines that a failing stream or a full backlog took.
    """

    written: int
    waiting: int
    lost: int


class Sink:
    """The end of the log: see the module.

    Args:
        stream: where lines go; None (a daemon without stderr) loses every line.
        clock: bounds `flush`.
        encoding: of the lines; a character it lacks is written as an escape.
        notice: makes the line that says how many lines were lost.
    """

    def __init__(
        self, stream: TextIO | None, clock: Clock, encoding: str, notice: Callable[[int], str]
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._encoding = encoding
        self._notice = notice
        self._backlog: deque[bytes] = deque()
        self._size = 0
        self._inside_line = False
        self._writing = False
        self._written = 0
        self._lost = 0
        self._reported = 0
        self._descriptor = _descriptor(stream)
        self._poll: Callable[[float], object] | None = None
        self._piece: int | None = None
        if self._descriptor is not None and _may_block(self._descriptor):
            poller = select.poll()
            poller.register(self._descriptor, select.POLLOUT)
            self._poll = poller.poll
            self._piece = _PIPE_BUF

    def statistics(self) -> LogStatistics:
        """What became of the lines so far."""
        return LogStatistics(self._written, len(self._backlog), self._lost)

    def write(self, line: str) -> None:
        """Write `line` and a newline, now or as soon as the stream takes it. Never raises."""
        data = self._encoded(line)
        if self._backlog and self._size + len(data) > BACKLOG:
            self._lost += 1
            return
        self._backlog.append(data)
        self._size += len(data)
        self._write_backlog()

    def flush(self, timeout: float = 1.0) -> bool:
        """Write what waits, for up to `timeout` seconds of a stream that would block.

        Returns whether nothing is left to write. Blocks its thread.
        """
        until = self._clock.monotonic() + timeout
        while not self._write_backlog():
            left = until - self._clock.monotonic()
            if left <= 0 or self._writing:
                return False
            if self._poll is not None:
                self._poll(left * 1000)
        return True

    def _write_backlog(self) -> bool:
        """Write until the backlog is empty (True), or the stream would block (False)."""
        # The condition is looked at again after each round, because a signal handler may queue a
        # line after the last look inside and before `_writing` is taken back.
        while self._backlog and not self._writing:
            self._writing = True
            try:
                if not self._drain():
                    return False
            finally:
                self._writing = False
        return not self._backlog

    def _drain(self) -> bool:
        while self._backlog:
            if self._poll is not None and not self._poll(0):
                return False
            try:
                self._write_some()
            except BlockingIOError:  # somebody made the descriptor non-blocking
                return False
            except Exception:  # whatever a stream raises, callers must not see it
                self._size -= len(self._backlog.popleft())
                self._inside_line = False
                self._lost += 1
        return True

    def _write_some(self) -> None:
        """Write one piece: of the notice if one is due, otherwise of the oldest line."""
        if self._reported < self._lost and not self._inside_line:
            lost = self._lost
            self._put(self._encoded(self._notice(lost - self._reported)))
            self._reported = lost
            return
        data = self._backlog[0]
        count = self._put(data[: self._piece])
        # Nothing but this method takes from the left while `_writing` holds.
        self._backlog.popleft()
        self._size -= count
        self._inside_line = count < len(data)
        if self._inside_line:
            self._backlog.appendleft(data[count:])
        else:
            self._written += 1

    def _put(self, data: bytes) -> int:
        stream = self._stream
        # A closed stream's descriptor may by now be somebody else's connection.
        if stream is None or stream.closed:
            raise ValueError("the stream of the log is closed")
        if self._descriptor is not None:
            return os.write(self._descriptor, data)
        stream.write(data.decode(self._encoding))
        stream.flush()
        return len(data)

    def _encoded(self, line: str) -> bytes:
        return f"{line}\n".encode(self._encoding, "backslashreplace")


def _descriptor(stream: TextIO | None) -> int | None:
    """The descriptor below `stream`, if writing there is the same as writing to the stream."""
    # Exactly this class: a wrapper with a `write` of its own (a tee, a test's capture) wants it
    # called, whatever its `fileno` says.
    if type(stream) is not io.TextIOWrapper:
        return None
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError):
        return None


def _may_block(descriptor: int) -> bool:
    # poll() calls every regular file writable. Windows has no poll(): there, writes may block.
    return hasattr(select, "poll") and not stat.S_ISREG(os.fstat(descriptor).st_mode)
