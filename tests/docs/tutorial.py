"""Does the tutorial, as its reader would: writes its files and types its commands.

A block of code below a line that is nothing but a path in backticks and a colon is that file, whole;
"`path`, at its end:" and the like are in `tests.docs.editing`.
A block marked ``console`` is what a terminal shows. A line that begins with ``$`` is typed, the
lines below are what it prints. ``mainstay run`` goes on in a terminal of its own until the end of the
page, or until it is typed again for the same service; all else runs to its end.

In what a page shows, ``…`` stands for anything; times, dates, process ids and the width of columns are
no matter.
The ports in `PORTS` are replaced by free ones, everywhere.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

from tests.docs.editing import edited
from tests.docs.examples import ROOT, Block, blocks
from tests.process.ports import free_port

PAGES = sorted(
    (ROOT / "docs/tutorial").glob("[0-9]*.md"), key=lambda page: int(page.stem.partition("-")[0])
)
PORTS = ("8000", "8101", "9000")
PATIENCE = 120.0
"""Seconds for a command, or for a line of a service."""

_FILE = re.compile(r"`(?P<path>[\w./-]+)`(?:, (?P<where>[^:]+))?:")
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\b(\d+ min )?\d+(\.\d+)? s\b"), "SECONDS"),
    (re.compile(r"\b\d+\.\d+s\b( \(\d+:\d\d:\d\d\))?"), "SECONDS"),
    (re.compile(r"(?<=process )\d+"), "PID"),
    (re.compile(r'(?<="at":)( ?"?)\d+'), "MILLISECONDS"),
    (re.compile(r" {2,}"), "  "),
)


def file_of(block: Block) -> re.Match[str] | None:
    """What the page says of the file that a block is: its ``path``, and ``where`` in it."""
    return None if block.info in ("console", "text") else _FILE.fullmatch(block.above)


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


class Terminal:
    """In which a service runs until Ctrl-C."""

    def __init__(self, command: str, folder: Path, environ: dict[str, str]) -> None:
        self._screen, inside = os.openpty()
        try:
            self._process = subprocess.Popen(
                shlex.split(command),
                cwd=folder,
                env=environ,
                stdin=inside,
                stdout=inside,
                stderr=inside,
                start_new_session=True,
            )
        finally:
            os.close(inside)
        self._lines: Queue[str] = Queue()
        self._reading = Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        with os.fdopen(self._screen, encoding="utf-8") as screen, suppress(OSError):
            for line in screen:  # ends by EIO, when nobody has the terminal any more
                self._lines.put(line)
        self._lines.put("")

    def read(self, shown: str) -> str:
        """The next lines, until they are what the page shows, or there are no more."""
        printed = ""
        with suppress(Empty):
            while not matches(shown, printed) and (line := self._lines.get(timeout=PATIENCE)):
                printed += line
        return printed

    def rest(self) -> str:
        """What it has printed that was not read."""
        return "".join(self._lines.get() for _ in range(self._lines.qsize()))

    def close(self) -> None:
        """Ctrl-C; and whoever is left of it then is killed."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._reading.join()


class Reader:
    """Somebody who works through a page in a folder.

    Args:
        folder: where; what earlier pages have written is there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {each: str(free_port()) for each in PORTS}
        self._running: dict[str, Terminal] = {}
        self._shells: list[subprocess.Popen[str]] = []
        self._environ = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT / "src"),
            "XDG_RUNTIME_DIR": str(folder),
            "NO_COLOR": "1",
            # It would tell of a machine that is busy.
            "MAINSTAY__WATCHDOG__ENABLED": "false",
            "MAINSTAY__HTTP__LISTEN": f'["tcp://127.0.0.1:{self.ports["8000"]}"]',
        }

    def read(self, text: str) -> Iterator[tuple[str, str, str]]:
        """Do the page, in its order; each command, what the page shows, and what it printed."""
        for block in blocks(text):
            if file_of(block):
                self._write(block)
            elif block.info == "console":
                for command, shown in typed(block):
                    yield command, shown, self.type(command, shown)

    def skim(self, text: str) -> None:
        """Write the files of a page."""
        for block in blocks(text):
            self._write(block)

    def rest(self) -> str:
        """What the services have printed that no page shows."""
        return "".join(terminal.rest() for terminal in self._running.values())

    def stop(self) -> None:
        """Ctrl-C in every terminal, and an end to what still runs beside them."""
        for terminal in reversed(self._running.values()):
            terminal.close()
        for shell in self._shells:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.communicate()

    def _write(self, block: Block) -> None:
        if named := file_of(block):
            target = self.folder / named["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            before = target.read_text("utf-8") if target.exists() else ""
            after = edited(before, named["where"], self._elsewhere(block.text))
            target.write_text(after, "utf-8")

    def type(self, command: str, shown: str) -> str:
        """Type a command; what it prints, of a service until it is what the page shows."""
        command = self._elsewhere(command)
        if command.startswith("mainstay run "):
            printed = self._serve(command, self._elsewhere(shown))
        else:
            shell = subprocess.Popen(
                ["bash", "-c", command.replace("curl ", "curl -sS --max-time 60 ")],
                cwd=self.folder,
                env=self._environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
            )
            self._shells.append(shell)
            printed, _ = shell.communicate(timeout=PATIENCE)
        for port, other in self.ports.items():
            printed = printed.replace(other, port)
        return printed.replace(str(self.folder), "")

    def _serve(self, command: str, shown: str) -> str:
        target = shlex.split(command)[2]
        if target in self._running:
            self._running.pop(target).close()
        self._running[target] = Terminal(command, self.folder, self._environ)
        return self._running[target].read(shown)

    def _elsewhere(self, text: str) -> str:
        for port, other in self.ports.items():
            text = re.sub(rf"\b{port}\b", other, text)
        return text
