"""Opens the control socket of a process when its turn comes, and closes it.

A path that somebody has named is meant: if it cannot be had, the start fails. The one that follows
from the target is an offer: the same service may run several times from one folder, each with
listeners of its own, and then the first one has it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from mainstay.errors import Error, StartError
from mainstay.interfaces.controlled import Controlled
from mainstay.process.control import ControlServer
from mainstay.process.control_place import default_path

__all__ = ["ControlDoor"]

_log = logging.getLogger(__name__)


class ControlDoor:
    """See the top of the file. Make and use it on one loop; nothing happens without a place.

    Args:
        controlled: what answers.
        setting: the path that was named; empty for no socket; None for the default.
        target: of the service, as named on the command line; without one there is no default.
        folder: that the process was started in, to which `setting` is relative.
        environ: says where the default is.
        warn: told, in a line, why there is none and what to do; besides the log.
    """

    def __init__(
        self,
        controlled: Controlled,
        *,
        setting: str | None,
        target: str,
        folder: Path,
        environ: Mapping[str, str],
        warn: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._warn = warn
        self._controlled = controlled
        self._setting = setting
        self._target = target
        self._folder = folder
        self._environ = environ
        self._server: ControlServer | None = None
        self._waiting: asyncio.Task[None] | None = None

    @property
    def path(self) -> Path | None:
        """Where it can be reached now."""
        server = self._server
        return server.path if server is not None and server.listening else None

    def open(self) -> None:
        """Be reachable; before the service starts, and without a generation before it.

        Raises: StartError when the path was named and cannot be had.
        """
        try:
            self._server = self._made()
            if self._server is not None:
                self._server.start()
        except Error as error:
            if self._setting is not None:
                raise StartError("the control socket", error) from error
            # An offer that cannot be kept: nobody has asked for it yet.
            text = (
                f"this process has no control socket: {error}; to reach it by `mainstay status`, "
                "`stop` and their like, start it with --control PATH"
            )
            _log.warning("%s", text)
            self._warn(text)

    def take_over(self) -> None:
        """Be reachable as soon as the generation before lets go of the path."""
        try:
            self._server = self._made()
        except Error as error:
            _log.warning("this process has no control socket: %s", error)
            return
        if self._server is not None:
            self._waiting = asyncio.get_running_loop().create_task(self._wait(), name="control")

    async def _wait(self) -> None:
        assert self._server is not None
        try:
            await self._server.wait_free()
        except Error as error:
            # The service serves by now, and that counts for more.
            _log.warning("this process has no control socket: %s", error)

    def _made(self) -> ControlServer | None:
        if self._setting is not None:
            if not self._setting:
                return None
            return ControlServer(self._controlled, self._folder / self._setting)
        if not self._target or not hasattr(socket, "SO_PEERCRED"):
            return None
        path = default_path(self._target, self._folder, self._environ, os.geteuid())
        return ControlServer(self._controlled, path, tidy=True)

    def release(self) -> None:
        """Let the next generation have the path. Idempotent."""
        self._stop_waiting()
        if self._server is not None:
            self._server.release()

    def close(self, code: int | None = None) -> None:
        """Be gone; `code` as for `ControlServer.close`. Idempotent."""
        self._stop_waiting()
        if self._server is not None:
            self._server.close(code)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
