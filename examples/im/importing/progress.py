"""How far an import is: one line that is drawn again on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from examples.im.importing.entries import Work

WIDTH = 24
"""Characters of the bar."""

_REDRAWN, _REPEATED = 0.1, 5.0
"""Seconds between lines: on a terminal, and elsewhere."""


class Progress:
    """Says how far an import is.

    Args:
        work: what the source counts.
        limit: of messages, after which the import ends; 0 for none.
        out: where to write.
        clock: seconds, monotonic.
    """

    def __init__(self, work: Work, limit: int, out: TextIO, clock: Callable[[], float]) -> None:
        self._work, self._limit, self._out, self._clock = work, limit, out, clock
        self._begun = clock()
        self._drawn = float("-inf")
        self._terminal = out.isatty()

    def show(self, messages: int) -> None:
        """So many messages are stored. Most calls write nothing, as too little time has passed."""
        now = self._clock()
        if now - self._drawn >= (_REDRAWN if self._terminal else _REPEATED):
            self._drawn = now
            self._write(self.line(messages))

    def close(self) -> None:
        """Leave the line to what is written next."""
        if self._terminal:
            self._write("")

    def line(self, messages: int) -> str:
        """What is shown, such as ``storing ━━━━━━────── 50%  51,200 messages  22,000/s  2 s left``."""
        passed = self._clock() - self._begun
        fraction = self._work.fraction
        if self._limit:
            fraction = max(fraction, min(messages / self._limit, 1.0))
        full = int(fraction * WIDTH)
        parts = [f"{self._work.doing} {'━' * full}{'─' * (WIDTH - full)} {fraction:.0%}"]
        if messages and passed > 0:
            parts.append(f"{messages:,} messages")
            parts.append(f"{messages / passed:,.0f}/s")
            if fraction > 0:
                parts.append(f"{_duration(passed * (1 - fraction) / fraction)} left")
        return "  ".join(parts)

    def _write(self, line: str) -> None:
        self._out.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        self._out.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
