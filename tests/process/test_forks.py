"""What a process that the service forks lets go of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mainstay import Service
from mainstay.process import forks
from mainstay.process.lock import FileLock
from tests.process.controls import place

__all__ = ["place"]

# Each in a process of its own. Python warns of a fork of one with threads, as a look-up of a name
# leaves them behind.

HOLDERS = """
import asyncio, os, stat, sys
from pathlib import Path
from mainstay.core.scope import Scope
from mainstay.net.listener import Listener
from mainstay.net.registry import LISTENERS, ListenerRegistry
from mainstay.process.channel import Channel, channel_pair
from mainstay.process.control import ControlServer
from mainstay.process.forks import keep_from_forks
from mainstay.process.lock import FileLock

class Broken:
    def descriptors(self):
        raise RuntimeError("caught in the middle")

def tell(who, holders):
    for holder in holders:
        for each in holder.descriptors():
            null = os.path.samestat(os.fstat(each), os.stat(os.devnull))
            closed = not os.get_inheritable(each)
            print(who, type(holder).__name__, null, closed, flush=True)

async def main():
    place = Path(sys.argv[1])
    lock = FileLock(place / "a.lock")
    lock.take()
    ours, theirs = channel_pair()
    channel = Channel(ours, lambda packet, descriptors: None, lambda: None)
    channel.tie()
    server = ControlServer(None, place / "control")
    server.start()
    reader, writer = await asyncio.open_unix_connection(str(place / "control"))
    while len(server.descriptors()) < 2:
        await asyncio.sleep(0)
    registry, broken = ListenerRegistry(), Broken()
    keep_from_forks(registry)
    keep_from_forks(broken)
    with Scope("service", parent=None) as scope:
        scope.set(LISTENERS, registry)
        listener = Listener("tcp://127.0.0.1:0")
        await listener.bind()
        holders = [lock, channel, server, registry]
        child = os.fork()
        if child == 0:
            tell("child", holders)
            os._exit(0)
        os.waitpid(child, 0)
        tell("parent", holders)
        await listener.aclose()
    os._exit(0)

asyncio.run(main())
"""

LOCK = """
import os, sys
from pathlib import Path
from mainstay.process.lock import FileLock

lock = FileLock(Path(sys.argv[1]))
lock.take()
if os.fork() == 0:
    print("forked", flush=True)
    input()
os._exit(0)
"""

NO_NULL = """
import os, sys
from pathlib import Path
from mainstay.process.lock import FileLock

lock = FileLock(Path(sys.argv[1]))
lock.take()
os.devnull = "/nowhere"
if os.fork() == 0:
    try:
        os.fstat(lock.descriptors()[0])
    except OSError as error:
        print(error.strerror, flush=True)
    os._exit(0)
os.wait()
"""


def ran(program: str, *arguments: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_child_has_nothing_that_speaks_for_the_service(place: Path) -> None:
    """Lock, channel and its tie, control socket and its client, listener: all are the null device
    there, closed on exec, whatever one holder's trouble; the parent's are as they were."""
    kinds = ["FileLock", *["Channel"] * 2, *["ControlServer"] * 2, "ListenerRegistry"]
    assert ran(HOLDERS, place) == [
        *(f"child {kind} True True" for kind in kinds),
        *(f"parent {kind} False True" for kind in kinds),
    ]


def test_a_child_that_outlives_the_service_does_not_hold_its_lock(tmp_path: Path) -> None:
    """The service can be started again, though something that it has forked runs on."""
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(tmp_path / "a.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == b"forked\n"
        service.wait(60)
        lock = FileLock(tmp_path / "a.lock")
        lock.take()
        lock.release()


def test_without_a_null_device_they_are_closed(tmp_path: Path) -> None:
    """A free number is better than a copy that lives."""
    assert ran(NO_NULL, tmp_path / "a.lock") == ["Bad file descriptor"]


@pytest.mark.real_loop
async def test_a_service_holds_its_listeners() -> None:
    """Whatever it listens on is among what its children let go of."""
    async with Service("desk").running() as running:
        assert running.listeners in forks._holders
