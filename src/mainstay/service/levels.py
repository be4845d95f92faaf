"""Log levels that follow the configuration while the service runs.

An operator who needs to see more edits ``[mainstay.log]`` in the configuration file; no restart.
Only levels follow: everything else in the file takes effect with the next start, and a file that has
become wrong changes nothing but is complained about.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mainstay.errors import ConfigError
from mainstay.observe.log import Logs, LogSettings

__all__ = ["INTERVAL", "LevelFollower"]

INTERVAL: Final = 2.0
"""Seconds between two looks at the files."""

_log = logging.getLogger("mainstay.service")


class LevelFollower:
    """Looks at the files and applies the levels when one of them has changed.

    Args:
        files: the configuration files of the service.
        load: reads and checks the whole configuration; its log settings.
        logs: where the levels are set.
    """

    def __init__(self, files: Sequence[Path], load: Callable[[], LogSettings], logs: Logs) -> None:
        self._files = files
        self._load = load
        self._logs = logs
        self._seen = self._stamps()

    async def follow(self) -> None:
        """Look again and again until cancelled; at once done without files."""
        while self._files:
            await asyncio.sleep(INTERVAL)
            try:
                await asyncio.to_thread(self.look)
            except Exception:
                # What an operator edits must not end the service.
                _log.exception("the log levels could not be read again")

    def look(self) -> None:
        """Apply the levels if a file has changed since the last look."""
        stamps = self._stamps()
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            settings = self._load()
        except ConfigError as error:
            _log.error("the configuration has changed and is wrong now; levels stay:\n%s", error)
            return
        self._logs.apply(settings)
        levels = {"root": settings.level, **settings.levels}
        said = ", ".join(f"{name}={level}" for name, level in levels.items())
        _log.warning("the configuration has changed; log levels are %s", said)

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in self._files]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    # The inode too: editors and mounted config maps replace the file.
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
