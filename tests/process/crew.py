"""A supervisor with real workers, for the tests: in the loop of the test, or as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from mainstay.process.host_notifier import HostNotifier
from mainstay.process.launch import Launch
from mainstay.process.supervisor import Supervisor

SOURCE = Path(__file__).parents[2] / "src"

PROGRAM = (sys.executable, "-P", "-c", "from mainstay.cli.main import main; main()")

PATIENCE = 60.0
"""Seconds for what takes a moment, on a machine that is busy."""

SERVICE = """
import asyncio, os, signal, sys, time
from pathlib import Path
from mainstay import Service

HERE = Path(__file__).parent
if (HERE / "fail at import").exists():
    raise RuntimeError((HERE / "fail at import").read_text())
service = Service("tiny")
VERSION = (HERE / "version").read_text() if (HERE / "version").exists() else "1"

@service.on_start
async def start() -> None:
    while (HERE / "hold at start").exists():
        await asyncio.sleep(0.01)
    if (HERE / "fail at start").exists():
        raise ValueError((HERE / "fail at start").read_text())

@service.worker
async def die() -> None:
    while not (HERE / "die").exists():
        await asyncio.sleep(0.05)
    (HERE / "die").unlink(missing_ok=True)
    os.kill(os.getpid(), signal.SIGKILL)

@service.get("/who")
async def who() -> str:
    return f"{os.getpid()} {VERSION}"

@service.get("/slow")
async def slow(seconds: float) -> str:
    with (HERE / "slow").open("a") as file:
        file.write("x")
    await asyncio.sleep(seconds)
    return f"{os.getpid()} {VERSION}"

@service.get("/held", timeout=None)
async def held() -> str:
    with (HERE / "slow").open("a") as file:
        file.write("x")
    while not (HERE / "release").exists():
        await asyncio.sleep(0.01)
    return f"{os.getpid()} {VERSION}"

@service.get("/block")
async def block() -> None:
    time.sleep(3600)
"""

QUICK: Mapping[str, Any] = {
    "heartbeat": 0.1,
    "probation": 0.3,
    "respawn_floor": 0.05,
    "respawn_most": 0.2,
    "give_up_after": 3,
    "commit_timeout": 30.0,
    "kill_grace": 5.0,
}
"""Settings under which tests do not wait for what people would."""


def environment() -> dict[str, str]:
    """What a process is given: nothing of the machine's own, and warnings are errors."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONPATH": str(SOURCE),
        "PYTHONWARNINGS": "error",
    }


