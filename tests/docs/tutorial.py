"""Does the tutorial, as its reader would: writes its files and types its commands.

A block of code below a line that is nothing but a path in backticks and a colon is that file, whole.
A block marked ``console`` is what a terminal shows. A line that begins with ``$`` is typed, the
lines below are what it prints. ``mainstay run`` goes on in a terminal of its own until the end of the
page, or until it is typed again for the same service; all else runs to its end.

In what a page shows, ``…`` stands for anything; times, dates, process ids and the width of columns are
no matter.
The ports 8000 and 8101 are replaced by free ones, everywhere.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.docs.examples import ROOT, Block, blocks

PAGES = sorted((ROOT / "docs/tutorial").glob("[0-9]*.md"))
PORTS = ("8000", "8101")
PATIENCE = 60.0
"""Seconds for a command, or for a line of a service."""

_FILE = re.compile(r"`(?P<path>[\w./-]+)`:")
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? s\b"), "SECONDS"),
    (re.compile(r"\b\d+\.\d+s\b"), "SECONDS"),
    (re.compile(r"(?<=process )\d+"), "PID"),
    (re.compile(r'(?<="at":)\d+'), "MILLISECONDS"),
    (re.compile(r" {2,}"), "  "),
)


def files(text: str) -> Iterator[tuple[str, str]]:
    """The files of a page, each with its path, in order."""
    for block in blocks(text):
        named = _FILE.fullmatch(block.above)
        if named and block.info not in ("console", "text"):
            yield named["path"], block.text


def typed(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a block, each with what it prints."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def steady(text: str) -> str:
    """The text with what differs from run to run replaced by its kind."""
    for pattern, kind in _VARYING:
        text = pattern.sub(kind, text)
    return text


def matches(shown: str, printed: str) -> bool:
    """Whether that is what the page shows, but for what varies."""
    parts = [re.escape(each) for each in steady(shown).strip().split("…")]
    return re.fullmatch(".*?".join(parts), steady(printed).strip(), re.DOTALL) is not None


class Reader:
    """Somebody who works through a page in a folder.

    Args:
        folder: where; what earlier pages have written is there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        self._running: dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}
        self._environ = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT / "src"),
            "XDG_RUNTIME_DIR": str(folder),
            # What a terminal gets, to which nothing is connected here.
            "MAINSTAY__LOG__FORMAT": "text",
            "MAINSTAY__HTTP__LISTEN": f'["tcp://127.0.0.1:{self.ports["8000"]}"]',
        }

    def write(self, text: str) -> None:
        """Save the files of a page."""
        for path, content in files(text):
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self._elsewhere(content), "utf-8")

    def work_through(self, text: str) -> Iterator[tuple[str, str, str]]:
        """Do the page, in its order; each command, what the page shows, and what it printed."""
        for block in blocks(text):
            named = _FILE.fullmatch(block.above)
            if named and block.info not in ("console", "text"):
                target = self.folder / named["path"]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(self._elsewhere(block.text), "utf-8")
            elif block.info == "console":
                for command, shown in typed(block):
                    yield command, shown, self._type(command, shown)

    def stop(self) -> None:
        """Ctrl-C in every terminal."""
        for command in list(self._running):
            self._interrupt(command)

    def _type(self, command: str, shown: str) -> str:
        command = self._elsewhere(command)
        if command.startswith("mainstay run "):
            printed = self._serve(command, lines=len(shown.splitlines()))
        else:
            ran = subprocess.run(
                ["bash", "-c", command.replace("curl ", "curl -sS --max-time 30 ")],
                cwd=self.folder,
                env=self._environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                check=False,
            )
            printed = ran.stdout.decode()
        for port, other in self.ports.items():
            printed = printed.replace(other, port)
        return printed.replace(str(self.folder), "")

    def _serve(self, command: str, lines: int) -> str:
        """Start it anew, and read as many lines as the page shows."""
        target = shlex.split(command)[2]
        if target in self._running:
            self._interrupt(target)
        log = (self.folder / f"{target.replace(':', '-')}.log").open("w+b")
        process = subprocess.Popen(
            shlex.split(command),
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self._running[target] = process, log
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            log.seek(0)
            printed = log.read().decode()
            if printed.count("\n") >= lines or process.poll() is not None:
                return "".join(printed.splitlines(keepends=True)[:lines])
            time.sleep(0.02)
        message = f"{command} printed too little in {PATIENCE:g} s: {printed}"
        raise AssertionError(message)

    def _interrupt(self, target: str) -> None:
        process, log = self._running.pop(target)
        try:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)
        finally:
            # Its workers and successors, too, if it left any behind.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            log.close()

    def _elsewhere(self, text: str) -> str:
        for port, other in self.ports.items():
            text = re.sub(rf"\b{port}\b", other, text)
        return text


def _free_ports(count: int) -> list[str]:
    with_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [str(each.getsockname()[1]) for each in with_ports]
    finally:
        for each in with_ports:
            each.close()
