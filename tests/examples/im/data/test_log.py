from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection

from examples.im import api
from examples.im.data import log
from tests.examples.im.data.conftest import House

pytestmark = pytest.mark.real_loop

EVERYTHING: list[api.Told] = [
    api.Receipt(1, 2, 3, 4),
    api.Presence(2, online=True, last_seen=7),
    api.Typing(1, 2, "Åsa"),
    api.Membership(1, 2, "Åsa", joined=True),
    api.SignedOut(2, "abc"),
]


async def tell(house: House, *what: api.Told, now: int = 1) -> int:
    """Tell, and say at which place it begins."""

    def change(db: Connection) -> int:
        first = log.take(db, len(what))
        log.tell(db, list(enumerate(what, first)), now)
        return first

    return await house.database.write(change)


async def test_what_is_told_is_read_as_it_was(house: House) -> None:
    """Every kind of event comes back equal, at its place and in its order."""
    first = await tell(house, *EVERYTHING)
    read = await house.database.read(log.read, first - 1, None, 100)
    assert read == api.Events(
        [api.Event(seq, what) for seq, what in enumerate(EVERYTHING, first)],
        first + len(EVERYTHING) - 1,
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_of_any_size_tell_everything_once(house: House, limit: int) -> None:
    """Messages and other events that alternate are read in order and completely, page by page."""
    room = await house.room("tea", "ada")
    start = place = await house.database.read(log.place)
    for n in range(5):
        await house.say(room, "ada", f"{n}")
        await tell(house, *EVERYTHING[:2])
    found: list[int] = []
    while (page := await house.database.read(log.read, place, None, limit)).seq > place:
        found += [event.seq for event in page.items]
        place = page.seq
    assert found == list(range(start + 1, start + 16))


async def test_a_page_ends_where_it_is_told_to(house: House) -> None:
    """Nothing beyond `upto` is read, and a place that is not yet is no place to end at."""
    first = await tell(house, *EVERYTHING)
    page = await house.database.read(log.read, first - 1, first + 1, 100)
    assert ([event.seq for event in page.items], page.seq) == ([first, first + 1], first + 1)
    page = await house.database.read(log.read, first + 3, first + 1000, 100)
    assert page.seq == first + 4


async def test_a_transaction_that_fails_leaves_no_event_and_gives_its_places_back(
    house: House,
) -> None:
    """What raises has told nothing; the next one begins where it would have."""

    def change(db: Connection) -> None:
        log.tell(db, [(log.take(db, 1), EVERYTHING[0])], 1)
        raise RuntimeError("changed my mind")

    before = await house.database.read(log.place)
    with pytest.raises(RuntimeError):
        await house.database.write(change)
    assert await tell(house, EVERYTHING[1]) == before + 1


async def test_events_are_forgotten_when_they_are_old(house: House) -> None:
    """A sweep removes what is older than a time, and messages never."""
    room = await house.room("tea", "ada")
    start = await house.database.read(log.place)
    await tell(house, EVERYTHING[0], now=10)
    await house.say(room, "ada", "hello")
    await tell(house, EVERYTHING[1], now=2_000_000)
    assert await house.database.write(log.sweep, 2_000_000) >= 1
    kept = await house.database.read(log.read, start, None, 10)
    assert [type(event.what) for event in kept.items] == [api.Message, api.Presence]


async def test_places_become_visible_in_their_order(house: House) -> None:
    """While many write at once, whoever has read up to a place finds nothing new below it later."""
    room = await house.room("tea", "ada")
    place = start = await house.database.read(log.place)
    found: list[int] = []

    async def write() -> None:
        for n in range(20):
            await house.say(room, "ada", f"{n}")
            await tell(house, EVERYTHING[0])

    writing = asyncio.gather(*(write() for _ in range(5)))
    while not writing.done():
        page = await house.database.read(log.read, place, None, 50)
        found += [event.seq for event in page.items]
        place = page.seq
    await writing
    everything: list[int] = []
    while (page := await house.database.read(log.read, start, None, 500)).seq > start:
        everything += [event.seq for event in page.items]
        start = page.seq
    assert len(everything) == 200
    assert found == everything[: len(found)]
    assert found
