"""Facts about the line that shows an import."""

from __future__ import annotations

import io

from examples.im.importing.entries import Work
from examples.im.importing.progress import Progress


class Terminal(io.StringIO):
    """What says that it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds, set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_line_says_how_far_how_fast_and_how_long_still() -> None:
    """By what the source has counted."""
    clock, work = Clock(), Work()
    progress = Progress(work, 0, io.StringIO(), clock)
    assert progress.line(0) == f"reading {'─' * 24} 0%"
    work.begin("storing", 1000)
    work.done, clock.now = 250, 102.0
    line = f"storing {'━' * 6}{'─' * 18} 25%  50,000 messages  25,000/s  6 s left"
    assert progress.line(50_000) == line
    work.done, clock.now = 500, 400.0
    assert progress.line(60_000).endswith("  5 min 0 s left")


def test_a_limit_is_an_end_as_well() -> None:
    """Whichever is nearer."""
    clock, work = Clock(), Work()
    work.begin("storing", 1000)
    work.done, clock.now = 100, 101.0
    progress = Progress(work, 20, io.StringIO(), clock)
    assert " 10%" in progress.line(1)
    assert " 50%" in progress.line(10)


def test_on_a_terminal_the_line_is_drawn_again_and_wiped_at_the_end() -> None:
    """Ten times a second at most."""
    clock, out = Clock(), Terminal()
    progress = Progress(Work(), 0, out, clock)
    for _ in range(3):
        progress.show(0)
    clock.now += 0.2
    progress.show(0)
    progress.close()
    line = progress.line(0)
    assert out.getvalue().count("\r\x1b[K") == 3
    assert out.getvalue().startswith(f"\r\x1b[K{line}")
    assert out.getvalue().endswith("\r\x1b[K")


def test_elsewhere_there_is_a_line_now_and_then() -> None:
    """Without control characters, so that a log can be read."""
    clock, out = Clock(), io.StringIO()
    progress = Progress(Work(), 0, out, clock)
    for _ in range(100):
        progress.show(0)
        clock.now += 0.1
    progress.close()
    assert out.getvalue() == f"{progress.line(0)}\n" * 2
