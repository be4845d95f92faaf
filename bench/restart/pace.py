"""Requests at a fixed rate, whatever becomes of those before (an open loop)."""

from __future__ import annotations

import asyncio
import random
from array import array
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.restart.outcomes import Outcome, Recorder, outcome_of

__all__ = ["Load", "Pace", "attempt"]

Request = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Load:
    """Requests of one kind.

    Attributes:
        kind: its name in the table.
        rate: a second.
        request: sends one, and returns when it is answered; raises what has become of it else.
    """

    kind: str
    rate: float
    request: Request


async def attempt(recorder: Recorder, kind: str, due: float, request: Request) -> None:
    """Send one that was due at that time of the loop, and record what becomes of it."""
    loop = asyncio.get_running_loop()
    phase = recorder.phase
    try:
        await request()
    except Exception as error:  # every way to fail is an outcome
        outcome = outcome_of(error)
        detail = str(error) or repr(error)
        if outcome is Outcome.ERROR:
            detail = repr(error)
        took = loop.time() - due
        recorder.failed(kind, phase, outcome, f"{detail} ({took * 1000:.1f} ms after it was due)")
    else:
        recorder.ok(kind, phase, loop.time() - due)


class Pace:
    """Keeps one load going until it is stopped.

    Args:
        recorder: where everything is counted.
        load: what to send, and how often.
    """

    def __init__(self, recorder: Recorder, load: Load) -> None:
        self._recorder = recorder
        self._load = load
        self._requests: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def run(self) -> None:
        """Send until `stop`, and return when the last one has its outcome."""
        loop = asyncio.get_running_loop()
        every = 1 / self._load.rate
        # Loads of the same rate would all be sent at the same moment.
        due = loop.time() + random.random() * every
        while not self._stopped:
            await asyncio.sleep(max(0.0, due - loop.time()))
            recorder = self._recorder
            recorder.late.setdefault(recorder.phase, array("d")).append(loop.time() - due)
            task = loop.create_task(
                attempt(recorder, self._load.kind, due, self._load.request), name=self._load.kind
            )
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)
            due += every
        if self._requests:
            await asyncio.wait(self._requests)

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True
