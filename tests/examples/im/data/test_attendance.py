from __future__ import annotations

import asyncio

import pytest

from examples.im import api
from examples.im.data import log
from examples.im.data.attendance import Attendances
from tests.examples.im.data.conftest import House

pytestmark = pytest.mark.real_loop


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
    attendances = Attendances(house.database)
    assert not await attendances.attend(api.Attendance("one"), 100, 1)
    assert not await attendances.attend(api.Attendance("one", arrived=[ada]), 100, 1)
    assert await attendances.present([ada]) == [api.Presence(ada, last_seen=house.clock)]
    assert await attendances.attend(api.Attendance("one", arrived=[ada], whole=True), 100, 1)
    assert await attendances.attend(api.Attendance("one"), 100, 1)
    assert await attendances.present([ada, 999]) == [api.Presence(ada, online=True)]


async def test_a_user_comes_with_the_first_gateway_and_goes_with_the_last(house: House) -> None:
    """Who is at two gateways is told to come once, and to go once, when both have let them go; a
    gateway that says the same again tells nothing.
    """
    (ada,) = await house.add("ada")
    attendances = Attendances(house.database)
    start = await place(house)
    for gateway in ("one", "two"):
        whole = api.Attendance(gateway, arrived=[ada], whole=True)
        assert await attendances.attend(whole, 100, 1)
        assert await attendances.attend(whole, 100, 1)
    await attendances.attend(api.Attendance("one", departed=[ada]), 100, 5)
    assert await told(house, start) == [api.Presence(ada, online=True)]
    await attendances.attend(api.Attendance("two", departed=[ada]), 100, 7)
    assert (await told(house, start))[1:] == [api.Presence(ada, online=False, last_seen=7)]
    assert await attendances.present([ada]) == [api.Presence(ada, last_seen=7)]


async def test_the_whole_replaces_what_was_known(house: House) -> None:
    """Who is not in the whole attendance any more has gone; who is, stays without a word."""
    ada, bob, cay = await house.add("ada", "bob", "cay")
    attendances = Attendances(house.database)
    await attendances.attend(api.Attendance("one", arrived=[ada, bob], whole=True), 100, 1)
    start = await place(house)
    await attendances.attend(api.Attendance("one", arrived=[bob, cay, 999], whole=True), 100, 9)
    assert await told(house, start) == [
        api.Presence(cay, online=True),
        api.Presence(ada, online=False, last_seen=9),
    ]


async def test_a_gateway_that_closes_takes_all_with_it(house: House) -> None:
    """All of its users go at once, and it is not known any more; closing again is nothing."""
    ada, bob = await house.add("ada", "bob")
    attendances = Attendances(house.database)
    await attendances.attend(api.Attendance("one", arrived=[ada, bob], whole=True), 100, 1)
    start = await place(house)
    for _ in range(2):
        assert await attendances.attend(api.Attendance("one", closing=True), 100, 3)
    assert await told(house, start) == [
        api.Presence(ada, online=False, last_seen=3),
        api.Presence(bob, online=False, last_seen=3),
    ]
    assert not await attendances.attend(api.Attendance("one"), 100, 4)


async def test_a_gateway_that_says_nothing_is_not_believed_for_ever(house: House) -> None:
    """When its lease is over a sweep ends it, once however many sweep; a sign of life in time keeps it."""
    ada, bob = await house.add("ada", "bob")
    attendances = Attendances(house.database)
    await attendances.attend(api.Attendance("dead", arrived=[ada, bob], whole=True), 100, 1)
    await attendances.attend(api.Attendance("alive", arrived=[bob], whole=True), 100, 1)
    await attendances.attend(api.Attendance("alive"), 200, 90)
    start = await place(house)
    assert await attendances.sweep(100) == 0
    assert sorted(await asyncio.gather(*(attendances.sweep(150) for _ in range(3)))) == [0, 0, 1]
    assert await told(house, start) == [api.Presence(ada, online=False, last_seen=150)]


async def test_a_crowd_may_arrive_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """More users than one statement may have are taken in by several."""
    monkeypatch.setattr("examples.im.data.attendance._CHUNK", 3)
    ids = await house.add(*(f"user{n}" for n in range(10)))
    attendances = Attendances(house.database)
    await attendances.attend(api.Attendance("one", arrived=ids, whole=True), 100, 1)
    assert [each.online for each in await attendances.present(ids)] == [True] * 10
    await attendances.attend(api.Attendance("one", departed=ids[:7]), 100, 1)
    assert [each.online for each in await attendances.present(ids)] == [False] * 7 + [True] * 3
