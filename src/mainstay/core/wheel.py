"""Timers for deadlines, many of them and coarse.

Almost every deadline is withdrawn before it fires, because almost every call ends in time. So
setting and withdrawing must be cheap and firing may be late: timers are gathered in slots of
`TICK` seconds, and the loop holds one timer for the earliest slot, however many deadlines there
are. Setting is a dictionary look-up and an insertion, withdrawing a deletion. Emptied slots are
swept away whenever the number of slots has doubled; one that is not still wakes the loop once.

A hashed timing wheel (Varghese and Lauck, 1987), with a dictionary and a heap of slots instead of
an array, since most slots are empty.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextvars import Context
from math import ceil
from typing import Any, Final

__all__ = ["TICK", "Timer", "Wheel"]

TICK: Final = 0.01
"""Seconds. A timer fires at most this much (and the loop's own lateness) after its time."""

# Slots below which sweeping is not worth it.
_FEW: Final = 256

# Seconds: more than the resolution of any loop's clock, so that a virtual one moves on as well.
_AGAIN: Final = 1e-5


class Timer:
    """One set timer; `cancel` withdraws it."""

    __slots__ = ("_callback", "_slot")

    def __init__(self, slot: dict[Timer, None], callback: Callable[[], None]) -> None:
        self._slot = slot
        self._callback = callback

    def cancel(self) -> None:
        """Withdraw the timer; idempotent, and harmless after it has fired."""
        self._slot.pop(self, None)

    def __repr__(self) -> str:
        return f"<Timer {self._callback!r}>"

    def fire(self) -> None:
        """Run the callback; for the wheel."""
        self._callback()


class Wheel:
    """The timers of one event loop; use it only on that loop's thread."""

    __slots__ = (
        "_armed",
        "_context",
        "_crowded",
        "_handle",
        "_loop",
        "_monotonic",
        "_order",
        "_slots",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, monotonic: Callable[[], float]) -> None:
        self._loop = loop
        self._monotonic = monotonic
        self._slots: dict[int, dict[Any, None]] = {}
        self._order: list[int] = []
        self._crowded = _FEW
        # Empty: timers belong to many, and should not run as, nor keep alive, who set the first.
        self._context = Context()
        self._handle: asyncio.TimerHandle | None = None
        self._armed = 0

    def at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once `monotonic()` has reached `when`; never early, up to `TICK` late."""
        slot = self.slot(when)
        timer = Timer(slot, callback)
        slot[timer] = None
        return timer

    def slot(self, when: float) -> dict[Any, None]:
        """The same for who is its own timer: put yourself in there, to have your `fire` called, and
        take yourself out to withdraw."""
        tick = ceil(when / TICK)
        if tick * TICK < when:  # the division was rounded
            tick += 1
        slot = self._slots.get(tick)
        if slot is None:
            if len(self._order) >= self._crowded:
                self._sweep()
            slot = self._slots[tick] = {}
            heapq.heappush(self._order, tick)
            if self._handle is None or tick < self._armed:
                self._arm()
        return slot

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def __repr__(self) -> str:
        return f"<Wheel timers={len(self)} slots={len(self._slots)}>"

    def _sweep(self) -> None:
        self._slots = {tick: slot for tick, slot in self._slots.items() if slot}
        self._order = sorted(self._slots)  # which is a heap
        self._crowded = max(_FEW, 2 * len(self._order))

    def _arm(self, at_least: float = 0.0) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed = self._order[0]
        self._handle = self._loop.call_later(
            max(at_least, self._armed * TICK - self._monotonic()),
            self._turn,
            context=self._context,
        )

    def _turn(self) -> None:
        self._handle = None
        now = self._monotonic()
        due = []
        # A loop with a coarse clock (uvloop: 1 ms) may call a little early, and so does any loop
        # when a sum of times is rounded; such a slot waits for the next turn, because a deadline
        # that fires early cuts work that was still allowed.
        while self._order and self._order[0] * TICK <= now:
            due.append(self._slots.pop(heapq.heappop(self._order)))
        if self._order:
            self._arm(_AGAIN)
        try:
            for slot in due:
                self._fire(slot)
        except BaseException:  # the program ends, or the loop is run again
            for slot in due:
                self._loop.call_soon(self._fire, slot)
            raise

    def _fire(self, slot: dict[Any, None]) -> None:
        for timer in tuple(slot):
            if timer not in slot:
                continue  # withdrawn by one before it
            del slot[timer]
            try:
                timer.fire()
            except Exception as error:
                # As the loop does it for callbacks of its own: the other timers have to fire.
                context = {"message": f"timer failed: {timer!r}", "exception": error}
                self._loop.call_exception_handler(context)
