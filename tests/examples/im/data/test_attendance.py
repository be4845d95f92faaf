from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import pytest

from examples.im import api
from examples.im.data import log
from examples.im.data.attendance import Attendances
from tests.examples.im.data.conftest import House

pytestmark = pytest.mark.real_loop


START: Final = 1_000_000


@dataclass
class Clock:
    """Stands still, and jumps after it was looked at next."""

    now: int = START
    jump: int = 0

    def __call__(self) -> int:
        now, self.now, self.jump = self.now, self.now + self.jump, 0
        return now


async def told(house: House, after: int) -> list[object]:
    """What was told after a place."""
    events = await house.database.read(log.read, after, None, 100)
    return [event.what for event in events.items]


async def place(house: House) -> int:
    """The end of the log."""
    return await house.database.read(log.place)


async def test_a_gateway_that_is_not_known_says_the_whole_first(house: House) -> None:
    """A change or a sign of life of a stranger is not taken in; the whole attendance is, and makes the
    gateway known.
    """
    (ada,) = await house.add("ada")
    clock = Clock(1)
    attendances = Attendances(house.database, clock)
    assert not await attendances.attend(api.Attendance("one"), 100)
    assert not await attendances.attend(api.Attendance("one", arrived=[ada]), 100)
    assert await attendances.present([ada]) == [api.Presence(ada, last_seen=house.clock)]
    assert await attendances.attend(api.Attendance("one", arrived=[ada], whole=True), 100)
    assert await attendances.attend(api.Attendance("one"), 100)
    assert await attendances.present([ada, 999]) == [api.Presence(ada, online=True)]


async def test_a_user_comes_with_the_first_gateway_and_goes_with_the_last(house: House) -> None:
    """Who is at two gateways is told to come once, and to go once, when both have let them go; a
    gateway that says the same again tells nothing.
    """
    (ada,) = await house.add("ada")
    clock = Clock(1)
    attendances = Attendances(house.database, clock)
    start = await place(house)
    for gateway in ("one", "two"):
        whole = api.Attendance(gateway, arrived=[ada], whole=True)
        assert await attendances.attend(whole, 100)
        assert await attendances.attend(whole, 100)
    clock.now = 5
    await attendances.attend(api.Attendance("one", departed=[ada]), 100)
    assert await told(house, start) == [api.Presence(ada, online=True)]
    clock.now = 7
    await attendances.attend(api.Attendance("two", departed=[ada]), 100)
    assert (await told(house, start))[1:] == [api.Presence(ada, online=False, last_seen=7)]
    assert await attendances.present([ada]) == [api.Presence(ada, last_seen=7)]


async def test_the_whole_replaces_what_was_known(house: House) -> None:
    """Who is not in the whole attendance any more has gone; who is, stays without a word."""
    ada, bob, cay = await house.add("ada", "bob", "cay")
    clock = Clock(1)
    attendances = Attendances(house.database, clock)
    await attendances.attend(api.Attendance("one", arrived=[ada, bob], whole=True), 100)
    start = await place(house)
    clock.now = 9
    await attendances.attend(api.Attendance("one", arrived=[bob, cay, 999], whole=True), 100)
    assert await told(house, start) == [
        api.Presence(cay, online=True),
        api.Presence(ada, online=False, last_seen=9),
    ]


async def test_a_gateway_that_says_nothing_is_not_believed_for_ever(house: House) -> None:
    """When its lease is over a sweep ends it, once however many sweep; a sign of life in time keeps it."""
    ada, bob = await house.add("ada", "bob")
    clock = Clock()
    sweepers = [Attendances(house.database, clock) for _ in range(3)]
    attendances = sweepers[0]
    await attendances.attend(api.Attendance("dead", arrived=[ada, bob], whole=True), 100)
    await attendances.attend(api.Attendance("alive", arrived=[bob], whole=True), 100)
    assert [await each.sweep(50) for each in sweepers] == [0, 0, 0]
    clock.now = START + 90
    await attendances.attend(api.Attendance("alive"), 100)
    start = await place(house)
    clock.now = START + 100
    assert await attendances.sweep(50) == 0
    clock.now = START + 150
    assert sorted(await asyncio.gather(*(each.sweep(50) for each in sweepers))) == [0, 0, 1]
    assert await told(house, start) == [api.Presence(ada, online=False, last_seen=clock.now)]


async def test_after_a_stall_gateways_have_time_to_be_heard(house: House) -> None:
    """Who sweeps for the first time, or after a while without, ends nobody for the time of a lease; a
    sweep that had to wait ends nobody at all."""
    clock = Clock()
    attendances = Attendances(house.database, clock)
    await attendances.attend(api.Attendance("silent", whole=True), 1_000)
    clock.now += 10_000
    for _ in range(6):
        assert await attendances.sweep(6_000) == 0
        clock.now += 1_000
    clock.now += 5_000  # the sweeper was halted
    for _ in range(6):
        assert await attendances.sweep(6_000) == 0
        clock.now += 1_000
    clock.jump = 5_000  # the next sweep waits
    assert await attendances.sweep(6_000) == 0
    for _ in range(6):
        assert await attendances.sweep(6_000) == 0
        clock.now += 1_000
    assert await attendances.sweep(6_000) == 1


async def test_a_lease_begins_when_it_is_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a sign of life has waited for its turn, the gateway is believed for a whole lease
    after it."""
    clock = Clock()
    attendances = Attendances(house.database, clock)
    assert await attendances.sweep(0) == 0
    write = house.database.write

    async def wait(*what: Any) -> Any:
        clock.now += 1_500
        return await write(*what)

    with monkeypatch.context() as patch:
        patch.setattr(house.database, "write", wait)
        assert await attendances.attend(api.Attendance("one", whole=True), 1_000)
    assert await attendances.sweep(0) == 0
    clock.now += 1_001
    assert await attendances.sweep(0) == 1


async def test_a_crowd_may_arrive_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """More users than one statement may have are taken in by several."""
    monkeypatch.setattr("examples.im.data.attendance._CHUNK", 3)
    ids = await house.add(*(f"user{n}" for n in range(10)))
    clock = Clock(1)
    attendances = Attendances(house.database, clock)
    await attendances.attend(api.Attendance("one", arrived=ids, whole=True), 100)
    assert [each.online for each in await attendances.present(ids)] == [True] * 10
    await attendances.attend(api.Attendance("one", departed=ids[:7]), 100)
    assert [each.online for each in await attendances.present(ids)] == [False] * 7 + [True] * 3
