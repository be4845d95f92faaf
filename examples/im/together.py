"""Several programs in one terminal: what they print told apart, and their end in order.

Each has a session of its own, so that Ctrl-C reaches this program alone, which then ends them one
after the other, the last started first. Ctrl-C again hurries the one that is being ended.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Final

_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WIDE: Final = 1 << 20
"""Bytes of a line, at most: a log line may have a traceback in it."""


class Together:
    """Programs that run side by side until one ends or a signal comes.

    Args:
        commands: what to run, by the names that stand before each line of their output.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]]) -> None:
        self._commands = commands
        self._width = max(map(len, commands))
        self._asked = asyncio.Event()
        self._ending: asyncio.subprocess.Process | None = None

    async def run(self) -> int:
        """Run them; returns the first of their exit codes that is not 0, from the last started on."""
        loop = asyncio.get_running_loop()
        for number in _ENDS:
            loop.add_signal_handler(number, self._ask)
        started: list[asyncio.subprocess.Process] = []
        async with asyncio.TaskGroup() as group:
            for name, command in self._commands.items():
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    limit=_WIDE,
                    start_new_session=True,
                )
                started.append(process)
                group.create_task(self._show(name, process))
                group.create_task(self._watch(process))
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

    async def _show(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            sys.stdout.write(f"{name:>{self._width}} | {line.decode(errors='replace')}")
            sys.stdout.flush()
