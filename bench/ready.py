"""From the start of a process to the moment it says it is ready. Wall-clock time: people wait."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench.harness import Case, Experiment, NewLoop, Sample

__all__ = ["EXPERIMENT"]

ROOT: Final = Path(__file__).parent.parent
PATIENCE: Final = 10.0
"""Seconds that a program has to end after it was asked to."""


def started(name: str, *arguments: str, says: bytes) -> Case:
    """A program, from its start to the line in which it says that it is ready."""

    def sample(times: int, new_loop: NewLoop) -> Sample:
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if says in line:
                    break
            taken = time.perf_counter() - began
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=PATIENCE)
        if not said or says not in said[-1]:
            output = (b"".join(said) + rest).decode()
            message = f"{name} never said {says.decode()!r}, but:\n{output}"
            raise RuntimeError(message)
        return Sample(taken)

    return Case(name, sample)


EXPERIMENT = Experiment(
    "ready",
    "start a process, to the line that says it is ready (wall-clock time)",
    [
        started("python that prints a line", "-c", "print('ready')", says=b"ready"),
        started("asyncio on uvloop, logs a line", "-m", "bench.programs.bare", says=b"ready"),
        started("Service.run()", "-m", "bench.programs.hello", says=b"runs on"),
        started(
            "mainstay run, no server",
            *("-m", "mainstay", "run", "bench.programs.hello:service"),
            says=b"runs on",
        ),
        started(
            "mainstay run examples.hello",
            *("-m", "mainstay", "run", "examples.hello.service:service"),
            *("--set", 'mainstay.http.listen=["tcp://127.0.0.1:0"]'),
            says=b"runs on",
        ),
    ],
    reference="asyncio on uvloop, logs a line",
    rounds=15,
    times=1,
)
