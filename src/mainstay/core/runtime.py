"""What the scopes of one tree share."""

from __future__ import annotations

import asyncio
import functools
import threading

from mainstay.core.effects import Effects
from mainstay.core.wheel import Wheel
from mainstay.errors import UsageError

__all__ = ["Runtime"]


@functools.cache
def _world() -> Effects:
    return Effects()


class Runtime:
    """The loop of a tree of scopes, its timers, and the world they live in.

    Args:
        effects: the world; the real one unless given.

    Attributes:
        effects: the same.
        loop: the loop that runs now; every scope of the tree belongs to it.
        thread: the ident of the loop's thread.
        monotonic: the clock of every deadline.
        wheel: the timers of every deadline.
        lock: for the little that threads change.

    Raises: UsageError when no event loop is running.
    """

    __slots__ = ("effects", "lock", "loop", "monotonic", "thread", "wheel")

    def __init__(self, effects: Effects | None = None) -> None:
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            message = "a scope without a parent can only be made while an event loop is running"
            raise UsageError(message) from None
        self.effects = effects or _world()
        self.monotonic = self.effects.clock.monotonic
        self.thread = threading.get_ident()
        self.lock = threading.Lock()
        self.wheel = Wheel(self.loop, self.monotonic)
