"""A terminal for tests: what a program would type, and what it would see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from examples.im.chat.terminal import Terminal

PATIENCE = 90.0
"""Seconds of real time until something has to be shown, on a machine that is busy."""


class Screen(Terminal):
    """Types lines, and keeps what is shown."""

    def __init__(self, *, interactive: bool = False) -> None:
        super().__init__()
        self.interactive = interactive
        self.shown: list[str] = []
        self._more = asyncio.Event()
        self._started = asyncio.Event()
        self._entered: Callable[[str | None], bool] = lambda line: False

    def start(self, entered: Callable[[str | None], bool]) -> None:
        """See `Terminal`."""
        self._entered = entered
        self._started.set()

    def show(self, text: str) -> None:
        """See `Terminal`."""
        self.shown.append(text)
        self._more.set()

    async def type(self, *lines: str | None) -> bool:
        """Type lines, None for the end, each when the one before is dealt with; whether the client
        goes on."""
        await self._started.wait()
        answers = [await asyncio.to_thread(self._entered, line) for line in lines]
        return answers[-1]

    async def wait_for(self, text: str) -> None:
        """Until a line that is shown ends with a text."""
        async with asyncio.timeout(PATIENCE):
            while not any(each.endswith(text) for each in self.shown):
                self._more.clear()
                await self._more.wait()

    def said(self, name: str) -> list[str]:
        """What was shown of what somebody said, without its times."""
        return [each.split(f"{name}: ", 1)[1] for each in self.shown if f" {name}: " in each]