def write_service(folder: Path, listen: str = "127.0.0.1:0", **settings: Any) -> None:
    """Put the service and its configuration into `folder`."""
    (folder / "tiny.py").write_text(SERVICE)
    lines = ["[mainstay.http]", f"listen = [{json.dumps(listen)}]", "[mainstay.process]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in {**QUICK, **settings}.items()]
    lines += ["[mainstay.watchdog]", "enabled = false", "[mainstay.shutdown]", "timeout = 50.0"]
    (folder / "tiny.toml").write_text("\n".join(lines) + "\n")


Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Crew:
    """A supervisor in the loop of the test.

    Attributes:
        supervisor: to be asked.
        ended: its exit code, once there is one.
        said: what the workers said about the settings.
    """

    def __init__(self, folder: Path, size: int, notifier: HostNotifier | None = None) -> None:
        worker = Launch((*PROGRAM, "run", "tiny"), str(folder), environment())
        own = replace(worker, command=(*worker.command, "--workers", str(size), "--control", ""))
        self.ready = asyncio.Event()
        self.supervisor = Supervisor(
            own,
            worker,
            size,
            target="tiny",
            version="1",
            notifier=notifier,
            ready=self.ready.set,
        )
        self.ended = asyncio.ensure_future(self.supervisor.run())

    async def wait_ready(self) -> None:
        """Wait until all of it serves."""
        ready = asyncio.ensure_future(self.ready.wait())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([ready, self.ended], return_when=asyncio.FIRST_COMPLETED)
        assert ready.done(), f"it ended with {self.ended.result()}"

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so."""
        await until(true)

    def pids(self, *states: str) -> list[int]:
        """The processes that serve, or are in another state."""
        wanted = states or ("serving",)
        return [each.pid for each in self.supervisor.status().workers if each.state in wanted]

    async def get(self, path: str) -> str:
        """Ask over a connection of its own; the body."""
        return await get(self.supervisor.status().listeners[0], path)

    async def send(self, path: str) -> Streams:
        """Ask over a connection of its own, and do not wait for the answer."""
        return await send_request(self.supervisor.status().listeners[0], path)

    async def keep_asking(self, answers: list[str], stop: asyncio.Event) -> None:
        """Ask again and again, over a new connection each; whatever goes wrong is raised."""
        while not stop.is_set():
            answers.append(await self.get("/who"))
            await asyncio.sleep(0.005)


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def send_request(address: str, path: str) -> Streams:
    """Connect and ask."""
    if address.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    else:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    return reader, writer


async def read_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """The body of a reply that is well."""
    try:
        async with asyncio.timeout(PATIENCE):
            reply = (await reader.read()).decode()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    head, _, body = reply.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200"), reply
    return body.strip('"')


async def get(address: str, path: str) -> str:
    """Ask over a connection of its own; the body."""
    return await read_answer(*await send_request(address, path))


def begun(folder: Path) -> int:
    """How many calls that take long have begun."""
    path = folder / "slow"
    return path.stat().st_size if path.exists() else 0


@asynccontextmanager
async def crew(
    folder: Path, size: int = 2, notifier: HostNotifier | None = None, **settings: Any
) -> AsyncIterator[Crew]:
    """A supervisor whose workers serve, and that is gone afterwards."""
    if not (folder / "tiny.py").exists():
        write_service(folder, **settings)
    made = Crew(folder, size, notifier)
    try:
        yield made
    finally:
        made.supervisor.stop("the test is over", False)
        async with asyncio.timeout(PATIENCE):
            await made.ended


class Process:
    """``mainstay run tiny --workers`` as a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [*PROGRAM, "run", "tiny", "--set", "mainstay.log.format=json", *options],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.lines.append({"message": line.decode().rstrip("\n"), "plain": True})

    @property
    def messages(self) -> list[str]:
        """What it has logged."""
        return [line["message"] for line in self.lines]

    def wait_for(self, text: str, count: int = 1) -> str:
        """Wait until it has logged something with `text` in it, so many times; the last of them."""
        found: str = wait_until(
            lambda: (found := [m for m in self.messages if text in m])[count - 1 :] and found[-1],
            lambda: f"{text!r} is not in {self.messages}",
        )
        return found

    def address(self) -> str:
        """Where it listens, once all of it serves."""
        line = wait_until(
            lambda: [
                line["message"]
                for line in self.lines
                if line.get("logger") == "mainstay.process.supervisor"
                and line["message"].startswith("tiny runs on ")
            ],
            lambda: f"it does not run: {self.messages}",
        )
        return str(line[0]).removeprefix("tiny runs on ")

    def workers(self) -> list[int]:
        """The processes below it."""
        return children(self.process.pid)

    def end_others(self) -> None:
        """Kill whoever still holds its stream a while after it was killed: a test has failed."""
        self._reader.join(PATIENCE)
        if self._reader.is_alive():
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait_ended(self) -> int:
        """Its exit code; everything that it has logged is read."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


def children(pid: int) -> list[int]:
    """The processes below `pid`, zombies included."""
    with suppress(OSError):
        return [int(each) for each in _children_file(pid).read_text().split()]
    return []


def _children_file(pid: int) -> Path:
    return Path(f"/proc/{pid}/task/{pid}/children")


def wait_until(true: Callable[[], Any], why: Callable[[], str] = lambda: "it never was so") -> Any:
    """Wait until something is so, and return what it is; for tests without a loop."""
    until = time.monotonic() + PATIENCE
    while not (value := true()):
        assert time.monotonic() < until, why()
        threading.Event().wait(0.01)
    return value


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def supervised(folder: Path, *options: str, **settings: Any) -> Iterator[Process]:
    """The process, which is gone afterwards with all that it has started. Unless `settings` say
    otherwise it may be silent for long, as a machine that is busy makes it."""
    if not (folder / "tiny.py").exists():
        write_service(folder, **{"heartbeat": 10.0, **settings})
    process = Process(folder, *options)
    below: list[int] = []
    try:
        yield process
    finally:
        below = process.workers()
        with suppress(ProcessLookupError):
            process.process.kill()
        process.end_others()
        process.wait_ended()
        assert process.process.stderr is not None
        process.process.stderr.close()
        for pid in below:
            wait_until(lambda pid=pid: not alive(pid))  # type: ignore[misc]


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal."""
    os.kill(pid, number)
