"""Facts about programs that share a terminal."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0
"""Seconds for what takes a moment, on a machine that is busy."""

POLITE = """
import signal, sys
def leave(*_):
    print("goodbye", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("hello", flush=True)
while True:
    signal.pause()
"""

STUBBORN = """
import signal, sys
def leave(*_):
    global asked
    asked += 1
    print("asked", asked, flush=True)
    if asked == 2:
        sys.exit(3)
asked = 0
signal.signal(signal.SIGTERM, leave)
print("hello", flush=True)
while True:
    signal.pause()
"""

RUN = """
import asyncio, sys
from examples.im.together import Part, Together
texts = zip(sys.argv[1::2], sys.argv[2::2])
parts = [Part(name, (sys.executable, "-c", text), "hello") for name, text in texts]
sys.exit(asyncio.run(Together(*parts).run()))
"""


@contextmanager
def together(**texts: str) -> Iterator[subprocess.Popen[str]]:
    """Programs of these texts, started in this order."""
    arguments = [each for pair in texts.items() for each in pair]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """The next lines that were printed."""
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


def test_lines_have_names_and_ctrl_c_ends_the_last_started_first() -> None:
    """What each says has its name before it; they come and leave one after the other."""
    with together(logic=POLITE, gateway=POLITE) as process:
        assert lines(process, 2) == ["  logic | hello", "gateway | hello"]
        process.send_signal(signal.SIGINT)
        assert lines(process, 2) == ["gateway | goodbye", "  logic | goodbye"]
        assert process.wait(PATIENCE) == 0


def test_when_one_ends_the_others_are_ended_and_its_exit_code_is_told() -> None:
    """Half a system is none."""
    with together(polite=POLITE, failing="import sys; sys.exit('it broke')") as process:
        said = lines(process, 3)
        assert said == [" polite | hello", "failing | it broke", " polite | goodbye"]
        assert process.wait(PATIENCE) == 1


def test_what_comes_after_one_that_does_not_start_is_not_started() -> None:
    """The second waits until the first one is ready, and that is never."""
    with together(failing="import sys; sys.exit('it broke')", polite=POLITE) as process:
        assert process.communicate(timeout=PATIENCE)[0] == "failing | it broke\n"
        assert process.returncode == 1


def test_ctrl_c_again_hurries_the_one_that_is_being_ended() -> None:
    """It is asked a second time, and the other still once, afterwards."""
    with together(first=POLITE, second=STUBBORN) as process:
        assert lines(process, 2) == [" first | hello", "second | hello"]
        process.send_signal(signal.SIGINT)
        assert lines(process, 1) == ["second | asked 1"]
        process.send_signal(signal.SIGINT)
        assert lines(process, 2) == ["second | asked 2", " first | goodbye"]
        assert process.wait(PATIENCE) == 3
