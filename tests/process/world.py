"""A service as real processes, under load, watched while it is restarted: for tests of restarts.

`World` runs ``world_service.py`` from a folder of its own by ``mainstay run``, in a session of its
own, so that every process of it is found. `Load` asks it on fresh connections all the time, and
counts what a user would complain of; `Watch` counts processes all the time. Orphans become children
of the test, which takes their exit codes.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 60.0
"""Seconds that a busy machine may take for what takes a moment."""

SETTINGS: Final = {
    "child_timeout": 60.0,
    "commit_timeout": 30.0,
    "probation": 0.3,
    "drain_timeout": 60.0,
    "kill_grace": 0.5,
    "heartbeat": 10.0,
}
"""Of ``[mainstay.process]``, where a test says nothing else."""

_PAUSE: Final = 0.01
_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_EXITING: Final = 0x4  # PF_EXITING of linux/sched.h
T = TypeVar("T")


def until(what: Callable[[], T], why: str = "", patience: float = PATIENCE) -> T:
    """What `what` returns, as soon as it is true. Raises: AssertionError when it never is."""
    end = time.monotonic() + patience
    pause = threading.Event()
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, why or f"{what} did not come true"
        pause.wait(_PAUSE)


@dataclass(frozen=True, slots=True)
class Status:
    """One process, as the kernel shows it."""

    pid: int
    parent: int
    state: str
    """As ``ps`` names it; ``Z`` also for one that is on its way there, and has closed its files."""


def processes(session: int) -> list[Status]:
    """The processes of a session, the oldest first."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - no objects for a thousand names
        if not name.isdecimal():
            continue
        with suppress(OSError, IndexError):
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                state = "Z" if int(fields[6]) & _EXITING else fields[0]
                found.append(Status(int(name), int(fields[1]), state))
    return sorted(found, key=lambda each: each.pid)


class Watch:
    """Looks at the processes of a session all the time.

    Attributes:
        most: processes alive at once.
    """

    def __init__(self, session: int) -> None:
        self.most = 0
        self._session = session
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            found = processes(self._session)
            self.most = max(self.most, sum(each.state != "Z" for each in found))

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join(PATIENCE)


class Load:
    """Asks for ``/`` on fresh connections, some at a time, without a pause.

    Attributes:
        answers: by the pid that gave them.
        faults: by kind: ``refused``, ``reset``, ``cut``, ``timeout``, or another error.
        longest: seconds that the slowest answer took.
    """

    def __init__(self, address: str, users: int = 2) -> None:
        self.answers: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.longest = 0.0
        self._address = address
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(users)]
        for each in self._threads:
            each.start()

    def _ask(self) -> None:
        while not self._over.wait(0.002):
            began = time.monotonic()
            try:
                self.answers[ask(self._address)] += 1
            except ConnectionRefusedError:
                self.faults["refused"] += 1
            except ConnectionResetError:
                self.faults["reset"] += 1
            except TimeoutError:
                self.faults["timeout"] += 1
            except OSError as error:
                self.faults[str(error)] += 1
            except ValueError:
                self.faults["cut"] += 1
            self.longest = max(self.longest, time.monotonic() - began)

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        for each in self._threads:
            each.join(PATIENCE)


def connect(address: str, timeout: float = PATIENCE) -> socket.socket:
    """A connection to an address as a service logs it: ``tcp://…`` or ``unix:…``."""
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        try:
            sock.connect(address.removeprefix("unix:").removeprefix("//"))
        except BaseException:
            sock.close()
            raise
        return sock
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout)


def ask(address: str, path: str = "/") -> int:
    """The number that one answer of the service is. Raises: OSError, ValueError for a cut one."""
    with connect(address) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nhost: world\r\nconnection: close\r\n\r\n".encode())
        reply = b""
        while part := sock.recv(65536):
            reply += part
    head, _, body = reply.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise ValueError(reply)
    return int(body)


