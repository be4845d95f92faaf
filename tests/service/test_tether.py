"""Facts about `mainstay.service.tether`: the parent is played by the test."""

import asyncio
from typing import Any

import pytest

from mainstay import Backoff, Running, Service, Settings
from mainstay.http import HttpSettings
from mainstay.process.channel import Channel, channel_pair
from mainstay.process.messages import (
    Commit,
    Failed,
    FromChild,
    FromParent,
    Heartbeat,
    Hello,
    Pause,
    Reopen,
    Resume,
    Stop,
    Stopping,
    Welcome,
    decode_from_child,
    encode,
)
from mainstay.service.running import State
from mainstay.service.settings import ShutdownSettings
from mainstay.service.tether import LOST, Tether

pytestmark = pytest.mark.real_loop


class World:
    """A tether, its parent, and what was called."""

    def __init__(self, role: str, heartbeat: float = 0.01) -> None:
        ours, theirs = channel_pair()
        self.said: asyncio.Queue[FromChild] = asyncio.Queue()
        self.called: list[str] = []
        self.channel = Channel(ours, self._received, lambda: None)
        self.tether = Tether(
            (theirs.detach(), "secret"),
            name="s",
            settings={},
            reopen=lambda: self.called.append("reopen"),
            freed=lambda: self.called.append("freed"),
            given_up=self.called.append,
        )
        self._role = role
        self._heartbeat = heartbeat

    def _received(self, packet: bytes, descriptors: list[int]) -> None:
        self.said.put_nowait(decode_from_child(packet))

    def say(self, message: FromParent) -> None:
        self.channel.send(encode(message))

    async def hear(self, kind: type[Any]) -> Any:
        while not isinstance(message := await self.said.get(), kind):
            pass
        return message

    async def serve(self, running: Running) -> None:
        """Bring it to where it serves."""
        await self.hear(Hello)
        self.say(Welcome(1, self._role, 1, heartbeat=self._heartbeat))
        waiting = asyncio.ensure_future(self.tether.lifeline.prepared([]))
        self.say(Commit())
        await waiting
        self.tether.lifeline.serving()
        self.tether.watch(running)

    def close(self) -> None:
        self.tether.close()
        self.channel.close()


async def until(what: Any) -> None:
    """Wait until `what` is true."""
    while not what():  # noqa: ASYNC110 - it is whatever the test looks at
        await asyncio.sleep(0)


async def test_it_tells_how_things_are() -> None:
    """Every heartbeat, with the numbers of the moment; and when and why the service stops."""
    world = World("worker")
    async with Service("s").running() as running:
        await world.serve(running)
        for _ in range(3):
            beat = await world.hear(Heartbeat)
            assert (beat.in_flight, beat.paused) == (0, False)
            assert beat.memory > 1 << 20
        world.tether.failed("why", 3)
        assert await world.hear(Failed) == Failed("why", 3)
        world.tether.stopping("SIGTERM", failed=True)
        assert await world.hear(Stopping) == Stopping(0, "SIGTERM", True)
    world.close()


async def test_it_tells_at_once_of_a_worker_that_fails() -> None:
    """Without waiting for the next heartbeat: a probation may end before that."""
    world = World("successor", heartbeat=3600.0)
    service = Service("s")
    broken = asyncio.Event()

    @service.worker(backoff=Backoff(initial=3600, maximum=3600))
    async def consume() -> None:
        await broken.wait()
        raise RuntimeError("no broker")

    async with service.running() as running:
        await world.serve(running)
        assert (await world.hear(Heartbeat)).trouble == ""
        broken.set()
        beat = await world.hear(Heartbeat)
        assert beat.trouble == "worker 'consume' fails: RuntimeError: no broker"
    world.close()


async def test_it_does_what_the_parent_says() -> None:
    """Pause, resume, logs."""
    world = World("worker")
    async with Service("s").running() as running:
        await world.serve(running)
        world.say(Pause())
        await until(lambda: running.paused)
        world.say(Resume())
        await until(lambda: not running.paused)
        world.say(Reopen())
        await until(lambda: world.called == ["reopen"])
    world.close()


@pytest.mark.parametrize("turns", range(4))
async def test_the_last_word_counts_however_soon_it_comes(turns: int) -> None:
    """A worker that was slow hears that it is to pause and that it is to go on in one moment, or in
    two that follow: it accepts."""
    world = World("worker")
    service = Service("s")

    @service.get("/")
    async def who() -> str:
        return "here"

    settings = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",)))
    async with service.running(settings=settings) as running:
        await world.serve(running)
        world.say(Pause())
        for _ in range(turns):
            await asyncio.sleep(0)
        world.say(Resume())
        for _ in range(3):  # all of it has come to its end
            await world.hear(Heartbeat)
        host, _, port = running.addresses[0].removeprefix("tcp://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        assert not running.paused
    world.close()


async def test_logs_are_opened_anew_before_it_serves() -> None:
    """What it logs in its start belongs in the new file, too."""
    world = World("successor")
    await world.hear(Hello)
    world.say(Welcome(1, "successor", 1, heartbeat=0.01))
    world.say(Reopen())
    await until(lambda: world.called == ["reopen"])
    world.close()


@pytest.mark.parametrize(
    ("handover", "timeout", "budget"), [(True, 7.0, 7.0), (True, None, 69.0), (False, None, 25.0)]
)
async def test_it_stops_when_the_parent_says(
    handover: bool, timeout: float | None, budget: float
) -> None:
    """With the parent's time, that of a hand-over, or that of a stop."""
    world = World("worker")
    async with Service("s").running(settings=Settings()) as running:
        await world.serve(running)
        world.say(Stop("another generation serves", timeout, handover))
        await running.wait_stop_asked()
        assert running.reason == "another generation serves"
        assert running.shutdown_timeout == budget
    world.close()


async def test_a_worker_without_its_supervisor_ends_at_once() -> None:
    """What it does is cut, though it would have ten minutes: nobody would see to it."""
    world = World("worker")
    service = Service("s")

    @service.handler("long")
    async def long() -> None:
        await asyncio.sleep(3600)

    ages = Settings(shutdown=ShutdownSettings(timeout=600.0))
    async with service.running(settings=ages) as running:
        await world.serve(running)
        call = asyncio.ensure_future(running.call("long", timeout=7200))
        await until(lambda: running.in_flight)
        world.channel.close()
        await running.wait_stop_asked()
        assert running.reason == LOST
        await running.finish()
        await asyncio.wait([call])
        assert call.exception() is not None
    world.close()


async def test_a_successor_without_its_parent_is_free() -> None:
    """It serves on, and says nothing more to anybody."""
    world = World("successor")
    async with Service("s").running() as running:
        await world.serve(running)
        world.channel.close()
        await until(lambda: world.called == ["freed"])
        assert running.state is State.RUNNING
        assert not running.reason
    world.close()


async def test_a_parent_that_is_gone_too_early() -> None:
    """Is told to whoever starts the service."""
    world = World("successor")
    await world.hear(Hello)
    world.channel.close()
    await until(lambda: world.called == ["the parent is gone"])
    world.close()
