"""A peer's process: started on its core, weighed from outside, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.http.peers import Peer

__all__ = ["NotServing", "Server", "cpu_clock"]

ROOT: Final = Path(__file__).parent.parent.parent
READY_WITHIN: Final = 15.0
STOP_WITHIN: Final = 5.0
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class NotServing(Exception):
    """A peer does not start; the message is what it said last."""


def cpu_clock(process: int) -> int:
    """The clock that shows the CPU time of another process, all its threads included.

    `clock_getcpuclockid` of C makes it in the same way; the times in ``/proc`` count in
    hundredths of a second, which is too coarse for a short round.
    """
    return (~process << 3) | 2


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A running peer.

    Args:
        peer: what to start.
        core: where it may run; None for anywhere.

    Attributes:
        peer: as given.
        port: where it listens, on the loopback address.
    """

    def __init__(self, peer: Peer, core: int | None) -> None:
        self.peer = peer
        self.port = free_port()
        self._core = core
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self.peer.command(self.port),
            cwd=ROOT,
            env={**os.environ, **self.peer.environment},
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )
        if self._core is not None:
            os.sched_setaffinity(self._process.pid, {self._core})
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_ready(self) -> None:
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        raise NotServing(lines[-1] if lines else "it says nothing")

    def stop(self) -> None:
        """Ask it to stop, and make it. Idempotent."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._said.close()

    def cpu(self) -> float:
        """CPU seconds that the process and those it started have used."""
        return sum(time.clock_gettime(cpu_clock(process)) for process in self._tree())

    def resident(self) -> int:
        """Bytes of memory that they hold."""
        return sum(
            int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
            for process in self._tree()
        )

    def _tree(self) -> Iterator[int]:
        waiting = [self._process.pid]
        while waiting:
            process = waiting.pop()
            yield process
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                waiting.extend(map(int, children.read_text().split()))
