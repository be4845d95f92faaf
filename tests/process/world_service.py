"""The service of `tests.process.world`: does what the files in its folder ``knobs`` say.

It is copied to a folder of its own and run from there by ``mainstay run``.
"""

import asyncio
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from mainstay import Scope, Service
from mainstay.http import Event, WebSocket

HERE = Path(__file__).parent
FOR_EVER = 3600.0


def knob(name: str) -> str:
    """What a knob is set to; empty if it is not set."""
    path = HERE / "knobs" / name
    return path.read_text() if path.exists() else ""


def impersonate(how: str) -> None:
    """Say something wrong to the parent, in the place of the library, and hang."""
    number, _, nonce = os.environ["MAINSTAY_PARENT"].partition(":")
    hello = {"type": "hello", "versions": [1], "nonce": nonce, "pid": os.getpid()}
    with socket.socket(fileno=int(number)) as end:
        if how == "garbage":
            end.send(b"\x00\xff garbage")
        elif how == "unknown version":
            end.send(json.dumps({**hello, "versions": [98, 99]}).encode())
        elif how == "wrong nonce":
            end.send(json.dumps({**hello, "nonce": "0" * 32}).encode())
        elif how == "hang up":
            end.close()
        time.sleep(3600)


if "MAINSTAY_PARENT" in os.environ:
    if knob("fail at import"):
        raise RuntimeError(knob("fail at import"))
    if knob("exit at import"):
        os._exit(7)
    if knob("hang at import"):
        if knob("hang at import") == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(3600)
    if knob("say"):
        impersonate(knob("say"))
    CHILD = True
else:
    CHILD = False

service = Service("world")


@service.on_start
async def begin() -> None:
    """Start, or get stuck."""
    if CHILD and knob("fail at start"):
        raise RuntimeError(knob("fail at start"))
    if CHILD and knob("hang at start"):
        (HERE / "hanging").touch()
        await asyncio.sleep(FOR_EVER)
    if CHILD and knob("stop at start"):
        os.kill(os.getpid(), signal.SIGSTOP)
    if CHILD and knob("no descriptors"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            service.held = held  # type: ignore[attr-defined]


@service.probe("ready")
async def ready() -> None:
    """Whether it could serve, which is asked before it is prepared: a place to hold it."""
    while CHILD and knob("hold"):
        (HERE / "held").touch()
        await asyncio.sleep(0.01)


@service.worker(restart="never")
async def work() -> None:
    """Crash, once it serves."""
    how = knob("crash") if CHILD else ""
    if how:
        while not (HERE / "now").exists():  # noqa: ASYNC110 - another process sets it
            await asyncio.sleep(0.005)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "fail":
        raise RuntimeError("the new code does not work")
    elif how == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif how == "exit":
        os._exit(9)


@service.get("/")
async def who() -> int:
    """Which process answers."""
    return os.getpid()


@service.get("/held", timeout=None)
async def held() -> int:
    """Which process answers, once the test lets it."""
    (HERE / "holding").touch()
    while not (HERE / "release").exists():  # noqa: ASYNC110 - another process sets it
        await asyncio.sleep(0.1)
    return os.getpid()


@service.get("/events")
async def events(scope: Scope) -> AsyncIterator[Event[str]]:
    """An event at once, and one when the service drains."""
    yield Event("here")
    await scope.wait_draining()
    yield Event("draining")


@service.websocket("/echo")
async def echo(ws: WebSocket[str, str]) -> None:
    """Say it again."""
    async for text in ws:
        await ws.send(text)


@dataclass
class Tick:
    """A message of a stream of gRPC."""

    text: str


def add_rpc() -> None:
    """Answer gRPC as well, which takes longer to start."""
    from mainstay.rpc import Rpc  # noqa: PLC0415 - see above

    rpc = Rpc("world.v1.World")

    @rpc.method
    async def ticks(request: Tick, scope: Scope) -> AsyncIterator[Tick]:
        yield Tick("here")
        await scope.wait_draining()
        yield Tick("draining")

    service.add_rpc(rpc)


if knob("rpc"):
    add_rpc()

if __name__ == "__main__":
    sys.exit(service.run())
