"""Facts about programs that share a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]

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
from examples.im.together import Together
texts = dict(zip(sys.argv[1::2], sys.argv[2::2]))
commands = {name: (sys.executable, "-c", text) for name, text in texts.items()}
sys.exit(asyncio.run(Together(commands).run()))
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
    """What each says has its name before it; one says goodbye after the other."""
    with together(logic=POLITE, gateway=POLITE) as process:
        assert sorted(lines(process, 2)) == ["  logic | hello", "gateway | hello"]
        process.send_signal(signal.SIGINT)
        assert lines(process, 2) == ["gateway | goodbye", "  logic | goodbye"]
        assert process.wait(20) == 0


def test_when_one_ends_the_others_are_ended_and_its_exit_code_is_told(tmp_path: Path) -> None:
    """Half a system is none."""
    met = str(tmp_path / "met")
    os.mkfifo(met)
    polite = POLITE.replace("while", f"open({met!r}, 'w').close()\nwhile")
    failing = f"import sys; open({met!r}).read(); sys.exit('it broke')"
    with together(polite=polite, failing=failing) as process:
        said = lines(process, 3)
        assert sorted(said) == [" polite | goodbye", " polite | hello", "failing | it broke"]
        assert process.wait(20) == 1


def test_ctrl_c_again_hurries_the_one_that_is_being_ended() -> None:
    """It is asked a second time, and the other still once, afterwards."""
    with together(first=POLITE, second=STUBBORN) as process:
        assert sorted(lines(process, 2)) == [" first | hello", "second | hello"]
        process.send_signal(signal.SIGINT)
        assert lines(process, 1) == ["second | asked 1"]
        process.send_signal(signal.SIGINT)
        assert lines(process, 2) == ["second | asked 2", " first | goodbye"]
        assert process.wait(20) == 3
