"""Several programs in one terminal: what they print told apart, and their end in order.

Each is started when the one before it is ready. Each has a session of its own, so that Ctrl-C
reaches this program alone, which then ends them one after the other, the last started first. Ctrl-C
again hurries the one that is being ended.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WIDE: Final = 1 << 20
"""Bytes of a line, at most: a log line may have a traceback in it."""


@dataclass(frozen=True)
class Part:
    """One program.

    Attributes:
        name: stands before each line of its output.
        command: what to run.
        sign: is in the line by which it says that it is ready.
    """

    name: str
    command: Sequence[str]
    sign: str


class Together:
    """Programs that run side by side until one ends or a signal comes.

    Args:
        parts: in the order in which they are started.
    """

    def __init__(self, *parts: Part) -> None:
        self._parts = parts
        self._width = max(len(part.name) for part in parts)
        self._asked = asyncio.Event()
        self._ending: asyncio.subprocess.Process | None = None

    async def run(self) -> int:
        """Run them; returns the first of their exit codes that is not 0, from the last started on."""
        loop = asyncio.get_running_loop()
        for number in _ENDS:
            loop.add_signal_handler(number, self._ask)
        started: list[asyncio.subprocess.Process] = []
        async with asyncio.TaskGroup() as group:
            for part in self._parts:
                process = await asyncio.create_subprocess_exec(
                    *part.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    limit=_WIDE,
                    start_new_session=True,
                )
                started.append(process)
                ready = asyncio.Event()
                group.create_task(self._show(part, process, ready))
                group.create_task(self._watch(process))
                await self._either(ready)
                if self._asked.is_set():
                    break
            await self._asked.wait()
            for process in reversed(started):
                await self._end(process)
        return next((code for each in reversed(started) if (code := each.returncode)), 0)

    def _ask(self) -> None:
        self._asked.set()
        if self._ending is not None and self._ending.returncode is None:
            self._ending.terminate()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self._asked.set()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.terminate()
            self._ending = process
            await process.wait()
            self._ending = None

    async def _either(self, ready: asyncio.Event) -> None:
        """Wait for this or for the end."""
        waits = [asyncio.ensure_future(event.wait()) for event in (ready, self._asked)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    async def _show(
        self, part: Part, process: asyncio.subprocess.Process, ready: asyncio.Event
    ) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            said = line.decode(errors="replace")
            sys.stdout.write(f"{part.name:>{self._width}} | {said}")
            sys.stdout.flush()
            if part.sign in said:
                ready.set()
