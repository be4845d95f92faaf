"""Facts about `mainstay.service.lineage`: the parent is played by the test, and so is the host.

Whole generations are in `tests.process.test_handover`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mainstay import Effects, Service, Settings
from mainstay.http import HttpSettings
from mainstay.interfaces.controlled import Outcome
from mainstay.process.channel import Channel, channel_pair
from mainstay.process.host_notifier import HostNotifier
from mainstay.process.launch import Launch
from mainstay.process.messages import (
    Abort,
    Commit,
    Confirmed,
    Failed,
    FromChild,
    FromParent,
    Hello,
    Stopping,
    Welcome,
    decode_from_child,
    encode,
)
from mainstay.process.settings import ProcessSettings
from mainstay.service.lineage import Lineage
from mainstay.testing import FakeProcess

pytestmark = pytest.mark.real_loop


class Told(HostNotifier):
    """What whoever hosts the process hears."""

    def __init__(self) -> None:
        super().__init__({})
        self.said: list[str] = []

    def ready(self, status: str, role: str = "") -> None:
        self.said.append(f"ready as {role}" if role else "ready")

    def keep(self, listeners: Iterable[tuple[str, int]]) -> None:
        self.said.append(f"keep {len(list(listeners))}")

    def freed(self, status: str) -> None:
        self.said.append("freed")

    def reopen(self) -> None:
        self.said.append("reopen")

    def reloading(self, status: str) -> None:
        self.said.append("reloading")

    def reloaded(self, status: str) -> None:
        self.said.append(status)


class Parent:
    """The generation before, and its channel to the one of the test."""

    def __init__(self) -> None:
        ours, theirs = channel_pair()
        self._said: asyncio.Queue[FromChild] = asyncio.Queue()
        self.channel = Channel(ours, self._received, lambda: None)
        self.environ = {"MAINSTAY_PARENT": f"{theirs.detach()}:secret"}

    def _received(self, packet: bytes, descriptors: list[int]) -> None:
        self._said.put_nowait(decode_from_child(packet))

    def say(self, message: FromParent) -> None:
        self.channel.send(encode(message))

    async def hear(self, kind: type[Any]) -> Any:
        while not isinstance(message := await self._said.get(), kind):
            pass
        return message


class World:
    """A lineage, whoever hosts it, and what it has asked for."""

    def __init__(self, environ: dict[str, str] | None = None) -> None:
        self.told = Told()
        self.stopped: list[tuple[str, bool]] = []
        self.settings = Settings(
            http=HttpSettings(listen=("tcp://127.0.0.1:0",)), process=ProcessSettings(control="")
        )
        effects = Effects(process=FakeProcess(), environ=environ or {})
        self.lineage = Lineage(
            "s",
            "",
            self.settings,
            effects,
            self.told,
            lambda reason, force: self.stopped.append((reason, force)),
        )


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[None]:
    """Attach a service that serves."""
    service = Service("s")

    @service.get("/")
    async def hello() -> str:
        return "hello"

    async with service.running(settings=world.settings) as running:
        world.lineage.attach(running)
        world.lineage.started()
        try:
            yield
        finally:
            world.lineage.stopping()
            await world.lineage.wait_ended()
            world.lineage.close()


async def until(what: Callable[[], Any]) -> None:
    """Wait until `what` is true."""
    while not what():  # noqa: ASYNC110 - it is whatever the test looks at
        await asyncio.sleep(0)


async def commit(world: World, parent: Parent) -> None:
    """Bring a successor to where it may serve."""
    line = world.lineage.lifeline
    assert line is not None
    await parent.hear(Hello)
    parent.say(Welcome(1, "successor", 1, heartbeat=0.01))
    waiting = asyncio.ensure_future(line.prepared([]))
    parent.say(Commit())
    await waiting
    line.serving()


async def test_alone_it_serves_at_once() -> None:
    """Nobody has to let it; whoever hosts it hears of it, and may keep its listeners."""
    world = World()
    world.lineage.open()
    assert not world.lineage.has_parent
    assert world.lineage.lifeline is None
    async with serving(world):
        assert world.told.said == ["ready", "keep 1"]
    assert not world.lineage.given_up


async def test_a_successor_is_in_charge_when_its_parent_has_left() -> None:
    """Only then may its listeners be kept; its parent hears how it ends."""
    parent = Parent()
    world = World(parent.environ)
    world.lineage.open()
    assert world.lineage.has_parent
    await commit(world, parent)
    async with serving(world):
        assert world.told.said == ["ready as successor"]
        parent.say(Confirmed([Outcome(1.0, "restart", True, 0.5, "", 1, 2)]))
        parent.channel.close()
        await until(lambda: world.told.said[1:] == ["freed", "keep 1"])


async def test_a_parent_that_dies_in_the_start_leaves_it_in_charge() -> None:
    """It serves as if it were the first, and whoever hosts it hears so once more."""
    parent = Parent()
    world = World(parent.environ)
    world.lineage.open()
    await commit(world, parent)
    parent.channel.close()
    await until(lambda: world.told.said == ["freed"])
    async with serving(world):
        assert world.told.said == ["freed", "ready", "freed", "keep 1"]


async def test_a_parent_hears_how_it_ends() -> None:
    """Why it could not start, and that it stops."""
    parent = Parent()
    world = World(parent.environ)
    world.lineage.open()
    await commit(world, parent)
    async with serving(world):
        world.lineage.failed("no such database", 3)
        assert await parent.hear(Failed) == Failed("no such database", 3)
    assert isinstance(await parent.hear(Stopping), Stopping)
    parent.channel.close()


async def test_a_parent_may_take_it_back() -> None:
    """The service is asked to end, in order, and it is remembered why."""
    parent = Parent()
    world = World(parent.environ)
    world.lineage.open()
    await parent.hear(Hello)
    parent.say(Welcome(1, "successor", 1, heartbeat=0.01))
    parent.say(Abort("it took too long"))
    await until(
        lambda: world.stopped == [("the parent wants this process to end: it took too long", False)]
    )
    assert world.lineage.given_up
    world.lineage.close()
    parent.channel.close()


async def test_a_restart_that_is_wished_too_early_follows_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Signals have nobody to tell that they come again."""
    nothing = Launch(("/no/such/python",), "/", {})
    monkeypatch.setattr("mainstay.service.lineage.launched", lambda: nothing)
    world = World()
    world.lineage.open()
    world.lineage.wish("SIGHUP")
    assert world.told.said == []
    async with serving(world):
        await until(lambda: "/no/such/python cannot be started" in world.told.said[-1])


async def test_logs_are_opened_anew_at_any_time() -> None:
    """Before there is a service, too."""
    world = World()
    world.lineage.reopen()
    assert world.told.said == ["reopen"]
