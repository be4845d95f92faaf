"""Facts about the keyboard and the screen: a real terminal, and pipes."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from struct import pack
from termios import ECHO, TIOCSWINSZ, tcgetattr

import pytest

from examples.im.chat.terminal import plain, width
from tests.architecture.source import ROOT

PATIENCE = 60.0

PROGRAM = """
import os, sys, threading
from examples.im.chat.terminal import Terminal
done = threading.Event()

with Terminal() as terminal:
    def entered(line):
        terminal.show(f"entered {line!r}")
        if line in (None, "/quit"):
            done.set()
        return not done.is_set()

    terminal.show("interactive" if terminal.interactive else "pipes")
    terminal.start(entered)
    if len(sys.argv) > 1:  # what arrives is told by a descriptor
        terminal.show(os.read(int(sys.argv[1]), 100).decode())
    done.wait()
print("over")
"""


class Keyboard:
    """The other side of a terminal of 40 columns."""

    def __init__(self, descriptor: int, arrivals: int) -> None:
        self._descriptor, self._arrivals = descriptor, arrivals
        self.seen = ""

    def press(self, keys: str) -> None:
        """As if typed."""
        os.write(self._descriptor, keys.encode())

    def arrive(self, text: str) -> None:
        """Let the program show something, which nobody typed; once."""
        os.write(self._arrivals, text.encode())

    def wait_for(self, text: str) -> str:
        """What was written until a text, which is looked for in what is new."""
        end, found = time.monotonic() + PATIENCE, ""
        while text not in found:
            left = end - time.monotonic()
            ready, _, _ = select.select([self._descriptor], [], [], max(left, 0))
            assert ready, f"{text!r} is not in {found!r}"
            found += os.read(self._descriptor, 65536).decode()
        self.seen += found
        return found


@contextmanager
def a_terminal(*, arrivals: bool = False) -> Iterator[Keyboard]:
    """The program at a terminal, which it leaves well."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, pack("HHHH", 24, 40, 0, 0))
    end, begin = os.pipe()
    environment = os.environ | {"TERM": "xterm", "PYTHONPATH": str(ROOT), "INPUTRC": "/dev/null"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *([str(end)] if arrivals else [])],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        pass_fds=[end],
    ) as process:
        try:
            yield Keyboard(ours, begin)
            assert process.wait(PATIENCE) == 0
            assert tcgetattr(theirs)[3] & ECHO
        finally:
            process.kill()
            for each in (ours, theirs, end, begin):
                os.close(each)


def test_a_line_can_be_edited_and_what_was_said_is_wiped() -> None:
    """It is shown again when it is stored; commands stay. The terminal is left as it was."""
    with a_terminal() as keyboard:
        assert "interactive" in keyboard.wait_for("> ")
        keyboard.press("helo\x1b[Dl\r")
        assert "\x1b[1A\x1b[J" in keyboard.wait_for("entered 'hello'")
        keyboard.press("/quit\r")
        assert "\x1b[1A\x1b[J" not in keyboard.wait_for("over")


def test_what_arrives_is_written_above_the_line_that_is_edited() -> None:
    """The line is drawn again, over as many rows as it has, and the cursor is where it was: what is
    typed next goes there."""
    with a_terminal(arrivals=True) as keyboard:
        keyboard.wait_for("> ")
        keyboard.press("a line that is longer than forty columns are" + "\x1b[D" * 10 + "X")
        # There is no line before: it rings the bell when it has drawn all the others, key by key.
        keyboard.press("\x1b[A")
        keyboard.wait_for("\x07")
        keyboard.arrive("from above")
        line = "a line that is longer than forty cXolumns are"
        keyboard.wait_for(f"\r\x1b[Jfrom above\r\n> {line}\x1b[1A\r\x1b[37C")
        keyboard.press("Y\r")
        assert "\x1b[2A\x1b[J" in keyboard.wait_for("entered '")
        keyboard.press("/quit\r")
        keyboard.wait_for("over")
        assert line.replace("X", "XY") in keyboard.seen.replace("\r\n", "")


def test_the_end_of_input_is_told() -> None:
    """Ctrl-D, at the beginning of a line."""
    with a_terminal() as keyboard:
        keyboard.wait_for("> ")
        keyboard.press("\x04")
        keyboard.wait_for("entered None")


def test_pipes_are_taken_line_by_line_without_a_prompt() -> None:
    """As programs have them."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="one\n\ntwo",
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines() == [
        "pipes",
        r"entered 'one\n'",
        r"entered '\n'",
        "entered 'two'",
        "entered None",
        "over",
    ]


@pytest.mark.parametrize(("text", "columns"), [("", 0), ("ada", 3), ("日本", 4), ("e\u0301", 1)])
def test_columns_are_counted(text: str, columns: int) -> None:
    """Wide characters take two, accents none."""
    assert width(text) == columns


def test_text_of_others_commands_no_terminal() -> None:
    """Escapes are gone, and what turns the direction of writing; lines and accents stay."""
    assert plain("a\x1b]0;pwn\x07b\u202ec\u2066d\x9be\nf\té") == "a]0;pwnbcde\nf\té"
