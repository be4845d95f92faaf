"""Names the code that blocks the event loop.

A timer of the loop beats every half `threshold` and writes down when. A daemon thread sleeps until
a beat is overdue by `threshold`: then one callback or one coroutine step has kept the loop for that
long, and the stack of the loop's thread, taken at that moment, names it. One record says where the
loop is blocked, a second one for how long it was.

What it promises: code that blocks for one and a half times `threshold` is always seen, code that
blocks for less than `threshold` never. To be believed, it must not cry wolf:

* **The whole process stood still** (SIGSTOP, a suspended machine), or the machine is overloaded:
  then this thread wakes late as well, and begins to count again. Unless the loop's own thread has
  computed for a whole threshold since its last beat: then a C function (a regular expression, a
  large JSON document) held the interpreter's lock, so that nobody else could run: a stall.
* **The loop is between two callbacks**: waiting for events, or for the processor.
* **Somebody debugs**: a trace function is set in the loop's thread, or a debugger is registered
  with ``sys.monitoring``.

Works on asyncio's loops and on uvloop's. What it costs is in docs/decisions/011-logging.md.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final

from mainstay.core.effects import Effects
from mainstay.core.stacks import frame_line
from mainstay.errors import UsageError

__all__ = ["THRESHOLD", "Watchdog"]

THRESHOLD: Final = 0.1
"""Seconds. At a tenth of a second every other call of the service is visibly late."""

_BLOCKED: Final = "the event loop is blocked for more than %.3g s at %s"
_HELD: Final = "the event loop has been blocked for %.3g s, with the interpreter's lock held, at %s"
_FRAMES: Final = 12
_JOIN: Final = 1.0
_PACKAGE: Final = __name__.partition(".")[0]
_LIBRARY: Final = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_log = logging.getLogger(__name__)


class Watchdog:
    """Watches one event loop from `start` to `stop`; see the module.

    Args:
        threshold: seconds that a callback may keep the loop.
        effects: the clock.
    """

    def __init__(self, threshold: float = THRESHOLD, effects: Effects | None = None) -> None:
        if threshold <= 0:
            raise UsageError(f"the watchdog's threshold is {threshold!r}; give seconds above zero")
        self._threshold = threshold
        self._clock = (effects or Effects()).clock
        self._thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = threading.Event()
        # Written on the loop's thread only, and each as one tuple, so that the other thread reads
        # what belongs together: when the last beat was and the processor time that the loop's
        # thread had used then; and the two beats around the last long silence.
        self._last = (0.0, 0.0)
        self._silence = (0.0, 0.0)
        self._traced = False
        self._runner: CodeType | None = None
        self._stalls = 0

    @property
    def stalls(self) -> int:
        """How often the loop was blocked so far."""
        return self._stalls

    def start(self) -> None:
        """Begin to watch the running loop. Call it on the loop's thread, once.

        Raises: UsageError when no loop runs here, or when it was started before.
        """
        if self._thread is not None:
            raise UsageError("this watchdog was started before; make a new one")
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise UsageError("start the watchdog inside the event loop it shall watch") from None
        self._ident = threading.get_ident()
        self._runner = _caller_of(asyncio.current_task(self._loop))
        self._used = _processor_clock(self._ident)
        self._last = (self._clock.monotonic(), self._used())
        self._timer = self._loop.call_later(self._threshold / 2, self._beat)
        self._thread = threading.Thread(target=self._watch, name="mainstay-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more. Idempotent; waits for the thread for up to a second."""
        self._stopping.set()
        if self._timer is not None and threading.get_ident() == self._ident:
            self._timer.cancel()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN)

    def __repr__(self) -> str:
        state = "watching" if self._thread is not None and self._thread.is_alive() else "stopped"
        return f"<Watchdog {state} threshold={self._threshold:g} stalls={self._stalls}>"

    # --- on the loop's thread -------------------------------------------------------------------

    def _beat(self) -> None:
        if self._stopping.is_set():
            return
        now = self._clock.monotonic()
        if now - self._last[0] > self._threshold:
            self._silence = (self._last[0], now)
        self._traced = sys.gettrace() is not None
        # Whatever runs callbacks: asyncio's Handle._run, or with uvloop, which runs them from C,
        # the caller of run_forever. Frames above it belong to a callback.
        caller = sys._getframe().f_back
        self._runner = None if caller is None else caller.f_code
        self._last = (now, self._used())
        self._timer = self._loop.call_later(self._threshold / 2, self._beat)

    # --- on our thread --------------------------------------------------------------------------

    def _watch(self) -> None:
        # A beat is due half a threshold after the last one, and overdue a threshold later.
        patience = 1.5 * self._threshold
        since = self._last[0]
        due = since + patience
        while not self._clock.wait(self._stopping, due - self._clock.monotonic()):
            now = self._clock.monotonic()
            late = now - due
            beat, used = self._last
            since = max(since, beat)
            due = since + patience
            if now < due:
                continue
            if self._loop.is_closed():
                return
            what, seconds = _BLOCKED, self._threshold
            if late > self._threshold / 2:
                what, seconds = _HELD, now - beat
                if self._used() - used < self._threshold:
                    # We could not run, and the loop could not either: count from now.
                    since, due = now, now + self._threshold
                    continue
            if self._report(what, seconds):
                self._await_end(beat)
            since = self._clock.monotonic()
            due = since + self._threshold

    def _await_end(self, beat: float) -> None:
        """Say when the loop is back; `stop` and the end of the loop end this too."""
        while self._last[0] == beat:
            if self._clock.wait(self._stopping, self._threshold / 2) or self._loop.is_closed():
                return
        begun, ended = self._silence
        # Another silence may have followed before this thread woke.
        seconds = (ended if begun == beat else self._last[0]) - beat
        _log.warning(
            "the event loop is back after about %.3g s",
            seconds,
            extra={"seconds": round(seconds, 3)},
        )

    def _report(self, what: str, seconds: float) -> bool:
        """Log where the loop is, if it is in a callback; whether it was logged."""
        frames = self._callback_frames()
        if not frames or self._is_debugged(frames):
            return False
        self._stalls += 1
        where = frame_line(next((frame for frame in frames if _is_users(frame)), frames[0]))
        fields: dict[str, Any] = {"where": where}
        task = asyncio.current_task(self._loop)
        if task is not None:
            fields["task"] = task.get_name()
        shown = [frame_line(frame) for frame in frames[:_FRAMES]]
        if len(frames) > _FRAMES:
            shown.append(f"... {len(frames) - _FRAMES} frames left out")
        fields["stack"] = "\n".join(shown)
        _log.warning(what, seconds, where, extra=fields)
        return True

    def _callback_frames(self) -> list[FrameType]:
        """The frames of the callback that the loop runs now, innermost first; empty if none."""
        frames: list[FrameType] = []
        frame = sys._current_frames().get(self._ident)
        while frame is not None:
            if frame.f_code is self._runner:
                return frames
            frames.append(frame)
            frame = frame.f_back
        return frames if self._runner is None else []

    def _is_debugged(self, frames: list[FrameType]) -> bool:
        if self._traced or any(frame.f_trace is not None for frame in frames):
            return True
        monitoring = getattr(sys, "monitoring", None)  # from Python 3.12 on
        return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None


def _caller_of(task: asyncio.Task[Any] | None) -> CodeType | None:
    """What runs the callbacks of the loop, told by a task that runs now; None if it cannot tell."""
    frame = None if task is None else getattr(task.get_coro(), "cr_frame", None)
    caller = None if frame is None else frame.f_back
    return None if caller is None else caller.f_code


def _is_users(frame: FrameType) -> bool:
    """Whether the frame is neither the standard library's, nor an installed package's, nor ours."""
    file = frame.f_code.co_filename
    module = str(frame.f_globals.get("__name__", ""))
    if file.startswith("<frozen") or module.partition(".")[0] == _PACKAGE:
        return False
    return not file.startswith(_LIBRARY)


def _processor_clock(ident: int) -> Callable[[], float]:
    """Seconds of processor time that a thread has used; always 0 where the system cannot tell."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return lambda: 0.0
    clock = time.pthread_getcpuclockid(ident)

    def used() -> float:
        try:
            return time.clock_gettime(clock)
        except OSError:  # the thread has ended
            return 0.0

    return used
