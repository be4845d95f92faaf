"""The keyboard and the screen, or two pipes.

On a terminal the line is edited by readline, in a thread, as it blocks; what arrives is written above
it, and it is drawn again. The prompt is always the same, since readline counts on it.
"""

from __future__ import annotations

import os
import re
import readline
import sys
import unicodedata
from collections.abc import Callable
from ctypes import CDLL, c_int
from termios import TCSADRAIN, tcgetattr, tcsetattr
from threading import Thread
from types import TracebackType
from typing import Any, Self

PROMPT = "> "

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Terminal:
    """What is typed, and what is shown. Use it as ``with Terminal() as terminal:``, which leaves the
    terminal as it was: readline may be in the middle of a line at the end.

    Attributes:
        interactive: whether a person sits there.
    """

    def __init__(self) -> None:
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()
        self._editing = False
        self._modes: list[Any] | None = None

    def __enter__(self) -> Self:
        if self.interactive:
            self._modes = tcgetattr(sys.stdin)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._modes is not None:
            tcsetattr(sys.stdin, TCSADRAIN, self._modes)
            if self._editing:
                print()

    def start(self, entered: Callable[[str | None], bool]) -> None:
        """Call `entered`, in another thread, with each line, and with None at the end, until it
        answers False."""
        Thread(target=self._read, args=(entered,), name="keyboard", daemon=True).start()

    def show(self, text: str) -> None:
        """Write lines, above that which is edited; whoever they are of, they command nothing."""
        text = plain(text)
        if not self._editing:
            print(text, flush=True)
            return
        columns = _columns()
        line = readline.get_line_buffer()
        before = line.encode()[: _point(line)].decode(errors="ignore")
        above = width(PROMPT + before) // columns
        below = width(PROMPT + line) // columns - above
        up = f"\x1b[{above}A" if above else ""
        back = f"\x1b[{below}A" if below else ""
        column = width(PROMPT + before) % columns
        right = f"\x1b[{column}C" if column else ""
        sys.stdout.write(f"{up}\r\x1b[J{text}\n{PROMPT}{line}{back}\r{right}")
        sys.stdout.flush()

    def _read(self, entered: Callable[[str | None], bool]) -> None:
        if not self.interactive:
            for line in sys.stdin:
                if not entered(line):
                    return
            entered(None)
            return
        readline.set_pre_input_hook(self._begin)
        while entered(self._edited()):
            pass

    def _edited(self) -> str | None:
        try:
            line = input(PROMPT)
        except EOFError:
            return None
        finally:
            self._editing = False
        if line and not line.startswith("/"):
            # What is said is shown when it is stored.
            rows = width(PROMPT + line) // _columns() + 1
            sys.stdout.write(f"\x1b[{rows}A\x1b[J")
            sys.stdout.flush()
        return line

    def _begin(self) -> None:
        self._editing = True


def _point(line: str) -> int:
    """Where in the line readline's cursor is, in bytes; the module does not tell, the library does."""
    try:
        return c_int.in_dll(CDLL(readline.__file__), "rl_point").value
    except (AttributeError, OSError, ValueError):
        return len(line.encode())


def _columns() -> int:
    """Of the terminal itself, as readline counts, whatever COLUMNS says; one that does not know has
    as many as most."""
    return os.get_terminal_size(sys.stdout.fileno()).columns or 80


def plain(text: str) -> str:
    """Text of whomever without what a terminal would obey, or would write from right to left for."""
    return _CONTROLS.sub("", text)


def width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )
