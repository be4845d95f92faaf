"""``mainstay run --dev``: the service in a child process that is replaced when a file changes.

The parent imports nothing of the service, so a broken module cannot break it: it waits for the next
change. The child holds the reading end of a pipe that nobody writes to; when the parent is gone,
however it went, the pipe ends and the child stops.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Final

import click

from mainstay.cli.exits import Exit, Failure
from mainstay.cli.target import working_directory

__all__ = ["develop", "end_with", "is_source"]

_PATIENCE: Final = 6.0
"""Seconds for a child to stop before it is killed: more than its own 3, and its guard's 2."""

_SUFFIXES: Final = (".py", ".toml", ".yaml", ".yml", ".html", ".proto")

_QUICK: Final = ("mainstay.shutdown.timeout=3", "mainstay.shutdown.pre_stop_delay=0")


def develop(target: str, files: Sequence[Path], flags: Sequence[str]) -> int:
    """Run the service and restart it on every change below the working directory.

    Returns: the exit code of the last child, as a shell would say it.
    """
    watchfiles = _watchfiles()
    stop = threading.Event()
    child = _Child(target, files, flags)

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    roots = _roots(files)
    child.start()
    for changed in watchfiles.watch(
        *roots,
        watch_filter=lambda change, path: is_source(path, roots),
        stop_event=stop,
        rust_timeout=500,
        yield_on_timeout=True,
        raise_interrupt=False,
        ignore_permission_denied=True,
    ):
        if not changed:
            child.say_if_ended()
            continue
        names = ", ".join(sorted({Path(path).name for _, path in changed})[:3])
        _say(f"changed: {names}; restarting")
        child.stop()
        if stop.is_set():
            break
        child.start()
    return child.stop()


def end_with(descriptor: int) -> None:
    """Ask this process to stop when the pipe that `descriptor` reads from ends."""

    def wait() -> None:
        os.read(descriptor, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    os.set_inheritable(descriptor, False)
    threading.Thread(target=wait, name="mainstay-parent", daemon=True).start()


def is_source(path: str, roots: Sequence[Path]) -> bool:
    """Whether a change of `path` asks for a restart: the kind of file matters, and whether it is
    hidden below one of `roots`; where those are themselves does not."""
    changed = Path(path)
    below = [changed.relative_to(root).parts for root in roots if changed.is_relative_to(root)]
    return path.endswith(_SUFFIXES) and any(
        not any(part.startswith(".") for part in parts) for parts in below
    )


def _roots(files: Sequence[Path]) -> list[Path]:
    """The folders to watch: where the sources are, and where the configuration is."""
    named = list(files) or [Path(path) for path in [os.environ.get("MAINSTAY_CONFIG")] if path]
    here = working_directory()
    beside = {path.resolve().parent for path in named}
    return [here, *(each for each in beside if each.is_dir() and not each.is_relative_to(here))]


def _watchfiles() -> ModuleType:
    try:
        import watchfiles  # noqa: PLC0415 - an extra
    except ImportError:
        message = (
            "--dev watches files with watchfiles, which is not installed: "
            "pip install 'mainstay[dev]'"
        )
        raise Failure(message, Exit.USAGE) from None
    return watchfiles


class _Child:
    """The process that runs the service."""

    def __init__(self, target: str, files: Sequence[Path], flags: Sequence[str]) -> None:
        self._alive, mine = os.pipe()
        del mine  # open for as long as this process lives
        self._arguments = [sys.executable, "-m", "mainstay", "run", f"--parent={self._alive}"]
        # The developer's own win, and come first, since messages count them.
        for flag in (*flags, *_quick(flags)):
            self._arguments += ["--set", flag]
        for path in files:
            self._arguments += ["--config", str(path)]
        self._arguments += ["--", target]
        self._process: subprocess.Popen[bytes] | None = None
        self._said = False

    def start(self) -> None:
        """Start a new child."""
        self._said = False
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            self._arguments, pass_fds=[self._alive]
        )

    def say_if_ended(self) -> None:
        """Tell, once, that the child has ended by itself."""
        if self._process is not None and self._process.poll() is not None and not self._said:
            self._said = True
            code = _shell_code(self._process.returncode)
            _say(f"ended with {code}; waiting for a change")

    def stop(self) -> int:
        """Stop the child and return its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return _shell_code(process.wait(_PATIENCE))
        except subprocess.TimeoutExpired:
            process.kill()
            return _shell_code(process.wait())


def _quick(flags: Sequence[str]) -> list[str]:
    """Those of `_QUICK` that `flags` say nothing about, neither the key nor a table around it."""
    own = tuple(f"{flag.partition('=')[0].strip()}." for flag in flags)
    return [flag for flag in _QUICK if not f"{flag.partition('=')[0]}.".startswith(own)]


def _say(text: str) -> None:
    # Click leaves colours out where there is no terminal, but does not know no-color.org.
    color = False if os.environ.get("NO_COLOR") else None
    click.secho(text, fg="yellow", err=True, color=color)


def _shell_code(code: int) -> int:
    """128 + the number for a process that a signal ended, which subprocess counts below 0."""
    return code if code >= 0 else 128 - code
