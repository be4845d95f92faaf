"""A client's process: started on its core, told to call, weighed from outside."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.http.figures import Sample
from bench.http.load import LoadFailed
from bench.http.peers import Peer
from bench.http.server import ROOT, STOP_WITHIN, cpu_clock

__all__ = ["Client"]


class Client:
    """A program that calls for as many seconds, so many at once, as a line of its input says, and
    prints how often it succeeded and how long that took.

    Args:
        peer: what to start.
        port: of the server.
        core: where it may run; None for anywhere.
    """

    def __init__(self, peer: Peer, port: int, core: int | None) -> None:
        self.peer = peer
        self._port = port
        self._core = core
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self.peer.command(self._port),
            cwd=ROOT,
            env={**os.environ, **self.peer.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            bufsize=1,
        )
        if self._core is not None:
            os.sched_setaffinity(self._process.pid, {self._core})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._said.close()

    def call(self, duration: float, at_once: int) -> Sample:
        """One round, with so many calls at once. Raises: LoadFailed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            before = self._cpu()
            self._process.stdin.write(f"{duration} {at_once}\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            used = self._cpu() - before
            calls, took = line.split()
            return Sample(used, int(calls), float(took))
        except (OSError, ValueError) as error:
            self._said.seek(0)
            lines = self._said.read().decode(errors="replace").strip().splitlines()
            raise LoadFailed(lines[-1] if lines else str(error)) from None

    def _cpu(self) -> float:
        return sum(time.clock_gettime(cpu_clock(process)) for process in self._tree())

    def _tree(self) -> Iterator[int]:
        waiting = [self._process.pid]
        while waiting:
            process = waiting.pop()
            yield process
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                waiting.extend(map(int, children.read_text().split()))
