"""A process that a test can signal and see exit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from typing import NoReturn

from mainstay.errors import UsageError

__all__ = ["FakeProcess", "ProcessExited"]


class ProcessExited(BaseException):
    """What `FakeProcess.exit` raises, since it may not return.

    Not an `Exception`, because the real thing cannot be caught either.

    Attributes:
        code: the exit code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"the process exited with code {code}")
        self.code = code


class FakeProcess:
    """The `mainstay.core.effects.Process` of a test: records handlers, delivers signals.

    Args:
        pid: the process id to report.
        terminal: whether a terminal controls the process.
        ignored: signals that whoever started the process set to be ignored, as nohup does.

    Attributes:
        exit_code: what `exit` was called with, or None.
    """

    def __init__(
        self, *, pid: int = 1000, terminal: bool = False, ignored: Iterable[int] = ()
    ) -> None:
        self._pid = pid
        self._terminal = terminal
        self._ignored = frozenset(ignored)
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._descriptor = -1
        self.exit_code: int | None = None

    @property
    def handled(self) -> frozenset[int]:
        """The signals that have a handler now."""
        return frozenset(self._handlers)

    def send(self, number: int) -> None:
        """Deliver a signal: its handler runs before this returns.

        Raises: UsageError when there is no handler and the signal is not ignored: a real process
        would get the default action, which ends it.
        """
        handler = self._handlers.get(number)
        if handler is not None and self._descriptor >= 0:
            os.write(self._descriptor, bytes([number]))
        if handler is not None:
            handler(number)
        elif number not in self._ignored:
            name = signal.Signals(number).name
            raise UsageError(f"{name} was sent to a FakeProcess that has no handler for it")

    def pid(self) -> int:
        """See `Process.pid`."""
        return self._pid

    def has_terminal(self) -> bool:
        """See `Process.has_terminal`."""
        return self._terminal

    def on_signal(self, number: int, handler: Callable[[int], None]) -> Callable[[], None]:
        """See `Process.on_signal`."""
        previous = self._handlers.get(number)
        self._handlers[number] = handler

        def restore() -> None:
            if previous is None:
                self._handlers.pop(number, None)
            else:
                self._handlers[number] = previous

        return restore

    def wake(self, descriptor: int) -> tuple[Callable[[], None], int]:
        """See `Process.wake`."""
        before, self._descriptor = self._descriptor, descriptor

        def restore() -> None:
            self._descriptor = before

        return restore, before

    def is_ignored(self, number: int) -> bool:
        """See `Process.is_ignored`."""
        return number in self._ignored and number not in self._handlers

    def exit(self, code: int) -> NoReturn:
        """See `Process.exit`: records the code.

        Raises: ProcessExited, always.
        """
        self.exit_code = code
        raise ProcessExited(code)

    def __repr__(self) -> str:
        names = " ".join(sorted(signal.Signals(number).name for number in self._handlers))
        end = "" if self.exit_code is None else f" exited {self.exit_code}"
        return f"<FakeProcess {self._pid} handles {names or 'nothing'}{end}>"
