"""The pool over connections that are no sockets: what it decides, in virtual time."""

import asyncio
import gc
from typing import Any

import pytest

from mainstay.errors import BrokenError, ClosedError
from mainstay.net.client_limits import ClientLimits
from mainstay.net.origin import Origin
from mainstay.net.outgoing import ConnectionOwner, Incoming, Lost, Outgoing, Shared
from mainstay.net.pool import Pool

A, B = Origin("http", "a", 80), Origin("http", "b", 80)


class Fake:
    """A connection whose exchanges end when the test says so."""

    def __init__(self, world: "World", owner: ConnectionOwner, places: int) -> None:
        self.world = world
        self.owner = owner
        self.places = places
        self.shares = places > 1
        self.idle_since = 0.0
        self.taken = 0
        self.served = 0
        self.over = False
        self.lost: Lost | None = None

    @property
    def busy(self) -> bool:
        return self.taken > 0

    def reserve(self) -> bool:
        if self.over or self.taken >= self.places:
            return False
        self.taken += 1
        return True

    def release(self) -> None:
        self.taken -= 1
        self.idle_since = asyncio.get_running_loop().time()
        self.owner.freed(self)

    async def exchange(self, outgoing: Outgoing) -> Incoming:
        if self.lost is not None:
            self.die()
            raise self.lost
        self.world.began.append(self)
        await self.world.gate.wait()
        self.served += 1
        self.release()
        return Incoming(self.world.shared, "fake", lambda _: None, lambda: None)

    def die(self) -> None:
        self.over = True
        self.owner.gone(self)

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.die()


class World:
    def __init__(self, *, places: int = 1, dial_time: float = 0.0, **limits: Any) -> None:
        self.shared = Shared(ClientLimits(**limits))
        self.pool = Pool(self.shared, self.dial, lambda _: places > 1)
        self.places = places
        self.dial_time = dial_time
        self.dial_error: Exception | None = None
        self.gate = asyncio.Event()
        self.made: list[Fake] = []
        self.began: list[Fake] = []

    async def dial(self, origin: Origin, owner: ConnectionOwner) -> Fake:
        await asyncio.sleep(self.dial_time)
        if self.dial_error is not None:
            raise self.dial_error
        self.made.append(Fake(self, owner, self.places))
        return self.made[-1]

    def ask(self, origin: Origin = A, method: str = "GET", body: Any = None) -> asyncio.Task[Any]:
        outgoing = Outgoing(method, "http", "a", "/", [], body)
        return asyncio.create_task(self.pool.exchange(origin, outgoing))

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


async def test_the_last_used_connection_is_used_again() -> None:
    """So that those beyond the need grow old."""
    world = World()
    asked = [world.ask(), world.ask()]
    await world.settle()
    world.gate.set()
    await asyncio.gather(*asked)
    assert len(world.made) == 2
    await world.ask()
    await world.ask()
    assert [each.served for each in world.made] == [1, 3]
    statistics = world.pool.statistics()
    assert (statistics.opened, statistics.reused, statistics.connections) == (2, 2, 2)
    await world.pool.aclose()


async def test_beyond_the_limit_of_a_host_requests_wait_in_order() -> None:
    """And others are not held up."""
    world = World(connections_per_host=1)
    first, second, third, other = world.ask(), world.ask(), world.ask(), world.ask(B)
    await world.settle()
    assert world.pool.statistics().waiting == 2
    assert len(world.began) == 2
    assert repr(world.pool) == "<Pool connections=2 waiting=2>"
    world.gate.set()
    await asyncio.gather(first, second, third, other)
    assert len(world.made) == 2
    await world.pool.aclose()


async def test_an_idle_connection_makes_room_for_another_host() -> None:
    """At the limit of all."""
    world = World(connections=1)
    world.gate.set()
    await world.ask(A)
    await world.ask(B)
    assert [each.over for each in world.made] == [True, False]
    assert world.pool.statistics().connections == 1
    await world.pool.aclose()


async def test_who_came_first_is_served_first_whatever_they_wait_for() -> None:
    """A busy host does not starve another at the limit of all."""
    world = World(connections=1)
    order = []
    asked = []
    for name, origin in (("a1", A), ("b", B), ("a2", A)):
        task = world.ask(origin)
        task.set_name(name)
        task.add_done_callback(lambda task: order.append(task.get_name()))
        asked.append(task)
        await world.settle()
    world.gate.set()
    await asyncio.gather(*asked)
    assert order == ["a1", "b", "a2"]
    await world.pool.aclose()


async def test_idle_connections_are_closed_after_a_while() -> None:
    """Not before `keep_alive`, and not those at work."""
    world = World(keep_alive=10.0)
    world.gate.set()
    await world.ask()
    await asyncio.sleep(5)
    await world.ask()
    await asyncio.sleep(9)
    assert world.pool.statistics().connections == 1
    await asyncio.sleep(2)
    assert world.pool.statistics().connections == 0
    assert world.made[0].over
    await world.pool.aclose()


