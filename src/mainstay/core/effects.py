"""The world outside, as one record: clock, randomness, process, environment.

Whatever the library does to or learns from the world goes through an `Effects`, so that a test
replaces the world by passing another record (`mainstay.testing.virtual_effects`), and nothing has
to be patched. Coroutines still wait with `asyncio.sleep` and timers of their loop: a loop with a
virtual clock answers both (`mainstay.testing.VirtualLoop`).

The idea is tableflip's ``env`` record, which lets its upgrade logic be tested without processes.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn, Protocol

__all__ = ["Clock", "Effects", "Process"]


class Clock(Protocol):
    """Time as the library sees it. Every method may be called from any thread."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back; the time base of every deadline."""

    def time(self) -> float:
        """Seconds since the Unix epoch; may jump; for people, files and cron only."""

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Block this thread until `event` is set or `timeout` seconds are over.

        Returns whether the event is set. Never called on the thread of an event loop.
        """


class Process(Protocol):
    """The operating system's view of the running program."""

    def pid(self) -> int:
        """The process id."""

    def has_terminal(self) -> bool:
        """Whether a terminal controls the process, so that a hang-up means "the user left"."""

    def on_signal(self, number: int, handler: Callable[[int], None]) -> Callable[[], None]:
        """Call `handler` with the number, in the main thread, whenever the signal arrives.

        It runs between two bytecodes of whatever the main thread does, so it must only set flags
        and wake the loop. Returns a function that puts the previous handler back.

        Raises: ValueError when called outside the main thread.
        """

    def wake(self, descriptor: int) -> tuple[Callable[[], None], int]:
        """Write the number of every signal that has a handler to `descriptor`, as a byte, at the
        moment it arrives, whatever the main thread does.

        Returns what puts the previous descriptor back, and that descriptor, or -1.

        Raises: ValueError when called outside the main thread.
        """

    def is_ignored(self, number: int) -> bool:
        """Whether the signal was set to be ignored by whoever started us (as nohup does)."""

    def exit(self, code: int) -> NoReturn:
        """End the process now: no cleanup, no flush, no ``finally``."""


class _RealClock:
    """The machine's clocks."""

    __slots__ = ()
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        return event.wait(timeout)


class _RealProcess:
    """This process."""

    __slots__ = ()

    def pid(self) -> int:
        return os.getpid()

    def has_terminal(self) -> bool:
        try:
            descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            return False
        os.close(descriptor)
        return True

    def on_signal(self, number: int, handler: Callable[[int], None]) -> Callable[[], None]:
        owner = os.getpid()

        def deliver(received: int, frame: FrameType | None) -> None:
            if os.getpid() == owner:
                handler(received)
            else:
                # A forked child (multiprocessing) inherits the handler, and is not the service.
                signal.signal(received, signal.SIG_DFL)
                os.kill(os.getpid(), received)

        previous = signal.signal(number, deliver)
        return lambda: _restore(number, previous)

    def wake(self, descriptor: int) -> tuple[Callable[[], None], int]:
        before = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
        return lambda: _unwake(descriptor, before), before

    def is_ignored(self, number: int) -> bool:
        return signal.getsignal(number) is signal.SIG_IGN

    def exit(self, code: int) -> NoReturn:
        os._exit(code)


def _unwake(descriptor: int, before: int) -> None:
    now = signal.set_wakeup_fd(before)
    if now != descriptor:
        # Somebody has taken it over meanwhile (`loop.add_signal_handler` does): it stays theirs.
        signal.set_wakeup_fd(now)


def _restore(number: int, previous: object) -> None:
    # `None` means the handler was not installed from Python, and Python cannot put it back.
    if previous is not None:
        signal.signal(number, previous)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Effects:
    """Everything the library may do to, or learn from, the world.

    Attributes:
        clock: monotonic and wall time.
        random: the source of jitter; seed it for runs that repeat.
        process: pid, signals, exit.
        environ: the environment variables; read when a service starts, never at import.
    """

    clock: Clock = field(default_factory=_RealClock)
    random: random.Random = field(default_factory=random.Random)
    process: Process = field(default_factory=_RealProcess)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