class World:
    """See the top of the file.

    Args:
        folder: of its own.
        listen: addresses of the configuration.
        settings: of ``[mainstay.process]``, beside `SETTINGS`.

    Attributes:
        folder: as given.
        session: the id of its session, and of the first process.
        pid: of the generation that is in charge, as far as this object was told.
        watch: on the processes.
    """

    def __init__(
        self, folder: Path, *, listen: tuple[str, ...] = ("tcp://127.0.0.1:0",), **settings: float
    ) -> None:
        self.folder = folder
        self.session = self.pid = 0
        self._knobs = folder / "knobs"
        self._knobs.mkdir()
        self._log = folder / "log"
        source = Path(__file__).with_name("world_service.py").read_text()
        (folder / "app.py").write_text(source)
        self._settings = {**SETTINGS, **settings}
        self.configure(listen)

    def configure(self, listen: tuple[str, ...], more: str = "") -> None:
        """Write the configuration, which the next generation reads."""
        lines = [f"{name} = {value}" for name, value in self._settings.items()]
        text = "\n".join(
            [
                "[mainstay.http]",
                f"listen = {json.dumps(listen)}",
                "[mainstay.log]",
                'format = "json"',
                "[mainstay.process]",
                *lines,
                more,
            ]
        )
        (self.folder / "world.toml").write_text(text)

    def __enter__(self) -> Self:
        _set_subreaper(True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mainstay", "run", "app:service"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            )
        self.session = self.pid = self._process.pid
        self.watch = Watch(self.session)
        self._loads: list[Load] = []
        self.wait_said("world runs on")
        return self

    def __exit__(self, *error: object) -> None:
        for load in self._loads:
            load.stop()
        self.watch.stop()
        for each in self.alive():
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self._process.wait()
        for status in processes(self.session):
            with suppress(ChildProcessError):
                os.waitpid(status.pid, 0)
        _set_subreaper(False)

    # --- looking --------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The first that it listens on."""
        return self.addresses()[0]

    def addresses(self) -> list[str]:
        """Those that the last generation said it runs on."""
        text = [each for each in self.said() if each.startswith("world runs on ")][-1]
        return text.removeprefix("world runs on ").partition(" (")[0].split(", ")

    def log(self) -> str:
        """All that was written."""
        return self._log.read_text()

    def records(self) -> list[dict[str, Any]]:
        """The lines of the log that are whole."""
        found = []
        for line in self.log().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def said(self) -> list[str]:
        """The messages of the log."""
        return [record["message"] for record in self.records()]

    def wait_said(self, text: str, times: int = 1) -> str:
        """Wait until a message with `text` was logged so often; the last one."""
        try:
            found = until(
                lambda: (
                    (lines := [each for each in self.said() if text in each])[times - 1 :] and lines
                )
            )
        except AssertionError:
            raise AssertionError(f"{text!r} was not said:\n{self.log()}") from None
        return found[-1]

    def alive(self) -> list[int]:
        """The processes of it that run, the oldest first."""
        return [each.pid for each in processes(self.session) if each.state != "Z"]

    def zombies(self) -> list[int]:
        """Those that have ended and were not reaped, but for orphans, which are the test's."""
        found = processes(self.session)
        return [each.pid for each in found if each.state == "Z" and each.parent != os.getpid()]

    def successor(self) -> int:
        """Wait for a process beside the one in charge, and return its pid."""
        return until(lambda: [each for each in self.alive() if each != self.pid])[0]

    def descriptors(self) -> int:
        """Open in the process that is in charge."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 - the number only

    def paused(self) -> bool:
        """Whether the process in charge has been stopped by SIGSTOP."""
        return any(each.pid == self.pid and each.state == "T" for each in processes(self.session))

    # --- doing ----------------------------------------------------------------------------------

    def load(self, users: int = 2, *, wait: bool = True) -> Load:
        """Begin to ask, and wait for the first answer."""
        load = Load(self.address, users)
        self._loads.append(load)
        if wait:
            until(lambda: load.answers or load.faults)
        return load

    def move(self, folder: Path) -> None:
        """Its folder has been renamed."""
        self.folder, self._knobs, self._log = folder, folder / "knobs", folder / "log"

    def set(self, name: str, value: str = "yes") -> None:
        """Turn a knob; only generations after the first heed it."""
        (self._knobs / name).write_text(value)

    def unset(self, name: str) -> None:
        """Turn a knob back."""
        (self._knobs / name).unlink()

    def send(self, number: int, pid: int = 0) -> None:
        """Send a signal to the process in charge, or to another."""
        os.kill(pid or self.pid, number)

    def restart(self) -> int:
        """Restart by SIGHUP, wait until that is confirmed and the old one is gone; the new pid."""
        old, times = self.pid, sum("restarted in" in each for each in self.said())
        self.send(signal.SIGHUP)
        line = self.wait_said("restarted in", times + 1)
        self.gone(old)
        self.pid = int(line.rpartition(" ")[2])
        return self.pid

    def fail(self, number: int = signal.SIGHUP) -> str:
        """Restart, wait until that is rolled back; what was logged of it."""
        times = sum("was rolled back" in each for each in self.said())
        self.send(number)
        return self.wait_said("was rolled back", times + 1)

    def gone(self, pid: int) -> int:
        """Wait for the end of a process; its exit code if it was an orphan or the first."""
        if pid == self._process.pid:
            return self._process.wait(PATIENCE)
        code = 0

        def ended() -> bool:
            nonlocal code
            with suppress(ChildProcessError):
                found, status = os.waitpid(pid, os.WNOHANG)
                code = os.waitstatus_to_exitcode(status) if found else 0
            return pid not in {each.pid for each in processes(self.session)}

        until(ended, f"{pid} does not end")
        return code


def _set_subreaper(on: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, int(on), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
