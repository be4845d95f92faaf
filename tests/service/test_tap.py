"""Facts about `mainstay.service.tap`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mainstay.core.effects import Effects
from mainstay.service.tap import SignalTap
from mainstay.testing import FakeProcess

SRC = Path(__file__).parents[2] / "src"


def test_it_hears_and_passes_on() -> None:
    """The number arrives here, and at whoever listened before."""
    process = FakeProcess()
    process.on_signal(signal.SIGTERM, lambda number: None)
    before, writing = os.pipe()
    process.wake(writing)
    heard: list[int] = []
    arrived = threading.Event()

    def hear(number: int) -> None:
        heard.append(number)
        arrived.set()

    tap = SignalTap(process, hear)
    process.send(signal.SIGTERM)
    assert arrived.wait(5)
    assert os.read(before, 1) == bytes([signal.SIGTERM])
    tap.stop()
    tap.stop()
    assert heard == [signal.SIGTERM]
    process.send(signal.SIGTERM)
    assert os.read(before, 1) == bytes([signal.SIGTERM])
    os.close(before)
    os.close(writing)


def test_a_descriptor_that_others_took_over_stays_theirs() -> None:
    """`loop.add_signal_handler` sets its own while we have ours."""
    tap = SignalTap(Effects().process, lambda number: None)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    tap.stop()
    assert signal.set_wakeup_fd(-1) == writing
    os.close(reading)
    os.close(writing)


PROGRAM = """
import asyncio, sqlite3, sys
from mainstay import Service
service = Service("busy")

@service.worker
async def query() -> None:
    db = sqlite3.connect(":memory:")
    print("here", flush=True)
    db.execute("with recursive c(x) as (select 1 union all select x + 1 from c) "
               "select count(*) from c").fetchone()

sys.exit(service.run(files=[], flags=["mainstay.shutdown.timeout=0.5"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_signal_during_an_endless_call_into_c_ends_the_process(number: int) -> None:
    """No bytecode of the main thread runs any more; the guard's thread ends it all the same."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=15)
    assert process.returncode == 124
    assert "in query" in said or " query" in said
