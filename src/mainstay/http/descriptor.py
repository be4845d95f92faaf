"""A file descriptor that threads use and the loop closes, without the two meeting.

A descriptor is a number, and the next file opened gets the same: closed while a thread still reads
or writes it, it would be another file under the thread's hands. A cancelled call leaves its thread
behind for a moment, so this happens; here the last one out closes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from mainstay.errors import ClosedError

__all__ = ["Descriptor", "write_all"]

P = ParamSpec("P")
T = TypeVar("T")


class Descriptor:
    """Owns `number`, and closes it when it is closed or forgotten."""

    __slots__ = ("_closed", "_lock", "_number", "_users")

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False

    def use(
        self, function: Callable[Concatenate[int, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `function` with the number in front of the other arguments, in any thread.

        Raises: ClosedError after `close`.
        """
        with self._lock:
            if self._closed:
                raise ClosedError("the file was closed before")
            self._users += 1
        try:
            return function(self._number, *args, **kwargs)
        finally:
            with self._lock:
                self._users -= 1
                self._close_if_left()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Close it, as soon as no thread uses it. Idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._close_if_left()

    def _close_if_left(self) -> None:
        if self._closed and not self._users:
            os.close(self._number)

    def __del__(self) -> None:
        self.close()


def write_all(number: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`: a full disk makes `os.pwrite` write a part first."""
    view = memoryview(data)
    while view:
        written = os.pwrite(number, view, offset)
        view = view[written:]
        offset += written
