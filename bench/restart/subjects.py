"""What is restarted: mainstay as one process or with workers, and the controls, which lose requests.

Each knows how it is started and restarted, and how to tell that a restart is over: the processes of
before are gone, and others serve.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from bench.restart.endpoint import Endpoint
from bench.restart.processes import Family, children, exists, wait_until

__all__ = [
    "ROOT",
    "GoServer",
    "Mainstay",
    "NotRestarted",
    "ReusePort",
    "Stopped",
    "Subject",
    "build_go",
    "free_port",
]

ROOT: Final = Path(__file__).parent.parent.parent
HERE: Final = Path(__file__).parent
PATIENCE: Final = 60.0
"""Seconds for a start or a restart."""

REMIND: Final = 5.0
"""Seconds after which a signal that nothing came of is sent again."""


class NotRestarted(Exception):
    """A restart, or a start, has not come about."""


class Subject(Protocol):
    """Something that can be restarted under load.

    Attributes:
        endpoint: where it serves.
        parts: of the load that it can answer; see `bench.restart.load.PARTS`.
    """

    endpoint: Endpoint
    parts: tuple[str, ...]

    async def start(self) -> None:
        """Start it, and wait until it serves."""

    async def restart(self) -> None:
        """Restart it, and wait until that is over. Raises: NotRestarted."""

    async def stop(self) -> None:
        """Stop it."""


def free_port() -> int:
    """A port of the loopback address that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def _wait_serving(endpoint: Endpoint) -> None:
    context = endpoint.tls("http/1.1")
    until = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError):
            _, writer = await endpoint.connect(context)
            writer.close()
            return
        if time.monotonic() > until:
            raise NotRestarted("it does not listen")
        await asyncio.sleep(0.02)


