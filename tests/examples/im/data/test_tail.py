from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from examples.im import api
from examples.im.data import log, tail
from examples.im.data.bulk import Bulk, Old
from examples.im.data.database import Database, DatabaseSettings
from examples.im.data.tail import Tail
from examples.im.data.writer import Writer
from tests.examples.im.data.conftest import House

pytestmark = pytest.mark.real_loop


@pytest.fixture
async def following(house: House) -> AsyncIterator[Tail]:
    """A tail that reads, and looks by itself so rarely that a test would not live to see it."""
    following = Tail(house.database, poll=3600)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(following.run())
        yield following
        task.cancel()


async def texts(feed: AsyncIterator[api.Events], count: int) -> list[str]:
    """The texts of the next messages of a feed."""
    found: list[str] = []
    while len(found) < count:
        page = await anext(feed)
        found += [event.what.text for event in page.items if isinstance(event.what, api.Message)]
    return found


async def test_a_commit_of_this_process_is_told_at_once(house: House, following: Tail) -> None:
    """A feed from now on begins with an empty page that says where, and goes on with what is said."""
    room = await house.room("tea", "ada")
    feed = following.feed(api.Since(api.NOW), silence=3600)
    first = await anext(feed)
    posted = await house.say(room, "ada", "hello")
    page = await anext(feed)
    while not page.items or not isinstance(page.items[-1].what, api.Message):
        page = await anext(feed)
    assert first.items == []
    assert first.seq < posted.seq
    assert page.items[-1] == api.Event(
        posted.seq,
        api.Message(
            posted.seq, room, 1, house.users["ada"], "Ada", posted.client_id, "hello", posted.at
        ),
    )
    assert page.seq == posted.seq


async def test_a_commit_of_another_process_is_found_by_looking(
    house: House, settings: DatabaseSettings
) -> None:
    """What another database object has written, as another process would, arrives although nobody
    woke the tail."""
    room = await house.room("tea", "ada")
    following = Tail(house.database, poll=0.01)
    other = Database(settings)
    writer = Writer(other, house.now)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(following.run())
        feed = following.feed(api.Since(api.NOW))
        await anext(feed)
        await writer.post(api.Post(house.users["ada"], room, "client-1", "from afar"))
        assert await texts(feed, 1) == ["from afar"]
        task.cancel()
    await writer.aclose()
    await other.aclose()


async def test_a_feed_of_the_past_comes_in_pages_and_goes_on_with_the_present(
    house: House,
) -> None:
    """Who was away gets all after their place, in order, once, in pages of the limit; then what is
    new."""
    room = await house.room("tea", "ada")
    place = await house.database.read(log.place)
    for n in range(10):
        await house.say(room, "ada", f"{n}")
    following = Tail(house.database, poll=3600)  # that keeps no page of it, which may have more
    async with asyncio.TaskGroup() as group:
        task = group.create_task(following.run())
        feed = following.feed(api.Since(place, limit=3), silence=3600)
        page = await anext(feed)
        assert len(page.items) <= 3
        found = [event.what.text for event in page.items if isinstance(event.what, api.Message)]
        found += await texts(feed, 10 - len(found))
        await house.say(room, "ada", "10")
        found += await texts(feed, 1)
        assert found == [f"{n}" for n in range(11)]
        task.cancel()


async def test_all_who_follow_get_the_same_page(house: House, following: Tail) -> None:
    """A page is read once, and the same object is given to each of those who have caught up."""
    room = await house.room("tea", "ada")
    feeds = [following.feed(api.Since(api.NOW), silence=3600) for _ in range(5)]
    places = {(await anext(feed)).seq for feed in feeds}
    assert len(places) == 1
    await house.say(room, "ada", "hello")
    pages = [await anext(feed) for feed in feeds]
    assert all(page is pages[0] for page in pages)


async def test_a_page_that_is_kept_no_longer_is_read_again(
    house: House, following: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tail that keeps two pages tells all ten messages to who begins before them."""
    monkeypatch.setattr(tail, "_KEPT", 2)
    room = await house.room("tea", "ada")
    place = await house.database.read(log.place)
    present = following.feed(api.Since(place))
    for n in range(10):  # each in a page of its own, since it is waited for
        await house.say(room, "ada", f"{n}")
        assert await texts(present, 1) == [f"{n}"]
    assert await texts(following.feed(api.Since(place)), 10) == [f"{n}" for n in range(10)]
    assert repr(following).endswith(" 2 pages>")


async def test_silence_is_broken_by_an_empty_page(house: House, following: Tail) -> None:
    """A feed without events gives a sign of life, at the place where it is."""
    feed = following.feed(api.Since(api.NOW), silence=0.01)
    first = await anext(feed)
    assert await anext(feed) == first == api.Events([], first.seq)


async def test_a_place_that_is_not_yet_is_the_end(house: House, following: Tail) -> None:
    """Who has seen more than there is, as before a database was put back, follows from the end, and
    misses nothing that is said from then on."""
    room = await house.room("tea", "ada")
    feed = following.feed(api.Since(10**9))
    assert (await anext(feed)).items == []
    await house.say(room, "ada", "hello")
    assert await texts(feed, 1) == ["hello"]


async def test_old_text_is_no_news(house: House, following: Tail) -> None:
    """What is imported is told to nobody; what is said after it is."""
    room = await house.room("tea", "ada")
    feed = following.feed(api.Since(api.NOW))
    await anext(feed)
    await Bulk(house.database).add([Old("tea", "Tea", "bob@old", "Bob", "long ago", 5)], 1)
    await house.say(room, "ada", "now")
    assert await texts(feed, 1) == ["now"]


async def test_a_feed_may_ask_for_any_number(house: House, following: Tail) -> None:
    """A limit of nothing is one of a single event."""
    room = await house.room("tea", "ada")
    await house.say(room, "ada", "one")
    await house.say(room, "ada", "two")
    assert await texts(following.feed(api.Since(0, limit=0)), 2) == ["one", "two"]