async def test_one_connection_is_opened_for_many_that_may_share_it() -> None:
    """A cold start does not open a hundred."""
    world = World(places=100, dial_time=1.0)
    world.gate.set()
    await asyncio.gather(*(world.ask() for _ in range(50)))
    assert len(world.made) == 1
    await world.pool.aclose()


async def test_a_full_shared_connection_gets_a_second() -> None:
    """When all of its places are taken."""
    world = World(places=2)
    asked = [world.ask() for _ in range(3)]
    await world.settle()
    assert len(world.made) == 2
    world.gate.set()
    await asyncio.gather(*asked)
    await world.pool.aclose()


async def test_a_failed_opening_lets_those_try_who_waited_for_it() -> None:
    """All at once, so that their failures do not add up."""
    world = World(places=2, dial_time=1.0)
    world.dial_error = BrokenError("refused")
    asked = [world.ask() for _ in range(10)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(each, BrokenError) for each in found)
    assert asyncio.get_running_loop().time() == pytest.approx(2.0)
    assert world.pool.statistics().connections == 0
    await world.pool.aclose()


@pytest.mark.parametrize(
    ("method", "lost", "repeated"),
    [
        ("GET", Lost("x", stale=True), True),
        ("PUT", Lost("x", stale=True), True),
        ("POST", Lost("x", stale=True), False),
        ("PATCH", Lost("x", stale=True), False),
        ("GET", Lost("x"), False),
        ("POST", Lost("x", untouched=True), True),
    ],
)
async def test_what_is_repeated(method: str, lost: Lost, repeated: bool) -> None:
    """Only what can do no harm, and once, on a new connection."""
    world = World()
    world.gate.set()
    two = [world.ask(), world.ask()]
    await asyncio.gather(*two)
    for each in world.made:
        each.lost = lost
    if repeated:
        await world.ask(method=method)
        assert len(world.made) == 3
    else:
        with pytest.raises(Lost):
            await world.ask(method=method)
        assert len(world.made) == 2
    await world.pool.aclose()


async def test_a_begun_body_is_not_repeated() -> None:
    """What was iterated is gone."""
    world = World()
    world.gate.set()
    await world.ask()
    world.made[0].lost = Lost("x", untouched=True)
    outgoing = Outgoing("PUT", "http", "a", "/", [])
    outgoing.begun = True
    with pytest.raises(Lost):
        await world.pool.exchange(A, outgoing)
    await world.pool.aclose()


async def test_a_dead_connection_is_not_handed_out() -> None:
    """`reserve` says no, and the next is taken, or made."""
    world = World()
    world.gate.set()
    await world.ask()
    world.made[0].over = True
    await world.ask()
    assert len(world.made) == 2
    await world.pool.aclose()


async def test_cancelling_while_waiting_loses_no_place() -> None:
    """Also when the connection was handed over at that very moment."""
    world = World(connections_per_host=1)
    first = world.ask()
    await world.settle()
    waiting, last = world.ask(), world.ask()
    await world.settle()
    connection = world.made[0]

    def release() -> None:
        Fake.release(connection)  # hands it to `waiting`, which does not run yet
        waiting.cancel()

    connection.release = release  # type: ignore[method-assign]
    world.gate.set()
    await asyncio.wait([first, waiting, last])
    assert waiting.cancelled()
    assert last.result() is not None
    assert connection.taken == 0
    await world.pool.aclose()


async def test_cancelling_while_connecting_gives_the_room_back() -> None:
    """And the attempt up."""
    world = World(connections=1, dial_time=10.0)
    asked = world.ask()
    await asyncio.sleep(1)
    asked.cancel()
    await asyncio.wait([asked])
    assert world.pool.statistics().connections == 0
    world.dial_time = 0
    world.gate.set()
    await world.ask()
    await world.pool.aclose()


async def test_closing_ends_everything_and_waits_for_it() -> None:
    """Those who wait, those who connect; and afterwards nobody comes in."""
    world = World(connections_per_host=1, dial_time=1.0)
    asked = [world.ask(), world.ask()]
    await world.settle()
    await world.pool.aclose()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in found] == [ClosedError, ClosedError]
    with pytest.raises(ClosedError):
        await world.ask()
    assert world.pool.statistics().connections == 0
    await world.pool.aclose()


async def test_a_server_that_closes_at_once_is_an_error() -> None:
    """A connection that is dead by the time it is there serves nobody."""
    world = World(places=0)
    with pytest.raises(BrokenError, match="closed the connection at once"):
        await world.ask()
    assert world.pool.statistics().connections == 0
    await world.pool.aclose()


async def test_one_who_leaves_at_once_dials_nobody() -> None:
    """In the very turn in which the dial was to begin: nothing was called, and nothing awaits."""
    world = World()
    asked = world.ask()
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.wait([asked])
    del asked
    gc.collect()  # which would warn of a coroutine that was never awaited
    assert world.made == []
    assert world.pool.statistics().connections == 0
    await world.pool.aclose()
