"""Names the code that blocks the event loop.

Every half `threshold`, a daemon thread looks whether the loop's thread is in a callback. If so, it
asks the loop to run another one (the ping), and waits for it to be run (the answer). An answer that
is late by `threshold` means that one callback or one coroutine step has kept the loop for that
long: the stack of the loop's thread, taken at that moment, names it. One record says where the loop
is blocked, a second one for how long it was.

What it promises: code that blocks for one and a half times `threshold` is always seen, code that
blocks for less than `threshold` never. To be believed, it must not cry wolf:

* **The whole process stood still** (SIGSTOP, a suspended machine), or the machine is overloaded:
  then this thread wakes late as well. Late by half a threshold, it measures again. Unless the
  loop's own thread has used the processor all the while: then a C function (a regular expression,
  a large JSON document) held the interpreter's lock, nobody else could run, and that is a stall.
* **The loop is between two callbacks**: waiting for events, or for the processor.
* **Somebody debugs**: a trace function is set in the loop's thread, or a debugger is registered
  with ``sys.monitoring``.

An idle loop is never woken: the cost is the thread's own twenty looks a second, measured in
docs/decisions/011-logging.md. Works on asyncio's loops and on uvloop's.
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
_HELD: Final = "the event loop was blocked for %.3g s, with the interpreter's lock held, at %s"
# The share of a silence that the loop's thread must have worked to be what caused it.
_BUSY: Final = 0.8
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
        self._stopping = threading.Event()
        self._answered = threading.Event()
        self._answer_time = 0.0
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
        self._used = _processor_clock(self._ident)
        self._thread = threading.Thread(target=self._run, name="mainstay-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more. Idempotent; waits for the thread for up to a second."""
        self._stopping.set()
        self._answered.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN)

    def __repr__(self) -> str:
        state = "watching" if self._thread is not None and self._thread.is_alive() else "stopped"
        return f"<Watchdog {state} threshold={self._threshold:g} stalls={self._stalls}>"

    # --- on the loop's thread -------------------------------------------------------------------

    def _answer(self) -> None:
        self._answer_time = self._clock.monotonic()
        self._traced = sys.gettrace() is not None
        # Whatever runs callbacks: asyncio's Handle._run, or with uvloop, which runs them from C,
        # the caller of run_forever. Frames above it belong to a callback.
        caller = sys._getframe().f_back
        self._runner = None if caller is None else caller.f_code
        self._answered.set()

    # --- on our thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while True:
                used, begun = self._used(), self._clock.monotonic()
                if self._clock.wait(self._stopping, self._threshold / 2):
                    return
                slept = self._clock.monotonic() - begun
                if slept > 2 * self._threshold and self._used() - used > _BUSY * slept:
                    # The loop's thread worked all the time and let nobody else: it held the
                    # interpreter's lock, and gave it away where it stands now.
                    self._report(_HELD, slept)
                elif self._runner is None or self._callback_frames():
                    # A ping wakes the loop; one that is between two callbacks need not be asked.
                    self._ping()
        except RuntimeError:
            # The loop was closed without `stop`: nothing is left to watch.
            return

    def _ping(self) -> None:
        """Ask once, and see a stall through to its end."""
        used = self._used()
        sent = self._clock.monotonic()
        # First cleared, then asked, and `stop` sets `_stopping` before `_answered`: no answer and
        # no stop can be missed.
        self._answered.clear()
        self._loop.call_soon_threadsafe(self._answer)
        if self._stopping.is_set() or self._clock.wait(self._answered, self._threshold):
            return
        late = self._clock.monotonic() - sent - self._threshold
        starved = late > self._threshold / 2
        if starved and self._used() - used < self._threshold:
            # We were held up too. Begin to count again, now that threads run.
            sent = self._clock.monotonic()
            if self._clock.wait(self._answered, self._threshold):
                return
        reported = self._report(_BLOCKED, self._threshold)
        while not self._clock.wait(self._answered, 1.0):
            # Between two callbacks a moment ago, and still no answer: look again.
            if not reported:
                reported = self._report(_BLOCKED, self._clock.monotonic() - sent)
        if reported and not self._stopping.is_set():
            seconds = self._answer_time - sent
            _log.warning(
                "the event loop is back after at least %.2f s",
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
        _log.warning(
            what,
            seconds,
            where,
            extra=fields,
        )
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
    return lambda: time.clock_gettime(clock)