class Mainstay:
    """Ours, restarted with SIGHUP.

    Args:
        family: starts it.
        folder: for its configuration.
        endpoint: where.
        workers: under a supervisor; 0 for a single process.
        certificate, key: files, to serve with TLS.
    """

    parts: tuple[str, ...] = ("http1", "rest", "grpc")

    def __init__(
        self,
        family: Family,
        folder: Path,
        endpoint: Endpoint,
        *,
        workers: int = 0,
        certificate: str = "",
        key: str = "",
    ) -> None:
        self.endpoint = endpoint
        self.fault = folder / "fault"
        self.config = folder / "subject.toml"
        self.settings = _settings(endpoint, certificate, key)
        self.reminders = 0
        self._family = family
        self._workers = workers
        self._pid = 0
        self.fault.write_text("")
        self.config.write_text(self.settings)

    async def start(self) -> None:
        """See `Subject`."""
        command = [sys.executable, "-m", "mainstay", "run", "bench.restart.service"]
        command += ["--config", str(self.config)]
        if self._workers:
            command += ["--workers", str(self._workers)]
        environ = {**os.environ, "RESTART_PROOF_FAULT": str(self.fault)}
        self._pid = self._family.start(command, environ, ROOT)
        await _wait_serving(self.endpoint)
        if self._workers and not await wait_until(self._is_whole, PATIENCE):
            raise NotRestarted(f"there are not {self._workers} workers")

    def _is_whole(self) -> bool:
        return len(children(self._pid)) == self._workers

    async def restart(self) -> None:
        """See `Subject`."""
        before = children(self._pid) if self._workers else {self._pid}

        def over() -> bool:
            now = children(self._pid) if self._workers else self._family.alive()
            if self._workers:
                return len(now) == self._workers and not now & before
            return self._pid not in now and len(now) == 1

        if not await self._signalled(over, before):
            raise NotRestarted(f"{self._state()} after {PATIENCE:g} s")
        if not self._workers:
            ended = self._family.statuses[self._pid]
            if ended != 0:
                raise NotRestarted(f"process {self._pid} ended with {ended}")
            [self._pid] = self._family.alive()

    async def fail_to_restart(self, moment: str) -> None:
        """Ask for a restart that fails at this moment, and wait until the old is alone again.

        Args:
            moment: one of `bench.restart.service.misbehave`, or ``config``.

        Raises: NotRestarted when it has succeeded, or has not failed in time.
        """
        before = children(self._pid) if self._workers else {self._pid}
        if moment == "config":
            self.config.write_text("[mainstay.http]\nlisten = 7\n")
        else:
            self.fault.write_text(moment)
        seen = False

        def over() -> bool:
            nonlocal seen
            now = children(self._pid)
            tried = now - before if self._workers else now
            seen = seen or bool(tried)
            return seen and not tried

        try:
            if not await self._signalled(over, before):
                raise NotRestarted(f"{self._state()}, {PATIENCE:g} s after a restart that fails")
        finally:
            self.fault.write_text("")
            self.config.write_text(self.settings)
        self._family.reap()
        alive = children(self._pid) if self._workers else self._family.alive()
        if alive != before:
            raise NotRestarted(f"{alive} run instead of {before}")

    async def _signalled(self, over: object, before: set[int]) -> bool:
        """Send SIGHUP and wait; send it again where nothing has come of it."""
        assert callable(over)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            os.kill(self._pid, signal.SIGHUP)
            if await wait_until(over, REMIND):
                return True
            if children(self._pid) - before or not exists(self._pid):
                return await wait_until(over, until - time.monotonic())
            self.reminders += 1
        return False

    def _state(self) -> str:
        self._family.reap()
        return f"process {self._pid} with {sorted(children(self._pid))}"

    async def stop(self) -> None:
        """See `Subject`."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)
        await wait_until(lambda: not self._family.alive(), PATIENCE)


def _settings(endpoint: Endpoint, certificate: str, key: str) -> str:
    """Short waits, so that a thousand restarts end in time; what they wait for is the same."""
    lines = [
        "[mainstay.http]",
        f'listen = ["{endpoint.listen}"]',
        "[mainstay.http.limits]",
        "lame_duck = 0.2",
        "[mainstay.process]",
        "probation = 0.1",
        "drain_timeout = 30.0",
        "heartbeat = 0.2",
        "[mainstay.log]",
        'level = "info"',
    ]
    if certificate:
        lines += ["[mainstay.http.tls]", f'certificate = "{certificate}"', f'key = "{key}"']
    return "\n".join(lines) + "\n"


class Stopped(Mainstay):
    """A control: ours, ended and started again, as without any of this."""

    async def restart(self) -> None:
        """See `Subject`."""
        os.kill(self._pid, signal.SIGTERM)
        if not await wait_until(lambda: not self._family.alive(), PATIENCE):
            raise NotRestarted("it does not end")
        await self.start()


class ReusePort:
    """A control: processes with SO_REUSEPORT, the new one started before the old one ends."""

    parts: tuple[str, ...] = ("http1",)

    def __init__(self, family: Family, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._family = family
        self._pid = 0

    async def start(self) -> None:
        """See `Subject`."""
        ready, told = os.pipe()
        command = [sys.executable, "-m", "bench.restart.control_reuseport", str(self.endpoint)]
        try:
            self._pid = self._family.start(command, dict(os.environ), ROOT, told)
            os.close(told)
            if await asyncio.to_thread(os.read, ready, 100) != b"ready\n":
                raise NotRestarted("the control with SO_REUSEPORT does not start")
        finally:
            os.close(ready)

    async def restart(self) -> None:
        """See `Subject`."""
        before = self._pid
        await self.start()
        os.kill(before, signal.SIGTERM)
        if not await wait_until(lambda: before not in self._family.alive(), PATIENCE):
            raise NotRestarted("the control with SO_REUSEPORT does not end")

    async def stop(self) -> None:
        """See `Subject`."""
        os.kill(self._pid, signal.SIGKILL)
        await wait_until(lambda: not self._family.alive(), PATIENCE)


class GoServer:
    """A control: Go's net/http with an inherited listener and ``Shutdown``.

    Args:
        family: starts it.
        endpoint: where.
        program: that was built.
    """

    parts: tuple[str, ...] = ("http1",)

    def __init__(self, family: Family, endpoint: Endpoint, program: Path) -> None:
        self.endpoint = endpoint
        self._family = family
        self._program = program
        self._pid = 0

    async def start(self) -> None:
        """See `Subject`."""
        command = [str(self._program), str(self.endpoint)]
        self._pid = self._family.start(command, dict(os.environ), ROOT)
        await _wait_serving(self.endpoint)

    async def restart(self) -> None:
        """See `Subject`."""
        os.kill(self._pid, signal.SIGHUP)

        def over() -> bool:
            now = self._family.alive()
            return self._pid not in now and len(now) == 1

        if not await wait_until(over, PATIENCE):
            raise NotRestarted("the control in Go was not restarted")
        [self._pid] = self._family.alive()

    async def stop(self) -> None:
        """See `Subject`."""
        os.kill(self._pid, signal.SIGKILL)
        await wait_until(lambda: not self._family.alive(), PATIENCE)


def build_go() -> Path | None:
    """Build the control in Go, and return its path; None where there is no Go."""
    if shutil.which("go") is None:
        return None
    built = HERE / "control_go" / "build" / "control"
    subprocess.run(["go", "build", "-o", built, "."], cwd=HERE / "control_go", check=True)
    return built
