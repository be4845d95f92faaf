"""Facts about what a service says of its health."""

import asyncio
from contextlib import aclosing

from mainstay.core.scope import Scope
from mainstay.rpc.health import Health, ServingStatus

SERVING = ServingStatus.SERVING
NOT_SERVING = ServingStatus.NOT_SERVING
SERVICE_UNKNOWN = ServingStatus.SERVICE_UNKNOWN


class Probe:
    """A ready probe that counts how often it is asked."""

    def __init__(self) -> None:
        self.ok = True
        self.asked = 0

    async def __call__(self) -> bool:
        self.asked += 1
        return self.ok


async def test_the_probe_speaks_for_the_server_and_its_services() -> None:
    """An unready service is NOT_SERVING under each of its names, and no other name is known."""
    probe = Probe()
    health = Health(probe, ["a.B"])
    assert await health.check() is SERVING
    assert await health.check("a.B") is SERVING
    assert await health.check("a.C") is SERVICE_UNKNOWN
    probe.ok = False
    assert await health.check() is NOT_SERVING
    assert await health.check("a.B") is NOT_SERVING


async def test_what_was_set_stands_until_it_is_cleared() -> None:
    """Below a server that is ready; SERVING by hand does not hide that it is not."""
    probe = Probe()
    health = Health(probe, ["a.B"])
    health.set("a.B", NOT_SERVING)
    health.set("queue", SERVING)
    assert await health.check("a.B") is NOT_SERVING
    assert await health.check("queue") is SERVING
    assert health.names == ["", "a.B", "queue"]
    probe.ok = False
    assert await health.check("queue") is NOT_SERVING
    probe.ok = True
    health.clear("a.B")
    health.clear("queue")
    assert await health.check("a.B") is SERVING
    assert await health.check("queue") is SERVICE_UNKNOWN


async def test_all_are_asked_with_one_probe() -> None:
    """A list of many services is not many probes."""
    probe = Probe()
    health = Health(probe, ["a.B", "a.C"])
    health.set("a.C", NOT_SERVING)
    assert await health.check_all() == {"": SERVING, "a.B": SERVING, "a.C": NOT_SERVING}
    assert probe.asked == 1


async def test_a_stop_is_stronger_than_everything() -> None:
    """Nothing is SERVING from then on; the probe is not even asked."""
    probe = Probe()
    health = Health(probe, ["a.B"])
    health.set("a.B", SERVING)
    health.stop()
    assert await health.check() is NOT_SERVING
    assert await health.check("a.B") is NOT_SERVING
    assert await health.check("a.C") is SERVICE_UNKNOWN
    assert "stopping" in repr(health)


class Watcher:
    """Collects what one watcher is told, and when."""

    def __init__(self, health: Health, service: str = "") -> None:
        self.told: list[tuple[float, ServingStatus]] = []
        self._health = health
        self._service = service

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        async with aclosing(self._health.watch(self._service)) as statuses:
            async for status in statuses:
                self.told.append((loop.time(), status))

    @property
    def statuses(self) -> list[ServingStatus]:
        return [status for _, status in self.told]


async def test_a_watcher_learns_of_the_probe_within_the_interval() -> None:
    """A change is told once; nothing is told while nothing changes."""
    probe = Probe()
    watcher = Watcher(Health(probe, interval=5.0))
    with Scope("watch") as scope:
        task = scope.start(watcher.run())
        await asyncio.sleep(12)
        assert watcher.statuses == [SERVING]
        probe.ok = False
        changed = asyncio.get_running_loop().time()
        await asyncio.sleep(12)
        assert watcher.statuses == [SERVING, NOT_SERVING]
        assert watcher.told[1][0] - changed <= 5.0
        scope.drain()
        await task


async def test_many_watchers_are_one_probe() -> None:
    """However many watch, the probe is asked about once an interval."""
    probe = Probe()
    health = Health(probe, interval=5.0)
    with Scope("watch") as scope:
        tasks = []
        for _ in range(50):
            tasks.append(scope.start(Watcher(health).run()))
            await asyncio.sleep(0.01)
        await asyncio.sleep(20)
        assert probe.asked <= 2 * 20 / 5 + 1
        scope.drain()
        await asyncio.wait(tasks)


async def test_a_watcher_learns_at_once_of_what_is_set_and_of_the_stop() -> None:
    """A name that becomes known is told as well; the drain ends the watch, after the last word."""
    probe = Probe()
    health = Health(probe)
    watcher = Watcher(health, "queue")
    with Scope("watch") as scope:
        task = scope.start(watcher.run())
        await asyncio.sleep(0.1)
        health.set("queue", SERVING)
        await asyncio.sleep(0.1)
        health.stop()
        scope.drain()
        await task
    assert watcher.statuses == [SERVICE_UNKNOWN, SERVING, NOT_SERVING]
    assert watcher.told[-1][0] - watcher.told[0][0] < 1.0


async def test_a_watch_that_is_given_up_leaves_nothing() -> None:
    """Closing it ends what waits for the drain (the test fails if a task is left)."""
    health = Health(Probe())
    async with aclosing(health.watch()) as statuses:
        assert await anext(statuses) is SERVING
