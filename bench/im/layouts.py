"""The chat under test: its processes, started and weighed from outside, and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.http.server import NotServing, cpu_clock, free_port

__all__ = ["LAYOUTS", "Chat", "Layout"]

ROOT: Final = Path(__file__).parents[2]
READY_WITHIN: Final = 30.0
STOP_WITHIN: Final = 20.0

GATEWAY: Final = "gateway"
LOGIC: Final = "logic"


@dataclass(frozen=True)
class Layout:
    """How the chat is spread over processes.

    Attributes:
        key: its name on the command line.
        title: in words.
        parts: the services, started in this order, with the workers of each; 0 for one process
            without a supervisor. The last one is the gateway.
    """

    key: str
    title: str
    parts: dict[str, int]


LAYOUTS: Final = (
    Layout("one", "one process", {"one": 0}),
    Layout("one-2", "one service, two workers", {"one": 2}),
    Layout("split", "a gateway process and a logic process", {LOGIC: 0, GATEWAY: 0}),
)

_TARGETS: Final = {
    "one": "examples.im.one:service",
    LOGIC: "examples.im.logic.service:service",
    GATEWAY: "examples.im.gateway.service:service",
}


class Chat:
    """A running chat.

    Args:
        layout: see there.
        folder: where its database is (``chat.db``), and its logs go.
        wrapper: a module that runs ``mainstay`` with more; see `sampling`.

    Attributes:
        layout: as given.
        port: of the gateway, on the loopback address.
    """

    def __init__(self, layout: Layout, folder: Path, wrapper: str = "mainstay") -> None:
        self.layout = layout
        self.port = free_port()
        self._folder = folder
        self._wrapper = wrapper
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def database(self) -> Path:
        """The file of SQLite."""
        return self._folder / "chat.db"

    def __enter__(self) -> Self:
        try:
            logic = free_port()
            for part, workers in self.layout.parts.items():
                port = logic if part == LOGIC else self.port
                self._start(part, workers, port, logic)
                self._wait_ready(part, port)
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

    def _start(self, part: str, workers: int, port: int, logic: int) -> None:
        url = f"sqlite:///{self.database}"
        environ = {
            **os.environ,
            "IM__DATABASE__URL": url,
            "IM_LOGIC__DATABASE__URL": url,
            "IM_GATEWAY__LOGIC": f"tcp://127.0.0.1:{logic}",
            "BENCH_SAMPLES": str(self._folder / f"samples-{part}"),
        }
        command = [sys.executable, "-m", self._wrapper, "run", _TARGETS[part]]
        options = ["-l", str(port), "--control", ""]
        if workers:
            options += ["--workers", str(workers)]
        with Path(self._folder, f"{part}.log").open("ab") as log:
            self._processes[part] = subprocess.Popen(
                [*command, *options],
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait_ready(self, part: str, port: int) -> None:
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until and self._processes[part].poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                    return
            except OSError:
                time.sleep(0.05)
        lines = Path(self._folder, f"{part}.log").read_text().strip().splitlines()
        raise NotServing(f"{part}: {lines[-1] if lines else 'it says nothing'}")

    def stop(self) -> None:
        """Ask all to stop, the gateway first, and make them. Idempotent."""
        for process in reversed(self._processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_WITHIN)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def cpu(self) -> dict[str, float]:
        """CPU seconds that each part has used until now."""
        return {
            part: sum(time.clock_gettime(cpu_clock(pid)) for pid in _tree(process.pid))
            for part, process in self._processes.items()
        }

    def memory(self, part: str) -> int:
        """Bytes that the processes of a part hold; what they share with others, by shares (PSS)."""
        return sum(_proportional(pid) for pid in _tree(self._processes[part].pid))

    @property
    def gateway(self) -> str:
        """The part that clients are connected to."""
        return list(self.layout.parts)[-1]


def _tree(pid: int) -> Iterator[int]:
    waiting = [pid]
    while waiting:
        process = waiting.pop()
        yield process
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            waiting.extend(map(int, children.read_text().split()))


def _proportional(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
