"""``mainstay run --dev``: the service in a child process that is replaced when a file changes.

The parent imports nothing of the service, so a broken module cannot break it: it waits for the next
change.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import click

__all__ = ["develop"]

_PATIENCE: Final = 5.0
"""Seconds for a child to stop, before it is killed; its own shutdown has less."""

_SUFFIXES: Final = (".py", ".toml", ".yaml", ".yml", ".html", ".proto")


def develop(target: str, files: Sequence[Path], flags: Sequence[str]) -> int:
    """Run the service and restart it on every change below the working directory.

    Returns: the exit code of the last child.
    """
    try:
        import watchfiles  # noqa: PLC0415 - an extra
    except ImportError:
        message = "--dev watches files with watchfiles: pip install 'mainstay[dev]'"
        raise click.UsageError(message) from None
    stop = threading.Event()
    child = _Child(target, files, flags)

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    child.start()
    changes = watchfiles.watch(
        Path.cwd(),
        *{path.resolve().parent for path in files},
        watch_filter=lambda change, path: path.endswith(_SUFFIXES) and "/." not in path,
        stop_event=stop,
        rust_timeout=500,
        yield_on_timeout=True,
        raise_interrupt=False,
    )
    for changed in changes:
        if stop.is_set():
            break
        if changed:
            names = ", ".join(sorted({Path(path).name for _, path in changed})[:3])
            click.secho(f"changed: {names}; restarting", fg="yellow", err=True)
            child.stop()
            child.start()
        else:
            child.say_if_ended()
    return child.stop()


class _Child:
    """The process that runs the service."""

    def __init__(self, target: str, files: Sequence[Path], flags: Sequence[str]) -> None:
        # First, so that the developer's own --set still wins.
        quick = [
            "--set",
            "mainstay.shutdown.timeout=3",
            "--set",
            "mainstay.shutdown.pre_stop_delay=0",
        ]
        self._arguments = [sys.executable, "-m", "mainstay", "run", target, *quick]
        for path in files:
            self._arguments += ["--config", str(path)]
        for flag in flags:
            self._arguments += ["--set", flag]
        self._process: subprocess.Popen[bytes] | None = None
        self._said = False

    def start(self) -> None:
        """Start a new child."""
        self._said = False
        self._process = subprocess.Popen(self._arguments)  # noqa: S603 - ourselves

    def say_if_ended(self) -> None:
        """Tell, once, that the child has ended by itself."""
        if self._process is not None and self._process.poll() is not None and not self._said:
            self._said = True
            code = self._process.returncode
            click.secho(f"ended with {code}; waiting for a change", fg="yellow", err=True)

    def stop(self) -> int:
        """Stop the child and return its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
